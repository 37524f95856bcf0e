"""`louver-sandbox authorisations`: what the operator does for a subject, who asks what its authorisation was used for
or withdraws it."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from louver.errors import Refused
from louver_sandbox import consents, journal, standing
from louver_sandbox.consents import Consents
from louver_sandbox.operator.installation import TOOLS, Tools
from louver_sandbox.operator.output import Home, explained, fail
from louver_sandbox.premises import open_books
from louver_sandbox.scoring import registry
from louver_sandbox.settings import Settings, load
from louver_sandbox.store import State

app = typer.Typer(help="Authorisations of subjects.", no_args_is_help=True)


def revoke_for_subject(settings: Settings, identity: str, tools: Tools) -> datetime:
    """Makes an authorisation void from now on, whoever it was given to. Raises `Refused` LVR-5222."""
    with State.open(settings.state) as state:
        books = open_books(settings, state, tools.clock)
        held = Consents(state, tools.clock, partial(journal.appended, books))
        return held.revoke(identity, None, by="operator")


def shown(settings: Settings, identity: str) -> dict[str, object] | None:
    """An authorisation and what it was used for; None for one that nobody has recorded."""
    with State.open(settings.state) as state, state.reading() as tx:
        found = consents.find(tx, identity)
        if found is None:
            return None
        scored = registry.under(tx, identity)
        models = {one.digest for one in scored}
        used = [(what, time) for what, time in standing.of_authorisation(tx, identity) if what not in models]
    return {
        "authorisation": found.id,
        "grantee": found.grantee,
        "unit": found.unit.value,
        "subject": found.subject,
        "purpose": found.purpose,
        "scope": sorted(found.scope),
        "granted_on": found.granted_on.isoformat(),
        "expires_on": found.expires_on.isoformat(),
        "revoked_at": None if found.revoked_at is None else found.revoked_at.isoformat(),
        "evidence_sha256": found.evidence_sha256,
        "uses": found.uses,
        "requests": [{"request": request, "time": time} for request, time in used],
        "scores": [{"model": one.model, "request": one.request_id, "left": one.left} for one in scored],
    }


@app.command()
def show(
    identity: Annotated[str, typer.Argument(help="The authorisation's id.")],
    home: Home = Path("louver-home"),
) -> None:
    """Say what an authorisation allows and what it was used for, as JSON: what its subject may ask to be told.

    Example: louver-sandbox authorisations show 7f0c9d6e-0000-0000-0000-000000000000
    """
    with explained():
        found = shown(load(home), identity)
        if found is None:
            raise fail("there is no such authorisation")
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))


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
