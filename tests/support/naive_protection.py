"""What leaves of a protected question, by definition: sets of units, lists of amounts, the rules of PRIVACY 5.

Nothing of it is shared with the planner's rewriting or the releaser; the rows come from the oracle. A sum is taken
apart into the products of columns it adds up, each with the rows it counts in; each of them must be safe by itself,
and so must what two of them leave when they are subtracted from one another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from tests.support.naive_counts import parts_of_counts
from tests.support.naive_sums import (
    Amount,
    Nullable,
    Test,
    amounts,
    apart,
    asks_for,
    is_presence,
    meets,
    products,
    ratios,
    shared,
    there,
    together,
    told_apart,
)

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, Named, Value
from louver_sandbox.algebra.relations import Aggregate, Filter, Join, JoinKind, Project, Relation, scans, walk
from louver_sandbox.catalog.model import PrivacyUnit
from louver_sandbox.engines.oracle import Row, Tables, UnitsOf, aggregate_row, evaluate, grouped, value_of
from louver_sandbox.stages import ThresholdRules

Name = tuple[int, PrivacyUnit]
"""A privacy unit of one scan."""

Declared = Mapping[Name, bool]
"""The units a cell may be made of; true where a cell may have none of them."""


class Overlapping(Exception):
    """Two sums of one product over rows that may meet: their difference may be one subject's."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One cell of a protected question, by definition: its exact row, and the measures that may not leave."""

    values: Mapping[str, Value]
    leaves: bool
    withheld: frozenset[str]


@dataclass(frozen=True)
class Number:
    """One number that may be known or not: what each row adds to it, and which rule it is judged by."""

    of: Callable[[Row], Fraction | None]
    counts: bool = False
    presence: bool = False
    own: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Protection:
    """What judging needs besides the rows."""

    rules: ThresholdRules
    declared: Declared
    numbers: Mapping[str, Sequence[Number]]


@dataclass(frozen=True)
class Question:
    """A core without select lists inside, and what is known of its columns."""

    core: Aggregate
    tables: Tables
    units_of: UnitsOf
    rules: ThresholdRules
    nullable: Nullable
    own: frozenset[str] = frozenset()
    groups: list[tuple[tuple[Value, ...], list[Row]]] = field(default_factory=list)


def judged(
    core: Aggregate,
    tables: Tables,
    units_of: UnitsOf,
    rules: ThresholdRules,
    nullable: Nullable,
    *,
    own: frozenset[str] = frozenset(),
) -> list[Judged]:
    """Every cell of the core with what the rules of PRIVACY 5 say about it.

    `own` names the measures over the requester's columns. Raises Overlapping.
    """
    core = without_select_lists(core)
    protection = Protection(rules, _declared(core, units_of), _numbers(core, nullable, own))
    groups = grouped(core, evaluate(core.input, tables, units_of))
    return [_judge(core, keys, rows, protection) for keys, rows in groups]


def remainder(
    core: Aggregate,
    tables: Tables,
    units_of: UnitsOf,
    rules: ThresholdRules,
    nullable: Nullable,
    *,
    own: frozenset[str] = frozenset(),
) -> Judged | None:
    """All cells that may not leave, as one; None when there are fewer than two or together they may not either."""
    core = without_select_lists(core)
    protection = Protection(rules, _declared(core, units_of), _numbers(core, nullable, own))
    groups = grouped(core, evaluate(core.input, tables, units_of))
    kept_back = [rows for keys, rows in groups if not _judge(core, keys, rows, protection).leaves]
    nulls = (None,) * len(core.keys)
    whole = _judge(core, nulls, [row for rows in kept_back for row in rows], protection)
    return whole if len(kept_back) > 1 and whole.leaves else None


@dataclass(frozen=True, slots=True)
class Division:
    """How the cells of one core are parts of another's: the same rows, by pairs of names of equal keys and of
    measures about the same values."""

    keys: Sequence[tuple[str, str]]
    measures: Sequence[tuple[str, str]]


def beside_parts(
    whole: Sequence[Judged], parts: Sequence[Judged], rest: Judged | None, division: Division
) -> list[Judged]:
    """The cells of a core, given that their parts in another core of the question leave too.

    A value less the values of the released parts is that of all withheld parts together. It may be known where none
    is withheld, or where they are all there is in the remainder (`rest`) and that value of it may leave.
    """
    return [replace(cell, withheld=cell.withheld | frozenset(_told(cell, parts, rest, division))) for cell in whole]


def _told(cell: Judged, parts: Sequence[Judged], rest: Judged | None, division: Division) -> Iterator[str]:
    own = [part for part in parts if all(part.values[b] == cell.values[a] for a, b in division.keys)]
    missing = [part for part in own if not part.leaves]
    for mine, theirs in division.measures:
        emptied = any(part.leaves and theirs in part.withheld for part in own)
        rest_leaves = not division.keys and rest is not None and theirs not in rest.withheld
        if emptied or (missing and not rest_leaves):
            yield mine


def without_select_lists(core: Aggregate) -> Aggregate:
    """The same core with the select lists of derived tables put into the expressions that use them."""
    source, meanings = _inlined(core.input)

    def meant(named: Named) -> Named:
        return Named(named.name, _with(named.expression, meanings))

    return Aggregate(core.id, source, tuple(map(meant, core.keys)), tuple(map(meant, core.measures)), core.sets)


def _inlined(relation: Relation) -> tuple[Relation, dict[tuple[int, str], Expression]]:
    match relation:
        case Project():
            below, meanings = _inlined(relation.input)
            shown = {(relation.id, named.name): _with(named.expression, meanings) for named in relation.columns}
            return below, {**meanings, **shown}
        case Filter():
            below, meanings = _inlined(relation.input)
            return Filter(below, _with(relation.predicate, meanings)), meanings
        case Join():
            left, of_left = _inlined(relation.left)
            right, of_right = _inlined(relation.right)
            meanings = {**of_left, **of_right}
            return Join(relation.kind, left, right, _with(relation.condition, meanings)), meanings
        case _:
            return relation, {}


def _with(expression: Expression, meanings: Mapping[tuple[int, str], Expression]) -> Expression:
    match expression:
        case ColumnRef():
            return meanings.get((expression.relation, expression.name), expression)
        case Literal():
            return expression
        case Call():
            arguments = tuple(_with(argument, meanings) for argument in expression.arguments)
            return Call(expression.function, arguments, expression.type)
        case AggregateCall():
            arguments = tuple(_with(argument, meanings) for argument in expression.arguments)
            where = None if expression.where is None else _with(expression.where, meanings)
            return AggregateCall(expression.function, arguments, expression.type, expression.distinct, where)


def _judge(core: Aggregate, keys: tuple[Value, ...], rows: Sequence[Row], protection: Protection) -> Judged:
    values = {name: value for (_, name), value in aggregate_row(core, keys, rows).values.items()}
    people = {
        name: {row.units[name] for row in rows if row.units.get(name) is not None} for name in protection.declared
    }
    counts = {name: len(found) for name, found in people.items()}
    leaves = _enough(counts, protection)
    withheld = {
        name
        for name, numbers in protection.numbers.items()
        if not all(_number_leaves(number, rows, people, protection) for number in numbers)
    }
    return Judged(values, leaves, frozenset(withheld))


def _declared(core: Aggregate, units_of: UnitsOf) -> Declared:
    """Every unit a cell may be made of, and whether a cell may honestly have none of it."""
    partners = _partners(core)
    return {
        name: name[1].when is not None and name[0] not in partners
        for scan in scans(core.input)
        for name in units_of(scan, {})
    }


def _partners(core: Aggregate) -> frozenset[int]:
    """The tables whose rows may be missing."""
    joins = (node for node in walk(core) if isinstance(node, Join) and node.kind is JoinKind.LEFT)
    return frozenset(scan.id for join in joins for scan in scans(join.right))


def _enough(counts: Mapping[Name, int], protection: Protection) -> bool:
    declared, k = protection.declared, protection.rules.k
    needed = [(count, k[name[1].type]) for name, count in counts.items() if count > 0 or not declared[name]]
    return len(needed) > 0 and all(count >= least for count, least in needed)


def _number_leaves(
    number: Number, rows: Sequence[Row], people: Mapping[Name, set[Value]], protection: Protection
) -> bool:
    given = {name: _contributions(number, rows, name) for name in people}
    active = {
        name: {unit for unit, amount in found.items() if unit is not None and amount} for name, found in given.items()
    }
    some = {name: len(found) for name, found in active.items()}
    others = {name: len(people[name] - active[name]) for name in people}
    if number.optional and not any(some.values()):
        return True
    if not _enough(some, protection) or (number.own and not _enough(others, protection)):
        return False
    if number.counts:
        all_may_have_it = number.optional or (number.presence and not any(others.values()))
        return all_may_have_it or _enough(others, protection)
    return all(_shared_out(list(found.values()), protection.rules) for name, found in given.items() if people[name])


def _contributions(number: Number, rows: Sequence[Row], name: Name) -> dict[Value, Fraction]:
    """What each unit adds; all rows without a unit of any kind are one contributor, None."""
    found: dict[Value, Fraction] = {}
    for row in rows:
        if row.units.get(name) is None and any(unit is not None for unit in row.units.values()):
            continue
        amount = number.of(row)
        if amount is not None:
            unit = row.units.get(name)
            found[unit] = found.get(unit, Fraction(0)) + amount
    return found


def _shared_out(given: Sequence[Fraction], rules: ThresholdRules) -> bool:
    ranked = sorted(map(abs, given), reverse=True)
    whole = sum(ranked, Fraction(0))
    largest, second = (*ranked, Fraction(0), Fraction(0))[:2]
    dominated = largest * 100 > whole * rules.dominance_percent
    estimable = (whole - largest - second) * 100 < largest * rules.p_percent
    return not dominated and not estimable


# What each measure is made of.


def _numbers(core: Aggregate, nullable: Nullable, own: frozenset[str]) -> Mapping[str, Sequence[Number]]:
    parts = {
        named.name: _parts(named.expression, nullable)
        for named in core.measures
        if isinstance(named.expression, AggregateCall) and not named.expression.distinct
    }
    sums, partners = list(parts.values()), _partners(core)
    return {
        name: [
            *(
                number
                for amount in found
                for number in (_number(amount, name in own, partners), *_guards(amount, sums, partners))
            ),
            *(Number(part, own=name in own) for part in _combined(found, sums)),
        ]
        for name, found in parts.items()
    }


def _combined(amounts: Sequence[Amount], sums: Sequence[Sequence[Amount]]) -> Iterator[Callable[[Row], Fraction]]:
    """What a measure's products add up to; where all rows are asked for too, the rest and the other parts as well."""
    mine = products(amounts)
    if not mine:
        return
    yield lambda row: together(mine, row)
    alike = [other for given in sums if (other := products(given)) and ratios(other) == ratios(mine)]
    some = {shared(other): other for other in alike}
    whole = some.pop(frozenset(), None)
    if whole is None or shared(mine) not in some:
        return
    yield lambda row: Fraction(0) if any(meets(tests, row) for tests in some) else together(whole, row)
    for other in some.values():
        yield lambda row, other=other: together(other, row)  # type: ignore[misc]  # a loop variable kept


def _parts(call: AggregateCall, nullable: Nullable) -> list[Amount]:
    """The amounts a measure is made of, an average's number of values among them unless all rows have one."""
    where: set[Test] = set() if call.where is None else {(part, True) for part in conjuncts(call.where)}
    if call.function == "count":
        given = {test for argument in call.arguments for test in there(argument, nullable)}
        return [Amount(Fraction(1), (), frozenset(given | where))]
    (argument,) = call.arguments
    found = [Amount(one.constant, one.factors, one.tests | where) for one in amounts(argument, nullable)]
    counted = frozenset(there(argument, nullable) | where)
    if call.function == "avg" and (counted or len(found) > 1):
        found.append(Amount(Fraction(1), (), counted))
    return found


def conjuncts(condition: Expression) -> Iterator[Expression]:
    if isinstance(condition, Call) and condition.function == "and":
        for part in condition.arguments:
            yield from conjuncts(part)
    else:
        yield condition


def _number(amount: Amount, own: bool, partners: Collection[int]) -> Number:
    presence = all(is_presence(test, partners) for test, _ in amount.tests)
    if not amount.factors and not amount.tests:
        return Number(lambda row: None, optional=True)
    return Number(amount.of, counts=not amount.factors, presence=presence, own=own)


def _guards(amount: Amount, sums: Sequence[Sequence[Amount]], partners: Collection[int]) -> Iterator[Number]:
    everything = [other for given in sums for other in given]
    same = {other.tests: other for other in everything if other.factors == amount.factors and amount.factors}
    some = [other for other in same.values() if other.tests]
    if any(one != other and not apart(one, other) for one in some for other in some):
        raise Overlapping
    if amount.factors and amount.tests and frozenset() in same:
        presence = all(is_presence(test, partners) for other in some for test, _ in other.tests)
        yield Number(lambda row: _rest(same[frozenset()], some, row), optional=presence)
        yield from (Number(other.of) for other in some if other.tests != amount.tests)
    for part, optional in parts_of_counts(amount, everything, partners):
        yield Number(part, counts=True, optional=optional)
    yield from _beside_factors(amount, everything, partners)
    inside = [
        other
        for other in everything
        if other.factors and set(other.factors) < set(amount.factors) and _same_rows(other, amount)
        if told_apart(other, amount, sums)
    ]
    for other in inside:
        if not any(set(other.factors) < set(nearer.factors) for nearer in inside):
            yield Number(lambda row, other=other: _zero(amount, other, row), counts=True, optional=True)  # type: ignore[misc]  # a loop variable kept


def _same_rows(part: Amount, product: Amount) -> bool:
    """Whether both count in the same rows, but for those where a factor of the product is missing."""
    return {test for test in part.tests if not asks_for(test, product.factors)} == product.tests


def _beside_factors(amount: Amount, everything: Sequence[Amount], partners: Collection[int]) -> Iterator[Number]:
    """A product and one of its factors over different rows are judged as if they were one product."""
    for other in everything:
        part = min(amount, other, key=lambda one: len(one.factors))
        nested = part.factors and len({*amount.factors} & {*other.factors}) == len(part.factors)
        if not nested or len(amount.factors) == len(other.factors) or amount.tests == other.tests:
            continue
        if apart(amount, other):
            continue
        if amount.tests and other.tests:
            raise Overlapping
        if amount.tests:
            whole = Amount(Fraction(1), part.factors, frozenset())
            presence = all(is_presence(test, partners) for test, _ in amount.tests)
            yield Number(lambda row, whole=whole: _rest(whole, [amount], row), optional=presence)  # type: ignore[misc]  # a loop variable kept


def _rest(whole: Amount, some: Sequence[Amount], row: Row) -> Fraction | None:
    held = any(all((value_of(test, row) is True) is wanted for test, wanted in one.tests) for one in some)
    return None if held else whole.of(row)


def _zero(product: Amount, part: Amount, row: Row) -> Fraction | None:
    """One for a row that counts in the part and vanishes from the product."""
    extra = Amount(Fraction(1), tuple(f for f in product.factors if f not in part.factors), product.tests)
    counts, vanishes = part.of(row), extra.of(row)
    return Fraction(1) if counts and not vanishes else None
