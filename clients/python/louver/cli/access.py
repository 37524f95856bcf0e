"""``louver access``: columns that you ask departments to open, and what became of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from louver.access import AccessRequest
from louver.cli.session import Session, ending, print_table, read_text
from louver.display import visible
from louver.failures import Misused

app = typer.Typer(help="Ask departments for access, and see what became of it.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]
Identity = Annotated[str, typer.Argument(help="The request's id.")]


@app.command("request")
def request(
    context: typer.Context,
    table: Annotated[str, typer.Argument(help="The dataset, such as gov.tax_return.")],
    columns: Annotated[list[str], typer.Argument(help="Its columns.")],
    purpose: Annotated[str, typer.Option(help="What for, such as RESEARCH.")],
    legal_basis: Annotated[str, typer.Option(help="The law, contract or consent that it rests on.")],
    reason: Annotated[str, typer.Option(help="Why, in your own words.")],
    file: Annotated[Path | None, typer.Option("--file", "-f", help="A file with a question you would ask.")] = None,
) -> None:
    """Ask the department that owns a dataset for columns of it; it answers within ten working days.

    Whether there is such a dataset is not told by asking.

    Example: louver access request gov.tax_return tax_paid --purpose RESEARCH --legal-basis "..." --reason "..."
    """
    session: Session = context.obj
    with ending(session.language):
        sql = "" if file is None else read_text(file)
        with session.connect() as client:
            made = client.request_access(
                table, columns, purpose=purpose, legal_basis=legal_basis, reason=reason, sql=sql
            )
        sure = "" if made.settled else " (the calendar up to then has not been announced)"
        typer.echo(f"{made.id}\tanswered by {made.due}{sure}")


@app.command("list")
def listed(context: typer.Context, as_json: AsJson = False) -> None:
    """List what you have asked for and what became of it, the newest first.

    Example: louver access list --json
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            found = client.access_requests()
        if as_json:
            typer.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=1, default=str))
            return
        rows = [(o.id, o.table, " ".join(o.columns), o.purpose, o.state, str(o.due), o.answer) for o in found]
        print_table(["id", "dataset", "columns", "purpose", "state", "due", "answer"], [*rows])


@app.command("show")
def show(context: typer.Context, identity: Identity, as_json: AsJson = False) -> None:
    """Show one of your requests whole.

    Example: louver access show 5f2c...
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            found = [one for one in client.access_requests() if one.id == identity]
        if not found:
            raise Misused("you have no such request", "louver access list shows those you have")
        say(found[0], as_json=as_json)


@app.command("withdraw")
def withdraw(context: typer.Context, identity: Identity) -> None:
    """Take a request back that waits.

    Example: louver access withdraw 5f2c...
    """
    session: Session = context.obj
    with ending(session.language):
        with session.connect() as client:
            left = client.withdraw_access(identity)
        typer.echo(f"{left.id}\t{left.state}")


def say(one: AccessRequest, *, as_json: bool) -> None:
    """A request whole, its fields below one another or as JSON; what is empty is left out of the former."""
    if as_json:
        typer.echo(json.dumps(asdict(one), ensure_ascii=False, indent=1, default=str))
        return
    for name, value in asdict(one).items():
        if value not in ("", None):
            said = " ".join(value) if isinstance(value, tuple) else str(value)
            typer.echo(f"{name:12} {visible(said)}")
