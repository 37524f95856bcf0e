"""By when a request of a subject must be answered: working days of the Chinese calendar.

Holidays and the weekends that are worked for them are announced by the State Council each autumn for the year after.
For years not yet announced Saturdays and Sundays alone are free: near a long holiday such a deadline may differ by
days, so `settled` says whether it can still change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import chinese_calendar

CORRECTION: Final = 5
"""Working days in which a repaired or corrected record must be passed on."""
DISPUTE: Final = 10
"""Working days in which a dispute must be answered."""
ACCESS: Final = 10
"""Working days in which a department answers a request for access; ours, as long as for disputes."""

MOST_DAYS: Final = 3660


@dataclass(frozen=True, slots=True)
class Deadline:
    """The last day. `settled` is false where a year in between has not been announced."""

    day: date
    settled: bool


def deadline(received: date, working_days: int) -> Deadline:
    """The last of so many working days after the day on which the request came, which is not counted.

    Raises:
        ValueError: for less than one day, or more than 250.
    """
    if not 1 <= working_days <= 250:
        raise ValueError("between 1 and 250 working days")
    day, left, settled = received, working_days, True
    while left:
        day += timedelta(days=1)
        works, known = _works(day)
        left -= works
        settled &= known
    return Deadline(day, settled)


def working_days(received: date, answered: date) -> int:
    """How many working days it took: those after the day on which the request came, up to that of the answer; of ten
    years at most."""
    days = min((answered - received).days, MOST_DAYS)
    return sum(_works(received + timedelta(days=after))[0] for after in range(1, days + 1))


def _works(day: date) -> tuple[bool, bool]:
    """Whether it is a working day, and whether that has been announced."""
    try:
        return bool(chinese_calendar.is_workday(day)), True
    except NotImplementedError:
        return day.weekday() < 5, False
