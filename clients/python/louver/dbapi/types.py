"""Type objects and constructors of PEP 249."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Final

Date = date
Time = time
Timestamp = datetime
Binary = bytes


def DateFromTicks(ticks: float) -> date:  # noqa: N802 - PEP 249 names
    """The date of a moment in seconds since 1970, in UTC."""
    return datetime.fromtimestamp(ticks, UTC).date()


def TimeFromTicks(ticks: float) -> time:  # noqa: N802 - PEP 249 names
    """The time of day of a moment in seconds since 1970, in UTC."""
    return datetime.fromtimestamp(ticks, UTC).time()


def TimestampFromTicks(ticks: float) -> datetime:  # noqa: N802 - PEP 249 names
    """A moment in seconds since 1970, in UTC."""
    return datetime.fromtimestamp(ticks, UTC)


class TypeObject:
    """Compares equal to every type code of its group, as ``description[1] == NUMBER`` asks (PEP 249)."""

    def __init__(self, name: str, *kinds: str) -> None:
        self.name = name
        self.kinds: Final = frozenset(kinds)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return other.partition("(")[0] in self.kinds
        return self is other

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return self.name


STRING = TypeObject("STRING", "text")
BINARY = TypeObject("BINARY")
NUMBER = TypeObject("NUMBER", "integer", "decimal", "double", "boolean")
DATETIME = TypeObject("DATETIME", "date", "timestamp", "interval")
ROWID = TypeObject("ROWID")
