"""The administrator's page of institutions: who is served, whose certificates end, and the switch.

The console suspends nobody by itself: it says so to the sandbox with the certificate of the administrator's own
profile, and two of them end a suspension. An account without a profile administers the console alone.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from louver.administration import RegisteredInstitution
from louver.errors import Refused
from louver_server.accounts.model import Role, Session
from louver_server.languages import marked
from louver_server.problems import Missing
from louver_server.rendering import page
from louver_server.sessions import Form, check_csrf, console, only

router = APIRouter()
Administrator = Annotated[Session, Depends(only(Role.ADMINISTRATOR))]


@router.get("/institutions")
def institutions(request: Request, session: Administrator) -> Response:
    """All that are registered."""
    return _institutions(request, session)


@router.post("/institutions/{name}/{act}")
def act(request: Request, session: Administrator, fields: Form, name: str, act: str) -> Response:
    """Suspends one at once; proposes that it be served again, or agrees to that."""
    check_csrf(session, fields)
    if act not in ("suspend", "resume") or not session.account.profile:
        raise Missing
    client = console(request).connections.administration_of(session.account.profile)
    reason = fields.get("reason", "").strip()
    try:
        if act == "suspend":
            client.suspend(name, reason)
        else:
            client.resume(name, reason)
    except Refused as refused:
        return _institutions(request, session, 422, refused)
    what = marked("institution suspended") if act == "suspend" else marked("resumption asked for")
    console(request).doors.journal(session.account.name, what, name[:64])
    return RedirectResponse("/institutions", 303)


def _institutions(request: Request, session: Session, status: int = 200, refused: Refused | None = None) -> Response:
    profile, problem, mine = session.account.profile, "", frozenset[str]()
    found: tuple[RegisteredInstitution, ...] = ()
    if profile:
        connections = console(request).connections
        found, problem = connections.administration_of(profile).institutions()
        known = connections.administrator_of(profile)
        mine = frozenset(one.id for one in found if one.suspension and one.suspension.resume_by == known)
    return page(
        request, "institutions.html", session, status,
        institutions=found, problem=problem, refused=refused, profile=profile, mine=mine,
    )  # fmt: skip
