"""From what a caller wants to how much noise there is: an epsilon, or the least cost predicted to be as exact.

Nothing here looks at data (ADR 34). What cannot be had within what policy lets one question cost is refused with what
it would need.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from louver_sandbox.algebra.cores import Cut
from louver_sandbox.algebra.expressions import ColumnRef, Expression
from louver_sandbox.algebra.relations import Project, walk
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.mechanisms.noise import DiscreteGaussian, half_width
from louver_sandbox.mechanisms.quantiles import rank_error
from louver_sandbox.plan.private import precision
from louver_sandbox.plan.private.booked import Costs
from louver_sandbox.plan.private.bounding import Rules
from louver_sandbox.plan.private.drafts import Draft, Scales
from louver_sandbox.plan.private.measures import ROWS, UNITS, Number, Wanted
from louver_sandbox.plan.private.split import proportion
from louver_sandbox.privacy import stated
from louver_sandbox.privacy.conversion import rho_of
from louver_sandbox.privacy.cost import PrivacyCost
from louver_sandbox.privacy.directed import root_up
from louver_sandbox.private_core import PrivateRules, WantedAccuracy, Wish
from louver_sandbox.refusals import asking as refuse
from louver_sandbox.stages import OutputColumn


def each_of(rules: Rules, wish: Wish | None, drafts: Sequence[Draft]) -> Costs:
    """What a question may cost: what policies give each one, or the caller's epsilon at their deltas.

    Raises:
        Refused: LVR-2366, the epsilon is above what one question may cost.
    """
    if wish is None or wish.epsilon is None:
        return {key: rule.each for key, rule in rules.items()}
    found: dict[tuple[str, UnitType], PrivacyCost] = {}
    for key in sorted(frozenset().union(*(draft.datasets for draft in drafts))):
        rule = rules[key]
        if rule.terms is None:
            continue
        cost = rho_of(wish.epsilon, rule.delta, rule.each.delta)
        if cost.rho > rule.terms.most.rho:
            most = stated.most_epsilon(rule.terms.most.rho, rule.delta, rule.each.delta)
            raise refuse.epsilon_above_most(key[0], key[1].value, stated.number(wish.epsilon), most)
        found[key] = cost
    return found


# wanted accuracy


@dataclass(frozen=True, slots=True)
class _Target:
    """A measure of a core, what is wanted of it, and what its column is called."""

    draft: Draft
    measure: Wanted
    wish: WantedAccuracy
    column: str


def scales_wanted(
    wishes: Sequence[WantedAccuracy], columns: Sequence[OutputColumn], parts: Cut, drafts: Sequence[Draft]
) -> list[Scales]:
    """The largest noise with which every wanted accuracy is predicted, core by core. What nobody wants anything of is
    no more exact, for its importance, than the least exact of what is wanted.

    Raises:
        Refused: LVR-2368, LVR-2369, LVR-2371, LVR-2374.
    """
    targets = list(_targets(wishes, columns, parts, drafts))
    limits = [_limits([target for target in targets if target.draft is draft]) for draft in drafts]
    levels = [
        limit / proportion(draft, number, draft.units[0])
        for draft, of in zip(drafts, limits, strict=True)
        for number, limit in of.items()
    ]
    level = max(levels)
    return [
        {
            number: of[number] if number in of else precision.below(level * proportion(draft, number, draft.units[0]))
            for number in draft.paid
        }
        for draft, of in zip(drafts, limits, strict=True)
    ]


def _targets(
    wishes: Sequence[WantedAccuracy], columns: Sequence[OutputColumn], parts: Cut, drafts: Sequence[Draft]
) -> Iterator[_Target]:
    """Every noisy measure of the question of which something is wanted: by its column, or as one of all."""
    by_name = {wish.column: wish for wish in wishes}
    shown = _shown(columns, parts)
    named = {place: column for column, places in shown.items() for place in places if place is not None}
    measures = {(draft.core, one.name): (draft, one) for draft in drafts for one in draft.wanted if _is_noisy(one)}
    for name in by_name:
        places = shown.get(name, []) if name else list(measures)
        if not places:
            raise refuse.no_such_column(name, sorted({named[place] for place in measures if place in named}))
        if any(place is None for place in places):
            raise refuse.not_predictable(name)
        if not all(place in measures for place in places):
            raise refuse.no_such_column(name, sorted({named[place] for place in measures if place in named}))
    found = False
    for place, (draft, measure) in measures.items():
        column = named.get(place, "")
        wish = by_name.get(column) or by_name.get("")
        if wish is not None:
            found = True
            yield _Target(draft, measure, wish, column)
    if not found:
        raise refuse.no_such_column("", [])


def _is_noisy(measure: Wanted) -> bool:
    return bool(measure.numbers) or measure.ranking is not None


def _shown(columns: Sequence[OutputColumn], parts: Cut) -> dict[str, list[tuple[int, str] | None]]:
    """Which measure or key each column of the answer is, by name; None for what is computed from them."""
    cores = {core.id for core in parts.cores}
    behind = {
        (node.id, named.name): named.expression
        for node in walk(parts.shape)
        if isinstance(node, Project)
        for named in node.columns
    }

    def plain(expression: Expression) -> tuple[int, str] | None:
        while isinstance(expression, ColumnRef) and expression.relation not in cores:
            following = behind.get((expression.relation, expression.name))
            if following is None:
                return None
            expression = following
        return (expression.relation, expression.name) if isinstance(expression, ColumnRef) else None

    found: dict[str, list[tuple[int, str] | None]] = {}
    if isinstance(parts.shape, Project):
        for column, named in zip(columns, parts.shape.columns, strict=True):
            found.setdefault(column.name, []).append(plain(named.expression))
    return found


def _limits(targets: Sequence[_Target]) -> dict[Number, Fraction]:
    """The largest scales with which all these measures of a core are as exact as wanted: none of them could be
    larger beside the others."""
    plain: dict[Number, Fraction] = {}
    averages: list[precision.Average] = []
    for target in targets:
        merged = target.draft.merged
        if merged is None or target.measure.kind not in ("count", "units", "sum", "average"):
            raise refuse.not_predictable(target.column)
        if target.measure.kind == "average":
            averages.append(_average(target, merged))
            continue
        (number,) = target.measure.numbers
        scale = precision.largest_scale(_whole(target), merged)
        if scale is None:
            raise refuse.never_so_exact(target.column)
        plain[number] = min(scale, plain.get(number, scale))
    found = dict(plain)
    for one in averages:
        least = one.cheapest()
        if least is None:
            raise refuse.never_so_exact(one.column)
        for number, scale in zip((one.count, one.total), least, strict=True):
            found[number] = min(scale, found.get(number, scale))
    # Each average is met now. What one column wants more exact may leave room to what others share with it.
    for number in dict.fromkeys(number for one in averages for number in (one.count, one.total)):
        found[number] = precision.raised(number, found, averages, plain.get(number))
    return found


def _average(target: _Target, merged: int) -> precision.Average:
    draft, measure = target.draft, target.measure
    count, total, unit = measure.count, measure.total, draft.units[0]
    if count is None or total is None:
        raise ValueError("an average without its numbers")
    among = target.wish.among
    if among is None and count in (ROWS, UNITS):
        among = draft.at_least
    if among is None:
        raise refuse.size_unknown(target.column, "", values=True)
    roots = [root_up(Fraction(draft.sensitivity(number, unit).squared_l2)) for number in (count, total)]
    return precision.Average(
        column=target.column,
        count=count,
        total=total,
        wanted=_wanted(target) * 10**total.digits,
        among=among,
        merged=merged,
        sensitivities=(roots[0], roots[1]),
    )


def _whole(target: _Target) -> int:
    """What is wanted of a count or sum, in whole smallest units."""
    digits = 0 if target.measure.total is None else target.measure.total.digits
    return int(_wanted(target) * 10**digits)


def _wanted(target: _Target) -> Fraction:
    """Half the width of the interval, in the column's own unit."""
    wish, draft, measure = target.wish, target.draft, target.measure
    if not wish.percent:
        return wish.within
    size = wish.of
    if size is None and measure.count in (ROWS, UNITS) and measure.kind in ("count", "units"):
        size = None if draft.at_least is None else Fraction(draft.at_least)
    if size is None:
        raise refuse.size_unknown(target.column, stated.number(wish.within), values=False)
    return wish.within * size / 100


# what policy says of it


def check_most(costs: Costs, rules: Rules) -> None:
    """Refuses accuracies that cost more than one question may. LVR-2370."""
    for key, cost in costs.items():
        rule = rules[key]
        if rule.terms is None or cost.rho <= rule.terms.most.rho:
            continue
        factor = root_up(cost.rho / rule.terms.most.rho)
        needed = stated.needed_epsilon(cost.rho, rule.delta, rule.each.delta)
        most = stated.most_epsilon(rule.terms.most.rho, rule.delta, rule.each.delta)
        times = stated.number(Fraction(ceil(factor * 100), 100))
        raise refuse.out_of_reach(key[0], key[1].value, needed, most, times)


def check_precise(drafts: Sequence[Draft], scales: Sequence[Scales], rules: Rules, costs: Costs) -> None:
    """Refuses what policy finds too inexact to be told. LVR-2372."""
    worst, demanding = Fraction(1), None
    for draft, of in zip(drafts, scales, strict=True):
        for key in sorted(draft.datasets):
            most = rules[key].accuracy
            if most is None:
                continue
            missed = max((width / most for width in _widths(draft, of)), default=Fraction(0))
            if missed > worst:
                worst, demanding = missed, key
    if demanding is None:
        return
    rule = rules[demanding]
    needed = _by_epsilon(costs[demanding], worst, rule)
    raise refuse.too_inexact(demanding[0], demanding[1].value, str(rule.accuracy), *needed)


def _widths(draft: Draft, of: Scales) -> Iterator[Fraction]:
    """How uncertain every number of a core is predicted to be, in rows' worth; of quantiles, their rank."""
    for number in draft.numbers:
        yield Fraction(half_width(DiscreteGaussian(of[number])), number.largest)
    bins = {one.ranking: one.bins for one in draft.histograms}
    for measure in draft.wanted:
        if measure.ranking is not None:
            noise = DiscreteGaussian(of[measure.ranking])
            yield Fraction(ceil(rank_error(bins[measure.ranking], noise, measure.share)))


def _by_epsilon(cost: PrivacyCost, times: Fraction, rule: PrivateRules) -> tuple[str, str]:
    """The epsilon at which intervals would be so many times narrower, and the most that one question may cost."""
    if rule.terms is None:
        raise ValueError("rules that demand accuracy and give nothing to spend")
    needed = stated.needed_epsilon(cost.rho * times * times, rule.delta, rule.each.delta)
    return needed, stated.most_epsilon(rule.terms.most.rho, rule.delta, rule.each.delta)
