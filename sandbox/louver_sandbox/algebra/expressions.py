"""Scalar and aggregate expressions over the columns of relations.

Positions are carried for error messages and never compared: two questions that differ only in spelling are one
question.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from louver_sandbox.algebra.types import Position, Type


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of calendar months plus days."""

    months: int = 0
    days: int = 0


Value = None | bool | int | float | Decimal | str | date | datetime | Interval


@dataclass(frozen=True, slots=True)
class ColumnRef:
    """A column of the relation with id `relation` (a Scan, Project or Aggregate below this expression)."""

    relation: int
    name: str
    type: Type
    at: Position | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant, already a Python value of its type."""

    value: Value
    type: Type
    at: Position | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A scalar function or operator, by the name of its row in `sql/functions.py`.

    `case` takes condition, value, condition, value, ..., default; `in` takes the operand and then the list;
    `try_cast` takes one argument and casts it to `type`.
    """

    function: str
    arguments: tuple[Expression, ...]
    type: Type
    at: Position | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AggregateCall:
    """An aggregate function; COUNT(*) has no arguments. `where` is the FILTER clause."""

    function: str
    arguments: tuple[Expression, ...]
    type: Type
    distinct: bool = False
    where: Expression | None = None
    at: Position | None = field(default=None, compare=False, repr=False)


Expression = ColumnRef | Literal | Call | AggregateCall


@dataclass(frozen=True, slots=True)
class SortKey:
    """One item of an ORDER BY, of a query or of a window, over the columns in sight there."""

    expression: Expression
    descending: bool = False
    nulls_first: bool = False


@dataclass(frozen=True, slots=True)
class WindowCall:
    """A window function over the rows of its partition, in order; stands only in a Window.

    `function` is the name of its row in `sql/windows.py`. `running` is true for the frame from the first row of the
    partition up to the current row and its peers, and false for the whole partition; it means nothing to a ranking.
    """

    function: str
    arguments: tuple[Expression, ...]
    type: Type
    partition: tuple[Expression, ...] = ()
    order: tuple[SortKey, ...] = ()
    running: bool = False
    at: Position | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class NamedWindow:
    """A column that a Window adds: its name and the call that makes it."""

    name: str
    call: WindowCall


@dataclass(frozen=True, slots=True)
class Named:
    """An output column: its name (as the caller reads it) and what it computes."""

    name: str
    expression: Expression


def children(expression: Expression) -> tuple[Expression, ...]:
    """The direct parts of an expression, in order (a FILTER clause last)."""
    match expression:
        case Call():
            return expression.arguments
        case AggregateCall():
            return expression.arguments + (() if expression.where is None else (expression.where,))
        case ColumnRef() | Literal():
            return ()


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and everything in it, parents first."""
    # A stack and a list, since generators inside one another pass every part up through all of them.
    found: list[Expression] = []
    waiting = [expression]
    while waiting:
        part = waiting.pop()
        found.append(part)
        match part:
            case Call():
                waiting += part.arguments[::-1]
            case AggregateCall():
                waiting += reversed(children(part))
            case _:
                continue
    return iter(found)


def column_refs(expression: Expression) -> Iterator[ColumnRef]:
    """Every column reference in the expression."""
    if isinstance(expression, ColumnRef):
        return iter((expression,))
    return iter([part for part in walk(expression) if isinstance(part, ColumnRef)])
