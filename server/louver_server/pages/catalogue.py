"""What can be asked about: tables, columns, and what may be done with them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, Response

from louver.results import Table
from louver_server.accounts.model import Role, Session
from louver_server.problems import Missing
from louver_server.rendering import page
from louver_server.sessions import client_of, only

router = APIRouter()
Reader = Annotated[Session, Depends(only(Role.ANALYST))]


@router.get("/catalogue")
def catalogue(
    request: Request, session: Reader, words: Annotated[str, Query(max_length=200)] = "", owner: str = ""
) -> Response:
    """The tables whose names, titles, owners or columns have all the words."""
    tables = client_of(request, session).tables()
    wanted = words.casefold().split()
    found = [
        table
        for table in tables
        if (not owner or table.owner == owner) and all(word in _text(table) for word in wanted)
    ]
    owners = sorted({table.owner for table in tables if table.owner})
    return page(request, "catalogue.html", session, tables=found, words=words, owner=owner, owners=owners)


@router.get("/catalogue.json")
def as_json(request: Request, session: Reader) -> Response:
    """All of it, for programs."""
    return JSONResponse([asdict(table) for table in client_of(request, session).tables()])


@router.get("/catalogue/{name}")
def table(request: Request, session: Reader, name: str) -> Response:
    """One table with its columns."""
    found = next((one for one in client_of(request, session).tables() if one.full_name == name), None)
    if found is None:
        raise Missing
    return page(request, "table.html", session, table=found)


def _text(table: Table) -> str:
    columns = " ".join(f"{column.name} {column.description}" for column in table.columns)
    return f"{table.full_name} {table.title} {table.owner} {columns}".casefold()
