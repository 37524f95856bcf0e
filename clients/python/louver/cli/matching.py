"""`louver match`: one's own ids against a list, and the feedback on a hit."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from louver.cli.export import Format, chosen_format, csv_lines
from louver.cli.session import Session, ending, print_table, read_text, showing_progress, write_bytes
from louver.display import visible
from louver.failures import Misused, missing_extra
from louver.matching.asking import MATCH_SECONDS, MODES
from louver.matching.results import Match
from louver.privacy import PrivacyLoss
from louver.results import Accuracy

File = Annotated[
    Path | None,
    typer.Argument(help="Your ids: .csv, .parquet, or a text with one a line; `-` reads that.", show_default=False),
]
ListName = Annotated[str | None, typer.Option("--list", help="TABLE/LIST, such as gov.credit_list/black.")]
Purpose = Annotated[str | None, typer.Option(help="What the match is for, such as POST_LOAN.")]
Mode = Annotated[str, typer.Option(help="hits: your ids that are on the list; count or sum: one number with noise.")]
Column = Annotated[str | None, typer.Option(help="The column of a file with several that holds the ids.")]
Amount = Annotated[str | None, typer.Option(help="The column of amounts, for --mode sum.")]
Largest = Annotated[
    str | None,
    typer.Option(help="Bound of amounts, which noise is for.", show_default=False),
]
Scale = Annotated[int, typer.Option(min=0, max=6, help="Decimal places of amounts: 2 for yuan and fen.")]
Shape = Annotated[Format | None, typer.Option("--format", help="Default: table on a terminal, else csv.")]
Authorisations = Annotated[
    Path | None,
    typer.Option(help="A text with ids of authorisations, one a line, by persons among yours.", show_default=False),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file; its ending picks the format.")]


def match(
    context: typer.Context,
    file: File = None,
    list_: ListName = None,
    purpose: Purpose = None,
    mode: Mode = "hits",
    column: Column = None,
    amount: Amount = None,
    scale: Scale = 2,
    largest: Largest = None,
    shape: Shape = None,
    output: Output = None,
    authorisations: Authorisations = None,
    receipt: Annotated[Path | None, typer.Option(help="Save the receipt to a file.")] = None,
    lists: Annotated[bool, typer.Option("--lists", help="Say which lists you may match against, and stop.")] = False,
) -> None:
    """Match your own ids against a government list; ids leave this machine blinded only.

    Mode hits prints those of your ids that are on the list, with what it says of them; the platform learns nothing of
    either. Modes count and sum print one number with noise. Every id counts towards your limits, in every match.

    Example: louver match book.csv --column id_no --list gov.credit_list/black --purpose POST_LOAN
    """
    session: Session = context.obj
    with ending(session.language):
        if lists:
            _print_lists(session, shape)
            return
        form = _form(shape, output)
        if file is None or list_ is None:
            raise Misused("a match needs a file of ids and --list", "louver match --lists says which lists there are")
        if mode not in MODES:
            raise Misused(f"there is no mode {mode}", f"one of {', '.join(MODES)}")
        if (mode == "sum") is not (amount is not None):
            raise Misused("--amount and --mode sum belong together", "name the column of amounts")
        bound = None if largest is None else _whole(largest, scale, "--largest")
        ids, amounts = read_ids(file, column, amount, scale)
        brought = [] if authorisations is None else read_text(authorisations).split()
        with session.connect_to_ask(purpose) as client, showing_progress("matching") as progress:
            seconds = MATCH_SECONDS if session.timeout is None else session.timeout
            found = client.match(
                ids,
                list=list_,
                mode=mode,
                amounts=amounts if amount else None,
                largest=bound,
                authorisations=brought,
                timeout=seconds,
                progress=progress,
            )
        if receipt is not None:
            write_bytes(found.receipt.to_bytes(), receipt)
        _write(found, form, output, scale)
        typer.echo(visible(summary(found, session.language)), err=True)
        if found.accuracy is not None:
            typer.echo(visible(f"({_exact(found, scale, session.language)})"), err=True)


def report_measure(
    context: typer.Context,
    request_id: Annotated[str, typer.Argument(help="The match that gave the hit, as its summary says.")],
    subject: Annotated[str, typer.Argument(help="The id that was hit.")],
    list_: Annotated[str, typer.Option("--list", help="The list that was matched.")],
    measure: Annotated[str, typer.Option(help="The measure's code, such as 2.01.")],
    taken_on: Annotated[str, typer.Option(help="The day it was taken: 2026-07-01; today by default.")] = "",
    note: Annotated[str, typer.Option(help="Anything else that shall stand in the log.")] = "",
) -> None:
    """Report the measure you have taken on a hit (联合奖惩反馈). This tells the platform the subject.

    Example: louver report-measure 25e780f3-9b12-4a16-8216-cef387996049 91370295MAAQ4FJK69 --list gov.credit_list/black --measure 2.04
    """  # noqa: E501 - a command to paste
    session: Session = context.obj
    with ending(session.language):
        try:
            day = date.fromisoformat(taken_on) if taken_on else date.today()
        except ValueError:
            raise Misused(f"{taken_on} is no day", "write it as 2026-07-01") from None
        with session.connect() as client:
            index = client.report_measure(
                request_id, list=list_, subject=subject, measure=measure, taken_on=day, note=note
            )
        typer.echo(f"log entry {index}")


def read_ids(file: Path, column: str | None, amount: str | None, scale: int) -> tuple[Sequence[str], Sequence[int]]:
    """The ids of a file, and the amounts beside them in whole smallest units. Raises ``Misused``."""
    if file.suffix.lower() == ".parquet":
        names, rows = _parquet(file)
    else:
        text = sys.stdin.read() if str(file) == "-" else read_text(file)
        names, rows = _csv(text) if file.suffix.lower() == ".csv" else _lines(text)
    place = _place(names, column)
    amounts = [0] * len(rows)
    if amount is not None:
        where = _place(names, amount)
        amounts = [_whole(row[where], scale, f"row {number}") for number, row in enumerate(rows, 1)]
    return [str(row[place] if row[place] is not None else "") for row in rows], amounts


def _lines(text: str) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
    return ("id",), [(line.strip(),) for line in text.splitlines() if line.strip()]


def _csv(text: str) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
    rows = [row for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"))) if row]
    if not rows:
        raise Misused("the file is empty")
    wrong = next((number for number, row in enumerate(rows, 1) if len(row) != len(rows[0])), None)
    if wrong is not None:
        raise Misused(f"row {wrong} has another number of fields than the header")
    return rows[0], rows[1:]


def _parquet(file: Path) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
    try:
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise missing_extra("pyarrow", "arrow") from None
    try:
        table = pq.read_table(file)
    except (OSError, ValueError):
        raise Misused(f"cannot read {file} as Parquet") from None
    return table.column_names, list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _place(names: Sequence[str], wanted: str | None) -> int:
    if wanted is None and len(names) == 1:
        return 0
    if wanted is None:
        raise Misused(f"the file has the columns {', '.join(map(visible, names))}", "say --column, which has the ids")
    if wanted not in names:
        raise Misused(f"the file has no column {wanted}", f"it has {', '.join(map(visible, names))}")
    return names.index(wanted)


def _whole(value: object, scale: int, where: str) -> int:
    """An amount in smallest units; an empty cell is nothing."""
    if value is None or value == "":
        return 0
    try:
        scaled = Decimal(str(value)).scaleb(scale)
        if scaled == scaled.to_integral_value() and scaled >= 0:
            return int(scaled)
    except InvalidOperation:
        pass
    raise Misused(f"{where} has no amount of {scale} decimal places, 0 or more", "say --scale")


def _form(shape: Format | None, output: Path | None) -> Format:
    form = chosen_format(shape, output, sys.stdout.isatty())
    if form is Format.ARROW:
        raise Misused("a match is written as table, csv or json", "say --format csv")
    return form


def _print_lists(session: Session, shape: Format | None) -> None:
    with session.connect() as client:
        found = client.lists()
    form = _form(shape, None)
    if form is Format.JSON:
        typer.echo(json.dumps([asdict(item) for item in found], ensure_ascii=False, indent=1))
        return
    names = ["list", "title", "owner", "modes", "purposes", "shows", "ids at least", "ids a day", "ids a month", "persons"]  # fmt: skip  # noqa: E501
    rows: list[tuple[object, ...]] = [
        (
            item.list,
            item.title,
            item.owner,
            " ".join(item.modes),
            " ".join(item.purposes),
            " ".join(item.columns),
            item.minimum_batch,
            item.ids_per_day,
            item.ids_per_month,
            item.persons or "left out",
        )
        for item in found
    ]
    if form is Format.CSV:
        typer.echo(csv_lines([tuple(names), *rows]), nl=False)
    else:
        print_table(names, [*rows])


def _write(found: Match, form: Format, output: Path | None, scale: int) -> None:
    if form is Format.JSON:
        write_bytes(f"{as_json(found)}\n".encode(), output)
        return
    names, rows = _table(found, scale)
    if form is Format.TABLE and output is None:
        print_table(names, rows)
    else:
        write_bytes(csv_lines([tuple(names), *rows]).encode(), output)


def _table(found: Match, scale: int) -> tuple[list[str], list[tuple[object, ...]]]:
    if found.mode == "hits":
        return ["id", *found.columns], list(found.rows)
    value = found.value if found.mode == "count" or found.value is None else Decimal(found.value).scaleb(-scale)
    return [found.mode], [(value,)]


def as_json(found: Match) -> str:
    """A match with everything that was said about it; a sum in whole smallest units."""
    document = {
        "request_id": found.request_id,
        "list": found.list,
        "mode": found.mode,
        "day": found.day,
        "match_set": found.set_sha256,
        "ids": found.ids,
        "skipped": found.skipped,
        "hits": [{"id": hit.id, **hit.values} for hit in found.hits],
        "value": found.value,
        "accuracy": None if found.accuracy is None else _exactness(found.accuracy),
        "largest": found.largest,
        "privacy": [
            {
                "dataset": one.dataset,
                "unit": one.unit,
                "epsilon": str(one.cost.epsilon),
                "left": str(one.left.epsilon),
            }
            for one in found.privacy
        ],
        "cost": dict(found.cost),
        "remaining": dict(found.remaining),
        "policies": list(found.policies),
        "verified": found.proof is not None,
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def _exact(found: Match, scale: int, language: str) -> str:
    """How exact the number is, a sum's in the unit in which it is shown."""
    if found.accuracy is None or found.mode != "sum" or found.accuracy.below is None:
        return "" if found.accuracy is None else found.accuracy.text(language)
    far = found.accuracy.below.scaleb(-scale)
    if language == "zh":
        return f"100 次比对中有 95 次，真实合计与所示数值相差不超过 {far:f}"
    return f"in 95 of 100 matches the true sum is within {far:f} of the one shown"


def _spent(one: PrivacyLoss, chinese: bool) -> str:
    """What the number cost of privacy, for one kind of subject."""
    if one.free:
        return "同一批次，隐私预算不再扣除" if chinese else f"the same batch again: no epsilon of {one.dataset}"
    return (
        f"{one.dataset}（{one.unit}）隐私预算 {one.cost.epsilon:f}"
        if chinese
        else f"epsilon {one.cost.epsilon:f} of {one.dataset} ({one.unit})"
    )


def _exactness(accuracy: Accuracy) -> dict[str, object]:
    """In numbers where there are such, and in words."""
    figures = {name: getattr(accuracy, name) for name in ("standard_error", "below", "above", "relative_error")}
    return {
        **{name: None if figure is None else str(figure) for name, figure in figures.items()},
        "message": accuracy.message,
    }


def summary(found: Match, language: str) -> str:
    """One line for a person, on standard error."""
    chinese = language == "zh"
    parts = [f"{found.ids} 个标识" if chinese else f"{found.ids} ids"]
    if found.skipped:
        parts.append(f"{found.skipped} 个值不是标识，未比对" if chinese else f"{found.skipped} values were no ids")
    if found.mode == "hits":
        number = len({hit.id for hit in found.hits})
        parts.append(f"{number} 个命中" if chinese else f"{number} on the list")
    else:
        parts += [_spent(one, chinese) for one in found.privacy]
    parts.append(("回执已验证" if chinese else "receipt verified") if found.proof else
                 ("回执未验证" if chinese else "receipt not verified"))  # fmt: skip
    return (
        f"({'，'.join(parts)}；{found.request_id})" if chinese else f"({', '.join(parts)}; match {found.request_id})"
    )
