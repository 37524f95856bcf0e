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
    yield expression
    for child in children(expression):
        yield from walk(child)


def column_refs(expression: Expression) -> Iterator[ColumnRef]:
    """Every column reference in the expression."""
    return (part for part in walk(expression) if isinstance(part, ColumnRef))
