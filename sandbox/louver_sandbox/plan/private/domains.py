"""Which values a group key can have, known from the catalogue and the question alone: the public domains of keys.

A cell of a public domain is released whether a row has it or not, so that it is listed tells nothing. The values are
found by computing the key for every combination of its columns' own values, by the rules that the oracle engine
computes with; a key that the rows hold all the same and that is not among them is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product

from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, Literal, Value, column_refs
from louver_sandbox.algebra.relations import Aggregate
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, Kind, Type
from louver_sandbox.catalog.model import Column
from louver_sandbox.plan.demands import ANYTHING, Demanded, day, number
from louver_sandbox.plan.private.ranges import Ranges
from louver_sandbox.sql.functions import evaluate_call

MOST_CELLS = 10_000
"""Cells of a public domain in one core; with more a threshold chooses those that are listed."""
_MOST_TRIED = 20_000
_PLACES = 1_000


@dataclass(frozen=True)
class Domains:
    """Finds the domains of one core's keys."""

    ranges: Ranges

    def of(self, core: Aggregate) -> tuple[tuple[Value, ...], ...] | None:
        """The values of every key, NULL among them where it can be; None where one is unknown or all are too many."""
        found = [self._of_key(key.expression) for key in core.keys]
        known = [values for values in found if values is not None]
        if len(known) < len(found) or math.prod(map(len, known)) > MOST_CELLS:
            return None
        return tuple(known)

    def _of_key(self, key: Expression) -> tuple[Value, ...] | None:
        values = self._values(key)
        if values is None:
            return None
        present = sorted({value for value in values if value is not None}, key=_order)
        null = (None,) if None in values or self.ranges.values.may_be_null(key) else ()
        return (*present, *null)

    def _values(self, key: Expression) -> set[Value] | None:
        if key.type == BOOLEAN:
            return {True, False}
        if key.type.kind in (Kind.DOUBLE, Kind.TIMESTAMP):
            return None
        resolved = self.ranges.resolved(key)
        refs = list(dict.fromkeys(column_refs(resolved)))
        stored = [self._stored(ref) for ref in refs]
        lists = [values for values in stored if values is not None]
        if len(lists) == len(refs) and math.prod(map(len, lists)) <= _MOST_TRIED:
            return {computed(resolved, dict(zip(refs, row, strict=True))) for row in product(*lists)}
        return self._whole_numbers(key)

    def _whole_numbers(self, key: Expression) -> set[Value] | None:
        """Every whole number between the bounds of the key."""
        bounds = self.ranges.of(key) if key.type == INTEGER else None
        if bounds is None:
            return None
        low, high = math.ceil(bounds[0]), math.floor(bounds[1])
        tried = [value for value in self._tried(key) if isinstance(value, int)]
        if tried:  # interval arithmetic says too much where quotients are rounded
            low, high = max(low, min(tried)), min(high, max(tried))
        return set(range(low, high + 1)) if high - low < MOST_CELLS else None

    def _tried(self, key: Expression) -> list[Value]:
        """The key at many places between the declared bounds of the one column that it is made of, ends included."""
        resolved = self.ranges.resolved(key)
        refs = set(column_refs(resolved))
        ref = next(iter(refs), None)
        bounds = self.ranges.of(ref) if ref is not None and len(refs) == 1 else None
        if ref is None or bounds is None or ref.type.kind not in (Kind.INTEGER, Kind.DECIMAL):
            return []
        unit = 10**ref.type.scale
        low, high = math.ceil(bounds[0] * unit), math.floor(bounds[1] * unit)
        places = {low + (high - low) * step // _PLACES for step in range(_PLACES + 1)}
        typed = (place if ref.type == INTEGER else Decimal(place).scaleb(-ref.type.scale) for place in places)
        return [computed(resolved, {ref: value}) for value in typed]

    def _stored(self, ref: ColumnRef) -> tuple[Value, ...] | None:
        """The values of a stored column, NULL among them where it may be missing."""
        values = self.ranges.values
        if ref.type == BOOLEAN:
            return (True, False, None)
        table = values.tables.get(ref.relation)
        column = None if table is None else table.column(ref.name)
        if column is None:
            return None
        found = _listed(column, self.ranges.demanded.get((ref.relation, ref.name), ANYTHING))
        return None if found is None else (*found, *((None,) if values.may_be_null(ref) else ()))


def _listed(column: Column, demand: Demanded) -> tuple[Value, ...] | None:
    if demand.listed is not None and column.type.kind is not Kind.DOUBLE:
        return tuple(demand.listed)
    if column.domain is not None:
        allowed = (text for text in column.domain if demand.allows(text, column.type))
        return tuple(value for text in allowed if (value := typed(text, column.type)) is not None)
    first, last = day(demand.low), day(demand.high)
    if column.type.kind is Kind.DATE and first is not None and last is not None:
        days = (last - first).days
        return tuple(first + timedelta(days=step) for step in range(days + 1)) if days < _MOST_TRIED else None
    if column.type == INTEGER:
        low, high = number(demand.low), number(demand.high)
        if column.bounds is not None and column.bounds_hold:
            declared = Fraction(column.bounds[0]), Fraction(column.bounds[1])
            low = declared[0] if low is None else max(declared[0], low)
            high = declared[1] if high is None else min(declared[1], high)
        if low is not None and high is not None and high - low < _MOST_TRIED:
            return tuple(range(math.ceil(low), math.floor(high) + 1))
    return None


def typed(text: str, type_: Type) -> Value:
    """A value of a code list; None for a text that no row can hold."""
    try:
        match type_.kind:
            case Kind.TEXT:
                return text
            case Kind.INTEGER:
                return int(text)
            case Kind.DATE:
                return date.fromisoformat(text)
            case _:
                return None
    except ValueError:
        return None


def computed(expression: Expression, row: Mapping[ColumnRef, Value]) -> Value:
    match expression:
        case Literal():
            return expression.value
        case Call():
            arguments = [computed(part, row) for part in expression.arguments]
            return evaluate_call(expression.function, arguments, expression.type)
        case ColumnRef():
            return row[expression]
        case _:
            raise TypeError("an aggregate in a key")


def _order(value: Value) -> tuple[str, Value]:
    return type(value).__name__, value
