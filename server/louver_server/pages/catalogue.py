"""What can be asked about: tables, columns, and what may be done with them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, Response

from louver.catalogue import found, sample
from louver_server.accounts.model import Role, Session
from louver_server.problems import Missing
from louver_server.rendering import page, wording
from louver_server.sessions import client_of, only

router = APIRouter()
Reader = Annotated[Session, Depends(only(Role.ANALYST))]


@router.get("/catalogue")
def catalogue(
    request: Request,
    session: Reader,
    words: Annotated[str, Query(max_length=200)] = "",
    owner: str = "",
    theme: str = "",
    level: Annotated[int, Query(ge=0, le=5)] = 0,
) -> Response:
    """The tables of a department, theme and level whose names, titles, owners or columns have all the words."""
    tables = client_of(request, session).tables()
    return page(
        request, "catalogue.html", session,
        tables=found(tables, words, department=owner, theme=theme, level=level),
        words=words, owner=owner, theme=theme, level=level,
        owners=sorted({table.owner for table in tables if table.owner}),
        themes=sorted({one for table in tables for one in table.themes}),
        levels=sorted({column.level for table in tables for column in table.columns if column.level}),
    )  # fmt: skip


@router.get("/catalogue.json")
def as_json(request: Request, session: Reader) -> Response:
    """All of it, for programs."""
    return JSONResponse([asdict(table) for table in client_of(request, session).tables()])


@router.get("/catalogue/{name}")
def table(request: Request, session: Reader, name: str) -> Response:
    """One table with its columns."""
    one = next((one for one in client_of(request, session).tables() if one.full_name == name), None)
    if one is None:
        raise Missing
    made, chinese = sample(one), wording(request).language == "zh"
    note = made.note_zh if chinese else made.note
    return page(request, "table.html", session, table=one, sample=made, note=note)
