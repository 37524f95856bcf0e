"""Aggregates over released rows: totals of cells, computed from what may leave (SQL:2016, 7.12 and 10.9).

They are post-processing and tell nothing that the rows do not. A withheld value adds nothing, as NULL does; a total
to which nothing was left to add is withheld itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import localcontext

from louver_sandbox.algebra.expressions import AggregateCall, Interval
from louver_sandbox.algebra.relations import Aggregate
from louver_sandbox.release.values import Row, ShapeUnsupported, compiled
from louver_sandbox.release.withheld import WITHHELD, Withheld, as_null
from louver_sandbox.sql.functions import RULES, FunctionKind
from louver_sandbox.stages import Cell

_DIGITS = 76
"""Digits of a sum of 38-digit values, so that none is rounded on the way."""


def aggregated(node: Aggregate, rows: Sequence[Row]) -> list[Row]:
    """One row per group and grouping set, in the order in which groups are met; one row in all without keys."""
    every = tuple(range(len(node.keys)))
    return [row for one in node.sets or (every,) for row in _of_set(node, one, rows)]


def _of_set(node: Aggregate, one: Sequence[int], rows: Sequence[Row]) -> Iterator[Row]:
    parts = [compiled(node.keys[index].expression) for index in one]
    groups: dict[tuple[object, ...], list[Row]] = {} if one else {(): []}
    for row in rows:
        groups.setdefault(tuple(part(row) for part in parts), []).append(row)
    if any(WITHHELD in values for values in groups):
        groups = _with_nulls(groups)
    for values, members in groups.items():
        keys = dict(zip(one, values, strict=True))
        made: Row = {(node.id, key.name): _cell(keys.get(index)) for index, key in enumerate(node.keys)}
        for measure in node.measures:
            if not isinstance(measure.expression, AggregateCall):
                raise ShapeUnsupported("a measure that is no aggregate")
            made[node.id, measure.name] = _measured(node, measure.expression, one, members)
        yield made


def _with_nulls(groups: Mapping[tuple[object, ...], list[Row]]) -> dict[tuple[object, ...], list[Row]]:
    """The groups with those together whose keys leave alike: a withheld key is NULL, and the NULL withheld."""
    alike: dict[tuple[object, ...], list[tuple[object, ...]]] = {}
    for values in groups:
        alike.setdefault(tuple(map(as_null, values)), []).append(values)
    return {
        tuple(WITHHELD if WITHHELD in column else column[0] for column in zip(*several, strict=True)): [
            row for values in several for row in groups[values]
        ]
        for several in alike.values()
    }


def _measured(node: Aggregate, call: AggregateCall, one: Sequence[int], rows: Sequence[Row]) -> Cell | Withheld:
    """One aggregate over the rows of a group."""
    if call.function == "grouping":
        keys = [key.expression for key in node.keys]
        bits = [keys.index(argument) not in one for argument in call.arguments]
        return sum(bit << place for place, bit in enumerate(reversed(bits)))
    rule = RULES.get(call.function)
    if rule is None or rule.kind is not FunctionKind.AGGREGATE:
        raise ShapeUnsupported("an aggregate of no name")
    if call.where is not None:
        holds = compiled(call.where)
        rows = [row for row in rows if holds(row) is True]
    parts = [compiled(argument) for argument in call.arguments]
    arguments = [tuple(part(row) for part in parts) for row in rows]
    withheld = any(WITHHELD in values for values in arguments)
    if withheld:
        arguments = [tuple(map(as_null, values)) for values in arguments]
    with localcontext() as context:
        context.prec = _DIGITS
        found = _cell(rule.evaluate(list(dict.fromkeys(arguments)) if call.distinct else arguments))
    return WITHHELD if withheld and found is None else found


def _cell(value: object) -> Cell | Withheld:
    if isinstance(value, Interval):
        raise ShapeUnsupported("an answer cannot carry an interval")
    return value  # type: ignore[return-value]  # a Value that is no interval, or WITHHELD
