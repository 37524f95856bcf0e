"""Whether the console runs, for machines; and the log's head, for people."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from louver.errors import Error, Unproven
from louver.transparency import TreeHead
from louver_server.accounts.model import Role, Session
from louver_server.pages.log import log_of, seen_by
from louver_server.rendering import page
from louver_server.sessions import console, only
from louver_server.twins import of_one

router = APIRouter()
Reader = Annotated[Session, Depends(only(Role.AUDITOR))]


@router.get("/health")
def health(request: Request) -> Response:
    """Whether the console runs and every sandbox it knows answers, with a head that it can prove. Names none."""
    connections = console(request).connections
    states = {_state(request, name) for name in connections.names}
    worst = next((state for state in ("unproven", "unreachable") if state in states), "ok")
    return JSONResponse({"console": "ok", "sandbox": worst}, 200 if worst == "ok" else 503)


@router.get("/head")
def head(request: Request, session: Reader) -> Response:
    """The log's newest head, shown only when its signature holds."""
    found = console(request).connections.head(session.account.profile)
    witnessed = seen_by(request, log_of(request, session))
    return page(request, "head.html", session, head=found, root=_root(found), witnessed=witnessed)


@router.get("/head.{form}")
def head_as_file(request: Request, session: Reader, form: str) -> Response:
    """The same for programs and spreadsheets."""
    found = console(request).connections.head(session.account.profile)
    witnessed = seen_by(request, log_of(request, session))
    witnesses = [{"name": one.name, "size": one.size, "time": one.time} for one in witnessed.witnesses]
    said = {"origin": found.origin, "size": found.size, "root": _root(found), "cosigned": witnessed.size}
    return of_one(form, "louver-head", said | {"witnesses": witnesses})


def _root(head: TreeHead) -> str:
    return base64.b64encode(head.root).decode()


def _state(request: Request, profile: str) -> str:
    try:
        console(request).connections.ask(profile)
    except Unproven:
        return "unproven"
    except Error:
        return "unreachable"
    return "ok"
