"""What an institution has asked, whoever of it and from wherever: its own part of the log."""

from __future__ import annotations

import json
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from louver.cli.export import csv_lines
from louver.errors import Unproven
from louver.results import QueryRecord
from louver_server.accounts.model import Role, Session
from louver_server.problems import Missing
from louver_server.rendering import page
from louver_server.sessions import client_of, console, only

router = APIRouter()
Analyst = Annotated[Session, Depends(only(Role.ANALYST))]

MOST: Final = 500
STATES: Final = ("answered", "refused", "aborted", "admitted", "explained")
_COLUMNS: Final = ("time", "state", "code", "purpose", "treatment", "rows", "log_index", "request_id", "sql")


@router.get("/history")
def history(
    request: Request, session: Analyst, state: str = "", words: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """The newest questions first, those whose SQL or purpose has all the words."""
    found = _found(request, session, state, words)
    store, profile = console(request).doors.store, session.account.profile
    kept = {one.request_id for one in found if store.question(one.request_id, profile) is not None}
    return page(
        request, "history.html", session, records=found, state=state, states=STATES, words=words, most=MOST, kept=kept
    )


@router.get("/history.{form}")
def as_file(
    request: Request, session: Analyst, form: str, state: str = "", words: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """The same for programs and spreadsheets."""
    found = [{name: getattr(one, name) for name in _COLUMNS} for one in _found(request, session, state, words)]
    if form == "json":
        return Response(json.dumps(found, ensure_ascii=False, indent=1), media_type="application/json")
    if form != "csv":
        raise Missing
    rows = [_COLUMNS, *(tuple(one.values()) for one in found)]
    named = {"content-disposition": 'attachment; filename="louver-history.csv"'}
    return Response(csv_lines(rows), media_type="text/csv; charset=utf-8; header=present", headers=named)


@router.get("/history/{request_id}")
def entry(request: Request, session: Analyst, request_id: str) -> Response:
    """One question and the proof that it is in the log, checked here."""
    client = client_of(request, session)
    record = next((one for one in _last(client.my_queries(MOST)) if one.request_id == request_id), None)
    if record is None:
        raise Missing
    proof = head = None
    problem = False
    if record.state == "answered":
        try:
            receipt = client.receipt(request_id)
            proof = receipt.verify(client.settings.log_key, sql=record.sql)
            head = client.head()
        except Unproven:
            problem = True
    kept = console(request).doors.store.question(request_id, session.account.profile) is not None
    return page(request, "entry.html", session, record=record, proof=proof, head=head, problem=problem, kept=kept)


def _found(request: Request, session: Session, state: str, words: str) -> list[QueryRecord]:
    wanted = words.casefold().split()
    return [
        one
        for one in _last(client_of(request, session).my_queries(MOST))
        if (not state or one.state == state)
        and all(word in f"{one.sql} {one.purpose} {one.code} {one.request_id}".casefold() for word in wanted)
    ]


def _last(records: list[QueryRecord]) -> list[QueryRecord]:
    """What became of each question: its newest line, for one that was answered was admitted before."""
    found: dict[str, QueryRecord] = {}
    for one in records:
        found.setdefault(one.request_id, one)
    return list(found.values())
