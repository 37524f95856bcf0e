"""Warnings after the loan: the institution's own subscriptions, and the notices that may still be told.

Nothing of them is kept here. To look is to be told, and the sandbox's log says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from itertools import islice
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from louver.errors import Refused
from louver_server.accounts.model import Role, Session
from louver_server.rendering import BEIJING, page, wording
from louver_server.sessions import Form, check_csrf, client_of, console, only

router = APIRouter()
Analyst = Annotated[Session, Depends(only(Role.ANALYST))]
MOST: Final = 200
"""Subscriptions that are listed; `louver warnings list` has all."""


@router.get("/warnings")
def warnings(request: Request, session: Analyst) -> Response:
    """What has come up, and what is subscribed to."""
    return _page(request, session, {})


@router.post("/warnings")
def subscribe(request: Request, session: Analyst, fields: Form) -> Response:
    """Subscribes to a warning about a borrower."""
    check_csrf(session, fields)
    words, until = wording(request), _day(fields.get("until", ""))
    if until is None:
        return _page(request, session, fields, 422, words("A day is missing."))
    try:
        client_of(request, session).warnings.subscribe(
            fields.get("template", ""),
            fields.get("subject", "").strip(),
            authorisation=fields.get("authorisation", "").strip(),
            until=until,
            purpose=fields.get("purpose", ""),
        )
    except Refused as refused:
        chinese = words.language == "zh" and refused.message_zh
        told = f"{refused.code}: {refused.message_zh if chinese else refused.message}"
        return _page(request, session, fields, 422, told)
    return RedirectResponse("/warnings", 303)


@router.post("/warnings/{identity}/cancel")
def cancel(request: Request, session: Analyst, fields: Form, identity: str) -> Response:
    """Ends one."""
    check_csrf(session, fields)
    client_of(request, session).warnings.cancel(identity)
    return RedirectResponse("/warnings", 303)


def _page(
    request: Request, session: Session, fields: Mapping[str, str], status: int = 200, problem: str = ""
) -> Response:
    client = client_of(request, session)
    offered = client.warnings.templates()
    found = list(islice(client.warnings.list(), MOST))
    today = console(request).doors.clock().astimezone(BEIJING).date()
    return page(
        request, "warnings.html", session, status,
        fields=fields, problem=problem, today=today, most=MOST,
        found=found, subjects={one.id: one.subject for one in found},
        notices=list(reversed(client.warnings.poll())),
        templates=offered, purposes=sorted({purpose for one in offered for purpose in one.purposes}),
        titles={(one.name, field.name): field.title for one in offered for field in one.fields},
    )  # fmt: skip


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        return None
