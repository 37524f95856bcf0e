"""What rules have found in the log: the file of a follower (`louver audit alerts watch`), read and never written.

To look at alerts is no look at entries; each entry that an alert names is opened, proved and logged like any other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from louver.alerts.forms import SEVERITIES
from louver.alerts.memory import Memory
from louver.cli.export import csv_lines
from louver_server.accounts.model import Role, Session
from louver_server.problems import Missing
from louver_server.rendering import page
from louver_server.sessions import BadForm, console, only

router = APIRouter()
Auditor = Annotated[Session, Depends(only(Role.AUDITOR))]
RuleName = Annotated[str, Query(max_length=64)]
Severity = Annotated[str, Query(max_length=16)]

SHOWN: Final = 50
IN_FILE: Final = 5000
_COLUMNS: Final = (
    "last", "first", "severity", "rule", "title", "title_zh", "about", "count", "entries", "wording", "origin", "id",
)  # fmt: skip


@router.get("/alerts")
def alerts(
    request: Request,
    session: Auditor,
    rule: RuleName = "",
    severity: Severity = "",
    before: Annotated[int | None, Query(ge=1, lt=2**62)] = None,
) -> Response:
    """The newest alerts, how many there are of which, and how far the follower is behind the log."""
    _check(severity)
    asked = {"rule": rule, "severity": severity}
    with _memory(request) as memory:
        if memory is None:
            return page(request, "alerts.html", session, following=None, severities=SEVERITIES, **asked)
        found = memory.alerts(SHOWN + 1, before, rule, severity)
        counts, outputs, position = memory.counts(), memory.outputs(), memory.position()
    newest = console(request).connections.head(session.account.profile).size
    return page(
        request, "alerts.html", session,
        following=position, newest=newest, behind=newest - (position.size if position else 0),
        found=found[:SHOWN], further=found[SHOWN - 1][0] if len(found) > SHOWN else None,
        counts=counts, outputs=outputs, severities=SEVERITIES, **asked,
    )  # fmt: skip


@router.get("/alerts.{form}")
def as_file(request: Request, session: Auditor, form: str, rule: RuleName = "", severity: Severity = "") -> Response:
    """The same for programs and spreadsheets."""
    _check(severity)
    if form not in {"csv", "json"}:
        raise Missing
    with _memory(request) as memory:
        if memory is None:
            raise Missing
        found = [asdict(alert) for _, alert in memory.alerts(IN_FILE, None, rule, severity)]
    if form == "json":
        return Response(json.dumps(found, ensure_ascii=False, indent=1), media_type="application/json")
    rows = [
        tuple(
            one[name] if name not in {"about", "entries"} else " ".join(map(str, _values(one[name])))
            for name in _COLUMNS
        )
        for one in found
    ]
    named = {"content-disposition": 'attachment; filename="louver-alerts.csv"'}
    return Response(csv_lines([_COLUMNS, *rows]), media_type="text/csv; charset=utf-8; header=present", headers=named)


def _values(value: object) -> list[object]:
    return list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, tuple) else []


def _check(severity: str) -> None:
    if severity and severity not in SEVERITIES:
        raise BadForm


@contextmanager
def _memory(request: Request) -> Iterator[Memory | None]:
    """The follower's file that the console was told of; None where it was told of none, or no follower has begun."""
    path = console(request).configuration.alerts
    if path is None or not path.exists():
        yield None
        return
    memory = Memory.reading(path)
    try:
        yield memory
    finally:
        memory.close()
