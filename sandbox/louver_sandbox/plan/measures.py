"""What each aggregate of a protected query needs from the engine: totals, and the constants they are added up with.

A total is what can be judged: a sum of one product of protected columns, or a number of rows, over the rows of one
condition. A sum or average is a combination of totals with constants, and leaves when each of them may (ADR 12).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, Named
from louver_sandbox.algebra.relations import Aggregate
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, Kind, Position, Type, decimal
from louver_sandbox.catalog.model import Role, SpaceKind, Table
from louver_sandbox.plan.columns import RowColumns
from louver_sandbox.plan.conditions import Conditions, all_of, conjunction, present
from louver_sandbox.plan.polynomials import (
    NotPolynomial,
    Polynomial,
    Summand,
    never_null,
    polynomial,
    resolved,
    tidied,
)
from louver_sandbox.plan.provenance import Provenance, equal_columns
from louver_sandbox.plan.units import UnitGroup
from louver_sandbox.refusals.plan import (
    aggregate_not_protected,
    distinct_not_a_unit,
    not_multiplied,
    not_one_column,
    own_values_as_weights,
    public_number,
)
from louver_sandbox.sql.rules import MAX_SCALE

POWER_SUMS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("var_pop", "var_samp", "stddev_pop", "stddev_samp"), ("x", "xx")),
    **dict.fromkeys(("covar_pop", "covar_samp"), ("x", "y", "xy")),
    **dict.fromkeys(("regr_slope", "regr_intercept"), ("x", "y", "xx", "xy")),
    **dict.fromkeys(("corr", "regr_r2"), ("x", "y", "xx", "xy", "yy")),
}
"""The sums each function of `sql.statistics` is computed from, besides the number of rows, in order."""


@dataclass(frozen=True, slots=True)
class Total:
    """One sum or count to be judged. `exact` is the type its exact sums have.

    `presence` asks only for rows that have a value, which all may; `own` depends on the requester's own columns.
    `tallies` adds up inner counts of rows with a property, and is such a count itself.
    `combined` are several products, each times an integer, instead of the factors (`plan.combinations`).
    """

    summand: Summand
    exact: Type = INTEGER
    own: bool = False
    presence: bool = False
    tallies: bool = False
    combined: tuple[tuple[int, Summand], ...] = ()

    @property
    def counts(self) -> bool:
        """Whether it only counts rows."""
        return not (self.summand.factors or self.combined)

    @property
    def is_rows(self) -> bool:
        """Whether it counts all rows of the cell, which its units protect already."""
        return self == ROWS

    def argument(self, value: Expression) -> Expression:
        """What one row adds: `value` where the conditions hold, else nothing."""
        if not self.summand.conditions:
            return value
        return Call("case", (all_of(self.summand.conditions), value, Literal(None, value.type)), value.type)


ROWS = Total(Summand())
"""The number of rows of a cell."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One aggregate of the query, reduced to what the threshold core computes.

    `kind` is count, sum, average, units, grouping or a function of `POWER_SUMS`. `addends` are totals with their
    constants, `count` the number of values an average divides by. `groups` are the unit groups that a
    COUNT(DISTINCT unit) adds up, `keys` those a GROUPING asks about.
    """

    name: str
    kind: str
    type: Type
    addends: tuple[tuple[Fraction, Total], ...] = ()
    count: Total | None = None
    at: Position | None = None
    groups: tuple[int, ...] = ()
    keys: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the aggregates of one core. Raises Refused LVR-2302, LVR-2303, LVR-2306, LVR-2310.

    `protected` are the protected scans, `guarded` the inner aggregates whose values are as if released.
    """

    core: Aggregate
    columns: RowColumns
    groups: tuple[UnitGroup, ...]
    protected: frozenset[int]
    guarded: frozenset[int]

    @property
    def provenance(self) -> Provenance:
        """Where the columns come from."""
        return self.columns.provenance

    def asked(self, named: Named) -> Asked:
        """What one output column of the aggregate asks for."""
        call = named.expression
        if not isinstance(call, AggregateCall):
            raise TypeError("a measure is one aggregate call")
        if call.distinct:
            return self._units(named.name, call)
        match call.function:
            case "count":
                return Asked(named.name, "count", call.type, ((Fraction(1), self._count(call)),), at=call.at)
            case "sum" | "avg":
                return self._sum(named.name, call)
            case "grouping":
                places = [key.expression for key in self.core.keys]
                keys = tuple(places.index(argument) for argument in call.arguments)
                return Asked(named.name, "grouping", call.type, at=call.at, keys=keys)
            case function if function in POWER_SUMS:
                return self._moments(named.name, call)
            case _:
                raise aggregate_not_protected(call.function.upper(), call.at)

    def _units(self, name: str, call: AggregateCall) -> Asked:
        """COUNT(DISTINCT unit): the units of every type that share the column, since no unit has two types."""
        column = self.provenance.column(call.arguments[0]) if call.arguments else None
        groups = tuple(index for index, group in enumerate(self.groups) if column in group.columns)
        if groups and call.function == "count" and call.where is None:
            return Asked(name, "units", call.type, groups=groups)
        raise distinct_not_a_unit(call.at)

    def _count(self, call: AggregateCall) -> Total:
        where = () if call.where is None else self._conditions(call.where)
        there = self._there(resolved(call.arguments[0], self.columns)) if call.arguments else ()
        return self._total(Summand((), conjunction((*there, *where))))

    def _there(self, argument: Expression) -> Conditions:
        """Where a counted argument has a value: for arithmetic where its columns have one, overflow or not, for at
        which number it overflows is the asker's choice."""
        if never_null(argument, self.columns):
            return ()
        match argument:
            case Call(function="case", arguments=(condition, value, Literal(value=None))):
                return (condition, *self._there(value))
        try:
            there = polynomial(argument, self.columns).present
        except NotPolynomial:
            there = ()
        plain = bool(there) and all(map(self.columns.asks_for_values, there))
        return there if plain else (present(resolved(argument, self.columns)),)

    def _conditions(self, where: Expression) -> Conditions:
        return conjunction((resolved(where, self.columns),))

    def _total(self, summand: Summand) -> Total:
        own = any(self._own_columns(condition) for condition in summand.conditions)
        presence = bool(summand.conditions) and all(map(self.columns.asks_for_values, summand.conditions))
        tally = self._tally(summand.factors)
        if tally is not None:
            presence = not summand.conditions and all(map(self.columns.asks_for_values, tally))
        return Total(summand, self._exact(summand.factors), own, presence, tallies=tally is not None)

    def _tally(self, factors: tuple[ColumnRef, ...]) -> Conditions | None:
        """What an inner count of one subject asks of its rows; None for a count of all of them, and for amounts."""
        made = self.columns.of_one_unit(factors[0]) if len(factors) == 1 else None
        match made:
            case AggregateCall(function="count", arguments=arguments, where=where):
                there = (part for one in arguments for part in self._there_in(one))
                asked = conjunction((*there, *(() if where is None else self._conditions(where))))
                return asked or None
            case AggregateCall(function="sum" | "max" | "min", arguments=(argument,), where=where):
                given = resolved(argument, self.columns)
                return (_is_one(given),) if is_indicator(given) and not isinstance(given, Literal) else None
            case _:
                return None

    def _there_in(self, argument: Expression) -> Conditions:
        """Where an argument of an inner count has a value, nothing where it always has."""
        given = resolved(argument, self.columns)
        return () if never_null(given, self.columns) else self._there(argument)

    def _sum(self, name: str, call: AggregateCall) -> Asked:
        (argument,) = call.arguments
        try:
            given = polynomial(argument, self.columns)
        except NotPolynomial:
            if any(table.space is SpaceKind.INSTITUTION for table in self._tables_of(argument)):
                raise own_values_as_weights(call.at) from None
            raise not_one_column(call.at) from None
        where = () if call.where is None else self._conditions(call.where)
        terms = [(constant, summand.under(where)) for summand, constant in given.terms.items()]
        if is_indicator(resolved(argument, self.columns)) and len(terms) > 1:
            terms = [(Fraction(1), Summand((), conjunction((_is_one(resolved(argument, self.columns)), *where))))]
        self._check(terms, call)
        addends = tuple((constant, self._total(summand)) for constant, summand in terms)
        kind = "sum" if call.function == "sum" else "average"
        # A sum divided by its average is a number of rows: all of them, or those with a value, judged as such.
        count = self._total(Summand((), conjunction((*given.present, *where)))) if kind == "average" else None
        return Asked(name, kind, call.type, addends, count, call.at)

    def _moments(self, name: str, call: AggregateCall) -> Asked:
        """Variance, covariance and their like: from sums of one or two columns, their squares and products."""
        where = () if call.where is None else self._conditions(call.where)
        # In REGR functions the dependent variable comes first.
        order = call.arguments[::-1] if call.function.startswith("regr_") else call.arguments
        given = [self._single(argument, call) for argument in order]
        there = conjunction((*(part for one in given for part in one.present), *where))
        (x, by_x), (y, by_y) = ((*next(iter(one.terms.items())),) for one in (given[0], given[-1]))
        parts: dict[str, tuple[tuple[Summand, ...], Fraction]] = {"x": ((x,), by_x), "y": ((y,), by_y)}
        parts |= {"xx": ((x, x), by_x**2), "xy": ((x, y), by_x * by_y), "yy": ((y, y), by_y**2)}
        if len(given) > 1 and not self._multiplies(x.factors + y.factors):
            raise not_one_column(call.at, not_multiplied([factor.name for factor in x.factors + y.factors]))
        addends: list[tuple[Fraction, Total]] = []
        for part in POWER_SUMS[call.function]:
            summands, constant = parts[part]
            conditions = (*there, *(condition for one in summands for condition in one.conditions))
            product = Summand(tuple(factor for one in summands for factor in one.factors))
            addends.append((constant, self._total(tidied(product.under(conditions)))))
        return Asked(name, call.function, call.type, tuple(addends), self._total(Summand((), there)), call.at)

    def _single(self, argument: Expression, call: AggregateCall) -> Polynomial:
        """An argument that is one protected column, times a constant, under a condition at most."""
        try:
            given = polynomial(argument, self.columns)
        except NotPolynomial:
            raise not_one_column(call.at) from None
        terms = [(constant, summand) for summand, constant in given.terms.items()]
        self._check(terms, call)
        if len(terms) != 1 or len(terms[0][1].factors) != 1:
            raise not_one_column(call.at)
        return given

    def _check(self, terms: list[tuple[Fraction, Summand]], call: AggregateCall) -> None:
        """Refuses what cannot be judged: known numbers as factors, powers, flags as factors, nothing protected."""
        for _, summand in terms:
            for factor in summand.factors:
                table = self.columns.tables.get(factor.relation)
                if table is not None and table.space is SpaceKind.INSTITUTION:
                    raise own_values_as_weights(call.at)
                if not self._is_protected(factor):
                    column = None if table is None else table.column(factor.name)
                    raise not_one_column(
                        call.at, public_number(factor.name) if column and column.level == 1 else None
                    )
            if len(summand.factors) > 1 and not self._multiplies(summand.factors):
                raise not_one_column(call.at, not_multiplied([factor.name for factor in summand.factors]))
        owned = {self.own_part(summand.conditions) for _, summand in terms} - {()}
        if len(owned) > 1:
            raise own_values_as_weights(call.at)
        if not any(summand.factors for _, summand in terms) and len(terms) != 1:
            raise not_one_column(call.at)

    def own_part(self, conditions: Conditions) -> Conditions:
        """The conditions on the requester's own columns."""
        return tuple(condition for condition in conditions if self._own_columns(condition))

    def _multiplies(self, factors: tuple[ColumnRef, ...]) -> bool:
        """Whether a product is one of different amounts: no power, whatever its name, and no flag or key."""
        bases = [self._bases(factor) for factor in factors]
        classes = equal_columns(self.core.input, self.provenance)
        for index, (factor, base) in enumerate(zip(factors, bases, strict=True)):
            table = self.columns.tables.get(factor.relation)
            column = None if table is None else table.column(factor.name)
            if column is None or column.role is not Role.VALUE:
                return False
            if any(base & other for other in bases[index + 1 :]):
                return False
        refs = {(factor.relation, factor.name) for factor in factors}
        return all(len(refs & same) < 2 for same in classes)

    def _bases(self, factor: ColumnRef) -> frozenset[tuple[object, str]]:
        return frozenset((self.columns.tables[scan].name, name) for scan, name in self.provenance.columns(factor))

    def _is_protected(self, factor: ColumnRef) -> bool:
        """Whether a value is a protected column, or one subject's own sum or count of protected rows."""
        table = self.columns.tables.get(factor.relation)
        if table is not None:
            column = table.column(factor.name)
            return factor.relation in self.protected and column is not None and column.level > 1
        if factor.relation in self.provenance.unions:
            return self._is_protected_union(factor)
        if factor.relation not in self.provenance.below or factor.relation in self.guarded:
            return False
        match self.provenance.definition(factor):
            case AggregateCall(function="count" | "sum", arguments=arguments) if self._multiplied(factor, arguments):
                return False
            case AggregateCall(function="count"):
                return all(scan in self.protected for scan in self.provenance.below[factor.relation])
            case AggregateCall(function="sum" | "avg" | "max" | "min", arguments=(inner,)):
                return self._is_one_protected(inner)
            case AggregateCall():
                return False
            case key:
                return self._is_one_protected(key)

    def _multiplied(self, factor: ColumnRef, arguments: tuple[Expression, ...]) -> bool:
        """Whether an inner count or sum grows with the partners of an outer join, and is not about them.

        A subject without partners then has a number as well, and one subject's many partners would hide behind those.
        """
        partners = self.columns.extended & set(self.provenance.below[factor.relation])
        about = {scan for argument in arguments for scan, _ in self.provenance.columns(argument)}
        return bool(partners) and not (about and about <= partners)

    def asks_for_key(self, total: Total) -> bool:
        """Whether a number of rows is asked for under a condition on what the cells are made by."""
        if total.presence or not (total.counts or total.own) or not total.summand.conditions:
            return False
        made_by = self.provenance.deciding((key.expression for key in self.core.keys), self.core.input)
        return any(made_by & self.provenance.columns(condition) for condition in total.summand.conditions)

    def is_own(self, expression: Expression) -> bool:
        """Whether an expression depends on the requester's own columns."""
        return bool(self._own_columns(expression))

    def _is_protected_union(self, factor: ColumnRef) -> bool:
        """Whether both sides of a Union give a protected column, or one of them nothing."""
        sides = self.provenance.sides(factor)
        given = [side for side in sides if not (isinstance(side, Literal) and not side.value)]
        return bool(given) and all(map(self._is_one_protected, given))

    def _is_one_protected(self, expression: Expression) -> bool:
        """Whether an expression is a constant times protected columns, under a condition at most."""
        try:
            found = polynomial(expression, self.columns)
        except NotPolynomial:
            return False
        (first, *others) = found.terms or {Summand(): Fraction(0)}
        single = not others and bool(first.factors) and all(map(self._is_protected, first.factors))
        return single and (len(first.factors) == 1 or self._multiplies(first.factors))

    def _exact(self, factors: tuple[ColumnRef, ...]) -> Type:
        """Sums are exact: integers, or decimals with the factors' digits together."""
        if all(factor.type.kind is Kind.INTEGER for factor in factors):
            return INTEGER
        scale = sum(self.columns.decimals(factor) for factor in factors)
        return decimal(scale if len(factors) == 1 else min(scale, MAX_SCALE))

    def value(self, total: Total) -> Expression:
        """The product a total adds up; one for a row that is only counted. Doubles are decimals here."""
        found: Expression | None = None
        for factor in total.summand.factors:
            part: Expression = factor
            if factor.type.kind is Kind.DOUBLE:
                part = Call("try_cast", (factor,), decimal(self.columns.decimals(factor)))
            found = part if found is None else _times(found, part)
        return Literal(1, INTEGER) if found is None else found

    def _tables_of(self, expression: Expression) -> Iterator[Table]:
        return (self.columns.tables[scan] for scan, _ in self.provenance.columns(expression))

    def _own_columns(self, expression: Expression) -> frozenset[tuple[int, str]]:
        return frozenset(
            column
            for column in self.provenance.columns(expression)
            if self.columns.tables[column[0]].space is SpaceKind.INSTITUTION
        )


def _times(left: Expression, right: Expression) -> Expression:
    if left.type.kind is Kind.INTEGER and right.type.kind is Kind.INTEGER:
        return Call("*", (left, right), INTEGER)
    return Call("*", (left, right), decimal(min(MAX_SCALE, left.type.scale + right.type.scale)))


def _is_one(expression: Expression) -> Expression:
    return Call("=", (expression, Literal(1, INTEGER)), BOOLEAN)


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
