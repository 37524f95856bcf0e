"""The budget of everyone over time: what each account was charged, day by day, as charts with the numbers beside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from louver.audit import DaySpent
from louver.cli.export import csv_lines
from louver_server.accounts.model import Role, Session
from louver_server.problems import Missing
from louver_server.rendering import BEIJING, page
from louver_server.sessions import BadForm, console, only

router = APIRouter()
Auditor = Annotated[Session, Depends(only(Role.AUDITOR))]
Name = Annotated[str, Query(max_length=128)]
Day = Annotated[str, Query(max_length=10)]

DAYS: Final = 31
"""Of a page that says no days, the newest."""
LINES: Final = 500
"""Of the table; the files have all."""
MOST_DAYS: Final = 366
CHARTS: Final = 24
WIDTH, HEIGHT = 372, 60
"""Of a chart, in its own units."""
_COLUMNS: Final = ("day", "institution", "dataset", "purpose", "kind", "amount", "total", "charges")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page is about; ``until`` is the first day that is not."""

    institution: str
    dataset: str
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One budget of one institution: ``bars`` are (day, amount, x, y, height), in units of the chart."""

    institution: str
    kind: str
    most: Decimal
    total: Decimal
    width: float
    bars: tuple[tuple[str, Decimal, float, float, float], ...]


@router.get("/spending")
def spending(
    request: Request, session: Auditor, institution: Name = "", dataset: Name = "", since: Day = "", until: Day = ""
) -> Response:
    """The newest days, or those that are asked for."""
    asked = _asked(request, institution, dataset, since, until)
    found = _found(request, session, asked)
    shown = sorted(found, key=lambda one: one.day, reverse=True)[:LINES]
    return page(
        request, "spending.html", session, asked=asked, days=shown, lines=len(found),
        charts=list(charts(found, asked))[:CHARTS], chart_width=WIDTH, chart_height=HEIGHT,
    )  # fmt: skip


@router.get("/spending.{form}")
def as_file(
    request: Request,
    session: Auditor,
    form: str,
    institution: Name = "",
    dataset: Name = "",
    since: Day = "",
    until: Day = "",
) -> Response:
    """The same for programs and spreadsheets, whole."""
    if form not in {"csv", "json"}:
        raise Missing
    found = [asdict(one) for one in _found(request, session, _asked(request, institution, dataset, since, until))]
    if form == "json":
        return Response(json.dumps(found, ensure_ascii=False, indent=1), media_type="application/json")
    rows = [tuple(one[name] for name in _COLUMNS) for one in found]
    named = {"content-disposition": 'attachment; filename="louver-spending.csv"'}
    return Response(csv_lines([_COLUMNS, *rows]), media_type="text/csv; charset=utf-8; header=present", headers=named)


def _asked(request: Request, institution: str, dataset: str, since: str, until: str) -> Asked:
    """Raises `BadForm` for days that are none, or too many."""
    today = console(request).doors.clock().astimezone(BEIJING).date()
    try:
        last = _day(until) if until else today + timedelta(days=1)
        first = _day(since) if since else last - timedelta(days=DAYS)
    except (ValueError, OverflowError):
        raise BadForm from None
    if not 0 < (last - first).days <= MOST_DAYS:
        raise BadForm
    return Asked(institution, dataset, first.isoformat(), last.isoformat())


def _day(text: str) -> date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        raise ValueError("no day")
    return date.fromisoformat(text)


def _found(request: Request, session: Session, asked: Asked) -> list[DaySpent]:
    log = console(request).connections.log_of(session.account.profile)
    return log.spending(institution=asked.institution, dataset=asked.dataset, since=asked.since, until=asked.until)


def charts(found: Sequence[DaySpent], asked: Asked) -> Iterator[Chart]:
    """A chart of each budget of each institution, over all datasets. Privacy loss is booked for all purposes together
    and again for each; only the former is added up."""
    sums: dict[tuple[str, str], dict[str, Decimal]] = {}
    for one in found:
        if not one.kind.startswith("privacy:") or one.purpose == "*":
            days = sums.setdefault((one.institution, one.kind), {})
            days[one.day] = days.get(one.day, Decimal(0)) + Decimal(one.amount)
    first, number = date.fromisoformat(asked.since), _number(asked)
    step = WIDTH / number
    for (institution, kind), days in sorted(sums.items()):
        most = max(days.values())
        bars = []
        for day, amount in sorted(days.items()):
            height = round(float(amount / most) * HEIGHT, 2) if most else 0.0
            x = round((date.fromisoformat(day) - first).days * step, 2)
            bars.append((day, amount, x, round(HEIGHT - height, 2), height))
        yield Chart(institution, kind, most, sum(days.values(), Decimal(0)), round(step * 0.8, 2), tuple(bars))


def _number(asked: Asked) -> int:
    return (date.fromisoformat(asked.until) - date.fromisoformat(asked.since)).days
