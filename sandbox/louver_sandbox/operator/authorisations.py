"""`louver-sandbox authorisations`: what the operator does for a subject that withdraws what it has allowed."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from louver.errors import Refused
from louver_sandbox import journal
from louver_sandbox.consents import Consents
from louver_sandbox.operator.installation import TOOLS, Tools
from louver_sandbox.operator.output import Home, explained, fail
from louver_sandbox.settings import Settings, load
from louver_sandbox.store import State
from louver_sandbox.wiring import open_books

app = typer.Typer(help="Authorisations of subjects.", no_args_is_help=True)


def revoke_for_subject(settings: Settings, identity: str, tools: Tools) -> datetime:
    """Makes an authorisation void from now on, whoever it was given to. Raises `Refused` LVR-5222."""
    with State.open(settings.state) as state:
        books = open_books(settings, state, tools.clock)
        consents = Consents(state, tools.clock, partial(journal.appended, books))
        return consents.revoke(identity, None, by="operator")


@app.command()
def revoke(
    identity: Annotated[str, typer.Argument(help="The authorisation's id.")],
    home: Home = Path("louver-home"),
) -> None:
    """Revoke an authorisation on its subject's request; it takes effect at the next question, service running or not.

    Example: louver-sandbox authorisations revoke 7f0c9d6e-0000-0000-0000-000000000000
    """
    with explained():
        try:
            at = revoke_for_subject(load(home), identity, TOOLS)
        except Refused as refused:
            raise fail(f"{refused.code}: {refused.message}") from None
        typer.echo(f"void since {at.isoformat(timespec='seconds')}")
