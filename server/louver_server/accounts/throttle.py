"""How long somebody must wait who was wrong too often. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

WINDOW: Final = timedelta(minutes=15)
OF_ONE_PLACE: Final = 5
"""Wrong passwords or codes for one account from one address in a window."""
IN_ALL: Final = 30
"""For one account from anywhere, and from one address for any account. Were it as few as for one place, anybody could
lock anybody out."""


def counted(name: str, address: str) -> Iterator[tuple[str, int]]:
    """What a failure counts for, and how many are too many."""
    yield f"place {address} {name}", OF_ONE_PLACE
    yield f"account {name}", IN_ALL
    yield f"address {address}", IN_ALL


def wait(failures: Sequence[datetime], most: int, now: datetime) -> timedelta:
    """From now until the next attempt is looked at; nothing while there are fewer than `most` in the window."""
    recent = sorted(time for time in failures if now - WINDOW < time <= now)
    return timedelta(0) if len(recent) < most else recent[-most] + WINDOW - now
