"""`louver-sandbox log`: the query log for operators and auditors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from louver.transparency import Checkpoint
from louver_sandbox.accounting import history
from louver_sandbox.audit.entries import Entry
from louver_sandbox.audit.export import export_log
from louver_sandbox.audit.log import MAX_PAGE
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.auditing import index
from louver_sandbox.operator import retention
from louver_sandbox.operator.output import Home, explained, fail
from louver_sandbox.premises import open_books, utc_now
from louver_sandbox.retention import holds
from louver_sandbox.settings import load
from louver_sandbox.store import State, StoreBusy

app = typer.Typer(help="The query log: verify it, export it, prune it, hold it, erase a text.", no_args_is_help=True)
retention.register(app)


@app.command("head")
def head(home: Home = Path("louver-home")) -> None:
    """Print the newest signed checkpoint (C2SP); keep copies elsewhere and give them to `log verify --anchor`.

    Example: louver-sandbox log head > 2026-07-01.checkpoint
    """
    with explained():
        settings = load(home)
        with State.open(settings.state) as state:
            typer.echo(open_books(settings, state, utc_now).log.head().to_bytes().decode(), nl=False)


@app.command("verify")
def verify(
    home: Home = Path("louver-home"),
    log_key: Annotated[str, typer.Option(help="The log's public key; default: the installation's log.pub.")] = "",
    file: Annotated[Path | None, typer.Option(help="Verify an export instead of the installation's log.")] = None,
    anchor: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint kept elsewhere, which the log must extend; repeatable.")
    ] = None,
) -> None:
    """Recompute every leaf and node of the log and check every signed head; names the first entry that is wrong.

    With --file and --log-key it needs no installation: this is what an auditor runs.
    """
    with explained():
        key = log_key or (load(home).home / "log.pub").read_text(encoding="utf-8").strip()
        anchors = [Checkpoint.parse(path.read_bytes()) for path in anchor or ()]
        if file is not None:
            report = verify_log(file, key, anchors)
        else:
            with State.open(load(home).state) as state:
                report = verify_log(state, key, anchors)
        if not report.ok:
            raise fail(*map(str, report.findings))
        typer.echo(f"{report.size} entries, every leaf, node and signed head holds")
        if report.pruned:
            typer.echo(f"{report.pruned} of them were pruned, and what is left of each is what an entry says")


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    home: Home = Path("louver-home"),
) -> None:
    """Write the whole log into one file that an auditor can verify with the log's key alone. It holds no SQL.

    Example: louver-sandbox log export audit.jsonl
    """
    with explained():
        settings = load(home)
        with State.open(settings.state) as state, file.open("xb") as target:
            lines = 0
            for line in export_log(state, settings.origin):
                target.write(line)
                lines += 1
        typer.echo(f"{lines} lines in {file}")


@app.command("findings")
def findings(
    home: Home = Path("louver-home"),
    institution: Annotated[str, typer.Option(help="Of this institution only.")] = "",
) -> None:
    """List the admitted questions that tell more together with earlier ones than alone, one finding a line.

    Each line holds the admission's index, its time, the institution, the pattern, the dataset, and the earlier
    question with the index of its admission. No SQL is shown.

    Example: louver-sandbox log findings --institution bank_a
    """
    with explained():
        settings = load(home)
        with State.open(settings.state) as state:
            log = open_books(settings, state, utc_now).log
            start = 0
            while page := log.entries(start, MAX_PAGE, kind="admission", institution=institution or None):
                for line in (line for entry in page for line in _findings(entry)):
                    typer.echo(line)
                start = page[-1].index + 1


def _findings(entry: Entry) -> Iterator[str]:
    fields: Mapping[str, Any] = entry.fields
    for found in fields.get("history", ()):
        where = f"{entry.index}  {fields['time']}  {fields['institution']}  {found['pattern']}  {found['dataset']}"
        earlier = f"  with {found['earlier']}" if "earlier" in found else ""
        logged = f" (entry {found['admission']})" if "admission" in found else ""
        detail = f"  {found['detail']}" if "detail" in found else ""
        yield f"{where}{earlier}{logged}{detail}"


@app.command("erase")
def erase(
    entry: Annotated[int, typer.Argument(help="The entry's index.")],
    field: Annotated[str, typer.Option(help="Which text: sql or parameters.")],
    home: Home = Path("louver-home"),
) -> None:
    """Forget a text behind an entry for ever, as the law may demand; the entry and every proof stay valid.

    The act is logged. Entries that repeat the same commitment lose the text with it, and what the question selected
    is no longer compared with later ones.
    """
    with explained():
        settings = load(home)
        with State.open(settings.state) as state:
            books = open_books(settings, state, utc_now)
            asked, kept = books.log.entry(entry), books.log.open(entry).get(field)
            who, request = str(asked.fields.get("institution", "")), str(asked.fields.get("request_id", ""))
            with state.transaction() as tx:
                try:
                    holds.demand_free(tx, entry)
                except holds.Held as held:
                    raise fail(str(held)) from None
                books.log.erased(tx, entry, field)
                if kept is not None and field == "sql":
                    index.forget(tx, index.entries_with(tx, who, request, asked.commitments[field]), kept.text)
                history.forget(tx, who, request)
            typer.echo(f"the {field} of entry {entry} is erased")
            try:
                state.scrub()
            except StoreBusy:
                raise fail(
                    "a copy of it is left in the state store's write-ahead file, which a running service is reading",
                    "run `louver-sandbox log scrub`, or stop the service once: the file is emptied when it closes",
                ) from None


@app.command("index")
def index_again(home: Home = Path("louver-home")) -> None:
    """Make what auditors search by anew from the log. Stop the service first; it would wait meanwhile."""
    with explained(), State.open(load(home).state) as state:
        index.clear(state)
        taken = 0
        while found := index.catch_up(state, 20_000):
            taken += found
        typer.echo(f"{taken} entries are in the auditors' index")


@app.command("scrub")
def scrub(home: Home = Path("louver-home")) -> None:
    """Empty the state store's write-ahead file, so that no copy of an erased text is left in it."""
    with explained(), State.open(load(home).state) as state:
        state.scrub()
        typer.echo("the write-ahead file is empty")
