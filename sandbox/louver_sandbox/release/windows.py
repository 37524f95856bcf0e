"""Window functions over released rows: each partition in a total order, its values from `sql.windows`.

What is withheld is NULL to their order and their totals; functions that hand on a value hand it on.
"""

from __future__ import annotations

from collections.abc import Sequence

from louver_sandbox.algebra.expressions import Interval, Value, WindowCall
from louver_sandbox.algebra.relations import Window
from louver_sandbox.algebra.types import INTEGER
from louver_sandbox.release.values import Row, ShapeUnsupported, by_values, compiled, in_order
from louver_sandbox.release.withheld import WITHHELD, Withheld, as_null
from louver_sandbox.sql.windows import Partition, evaluate_window


def windowed(window: Window, rows: Sequence[Row]) -> list[Row]:
    """The rows, in the order they have, with the window's columns."""
    made = [dict(row) for row in rows]
    for column in window.columns:
        for row, value in zip(made, _values(column.call, rows), strict=True):
            if isinstance(value, Interval):
                raise ShapeUnsupported("an answer cannot carry an interval")
            row[window.id, column.name] = value
    return made


def _values(call: WindowCall, rows: Sequence[Row]) -> list[Value | Withheld]:
    """The value of one call for each row."""
    partitions: dict[tuple[Value, ...], list[Row]] = {}
    parts = [compiled(part) for part in call.partition]
    for row in rows:
        partitions.setdefault(tuple(as_null(part(row)) for part in parts), []).append(row)
    # Rows are told apart by being themselves: two may hold the same values.
    found: dict[int, Value | Withheld] = {}
    inside = [compiled(argument) for argument in call.arguments]
    for members in partitions.values():
        ordered = in_order(sorted(members, key=by_values), call.order)
        arguments = [tuple(argument(row) for argument in inside) for row in ordered]
        values = _evaluated(call, arguments, _peers(call, ordered))
        found |= {id(row): value for row, value in zip(ordered, values, strict=True)}
    return [found[id(row)] for row in rows]


_HAND_ON = frozenset({"lag", "lead", "first_value", "last_value"})
"""Functions that give one of their arguments, of one row."""


def _evaluated(
    call: WindowCall, arguments: Sequence[tuple[Value | Withheld, ...]], peers: Sequence[int]
) -> Sequence[Value | Withheld]:
    """The value in each row of one ordered partition."""
    shown = [tuple(map(as_null, values)) for values in arguments]
    values = evaluate_window(call.function, Partition(shown, peers, call.running), call.type)
    if not any(WITHHELD in values for values in arguments):
        return values
    if call.function not in _HAND_ON:
        return [WITHHELD if value is None else value for value in values]
    # The same function over 1 for what is withheld and 0 for the rest says which rows are handed a withheld value.
    marks = [tuple(_mark(place, value) for place, value in enumerate(row)) for row in arguments]
    marked = evaluate_window(call.function, Partition(marks, peers, call.running), INTEGER)
    return [WITHHELD if mark == 1 else value for value, mark in zip(values, marked, strict=True)]


def _mark(place: int, value: Value | Withheld) -> Value:
    """Of LAG and LEAD the argument in place 1 is the distance, which stays."""
    return as_null(value) if place == 1 else int(value is WITHHELD)


def _peers(call: WindowCall, rows: Sequence[Row]) -> list[int]:
    """The number of each row's group of peers: rows equal under the call's own order."""
    groups: list[int] = []
    before: tuple[Value, ...] | None = None
    parts = [compiled(key.expression) for key in call.order]
    for row in rows:
        here = tuple(as_null(part(row)) for part in parts)
        groups.append(groups[-1] + int(here != before) if groups else 0)
        before = here
    return groups
