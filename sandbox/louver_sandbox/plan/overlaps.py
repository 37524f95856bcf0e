"""Totals of one core that could be subtracted from one another, and what must be safe for them to leave together.

Two sums of the same product over different rows of a cell differ by the sum over the other rows, which may be one
subject's. So beside a total over some rows, what is left of the one over all rows must pass the rules as well; totals
over rows that cannot meet are cells of their own; any other pair is refused (LVR-2311). A product beside one of its
own factors is a sum over the rows where the rest is not zero, so the rows where it is zero or null must not be few,
unless the two are asked for in one combination only, which is judged itself (`plan.combinations`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations

from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, Literal
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, Position
from louver_sandbox.plan.combinations import Inseparable, combination, complements, inseparable
from louver_sandbox.plan.conditions import all_of, conjunction, disjoint, fails
from louver_sandbox.plan.counts import Guard, between_counts
from louver_sandbox.plan.measures import Asked, Reader, Total
from louver_sandbox.plan.names import between_names, representatives
from louver_sandbox.plan.polynomials import Summand, tidied
from louver_sandbox.refusals.plan import overlapping_sums

ValueOf = Callable[[Total], Expression]
"""The product a total adds up."""


Guards = Mapping[Total, tuple[Guard, ...]]
"""What must be safe besides a total for it to leave."""


def guards(asked: Iterable[Asked], reader: Reader, *, rows_known: bool = False) -> Guards:
    """The guards of every total; `rows_known` says that the question may tell the number of all rows elsewhere.

    Raises:
        Refused: LVR-2311, for totals that no guard makes safe together.
    """
    asked = tuple(asked)
    places: dict[Total, Position | None] = {}
    for one in asked:
        for total in judged(one):
            places.setdefault(total, one.at)
    _one_own_label(places, lambda total: reader.own_part(total.summand.conditions))
    found: dict[Total, list[Guard]] = {total: [] for total in places}
    by_product: dict[tuple[ColumnRef, ...], list[Total]] = {}
    for total in places:
        if total.summand.factors:
            by_product.setdefault(total.summand.factors, []).append(total)
    for totals in by_product.values():
        for total, needed in _complements(totals, places):
            found[total] += needed
    for total, others in complements(total for total in places if total.combined).items():
        found[total] += [Guard(other) for other in others]
    for total, guard in between_counts(places, reader.columns, rows_known=rows_known):
        found[total].append(guard)
    first = representatives(places, reader.columns)
    for total, guard in between_names(places, first, places):
        found[total].append(guard)
    together = inseparable(asked)
    for total in places:
        found[total] += _zeros(total, places, reader.value, together)
        for part in _factors_of(total, places, first):
            for conditional, guard in _beside_factor(total, part, places):
                found[conditional].append(guard)
    return {total: tuple(dict.fromkeys(needed)) for total, needed in found.items()}


def judged(asked: Asked) -> tuple[Total, ...]:
    """Every total of an aggregate that is judged: what it adds up, by itself and combined, and what it divides by."""
    totals = (*(total for _, total in asked.addends), combination(asked), asked.count)
    return tuple(dict.fromkeys(total for total in totals if total is not None))


def _one_own_label(places: Mapping[Total, Position | None], own_part: Callable[[Total], object]) -> None:
    """The requester's own labels are one question: two that differ in one subject tell whether it is in the cell."""
    seen: set[object] = set()
    for total, at in places.items():
        if total.own and not total.combined:
            seen.add(own_part(total))
            if len(seen) > 1:
                raise overlapping_sums(at)


def _complements(totals: list[Total], places: Mapping[Total, Position | None]) -> Iterable[tuple[Total, list[Guard]]]:
    some = [total for total in totals if total.summand.conditions]
    for one, other in combinations(some, 2):
        if not disjoint(one.summand.conditions, other.summand.conditions):
            raise overlapping_sums(places[other])
    if len(some) == len(totals):
        return
    (whole,) = (total for total in totals if not total.summand.conditions)
    held = [all_of(total.summand.conditions) for total in some]
    rest = tuple(fails((condition,)) for condition in held)
    optional = all(total.presence for total in some)
    left = Guard(Total(Summand(whole.summand.factors, conjunction(rest)), whole.exact), optional)
    for total in some:
        # With the whole known, a part that stays behind would be what the others leave of it.
        yield total, [left, *(Guard(other) for other in some if other != total)]


def _factors_of(total: Total, places: Iterable[Total], first: Mapping[ColumnRef, ColumnRef]) -> list[Total]:
    """The totals of some of its factors, under whatever names, with other conditions or the same."""
    factors = {first[factor] for factor in total.summand.factors}
    return [
        other
        for other in places
        if other.summand.factors and {first[factor] for factor in other.summand.factors} < factors
    ]


def _beside_factor(
    total: Total, part: Total, places: Mapping[Total, Position | None]
) -> Iterable[tuple[Total, Guard]]:
    """A product and one of its factors under different conditions: the other factor may be one number nearly always,
    so they are taken for sums of the same product."""
    of_total, of_part = total.summand.conditions, part.summand.conditions
    if of_total == of_part or disjoint(of_total, of_part):
        return
    if (of_total and of_part) or not set(part.summand.factors) <= set(total.summand.factors):
        raise overlapping_sums(places[total])
    some = total if of_total else part
    rest = Summand(part.summand.factors, conjunction((fails(some.summand.conditions),)))
    yield some, Guard(Total(rest, part.exact), optional=some.presence)


def _zeros(total: Total, places: Iterable[Total], value_of: ValueOf, together: Inseparable) -> Iterable[Guard]:
    """For a product, the rows where the factors it adds to a total beside it are zero or missing."""
    factors, conditions = total.summand.factors, total.summand.conditions
    inside = [
        other
        for other in places
        if other.summand.factors
        and set(other.summand.factors) < set(factors)
        and tidied(Summand(factors, other.summand.conditions)).conditions == conditions
        and not together(other.summand.factors, factors)
    ]
    for other in inside:
        if any(set(other.summand.factors) < set(nearer.summand.factors) for nearer in inside):
            continue
        extra = Summand(tuple(factor for factor in factors if factor not in other.summand.factors))
        counts = Call("<>", (value_of(Total(extra)), Literal(0, INTEGER)), BOOLEAN)
        some = Call("<>", (value_of(other), Literal(0, INTEGER)), BOOLEAN)
        yield Guard(
            Total(Summand((), conjunction((*other.summand.conditions, fails((counts,)), some)))), optional=True
        )
