"""Time and randomness as arguments, and the one spelling of a time in the store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
"""Tells the time, with its time zone."""

Randomness: TypeAlias = Callable[[int], bytes]
"""Gives that many unpredictable bytes, like ``secrets.token_bytes``."""


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds, so that text order is time order. ``ValueError`` without a time zone."""
    if moment.tzinfo is None:
        raise ValueError("the time must carry its time zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
