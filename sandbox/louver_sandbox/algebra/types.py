"""Types of values and columns, and positions in the text of a query."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The closed list of value kinds; a column of any other kind cannot be registered."""

    NULL = "null"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DOUBLE = "double"
    TEXT = "text"
    DATE = "date"
    TIMESTAMP = "timestamp"
    INTERVAL = "interval"
    TEXT_LIST = "text_list"


NUMERIC = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE})
"""Kinds that arithmetic and SUM take."""


@dataclass(frozen=True, slots=True)
class Type:
    """A kind, with digits after the point for decimals (0 otherwise)."""

    kind: Kind
    scale: int = 0

    def __str__(self) -> str:
        return f"decimal({self.scale})" if self.kind is Kind.DECIMAL else self.kind.value


NULL = Type(Kind.NULL)
BOOLEAN = Type(Kind.BOOLEAN)
INTEGER = Type(Kind.INTEGER)
DOUBLE = Type(Kind.DOUBLE)
TEXT = Type(Kind.TEXT)
DATE = Type(Kind.DATE)
TIMESTAMP = Type(Kind.TIMESTAMP)
INTERVAL = Type(Kind.INTERVAL)
TEXT_LIST = Type(Kind.TEXT_LIST)


def decimal(scale: int) -> Type:
    """A decimal with `scale` digits after the point and as many before it as the engine holds (38 in all)."""
    return Type(Kind.DECIMAL, scale)


@dataclass(frozen=True, slots=True)
class Position:
    """Where something stands in the caller's SQL: line and column count from 1, length in characters."""

    line: int
    column: int
    length: int = 1


@dataclass(frozen=True, slots=True)
class TableName:
    """A table as a query names it: schema (a department space such as `gov`, or an institution) and name."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"
