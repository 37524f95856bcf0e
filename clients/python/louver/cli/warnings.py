"""``louver warnings``: flags of borrowers after the loan, under their authorisations."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from louver.cli.session import Session, ending, print_table
from louver.display import visible
from louver.failures import Misused
from louver.warnings import Borrower, Notice

app = typer.Typer(
    help="Flags of borrowers after the loan (贷后预警), under their authorisations.", no_args_is_help=True
)
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]
Purpose = Annotated[str | None, typer.Option(help="What it is for, such as POST_LOAN.")]
After = Annotated[str, typer.Option(help="The id of the last notice that you have had.")]


@app.command()
def templates(context: typer.Context, as_json: AsJson = False) -> None:
    """List the warnings that you may subscribe to, with their flags.

    Example: louver warnings templates
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            found = client.warnings.templates()
        if as_json:
            _print_json([asdict(one) for one in found])
            return
        rows = [
            (one.name, one.title, one.subject, " ".join(one.purposes), field.name, field.title)
            for one in found
            for field in one.fields
        ]
        print_table(["warning", "title", "about", "purposes", "flag", "means"], [*rows])


@app.command()
def subscribe(
    context: typer.Context,
    template: Annotated[str, typer.Argument(help="The warning, as id@version.")],
    subject: Annotated[
        str | None, typer.Argument(help="The number of the firm or person.", show_default=False)
    ] = None,
    authorisation: Annotated[str, typer.Option("--authorisation", "-a", help="The id of its authorisation.")] = "",
    until: Annotated[str, typer.Option(help="The day on which the loan is settled, such as 2027-06-30.")] = "",
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A CSV of subject,authorisation,until instead.")
    ] = None,
    purpose: Purpose = None,
    request_id: Annotated[str | None, typer.Option(help="Repeat a subscription: the same one.")] = None,
) -> None:
    """Subscribe to a warning about a borrower, or about all that a file lists; prints the ids.

    Example: louver warnings subscribe post-loan-warning@1 913702000000000000 -a 5f2c... --until 2027-06-30
    """
    session: Session = context.obj
    with ending(session.language):
        if (subject is None) is (file is None):
            raise Misused("one borrower or a file of them", "louver warnings subscribe ... --file borrowers.csv")
        with session.connect_to_ask(purpose) as client:
            if file is not None:
                for made in client.warnings.subscribe_all(template, _borrowers(file)):
                    typer.echo(made.id)
                return
            day = _day(until)
            made = client.warnings.subscribe(
                template, str(subject), authorisation=authorisation, until=day, request_id=request_id
            )
            typer.echo(made.id)


@app.command("list")
def listed(context: typer.Context, as_json: AsJson = False) -> None:
    """List your subscriptions in the order they were made. What has come up, `louver warnings poll` tells.

    Example: louver warnings list --json
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            found = list(client.warnings.list())
        if as_json:
            _print_json([asdict(one) for one in found])
            return
        rows = [(s.id, s.template, s.subject, s.authorisation, str(s.until), s.created, s.cancelled) for s in found]
        print_table(["id", "warning", "subject", "authorisation", "until", "made", "cancelled"], [*rows])


@app.command()
def cancel(
    context: typer.Context, subscription: Annotated[str, typer.Argument(help="The id of the subscription.")]
) -> None:
    """End a subscription of yours.

    Example: louver warnings cancel 5f0c6a52-6a0e-4f6c-9a55-5b1f0c8f2d11
    """
    session: Session = context.obj
    with ending(session.language), session.connect() as client:
        client.warnings.cancel(subscription)


@app.command()
def poll(context: typer.Context, after: After = "", as_json: AsJson = False) -> None:
    """Show the notices after one that you have had; the receipt is checked.

    Example: louver warnings poll --after 0d2a4f0e-2c53-4a0b-8a39-1f0a5a7a1b22
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            found = client.warnings.poll(after)
        if as_json:
            _print_json([asdict(one) for one in found])
            return
        rows = [
            (one.id, one.subscription, " ".join(one.raised), " ".join(one.cleared), one.made.isoformat())
            for one in found
        ]
        print_table(["notice", "subscription", "raised", "cleared", "made"], [*rows])


@app.command()
def stream(context: typer.Context, after: After = "") -> None:
    """Print notices as they come up, a line of JSON each, until it is stopped.

    Example: louver warnings stream >> notices.jsonl
    """
    session: Session = context.obj
    with ending(session.language), session.connect() as client:
        for found in client.warnings.stream(after):
            for line in _lines(found):
                typer.echo(line)


@app.command()
def webhook(
    context: typer.Context,
    url: Annotated[
        str | None, typer.Argument(help="https://...; its host is one that the operator allows you.")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Post nothing any more.")] = False,
) -> None:
    """Say where notices are posted, or show it.

    Example: louver warnings webhook https://hooks.bank-a.example/louver
    """
    session: Session = context.obj
    with ending(session.language), session.connect() as client:
        if off or url is not None:
            client.warnings.set_webhook("" if off or url is None else url)
        typer.echo(visible(client.warnings.webhook() or "notices are posted nowhere"))


def _lines(notices: Iterable[Notice]) -> Iterator[str]:
    for one in notices:
        yield json.dumps(asdict(one), ensure_ascii=False, default=str)


def _borrowers(file: Path) -> Iterator[Borrower]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise Misused(f"cannot read {file}") from None
    reader = csv.DictReader(text.splitlines())
    if set(reader.fieldnames or ()) != {"subject", "authorisation", "until"}:
        raise Misused("the file has the columns subject, authorisation, until")
    for row in reader:
        yield Borrower(row["subject"] or "", row["authorisation"] or "", _day(row["until"] or ""))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Misused("the last day is written as 2027-06-30", "louver warnings subscribe ... --until DAY") from None


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1, default=str))
