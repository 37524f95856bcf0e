"""What each aggregate of a protected query needs from the engine: arguments, conditions, whose values they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, Named
from louver_sandbox.algebra.relations import Aggregate, scans
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, NUMERIC, Kind, Position, Type, decimal
from louver_sandbox.catalog.model import Catalog, SpaceKind
from louver_sandbox.plan.provenance import Provenance
from louver_sandbox.plan.units import UnitGroup, null_extended
from louver_sandbox.refusals.plan import (
    aggregate_not_protected,
    distinct_not_a_unit,
    not_one_column,
    overlapping_sums,
    own_values_as_weights,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One aggregate of the query, reduced to what the threshold core computes.

    `kind` is count, sum, average or units. `argument` is None for a plain COUNT(*); FILTER is folded into it.
    `exact` is the type its exact sums have. An indicator only counts rows (COUNT of a condition, SUM of 0 and 1).
    `groups` are the unit groups that a COUNT(DISTINCT unit) adds up.
    """

    name: str
    kind: str
    type: Type
    argument: Expression | None = None
    exact: Type = INTEGER
    indicator: bool = False
    own: bool = False
    presence: bool = False
    summand: Expression | None = None
    at: Position | None = None
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the aggregates of one core. Raises Refused LVR-2302, LVR-2303, LVR-2306, LVR-2310."""

    core: Aggregate
    catalog: Catalog
    provenance: Provenance
    groups: tuple[UnitGroup, ...]
    protected: frozenset[int]

    def asked(self, named: Named) -> Asked:
        """What one output column of the aggregate asks for."""
        call = named.expression
        if not isinstance(call, AggregateCall):
            raise TypeError("a measure is one aggregate call")
        if call.distinct:
            return self._units(named.name, call)
        match call.function:
            case "count":
                return self._count(named.name, call)
            case "sum" | "avg":
                return self._sum(named.name, call)
            case _:
                raise aggregate_not_protected(call.function.upper(), call.at)

    def _units(self, name: str, call: AggregateCall) -> Asked:
        """COUNT(DISTINCT unit): the units of every type that share the column, since no unit has two types."""
        column = self.provenance.column(call.arguments[0]) if call.arguments else None
        groups = tuple(index for index, group in enumerate(self.groups) if column in group.columns)
        if groups and call.function == "count" and call.where is None:
            return Asked(name, "units", call.type, groups=groups)
        raise distinct_not_a_unit(call.at)

    def _count(self, name: str, call: AggregateCall) -> Asked:
        if not call.arguments or self._never_null(call.arguments[0]):
            if call.where is None:
                return Asked(name, "count", call.type)
            return self._indicator(name, call, call.where)
        present = Call("not", (Call("is_null", call.arguments, BOOLEAN),), BOOLEAN)
        bare = call.where is None and self.provenance.column(call.arguments[0]) is not None
        return replace(self._indicator(name, call, _both(present, call.where)), presence=bare)

    def _indicator(self, name: str, call: AggregateCall, condition: Expression) -> Asked:
        argument = Call("case", (condition, Literal(1, INTEGER), Literal(None, INTEGER)), INTEGER)
        own = bool(self._own_columns(condition))
        return Asked(name, "count", call.type, argument, INTEGER, indicator=True, own=own, at=call.at)

    def _sum(self, name: str, call: AggregateCall) -> Asked:
        (argument,) = call.arguments
        expanded = self.provenance.expanded(argument)
        own = bool(self._own_columns(argument) or (call.where and self._own_columns(call.where)))
        if own and not self._only_selects(argument):
            raise own_values_as_weights(call.at)
        indicator = is_indicator(expanded)
        summand = None if indicator else self._summand(expanded, call)
        if call.where is not None:
            argument = Call("case", (call.where, argument, Literal(None, argument.type)), argument.type)
        kind = "sum" if call.function == "sum" else "average"
        exact = self._exact(call, argument)
        return Asked(name, kind, call.type, argument, exact, indicator, own, summand=summand, at=call.at)

    def _summand(self, expanded: Expression, call: AggregateCall) -> Expression:
        """The one protected column a sum is over, times a constant, where it is not null or zero.

        Dominance is judged on what is summed. A constant beside it (x + 1000000) would drown the largest unit, a
        known number (a public column, CASE with several constants) would weigh the subjects, and a product or ratio
        of columns could be anything. Raises `Refused` LVR-2310.
        """
        values = set(_results(expanded))
        if len(values) == 1:
            column = _unscaled(values.pop())
            if self._is_protected(column):
                return column
        raise not_one_column(call.at)

    def _is_protected(self, expression: Expression) -> bool:
        """Whether a value is a protected column, or one subject's own sum or count of protected rows."""
        match expression:
            case ColumnRef():
                scan = next(scan for scan in scans(self.core.input) if scan.id == expression.relation)
                column = self.catalog.tables[scan.table].column(expression.name)
                return scan.id in self.protected and column is not None and column.level > 1
            case AggregateCall(function="count"):
                return self._counts_protected_rows(expression)
            case AggregateCall(function="sum" | "avg" | "max" | "min", arguments=(inner,)):
                return self._is_protected(_unscaled(self.provenance.expanded(inner)))
            case _:
                return False

    def _counts_protected_rows(self, call: AggregateCall) -> bool:
        """Whether an inner COUNT counts protected rows only."""
        return any(
            named.expression is call and all(scan in self.protected for scan in self.provenance.below[relation])
            for relation in self.provenance.below
            for named in self.provenance.derived[relation]
        )

    def _exact(self, call: AggregateCall, argument: Expression) -> Type:
        """Sums are exact: integers, or decimals with the argument's digits, a double's as the catalogue says."""
        if argument.type.kind is not Kind.DOUBLE:
            return argument.type
        if call.type.kind is Kind.DECIMAL:
            return call.type
        tables = {scan.id: scan.table for scan in scans(self.core.input)}
        columns = (self.catalog.tables[tables[scan]].column(name) for scan, name in self.provenance.columns(argument))
        doubles = [column.decimals for column in columns if column is not None and column.type.kind is Kind.DOUBLE]
        return decimal(max(doubles, default=6))

    def _own_columns(self, expression: Expression) -> frozenset[tuple[int, str]]:
        own = {
            scan.id
            for scan in scans(self.core.input)
            if self.catalog.tables[scan.table].space is SpaceKind.INSTITUTION
        }
        return frozenset(column for column in self.provenance.columns(expression) if column[0] in own)

    def _only_selects(self, argument: Expression) -> bool:
        """Whether own columns merely choose rows: every value summed is nothing or one same protected value.

        Anything richer (an own amount, CASE with several constants) would be a weight, and distinct weights spell out
        which of the requester's subjects are in the cell.
        """
        values = set(_results(self.provenance.expanded(argument)))
        return len(values) <= 1 and not any(self._own_columns(value) for value in values)

    def _never_null(self, argument: Expression) -> bool:
        column = self.provenance.column(argument)
        if column is None or column[0] in null_extended(self.core.input):
            return isinstance(argument, Literal) and argument.value is not None
        scan = next(scan for scan in scans(self.core.input) if scan.id == column[0])
        declared = self.catalog.tables[scan.table].column(column[1])
        return declared is not None and not declared.nullable


def check_overlaps(asked: Sequence[Asked]) -> None:
    """Accepts sums whose cells cannot be subtracted from one another. Raises `Refused` LVR-2311."""
    seen: dict[Expression | None, Expression] = {}
    for one in asked:
        # One's own labels are one question too: two that differ in one subject tell whether it is in the cell.
        if one.argument is None or (one.summand is None and not one.own):
            continue
        if seen.setdefault(None if one.own else one.summand, one.argument) != one.argument:
            raise overlapping_sums(one.at)


def _unscaled(value: Expression) -> Expression:
    """The value without constant factors, signs and casts between numbers."""
    match value:
        case Call(function="*", arguments=(left, Literal())) | Call(function="*", arguments=(Literal(), left)):
            return _unscaled(left)
        case Call(function="/", arguments=(left, Literal())):
            return _unscaled(left)
        case Call(function="negate", arguments=(inner,)):
            return _unscaled(inner)
        case Call(function="try_cast", arguments=(inner,)) if {inner.type.kind, value.type.kind} <= NUMERIC:
            return _unscaled(inner)
        case _:
            return value


def _both(left: Expression, right: Expression | None) -> Expression:
    return left if right is None else Call("and", (left, right), BOOLEAN)


def _results(expression: Expression) -> Iterator[Expression]:
    """The distinct non-zero values a 0/1-like expression can take, as expressions."""
    match expression:
        case Literal(value=value) if value is None or value == 0:
            return
        case Call(function="try_cast", arguments=(inner,)) if inner.type.kind is Kind.BOOLEAN:
            yield Literal(1, INTEGER)
        case Call(function="try_cast", arguments=(inner,)):
            yield from _results(inner)
        case Call(function="case"):
            for result in (*expression.arguments[1:-1:2], expression.arguments[-1]):
                yield from _results(result)
        case Call(function="coalesce"):
            for part in expression.arguments:
                yield from _results(part)
        case _:
            yield expression


def is_indicator(expression: Expression) -> bool:
    """Whether an expression is 0, 1 or null whatever the data say, so that its sum is a count of rows."""
    return set(_results(expression)) <= {Literal(1, INTEGER)}
