"""What each aggregate of a core needs: whole numbers that rows of one unit change by a bounded amount."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, Named
from louver_sandbox.algebra.relations import Aggregate
from louver_sandbox.algebra.types import BOOLEAN, DOUBLE, NUMERIC, Kind, Position, Type
from louver_sandbox.mechanisms.quantiles import HIGHEST, LOWEST
from louver_sandbox.plan.columns import RowColumns
from louver_sandbox.plan.private.bounding import Bounded
from louver_sandbox.plan.private.ranges import Ranges
from louver_sandbox.private_core import PrivateMeasure
from louver_sandbox.refusals.plan import distinct_not_a_unit
from louver_sandbox.refusals.private import aggregate_not_private, value_not_bounded
from louver_sandbox.sql.quantiles import QUANTILES, share_of

VARIANCES = frozenset({"var_pop", "var_samp", "stddev_pop", "stddev_samp"})
"""Functions of the number of values, their sum and the sum of their squares."""

_LARGEST = 10**13
"""Beyond it, in smallest units, sums of squares over ten thousand million rows would leave 128 bits."""
_MOST_DIGITS = 9
_NARROW = 100
"""Up to so many smallest units between bounds, a centre between two of them is worth a digit: of 0 and 1, half."""


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number of each cell: how many rows have an `argument` (None: all), units, or a sum over its values; or
    what is ranked, which is counted in bins (`quantiles`).

    For sums values are clipped to `low`..`high` in units of 10^-digits, then `centre` is taken away, and with
    `square` the rest is squared. `largest` is the most one row adds, either way.
    """

    kind: str
    argument: Expression | None = None
    low: int = 0
    high: int = 0
    centre: int = 0
    digits: int = 0
    square: bool = False

    @property
    def is_exact(self) -> bool:
        """Whether values are decimals of so many digits as they are, or whole numbers that are stored so."""
        if self.argument is None:
            return False
        type_ = self.argument.type
        stored = type_.kind is Kind.INTEGER and isinstance(self.argument, ColumnRef)
        return self.digits == 0 if stored else type_.kind is Kind.DECIMAL and type_.scale == self.digits

    @property
    def largest(self) -> int:
        """The most that one row adds or takes away."""
        if self.kind != "sum":
            return 1
        return max(1, abs(self.least_added), abs(self.most_added))

    @property
    def least_added(self) -> int:
        """The least that one row adds."""
        return 0 if self.square else self.low - self.centre

    @property
    def most_added(self) -> int:
        """The most that one row adds."""
        reach = max(self.high - self.centre, self.centre - self.low)
        return reach * reach if self.square else self.high - self.centre


ROWS, UNITS = Number("rows"), Number("units")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One aggregate of the question, with the numbers it is made of; names are given to them afterwards."""

    name: str
    kind: str
    type: Type
    count: Number | None = None
    total: Number | None = None
    squares: Number | None = None
    low: int = 0
    high: int = 0
    keys: tuple[int, ...] = ()
    ranking: Number | None = None
    share: Fraction = Fraction(0)

    @property
    def numbers(self) -> tuple[Number, ...]:
        """The numbers that it needs."""
        return tuple(one for one in (self.count, self.total, self.squares) if one is not None)

    def measure(self, names: dict[Number, str], rankings: Sequence[Number] = ()) -> PrivateMeasure:
        """The aggregate with its numbers by name, and its histogram by place."""
        if self.ranking is not None:
            place, digits = rankings.index(self.ranking), self.ranking.digits
            return PrivateMeasure(self.name, self.kind, self.type, digits=digits, ranks=place, share=self.share)
        count, total, squares = ("" if one is None else names[one] for one in (self.count, self.total, self.squares))
        centre, digits = (0, 0) if self.total is None else (self.total.centre, self.total.digits)
        bounds = (self.low, self.high)
        return PrivateMeasure(
            self.name, self.kind, self.type, count, total, squares, *bounds, centre, digits, self.keys
        )


@dataclass(frozen=True)
class MeasureReader:
    """Reads the aggregates of one core. Raises Refused LVR-2303, LVR-2350, LVR-2354."""

    core: Aggregate
    bounded: Bounded
    ranges: Ranges
    columns: RowColumns

    def wanted(self) -> tuple[Wanted, ...]:
        """Every aggregate of the core. A value that is also summed up is not centred for its average."""
        calls = [(named, named.expression) for named in self.core.measures]
        summed = {
            (call.arguments, call.where)
            for _, call in calls
            if isinstance(call, AggregateCall) and call.function == "sum" and not call.distinct
        }
        return tuple(self._wanted(named, call, summed) for named, call in calls)

    def _wanted(self, named: Named, call: Expression, summed: Iterable[object]) -> Wanted:
        if not isinstance(call, AggregateCall):
            raise TypeError("a measure is one aggregate call")
        if call.distinct:
            return self._units(named.name, call)
        match call.function:
            case "count":
                return Wanted(named.name, "count", call.type, self._count(call.arguments, call.where))
            case "grouping":
                places = [key.expression for key in self.core.keys]
                asked = tuple(places.index(argument) for argument in call.arguments)
                return Wanted(named.name, "grouping", call.type, keys=asked)
            case "sum":
                total = self._sum(call, centred=False)
                return Wanted(named.name, "sum", call.type, total=total, low=total.low, high=total.high)
            case "avg":
                return self._average(named.name, call, centred=(call.arguments, call.where) not in summed)
            case "min" | "max" if call.arguments[0].type.kind in NUMERIC:
                return self._ranked(named.name, call, LOWEST if call.function == "min" else HIGHEST)
            case function if function in QUANTILES:
                return self._ranked(named.name, call, share_of(call.arguments))
            case function if function in VARIANCES:
                return self._average(named.name, call, centred=True, squares=True)
            case _:
                raise aggregate_not_private(call.function.upper(), call.at)

    def _average(self, name: str, call: AggregateCall, *, centred: bool, squares: bool = False) -> Wanted:
        total = self._sum(call, centred=centred)
        square = Number("sum", total.argument, total.low, total.high, total.centre, total.digits, square=True)
        kind = call.function if squares else "average"
        count = self._count((_as_stored(call.arguments[0]), *call.arguments[1:]), call.where)
        made = Wanted(name, kind, call.type, count, total, square if squares else None, total.low, total.high)
        if squares and square.largest >= _LARGEST**2:
            raise value_not_bounded(self.ranges.missing(call.arguments[0]), call.at)
        return made

    def _units(self, name: str, call: AggregateCall) -> Wanted:
        column = self.columns.provenance.column(call.arguments[0]) if len(call.arguments) == 1 else None
        groups = [group for group in self.bounded.groups if column in group.columns]
        whole = len(groups) == len(self.bounded.groups) and self.bounded.clipped is None and self._adds_up()
        if not whole or call.function != "count" or call.where is not None:
            raise distinct_not_a_unit(call.at)
        return Wanted(name, "units", call.type, UNITS)

    def _adds_up(self) -> bool:
        """Whether numbers of units can be added up over cells: totals of grouping sets are sums of their parts."""
        return not self.core.sets or min(self.bounded.cells, self.bounded.rows) == 1

    def _count(self, arguments: tuple[Expression, ...], where: Expression | None) -> Number:
        conditions = [] if where is None else [where]
        for argument in arguments:
            if not self._never_null(argument):
                present = Call("not", (Call("is_null", (argument,), BOOLEAN),), BOOLEAN)
                conditions.append(finite(argument) if argument.type == DOUBLE else present)
        if not conditions:
            alone = self.bounded.rows == 1 and self.bounded.clipped is None
            return UNITS if alone else ROWS
        condition = conditions[0] if len(conditions) == 1 else Call("and", tuple(conditions), BOOLEAN)
        return Number("rows", Call("case", (condition, Literal(True, BOOLEAN), Literal(None, BOOLEAN)), BOOLEAN))

    def _never_null(self, argument: Expression) -> bool:
        return not self.ranges.values.may_be_null(argument)

    def _sum(self, call: AggregateCall, *, centred: bool) -> Number:
        digits = self._digits(call.arguments[0])
        argument = _as_stored(call.arguments[0])
        bounds = self.ranges.of(argument)
        if bounds is None or digits > _MOST_DIGITS:
            raise value_not_bounded(self.ranges.missing(argument), call.at)
        low, high = math.floor(bounds[0] * 10**digits), math.ceil(bounds[1] * Fraction(10) ** digits)
        if low >= high or max(abs(low), abs(high)) >= _LARGEST:
            raise value_not_bounded(self.ranges.missing(argument), call.at)
        if centred and high - low <= _NARROW and (low + high) % 2 and digits < _MOST_DIGITS:
            low, high, digits = 10 * low, 10 * high, digits + 1
        given = (
            argument if call.where is None else Call("case", (call.where, argument, _null(argument)), argument.type)
        )
        return Number("sum", given, low, high, (low + high) // 2 if centred else 0, digits)

    def _ranked(self, name: str, call: AggregateCall, share: Fraction) -> Wanted:
        """A quantile of the first argument; the second is its share."""
        ranking = replace(self._sum(call, centred=False), kind="ranks")
        return Wanted(name, call.function, call.type, ranking=ranking, share=share)

    def _digits(self, argument: Expression) -> int:
        match argument.type.kind:
            case Kind.INTEGER:
                return 0
            case Kind.DECIMAL:
                return argument.type.scale
            case Kind.DOUBLE:
                resolved = self.ranges.resolved(argument)
                return min(6, self.columns.decimals(resolved)) if isinstance(resolved, ColumnRef) else 6
            case _:
                raise aggregate_not_private("SUM or AVG of this type", argument.at)


def finite(value: Expression) -> Expression:
    """That a double is a number. Published snapshots hold no other; were one to, it would be read as NULL."""
    ends = (("<=", sys.float_info.max), (">=", -sys.float_info.max))
    sides = (Call(comparison, (value, Literal(end, DOUBLE)), BOOLEAN) for comparison, end in ends)
    return Call("and", tuple(sides), BOOLEAN)


def _as_stored(argument: Expression) -> Expression:
    """What is added up or ranked before it is made a decimal: a double too large to be one is beyond its bounds and
    counts as the bound, and is not missing."""
    match argument:
        case Call("try_cast", (inner,)) if inner.type == DOUBLE and argument.type.kind is Kind.DECIMAL:
            return inner
        case _:
            return argument


def _null(argument: Expression) -> Literal:
    return Literal(None, argument.type)


def place_of(core: Aggregate) -> Position | None:
    """Where the first column of a core stands in the text."""
    return next((named.expression.at for named in core.measures + core.keys), None)
