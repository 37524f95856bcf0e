"""``louver audit``: the log, for auditors. Tables on a terminal, CSV or JSON in a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from louver.cli.drawing import EXIT_UNPROVEN
from louver.cli.export import Format, chosen_format, csv_lines
from louver.cli.receipts import visible_json
from louver.cli.session import Session, ending, print_table, write_bytes
from louver.display import visible
from louver.failures import Misused

if TYPE_CHECKING:
    from louver.audit import AuditClient, AuditEntry

app = typer.Typer(help="Read the log as an auditor: search, prove, replay, verify, witness.", no_args_is_help=True)

Shape = Annotated[Format | None, typer.Option("--format", help="table, json or csv; table on a terminal, else csv.")]
Several = list[str] | None
Index = Annotated[int, typer.Argument(min=0, help="The entry's index in the log.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file.")]
Kind = Annotated[Several, typer.Option(help="admission, outcome, refusal, explain, audit_look, ...; repeatable.")]
Institution = Annotated[Several, typer.Option(help="Who asked; repeatable, like all but times, costs and text.")]
Purpose = Annotated[Several, typer.Option(help="What for.")]
Dataset = Annotated[Several, typer.Option(help="What of, such as gov.tax_credit.")]
Verdict = Annotated[Several, typer.Option(help="admitted, answered, refused, aborted or explained.")]
Code = Annotated[Several, typer.Option(help="A refusal's code, such as LVR-2101.")]
Treatment = Annotated[Several, typer.Option(help="exact, threshold, dp, ...")]
LeastCost = Annotated[int | None, typer.Option(min=0, help="Units of access budget, at least.")]
MostCost = Annotated[int | None, typer.Option(min=0, help="Units of access budget, at most.")]
Since = Annotated[str, typer.Option(help="From this day (YYYY-MM-DD, UTC) or moment on.")]
Until = Annotated[str, typer.Option(help="Before this day or moment.")]
Text = Annotated[str, typer.Option("--text", help="Words that all stand in the SQL; tax* is any that begins so.")]
RequestId = Annotated[str, typer.Option(help="Of this request.")]

_NAMES = (
    "index",
    "time",
    "kind",
    "verdict",
    "institution",
    "purpose",
    "code",
    "treatment",
    "datasets",
    "cost",
    "sql",
)
_CHINESE = dict(
    zip(
        _NAMES, ("序号", "时间", "类别", "结论", "机构", "目的", "代码", "方式", "数据集", "费用", "SQL"), strict=True
    )
)
_WORDS = {
    "facet": "类目",
    "value": "取值",
    "entries": "条目数",
    "day": "日期",
    "amount": "支出",
    "total": "累计",
    "charges": "笔数",
    "window": "周期",
    "spent": "已支出",
} | _CHINESE


def _headings(names: Sequence[str], language: str) -> list[str]:
    return [_WORDS.get(name, name) for name in names] if language == "zh" else list(names)


def connect_log(session: Session) -> AuditClient:
    """The auditor's client with these options."""
    from louver.audit import connect

    return connect(
        session.target,
        profile=session.profile,
        certificate=session.certificate,
        key=session.key,
        ca=session.ca,
        log_key=session.log_key,
        timeout=session.timeout,
        verify=session.verify,
    )


def chosen_form(shape: Format | None) -> Format:
    """The format asked for. Raises ``Misused`` for Arrow."""
    if shape is Format.ARROW:
        raise Misused("the log is not written as Arrow", "--format table, json or csv")
    return chosen_format(shape, None, sys.stdout.isatty())


def _row(entry: AuditEntry, form: Format) -> tuple[object, ...]:
    values = asdict(entry) | {"datasets": " ".join(entry.datasets)}
    if form is Format.TABLE:
        values |= {"time": entry.time[:19], "sql": " ".join(entry.sql.split())[:80]}
    return tuple(values[name] for name in _NAMES)


def write_rows(names: Sequence[str], rows: Iterable[tuple[object, ...]], form: Format, language: str) -> None:
    """A table for people; JSON and CSV under the English names, which do not change with the language."""
    found: list[Any] = list(rows)
    if form is Format.JSON:
        objects = [dict(zip(names, row, strict=True)) for row in found]
        typer.echo(json.dumps(objects, ensure_ascii=False, indent=1))
    elif form is Format.CSV:
        typer.echo(csv_lines([tuple(names), *found]), nl=False)
    else:
        print_table(_headings(names, language), found)


def _wanted(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, by their names in `louver.audit.client.entry_filter`."""
    return {name: value for name, value in given.items() if value not in (None, "", [])}


@app.command()
def search(
    context: typer.Context,
    kind: Kind = None,
    institution: Institution = None,
    purpose: Purpose = None,
    dataset: Dataset = None,
    verdict: Verdict = None,
    code: Code = None,
    treatment: Treatment = None,
    least_cost: LeastCost = None,
    most_cost: MostCost = None,
    since: Since = "",
    until: Until = "",
    text: Text = "",
    request_id: RequestId = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="In the log's order.")] = False,
    counts: Annotated[bool, typer.Option("--counts", help="How many there are, by facet, instead of them.")] = False,
    shape: Shape = None,
) -> None:
    """Find entries by what they say; the newest first. Every search is itself an entry.

    Example: louver audit search --verdict refused --institution bank_a --since 2026-07-01 --text "tax_credit"
    """
    session: Session = context.obj
    wanted = _wanted(
        {
            "kind": kind,
            "institution": institution,
            "purpose": purpose,
            "dataset": dataset,
            "verdict": verdict,
            "code": code,
            "treatment": treatment,
            "least_cost": least_cost,
            "most_cost": most_cost,
            "since": since,
            "until": until,
            "text": text,
            "request_id": request_id,
        }
    )
    with ending(session.language):
        form = chosen_form(shape)
        with connect_log(session) as log:
            if counts:
                found = log.count(**wanted)
                rows = [(facet, value, n) for facet, values in found.facets.items() for value, n in values]
                write_rows(("facet", "value", "entries"), rows, form, session.language)
                typer.echo(f"({'' if found.exact else '>= '}{found.matched})", err=True)
                return
            entries = log.search(limit, ascending=oldest_first, **wanted)
            write_rows(_NAMES, (_row(entry, form) for entry in entries), form, session.language)


@app.command()
def show(context: typer.Context, index: Index, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show one entry whole, once its proof has been checked here.

    Example: louver audit show 1742
    """
    session: Session = context.obj
    with ending(session.language):
        with connect_log(session) as log:
            found = log.show(index)
        proven = found.head is not None
        if as_json:
            said = {
                "index": index,
                "proven": proven,
                "entry": dict(found.fields),
                "sql": found.entry.sql,
                "covered": found.covered,
                "erased": found.erased,
                "pruned_by": found.pruned_by,
                "related": [asdict(one) for one in found.related],
            }
            typer.echo(json.dumps(said, ensure_ascii=False, indent=1))
            return
        typer.echo(visible_json(json.dumps(dict(found.fields), ensure_ascii=False, sort_keys=True).encode()))
        if found.entry.sql:
            typer.echo("\n".join(map(visible, found.entry.sql.split("\n"))))
        chinese = session.language == "zh"
        notes = {
            "part of the SQL is not shown: it may name somebody": (
                "SQL 中可能指明个人或企业的内容未显示",
                found.covered,
            ),
            "the SQL was erased": ("SQL 已被清除", found.erased and found.pruned_by is None),
            f"it was pruned, as entry {found.pruned_by} says; its leaf is proved": (
                f"已清理（见条目 {found.pruned_by}），其叶子哈希仍可证明",
                found.pruned_by is not None,
            ),
        }
        for english, (translated, said_so) in notes.items():
            if said_so:
                typer.echo(translated if chinese else english, err=True)
        for one in found.related:
            typer.echo(f"-> {one.index}  {visible(one.kind)}  {visible(one.time)}", err=True)
        head = found.checkpoint.claimed
        words = ("已证明", "未证明") if chinese else ("proven", "NOT proven")
        where = f"{visible(head.origin)}, {head.size}"
        typer.echo(f"{words[0] if proven else words[1]}: {index} / {where}", err=True)


@app.command()
def tail(
    context: typer.Context,
    kind: Kind = None,
    institution: Institution = None,
    dataset: Dataset = None,
    verdict: Verdict = None,
    code: Code = None,
    text: Text = "",
    start: Annotated[int | None, typer.Option(min=0, help="From this index on; default: what comes.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="End after so many; 0 is never.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print entries as they come, a line each, until Ctrl-C.

    Example: louver audit tail --verdict refused --json | jq .code
    """
    session: Session = context.obj
    given = {"kind": kind, "institution": institution, "dataset": dataset, "verdict": verdict, "code": code}
    wanted = _wanted(given | {"text": text})
    with ending(session.language), connect_log(session) as log:
        for number, entry in enumerate(log.tail(start, **wanted), 1):
            if as_json:
                typer.echo(json.dumps(asdict(entry), ensure_ascii=False))
            else:
                cells = (entry.index, entry.time[:19], entry.verdict or entry.kind, entry.institution, entry.code)
                sql = " ".join(entry.sql.split())[:80]
                typer.echo("  ".join(visible(str(cell)) for cell in (*cells, sql) if cell != ""))
            sys.stdout.flush()
            if number == limit:
                return


@app.command()
def spending(
    context: typer.Context,
    institution: Annotated[str, typer.Option(help="Of this institution; * is all together.")] = "",
    dataset: Annotated[str, typer.Option(help="Of this dataset.")] = "",
    kind: Annotated[str, typer.Option(help="query, predicate, ..., privacy:person, ...")] = "",
    since: Annotated[str, typer.Option(help="From this Beijing day on.")] = "",
    until: Annotated[str, typer.Option(help="Before this Beijing day.")] = "",
    shape: Shape = None,
) -> None:
    """Show what was spent of every budget, day by day: units, or rho exactly.

    Example: louver audit spending --institution bank_a --kind query --since 2026-07-01 --format csv
    """
    session: Session = context.obj
    names = ("institution", "dataset", "purpose", "kind", "day", "amount", "total", "charges")
    with ending(session.language):
        form = chosen_form(shape)
        with connect_log(session) as log:
            days = log.spending(institution=institution, dataset=dataset, kind=kind, since=since, until=until)
        write_rows(names, (tuple(asdict(day)[name] for name in names) for day in days), form, session.language)


@app.command()
def replay(context: typer.Context, index: Index) -> None:
    """Have the decision behind an entry made again from the log; exits with 4 and the difference if it is another.

    Example: louver audit replay 1742
    """
    session: Session = context.obj
    with ending(session.language):
        with connect_log(session) as log:
            found = log.replay(index)
        names = sorted({*found.recorded, *found.found})
        rows = [(name, found.recorded.get(name), found.found.get(name)) for name in names]
        chinese = session.language == "zh"
        heads = ["", "日志", "重放"] if chinese else ["", "log", "replay"]
        print_table(heads, [tuple(row) for row in rows])
        if not found.same:
            typer.echo("重放结果与日志不一致" if chinese else "DIFFERS from what was logged", err=True)
            raise typer.Exit(EXIT_UNPROVEN)
        typer.echo("与日志一致" if chinese else "the same decision", err=True)


@app.command()
def proof(context: typer.Context, index: Index, output: Output = None) -> None:
    """Download an entry with its proof as a C2SP tlog-proof, which `louver audit verify` checks offline.

    Example: louver audit proof 1742 -o 1742.tlog-proof
    """
    session: Session = context.obj
    with ending(session.language):
        with connect_log(session) as log:
            found = log.show(index)
        write_bytes(found.file, output)


@app.command()
def export(context: typer.Context, file: Annotated[Path, typer.Argument(help="A new file.")]) -> None:
    """Download the whole log as one file, which `louver audit verify` checks offline. It holds no SQL.

    Example: louver audit export log-2026-07.jsonl
    """
    session: Session = context.obj
    with ending(session.language):
        try:
            target = file.open("xb")
        except FileExistsError:
            raise Misused(f"{file} exists already") from None
        except OSError:
            raise Misused(f"cannot write {file}") from None
        with target, connect_log(session) as log:
            size = log.export(target)
        typer.echo(f"{file}: {size} bytes", err=True)


@app.command()
def head(
    context: typer.Context,
    cosigned: Annotated[bool, typer.Option("--cosigned", help="The newest that a witness has cosigned.")] = False,
    output: Output = None,
) -> None:
    """Print the log's newest signed checkpoint (C2SP); keep it elsewhere and give it to `verify --anchor`.

    Example: louver audit head -o 2026-07-01.checkpoint
    """
    session: Session = context.obj
    with ending(session.language):
        with connect_log(session) as log:
            found = log.checkpoint(cosigned=cosigned)
        write_bytes(found.to_bytes(), output)
