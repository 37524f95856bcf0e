"""Access: what an analyst's institution asks departments for, what officers decide, and what auditors see of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from louver.access import AccessFigures, AccessRequest
from louver.cli.export import csv_lines
from louver.errors import Refused
from louver.policies import PolicyClient
from louver_server.accounts.model import Role, Session
from louver_server.problems import Missing
from louver_server.rendering import BEIJING, page
from louver_server.sessions import BadForm, Form, check_csrf, client_of, console, only

router = APIRouter()
Analyst = Annotated[Session, Depends(only(Role.ANALYST))]
Officer = Annotated[Session, Depends(only(Role.OFFICER))]
Auditor = Annotated[Session, Depends(only(Role.AUDITOR))]
Name = Annotated[str, Query(max_length=128)]
Day = Annotated[str, Query(max_length=10)]

_COLUMNS: Final = (
    "department", "received", "waiting", "overdue", "granted", "refused", "withdrawn", "met_per_mille", "median_days",
)  # fmt: skip


@router.get("/access")
def mine(request: Request, session: Analyst, table: Name = "") -> Response:
    """What this institution has asked for; a dataset's entry in the catalogue leads here with its name."""
    return _mine(request, session, {"table": table})


@router.post("/access")
def ask(request: Request, session: Analyst, fields: Form) -> Response:
    """Asks the department that owns a dataset."""
    check_csrf(session, fields)
    columns = list(dict.fromkeys(re.split(r"[\s,，、]+", fields.get("columns", "").strip())))
    try:
        client_of(request, session).request_access(
            fields.get("table", "").strip(),
            [one for one in columns if one],
            purpose=fields.get("purpose", "").strip(),
            legal_basis=fields.get("legal_basis", "").strip(),
            reason=fields.get("reason", "").strip(),
            sql=fields.get("sql", "").replace("\r\n", "\n").strip(),
        )
    except Refused as refused:
        return _mine(request, session, fields, 422, refused)
    return RedirectResponse("/access", 303)


@router.post("/access/{name}/withdraw")
def withdraw(request: Request, session: Analyst, fields: Form, name: str) -> Response:
    """Takes one back that waits."""
    check_csrf(session, fields)
    try:
        client_of(request, session).withdraw_access(name)
    except Refused as refused:
        return _mine(request, session, {}, 422, refused)
    return RedirectResponse("/access", 303)


@router.get("/requests")
def queue(request: Request, session: Officer) -> Response:
    """The requests to the officer's department, what waits first, and the figures of all departments."""
    office = _office(request, session)
    return page(
        request, "requests.html", session,
        requests=office.access_requests(), figures=office.access_figures(), today=_today(request),
    )  # fmt: skip


@router.get("/requests/{name}")
def one(request: Request, session: Officer, name: str) -> Response:
    """One of them whole, to be decided."""
    return _one(request, session, _known(request, session, name))


@router.post("/requests/{name}/{act}")
def act(request: Request, session: Officer, fields: Form, name: str, act: str) -> Response:
    """Grants it or turns it down, or drafts the smallest grant that would open it."""
    check_csrf(session, fields)
    known, office = _known(request, session, name), _office(request, session)
    try:
        if act == "draft":
            return _one(request, session, known, draft=office.draft_access(known.id))
        if act not in ("grant", "refuse"):
            raise Missing
        answer, version = fields.get("answer", "").strip(), fields.get("version", "").strip()
        office.decide_access(known.id, grant=act == "grant", answer=answer, version=version if act == "grant" else "")
    except Refused as refused:
        return _one(request, session, known, 422, refused=refused, fields=fields)
    return RedirectResponse(f"/requests/{quote(known.id)}", 303)


@router.get("/figures")
def figures(request: Request, session: Auditor, since: Day = "", until: Day = "") -> Response:
    """Supply and demand by department."""
    found = _figures(request, session, since, until)
    return page(request, "figures.html", session, figures=found, since=since, until=until)


@router.get("/figures.{form}")
def as_file(request: Request, session: Auditor, form: str, since: Day = "", until: Day = "") -> Response:
    """The same for programs and spreadsheets."""
    if form not in {"csv", "json"}:
        raise Missing
    found = _figures(request, session, since, until)
    if form == "json":
        told = json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=1)
        return Response(told, media_type="application/json")
    rows = [
        (o.department, o.received, o.waiting, o.overdue, o.granted, o.refused, o.withdrawn, o.met, o.median_days)
        for o in found
    ]
    named = {"content-disposition": 'attachment; filename="louver-access.csv"'}
    return Response(csv_lines([_COLUMNS, *rows]), media_type="text/csv; charset=utf-8; header=present", headers=named)


def _mine(
    request: Request,
    session: Session,
    fields: Mapping[str, str],
    status: int = 200,
    refused: Refused | None = None,
) -> Response:
    client = client_of(request, session)
    purposes = sorted({purpose for table in client.tables() for purpose in table.purposes})
    return page(
        request, "access.html", session, status,
        found=client.access_requests(), fields=fields, refused=refused, purposes=purposes,
    )  # fmt: skip


def _one(
    request: Request,
    session: Session,
    known: AccessRequest,
    status: int = 200,
    /,
    draft: object = None,
    refused: Refused | None = None,
    fields: Mapping[str, str] | None = None,
) -> Response:
    return page(
        request, "request.html", session, status, found=known, draft=draft, refused=refused, fields=fields or {}
    )


def _known(request: Request, session: Session, name: str) -> AccessRequest:
    found = [one for one in _office(request, session).access_requests() if one.id == name]
    if not found:
        raise Missing
    return found[0]


def _figures(request: Request, session: Session, since: str, until: str) -> tuple[AccessFigures, ...]:
    for day in (since, until):
        try:
            if day:
                date.fromisoformat(day)
        except ValueError:
            raise BadForm from None
    log = console(request).connections.log_of(session.account.profile)
    return log.access_figures(since=since, until=until)


def _today(request: Request) -> date:

    return console(request).doors.clock().astimezone(BEIJING).date()


def _office(request: Request, session: Session) -> PolicyClient:
    return console(request).connections.office_of(session.account.profile)
