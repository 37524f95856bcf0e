"""An auditor's own searches of the log, by name. Each is an address that says all of it, so it can be passed on."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from louver_server.accounts.model import Role, Session
from louver_server.pages.log import asked_of
from louver_server.sessions import BadForm, Form, check_csrf, console, only

router = APIRouter()
Auditor = Annotated[Session, Depends(only(Role.AUDITOR))]

LONGEST_NAME: Final = 80
MOST: Final = 100
"""Searches of one auditor."""


@router.post("/searches")
def save(request: Request, session: Auditor, fields: Form) -> Response:
    """Keeps what the page narrows the log by; only filters that the page knows."""
    check_csrf(session, fields)
    name, query = fields.get("name", "").strip(), fields.get("query", "")
    asked = asked_of(dict(parse_qsl(query, max_num_fields=50)))
    doors, account = console(request).doors, session.account.name
    names = {one for one, _ in doors.store.searches(account)}
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or (name not in names and len(names) >= MOST):
        raise BadForm
    doors.store.save_search(account, name, urlencode(asked), doors.clock())
    return RedirectResponse(f"/log?{urlencode(asked)}", 303)


@router.post("/searches/forget")
def forget(request: Request, session: Auditor, fields: Form) -> Response:
    """Removes one of their own."""
    check_csrf(session, fields)
    console(request).doors.store.forget_search(session.account.name, fields.get("name", ""))
    return RedirectResponse("/log", 303)
