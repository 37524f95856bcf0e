"""Windows of the Beijing calendar: when a budget is fresh again, whatever it counts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Final

from louver_sandbox.privacy.refused import PrivacyRefused, Reason

BEIJING: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
"""No summer time since 1991; no database of time zones is asked."""

ALWAYS: Final = "always"
"""The one window of a lifetime."""

_LAST_YEAR: Final = 9998


class Period(StrEnum):
    """How often a budget is renewed, by the Beijing calendar, the longest last. A lifetime budget never is."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"
    LIFETIME = "lifetime"


_LENGTH: Final = {Period.DAY: 10, Period.MONTH: 7, Period.YEAR: 4}


def window(period: Period, now: datetime) -> str:
    """The window that holds an instant: `2026-07-01`, `2026-07`, `2026` or `always`; text order is time order.

    Raises:
        PrivacyRefused: CLOCK_WITHOUT_ZONE, a ValueError.
    """
    return of_day(period, checked(now).astimezone(BEIJING).date().isoformat())


def of_day(period: Period, day: str) -> str:
    """The window that holds a day, written `2026-07-01`."""
    return ALWAYS if period is Period.LIFETIME else day[: _LENGTH[period]]


def opens(period: Period, named: str) -> datetime | None:
    """The instant at which a window begins, midnight in Beijing; None for a lifetime."""
    if period is Period.LIFETIME:
        return None
    return datetime.fromisoformat(f"{named}-01-01"[:10]).replace(tzinfo=BEIJING)


def renewed(period: Period, named: str) -> datetime | None:
    """The instant at which the window after this one begins; None for a lifetime."""
    first = opens(period, named)
    match period:
        case Period.DAY if first is not None:
            return first + timedelta(days=1)
        case Period.MONTH if first is not None:
            return (first + timedelta(days=31)).replace(day=1)
        case Period.YEAR if first is not None:
            return first.replace(year=first.year + 1)
        case _:
            return None


def opened_at(period: Period, now: datetime) -> datetime | None:
    """The instant at which the window of `now` began; None for a lifetime. Raises as `window` does."""
    return opens(period, window(period, now))


def refreshes_at(period: Period, now: datetime) -> datetime | None:
    """The instant at which the next window begins; None for a lifetime. Raises as `window` does."""
    return renewed(period, window(period, now))


def checked(instant: datetime) -> datetime:
    """The instant, if it has a time zone and a calendar around it. Raises PrivacyRefused CLOCK_WITHOUT_ZONE."""
    if instant.tzinfo is None or instant.utcoffset() is None or not 1 < instant.year <= _LAST_YEAR:
        raise PrivacyRefused(Reason.CLOCK_WITHOUT_ZONE, "an instant needs a time zone", "时刻须带时区")
    return instant
