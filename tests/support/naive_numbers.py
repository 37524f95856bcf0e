"""What each measure of a core is made of, by definition: the numbers that could be known of it, each judged alone.

A sum is taken apart into the products of columns it adds up, each with the rows it counts in; beside them stand what
two of them leave when they are subtracted from one another, and the number of values that a mean divides by.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations_with_replacement

from tests.support.naive_counts import parts_of_counts
from tests.support.naive_keys import asks_for_key
from tests.support.naive_names import between_names
from tests.support.naive_rows import Column, conjuncts
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
from tests.support.naive_tallies import tallies

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression
from louver_sandbox.algebra.relations import Aggregate
from louver_sandbox.engines.oracle import Row, value_of


class Overlapping(Exception):
    """Two sums of one product over rows that may meet: their difference may be one subject's."""


@dataclass(frozen=True)
class Number:
    """One number that may be known or not: what each row adds to it, and which rule it is judged by.

    `tests` are what it asks of rows, `besides` what a number asks that is only judged for another one's sake, `adds`
    the columns whose product it adds up.
    """

    of: Callable[[Row], Fraction | None]
    counts: bool = False
    presence: bool = False
    own: bool = False
    optional: bool = False
    tests: frozenset[Test] = frozenset()
    besides: frozenset[Test] = frozenset()
    by_key: bool = False
    adds: tuple[ColumnRef, ...] = ()
    tallies: bool = False


Sum = list[Amount]
"""What one sum, or one count, adds up."""


def numbers_of(
    core: Aggregate, nullable: Nullable, own: frozenset[str], partners: Collection[Column], *, alone: bool = True
) -> Mapping[str, Sequence[Number]]:
    """By measure, everything that must be safe for it to leave; `alone` is the only core of a question.

    Raises:
        Overlapping: two sums may not stand side by side.
    """
    parts = {
        named.name: _sums(named.expression, nullable)
        for named in core.measures
        if isinstance(named.expression, AggregateCall) and _adds_up(named.expression)
    }
    every = [one for found in parts.values() for one in found]
    tallied = tallies(core, nullable, partners)
    return {
        name: [
            replace(_tally(number, tallied), by_key=_asks_for_key(number, core))
            for one in found
            for number in (*_numbers(one, every, name in own, partners, alone=alone), *_other_names(one, every, core))
        ]
        for name, found in parts.items()
    }


def _asks_for_key(number: Number, core: Aggregate) -> bool:
    return (number.counts or number.own) and not number.presence and asks_for_key(number.tests | number.besides, core)


def _tally(number: Number, tallied: Mapping[ColumnRef, bool]) -> Number:
    """The number as one of inner counts, if it is: then of rows with a property, which all may have or not."""
    if len(number.adds) != 1 or number.adds[0] not in tallied:
        return number
    return replace(number, tallies=True, presence=tallied[number.adds[0]] and not number.tests)


def _other_names(found: Sum, every: Sequence[Sum], core: Aggregate) -> Iterator[Number]:
    everything = [other for given in every for other in given]
    yield from (Number(part) for amount in found for part in between_names(amount, everything, core))


def _adds_up(call: AggregateCall) -> bool:
    return not call.distinct and call.function not in ("grouping", "min", "max")


def _numbers(
    found: Sum, every: Sequence[Sum], own: bool, partners: Collection[Column], *, alone: bool
) -> Iterator[Number]:
    for amount in found:
        yield _number(amount, own, partners)
        yield from _guards(amount, every, partners, alone=alone)
    yield from (Number(part, own=own, besides=tests) for part, tests in _combined(found, every))


def _combined(
    amounts: Sequence[Amount], sums: Sequence[Sequence[Amount]]
) -> Iterator[tuple[Callable[[Row], Fraction], frozenset[Test]]]:
    """What a measure's products add up to; where all rows are asked for too, the rest and the other parts as well."""
    mine = products(amounts)
    if not mine:
        return
    yield lambda row: together(mine, row), shared(mine)
    alike = [other for given in sums if (other := products(given)) and ratios(other) == ratios(mine)]
    some = {shared(other): other for other in alike}
    whole = some.pop(frozenset(), None)
    if whole is None or shared(mine) not in some:
        return
    asked = frozenset[Test]().union(*some)
    yield lambda row: Fraction(0) if any(meets(tests, row) for tests in some) else together(whole, row), asked
    for tests, other in some.items():
        yield lambda row, other=other: together(other, row), tests  # type: ignore[misc]  # a loop variable kept


def _sums(call: AggregateCall, nullable: Nullable) -> list[Sum]:
    """The sums a measure is made of, the number of its values among them unless all rows have one."""
    where: set[Test] = set() if call.where is None else {(part, True) for part in conjuncts(call.where)}
    given = {test for argument in call.arguments for test in there(argument, nullable)}
    counted = frozenset(given | where)
    rows = Amount(Fraction(1), (), counted)
    if call.function == "count":
        return [[rows]]

    def added_up(expression: Expression) -> Sum:
        return [Amount(one.constant, one.factors, one.tests | where) for one in amounts(expression, nullable)]

    if call.function in ("sum", "avg"):
        found = added_up(call.arguments[0])
        return [found, [rows]] if call.function == "avg" else [found]
    if call.function not in _OF_SQUARES:
        raise NotImplementedError(call)
    pairs = combinations_with_replacement(call.arguments, 2)
    products = [Call("*", pair, call.type) for pair in pairs]
    return [[rows], *(added_up(one) for one in (*call.arguments, *products))]


_OF_SQUARES = ("var_samp", "var_pop", "stddev_samp", "stddev_pop")


def _number(amount: Amount, own: bool, partners: Collection[Column]) -> Number:
    presence = all(is_presence(test, partners) for test, _ in amount.tests)
    if not amount.factors and not amount.tests:
        return Number(lambda row: None, optional=True)
    return Number(
        amount.of, counts=not amount.factors, presence=presence, own=own, tests=amount.tests, adds=amount.factors
    )


def _guards(
    amount: Amount, sums: Sequence[Sequence[Amount]], partners: Collection[Column], *, alone: bool
) -> Iterator[Number]:
    everything = [other for given in sums for other in given]
    same = {other.tests: other for other in everything if other.factors == amount.factors and amount.factors}
    some = [other for other in same.values() if other.tests]
    if any(one != other and not apart(one, other) for one in some for other in some):
        raise Overlapping
    if amount.factors and amount.tests and frozenset() in same:
        presence = all(is_presence(test, partners) for other in some for test, _ in other.tests)
        yield Number(lambda row: _rest(same[frozenset()], some, row), optional=presence)
        others = (other for other in some if other.tests != amount.tests)
        yield from (Number(other.of, besides=other.tests, adds=other.factors) for other in others)
    for part, optional, presence, asked in parts_of_counts(amount, everything, partners, alone=alone):
        yield Number(part, counts=True, optional=optional, presence=presence, besides=asked)
    yield from _beside_factors(amount, everything, partners)
    inside = [
        other
        for other in everything
        if other.factors and set(other.factors) < set(amount.factors) and _same_rows(other, amount)
        if told_apart(other, amount, sums)
    ]
    for other in inside:
        if not any(set(other.factors) < set(nearer.factors) for nearer in inside):
            looked_at = frozenset((factor, True) for factor in amount.factors) | other.tests
            yield Number(
                lambda row, other=other: _zero(amount, other, row),  # type: ignore[misc]  # a loop variable kept
                counts=True,
                optional=True,
                besides=looked_at,
            )


def _same_rows(part: Amount, product: Amount) -> bool:
    """Whether both count in the same rows, but for those where a factor of the product is missing."""
    return {test for test in part.tests if not asks_for(test, product.factors)} == product.tests


def _beside_factors(amount: Amount, everything: Sequence[Amount], partners: Collection[Column]) -> Iterator[Number]:
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
