"""How many entries there are over time: a chart of days or hours by verdict, with the numbers beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from louver.audit.results import TimeCounts
from louver.cli.export import csv_lines
from louver_server.accounts.model import Role, Session
from louver_server.pages.log import CHOICES, TEXTS, asked_of, filter_of, log_of
from louver_server.problems import Missing
from louver_server.rendering import page
from louver_server.sessions import BadForm, console, only

router = APIRouter()
Auditor = Annotated[Session, Depends(only(Role.AUDITOR))]
Step = Annotated[str, Query(max_length=5)]

DAYS: Final = 31
MOST: Final = {"day": 366, "hour": 7}
"""Days that a chart of days or hours may span."""
VERDICTS: Final = ("answered", "admitted", "explained", "aborted", "refused", "")
"""From the bottom of a bar to its top; nothing is an act of the platform."""
WIDTH, HEIGHT = 960, 160


@dataclass(frozen=True, slots=True)
class Bar:
    """A day or an hour: ``parts`` are (verdict, entries, y, height) in units of the chart."""

    start: str
    x: float
    total: int
    parts: tuple[tuple[str, int, float, float], ...]

    def number(self, verdict: str) -> int:
        """How many entries of a verdict."""
        return sum(number for one, number, _, _ in self.parts if one == verdict)


@router.get("/log/over-time")
def over_time(request: Request, session: Auditor, step: Step = "day") -> Response:
    """The chart and its numbers."""
    asked = _asked(request, step)
    found = _found(request, session, asked, step)
    bars = bars_of(found, starts(asked, step))
    return page(
        request, "over_time.html", session,
        asked=asked, step=step, exact=found.exact, bars=bars, verdicts=VERDICTS, texts=TEXTS, choices=CHOICES,
        sums={one: sum(n for (_, verdict), n in found.counts.items() if verdict == one) for one in VERDICTS},
        most=max((bar.total for bar in bars), default=0), query=urlencode({**asked, "step": step}),
        entries=urlencode(asked), zone="UTC", chart_width=WIDTH, chart_height=HEIGHT,
        bar_width=round(WIDTH / max(len(bars), 1) * 0.8, 2),
    )  # fmt: skip


@router.get("/log/over-time.{form}")
def as_file(request: Request, session: Auditor, form: str, step: Step = "day") -> Response:
    """The same for programs and spreadsheets."""
    if form not in {"csv", "json"}:
        raise Missing
    found = _found(request, session, _asked(request, step), step)
    rows = [(start, verdict, n) for (start, verdict), n in sorted(found.counts.items())]
    if form == "json":
        objects = [{"start": start, "verdict": verdict, "entries": n} for start, verdict, n in rows]
        said = {"exact": found.exact, "counts": objects}
        return Response(json.dumps(said, ensure_ascii=False, indent=1), media_type="application/json")
    named = {"content-disposition": 'attachment; filename="louver-over-time.csv"'}
    content = csv_lines([("start", "verdict", "entries"), *rows])
    return Response(content, media_type="text/csv; charset=utf-8; header=present", headers=named)


def _asked(request: Request, step: str) -> dict[str, str]:
    """What the address says, with both ends. Raises `BadForm` for ends that are no days, or too far apart."""
    asked = asked_of(dict(request.query_params))
    if step not in MOST:
        raise BadForm
    today = console(request).doors.clock().astimezone(UTC).date()
    try:
        last = date.fromisoformat(asked["until"]) if "until" in asked else today + timedelta(days=1)
        first = (
            date.fromisoformat(asked["since"]) if "since" in asked else last - timedelta(days=min(DAYS, MOST[step]))
        )
    except (ValueError, OverflowError):
        raise BadForm from None
    if not 0 < (last - first).days <= MOST[step]:
        raise BadForm
    return {**asked, "since": first.isoformat(), "until": last.isoformat()}


def _found(request: Request, session: Session, asked: Mapping[str, str], step: str) -> TimeCounts:
    wanted: dict[str, Any] = filter_of(asked)
    return log_of(request, session).over_time(hours=step == "hour", **wanted)


def starts(asked: Mapping[str, str], step: str) -> list[str]:
    """Every day or hour between the two ends."""
    at, end = (datetime.fromisoformat(asked[name]) for name in ("since", "until"))
    found, further = [], timedelta(hours=1) if step == "hour" else timedelta(days=1)
    while at < end:
        found.append(at.strftime("%Y-%m-%dT%H" if step == "hour" else "%Y-%m-%d"))
        at += further
    return found


def bars_of(found: TimeCounts, wanted: list[str]) -> list[Bar]:
    """A bar for each, one part on another, the highest as high as the chart."""
    totals = {start: sum(found.counts.get((start, one), 0) for one in VERDICTS) for start in wanted}
    most, width = max(totals.values(), default=0), WIDTH / max(len(wanted), 1)
    bars = []
    for place, start in enumerate(wanted):
        below, parts = 0, []
        for verdict in VERDICTS:
            number = found.counts.get((start, verdict), 0)
            if number:
                height = round(number / most * HEIGHT, 2)
                below += number
                parts.append((verdict, number, round(HEIGHT - below / most * HEIGHT, 2), height))
        bars.append(Bar(start, round(place * width, 2), totals[start], tuple(parts)))
    return bars
