"""How long somebody must wait who was wrong too often. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

WINDOW: Final = timedelta(minutes=15)
OF_ONE_PLACE: Final = 5
"""Wrong passwords or codes for one account from one address in a window."""
IN_ALL: Final = 30
"""For one account from anywhere, and from one address for any account. Were it as few as for one place, anybody could
lock anybody out.

Behind a proxy that is not named as trusted everybody comes from one address, and from a bank's network many do. So
the limit of an address holds for names that were wrong themselves in the window: 30 wrong tries of a stranger close
nobody else's door. What a guesser gains is one try for each name in a window; those of one name are as limited."""


def counted(name: str, address: str) -> Iterator[tuple[str, int]]:
    """What a failure counts for, and how many are too many."""
    yield f"place {address} {name}", OF_ONE_PLACE
    yield f"account {name}", IN_ALL
    yield f"address {address}", IN_ALL


def longest(failures: Mapping[str, Sequence[datetime]], name: str, address: str, now: datetime) -> timedelta:
    """How long somebody of this name waits at this address; `failures` by what they count for."""
    waits = {who: wait(failures[who], most, now) for who, most in counted(name, address)}
    if not wait(failures[f"account {name}"], 1, now):
        del waits[f"address {address}"]
    return max(waits.values())


def wait(failures: Sequence[datetime], most: int, now: datetime) -> timedelta:
    """From now until the next attempt is looked at; nothing while there are fewer than `most` in the window."""
    recent = sorted(time for time in failures if now - WINDOW < time <= now)
    return timedelta(0) if len(recent) < most else recent[-most] + WINDOW - now
