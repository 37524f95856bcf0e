"""How many different values an expression can have, by what is declared: never fewer than rows really hold.

Known are the catalogue's code lists, bounds that the publisher has checked, own columns' numbers of values (they are
counted at the upload), and what the question itself demands of a column (`=`, IN, ranges). A function of columns has
at most as many values as its columns have together, and often fewer by what it is. A number is that of values other
than NULL, which `may_be_null` adds. None means that nothing bounds it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import cached_property

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, column_refs
from louver_sandbox.algebra.intervals import Bounds, bounds_of
from louver_sandbox.algebra.relations import Join, JoinKind, Relation, Union, inputs, scans
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, NULL, Kind
from louver_sandbox.catalog.model import Catalog, Column, Table
from louver_sandbox.plan.demands import ANYTHING, Demanded, day, demands, number
from louver_sandbox.plan.provenance import ROWS, BaseColumn, Provenance, equal_columns, trace
from louver_sandbox.sql.nullability import is_present, present

MOST = 10**12
"""More values, or cells, than any data have; larger numbers are not told apart."""

_CHOICES = frozenset({"coalesce", "greatest", "least"})
"""Functions whose result is one of their arguments."""

_DAYS = (date(1, 1, 1), date(9999, 12, 31))
"""The dates there are."""


@dataclass(frozen=True)
class Values:
    """Counts the values of expressions over one relation."""

    relation: Relation
    catalog: Catalog
    tables: Mapping[int, Table] = field(init=False)
    provenance: Provenance = field(init=False)

    def __post_init__(self) -> None:
        found = {scan.id: self.catalog.tables[scan.table] for scan in scans(self.relation)}
        object.__setattr__(self, "tables", found)
        object.__setattr__(self, "provenance", trace(self.relation))

    @cached_property
    def _demanded(self) -> Mapping[BaseColumn, Demanded]:
        return demands(self.relation, self.provenance)

    @cached_property
    def _same(self) -> Mapping[BaseColumn, frozenset[BaseColumn]]:
        """Columns that hold one value in every row that arrives, by each of them."""
        classes = equal_columns(self.relation, self.provenance) if _holds_for_all(self.relation) else ()
        return {column: group for group in classes for column in group}

    @cached_property
    def _present(self) -> frozenset[tuple[int, str]]:
        return present(self.relation, self.catalog)

    def may_be_null(self, expression: Expression) -> bool:
        """Whether NULL is one more value."""
        match expression:
            case Call(function="case", arguments=(*branches, default)):
                return self.may_be_null(default) or any(map(self.may_be_null, branches[1::2]))
            case _:
                return not is_present(expression, self._present)

    def behind(self, expression: Expression) -> frozenset[BaseColumn]:
        """The base columns that decide the expression, one for all that are equal in every row."""
        return frozenset(min(self._same.get(column, {column})) for column in self.provenance.columns(expression))

    def most(self, expression: Expression) -> int | None:
        """Most values other than NULL, or None where nothing says so."""
        found = [count for count in self._counts(expression) if count is not None]
        return min(MOST, *found) if found else None

    def _counts(self, expression: Expression) -> Iterator[int | None]:
        """Every bound that is known."""
        match expression:
            case Literal(value=value):
                yield 0 if value is None else 1
            case ColumnRef():
                yield self._of_ref(expression)
            case AggregateCall(function="min" | "max", arguments=(inner,)):
                yield self.most(inner)
            case AggregateCall():
                yield None
            case Call():
                yield self._of_choice(expression)
                yield self._of_date(expression)
                yield self._of_columns(expression)
        if expression.type == BOOLEAN:
            yield 2
        if expression.type == NULL:
            yield 0
        yield _whole_numbers(self.bounds(expression), expression)

    def _of_ref(self, ref: ColumnRef) -> int | None:
        if ref.relation in self.tables:
            return self.most_stored((ref.relation, ref.name))
        if ref.relation in self.provenance.unions:
            return _total(self.most(side) for side in self.provenance.sides(ref))
        return self.most(self.provenance.definition(ref)) if ref.relation in self.provenance.derived else None

    def most_stored(self, at: BaseColumn) -> int | None:
        """Most values other than NULL of a stored column."""
        return _least(self._of_column(column) for column in self._same.get(at, (at,)))

    def unknown(self, expression: Expression) -> tuple[BaseColumn, ...]:
        """The stored columns behind an expression of which no declaration says how many values they have."""
        found = self.provenance.columns(expression)
        return tuple(sorted(at for at in found if at[0] in self.tables and self._unknown(at)))

    def _unknown(self, at: BaseColumn) -> bool:
        return at[1] != ROWS and self.most_stored(at) is None and self._bounds_of_stored(at) is None

    def _of_column(self, at: BaseColumn) -> int | None:
        """Of a stored column."""
        column, demand = self._column(at), self._demanded.get(at, ANYTHING)
        if column is None:
            return None
        kind = column.type.kind
        counts = [None if demand.listed is None else len(demand.listed), column.distinct]
        if column.domain is not None:
            counts.append(len([text for text in column.domain if demand.allows(text, column.type)]))
        if kind is Kind.BOOLEAN:
            counts.append(2)
        first, last = day(demand.low), day(demand.high)
        if kind is Kind.DATE and first is not None and last is not None:
            counts.append(max(0, (last - first).days + 1))
        return _least(counts)

    def _column(self, at: BaseColumn) -> Column | None:
        table = self.tables.get(at[0])
        return None if table is None else table.column(at[1])

    def _of_choice(self, call: Call) -> int | None:
        """One of its branches: at most the values of all of them together, the same constant once."""
        if call.function == "case":
            branches = (*call.arguments[1:-1:2], call.arguments[-1])
        elif call.function in _CHOICES:
            branches = call.arguments
        elif call.function == "nullif":
            branches = call.arguments[:1]
        else:
            return None
        constants = {branch.value for branch in branches if isinstance(branch, Literal)} - {None}
        others = {branch for branch in branches if not isinstance(branch, Literal)}
        return _total([len(constants), *(self.most(branch) for branch in others)])

    def _of_columns(self, call: Call) -> int | None:
        """A function has at most one value for each combination of its columns' values."""
        found = 1
        for ref in set(column_refs(call)):
            count = self.most(ref)
            if count is None:
                return None
            found = min(MOST, found * (count + 1))
        return found

    def bounds(self, expression: Expression) -> Bounds | None:
        """The least and largest value of a number."""
        if isinstance(expression, ColumnRef):
            return self._bounds_of_ref(expression)
        if isinstance(expression, AggregateCall):
            return None
        known = {(ref.relation, ref.name): self._bounds_of_ref(ref) for ref in set(column_refs(expression))}
        return bounds_of(expression, {name: bounds for name, bounds in known.items() if bounds is not None})

    def _bounds_of_ref(self, ref: ColumnRef) -> Bounds | None:
        if ref.relation in self.provenance.unions:
            sides = [self.bounds(side) for side in self.provenance.sides(ref)]
            found = [bounds for bounds in sides if bounds is not None]
            return (min(b[0] for b in found), max(b[1] for b in found)) if len(found) == len(sides) else None
        if ref.relation not in self.tables:
            known = ref.relation in self.provenance.derived
            return self.bounds(self.provenance.definition(ref)) if known else None
        return self._bounds_of_stored((ref.relation, ref.name))

    def _bounds_of_stored(self, at: BaseColumn) -> Bounds | None:
        column, demand = self._column(at), self._demanded.get(at, ANYTHING)
        if column is None or column.type.kind not in (Kind.INTEGER, Kind.DECIMAL):
            return None
        declared = column.bounds if column.bounds_hold else None
        lows = [number(demand.low), None if declared is None else Fraction(declared[0])]
        highs = [number(demand.high), None if declared is None else Fraction(declared[1])]
        low = max((one for one in lows if one is not None), default=None)
        high = min((one for one in highs if one is not None), default=None)
        return None if low is None or high is None else (low, max(low, high))

    def _of_date(self, call: Call) -> int | None:
        """How many days, months or years there are between the first and the last possible."""
        match call:
            case Call("date_trunc", (Literal(value=str(word)), moment)):
                unit = word
            case Call("try_cast", (moment,)) if call.type.kind is Kind.DATE:
                unit = "day"
            case _:
                return None
        if moment.type.kind not in (Kind.DATE, Kind.TIMESTAMP):
            return None
        first, last = self._days_of(moment)
        match unit:
            case "year":
                return last.year - first.year + 1
            case "quarter" | "month":
                months = (last.year - first.year) * 12 + last.month - first.month + 1
                return months if unit == "month" else months // 3 + 2
            case "week" | "day":
                days = (last - first).days + 1
                return days if unit == "day" else days // 7 + 2
            case _:
                return None

    def _days_of(self, moment: Expression) -> tuple[date, date]:
        at = self.provenance.column(moment)
        column = None if at is None else self._column(at)
        if at is None or column is None:
            return _DAYS
        demand = self._demanded.get(at, ANYTHING)
        listed = [found for text in column.domain or () if (found := _date(text)) is not None]
        first, last = (min(listed), max(listed)) if listed else _DAYS
        first, last = max(first, day(demand.low) or first), min(last, day(demand.high) or last)
        return first, max(first, last)


def _date(text: str) -> date | None:
    """A day of a code list; None for what no row can hold."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _least(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return min(known) if known else None


def _total(counts: Iterable[int | None]) -> int | None:
    known = list(counts)
    return None if None in known else min(MOST, sum(count for count in known if count is not None))


def _whole_numbers(bounds: Bounds | None, expression: Expression) -> int | None:
    """How many numbers of the type there are between bounds."""
    if bounds is None:
        return None
    if expression.type.kind is Kind.DECIMAL:
        unit = int(10**expression.type.scale)
    elif expression.type == INTEGER:
        unit = 1
    else:
        return None
    return min(MOST, max(0, math.floor(bounds[1] * unit) - math.ceil(bounds[0] * unit) + 1))


def _holds_for_all(relation: Relation) -> bool:
    """Whether no outer join or union below makes an equality hold for some rows only."""
    waiting = [relation]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Union) or (isinstance(node, Join) and node.kind is not JoinKind.INNER):
            return False
        waiting.extend(inputs(node))
    return True
