"""Rows of released values and the expressions over them: what everything above the cores is computed with.

A withheld value is `WITHHELD`, and so is what a function makes of it; NULL is None. Nothing here raises on data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter

from louver_sandbox.algebra.expressions import (
    AggregateCall,
    Call,
    ColumnRef,
    Expression,
    Interval,
    Literal,
    SortKey,
    Value,
)
from louver_sandbox.release.withheld import WITHHELD, Withheld, as_null, evaluate_withheld
from louver_sandbox.sql.functions import evaluate_call
from louver_sandbox.stages import Cell

Row = dict[tuple[int, str], Cell | Withheld]
"""One released row: the value of each column of each relation in sight."""


class ShapeUnsupported(Exception):
    """A shape holds what only the engine may compute. The planner never makes one."""


def compiled(expression: Expression) -> Callable[[Row], Value | Withheld]:
    """The expression as a function of a row, for all rows of a relation. It gives None for NULL."""
    match expression:
        case ColumnRef():
            return itemgetter((expression.relation, expression.name))
        case Literal():
            constant = expression.value
            return lambda row: constant
        case Call():
            function, type_ = expression.function, expression.type
            parts = [compiled(argument) for argument in expression.arguments]

            def call(row: Row) -> Value | Withheld:
                values = [part(row) for part in parts]
                if WITHHELD in values:
                    return evaluate_withheld(function, values, type_)
                return evaluate_call(function, values, type_)  # type: ignore[arg-type]  # none of them is withheld

            return call
        case AggregateCall():
            raise ShapeUnsupported("an aggregate outside an Aggregate")


def cells(expression: Expression) -> Callable[[Row], Cell | Withheld]:
    """The same for an expression that an answer can carry."""
    value = compiled(expression)
    if isinstance(expression, ColumnRef):
        return itemgetter((expression.relation, expression.name))

    def cell(row: Row) -> Cell | Withheld:
        found = value(row)
        if isinstance(found, Interval):
            raise ShapeUnsupported("an answer cannot carry an interval")
        return found

    return cell


def in_order(rows: Iterable[Row], keys: Sequence[SortKey]) -> list[Row]:
    """The rows in order; stable, so that rows equal under the keys stay as they were. Text by code point, as the
    engine does. What is withheld stands where NULL does."""
    found = list(rows)
    for key in reversed(keys):
        value = compiled(key.expression)
        values = [(as_null(value(row)), row) for row in found]
        present = [pair for pair in values if pair[0] is not None]
        nulls = [row for value, row in values if value is None]
        present.sort(key=lambda pair: _comparable(pair[0]), reverse=key.descending)
        ordered = [row for _, row in present]
        found = nulls + ordered if key.nulls_first else ordered + nulls
    return found


def by_values(row: Row) -> tuple[tuple[bool, object], ...]:
    """A key that puts rows in order of all their values, so that the order they came in tells nothing."""
    return tuple(map(_nulls_last, row.values()))


def _nulls_last(value: Cell | Withheld) -> tuple[bool, object]:
    return (False, value) if value is not None and value is not WITHHELD else (True, "")


def in_order_of_values(rows: Sequence[Row]) -> list[Row]:
    """The rows in the order that `by_values` gives, compared column by column, which takes half the time."""
    columns: list[Iterable[object]] = [
        list(map(_nulls_last, values)) if None in values or WITHHELD in values else values
        for values in zip(*(row.values() for row in rows), strict=True)
    ]
    keys = list(zip(*columns, strict=True))
    return [rows[place] for place in sorted(range(len(keys)), key=keys.__getitem__)] if keys else list(rows)


def _comparable(value: Value) -> tuple[int, object]:
    if isinstance(value, Interval):
        return value.months, value.days
    return 0, value
