"""The noise of a core's numbers as the plan holds it, and what that costs every kind of unit: what is charged.

What the scales are is decided by what a question costs (`split`) or by how exact its caller wants it (`asking`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.mechanisms.groups import selection_cost, threshold
from louver_sandbox.mechanisms.noise import DiscreteGaussian
from louver_sandbox.plan.private.drafts import Draft, Scales
from louver_sandbox.plan.private.measures import UNITS, Number
from louver_sandbox.plan.private.split import Budgets
from louver_sandbox.privacy.cost import NOTHING, PrivacyCost
from louver_sandbox.private_core import NoisyColumn, PrivateRanks

_SHARE_PLACES = 4

Costs = Mapping[UnitType, PrivacyCost]
"""By kind of unit."""


@dataclass(frozen=True, slots=True)
class Noise:
    """The noise of a core's numbers, in order, the threshold for listing its groups (0: none), the costs, and the
    histograms with their noise."""

    columns: tuple[NoisyColumn, ...]
    tau: int
    costs: Costs
    ranks: tuple[PrivateRanks, ...] = ()


def noise_of(draft: Draft, scales: Scales, spend: Budgets) -> Noise:
    """The noise of a core with these scales; without a public domain, `spend` says what delta listing may cost.

    Raises:
        PrivacyRefused: a scale is out of range, or there is no delta to spend.
    """
    costs = dict.fromkeys(draft.units, NOTHING)
    columns: list[NoisyColumn] = []
    tau = 0
    for number, name in zip(draft.numbers, draft.statement.names, strict=True):
        chosen = DiscreteGaussian(scales[number])
        for unit in costs:
            costs[unit] += chosen.cost(draft.sensitivity(number, unit))
        columns.append(NoisyColumn(name, chosen.scale, None if _may_be_negative(number) else 0))
        if number == UNITS and draft.domain is None:
            tau, costs = _listing(chosen, draft, spend, costs)
    ranks: list[PrivateRanks] = []
    for histogram in draft.histograms:
        chosen = DiscreteGaussian(scales[histogram.ranking])
        for unit in costs:
            costs[unit] += chosen.cost(draft.sensitivity(histogram.ranking, unit))
        ranks.append(histogram.ranks(chosen.scale))
    return Noise(tuple(columns), tau, costs, tuple(ranks))


def shared(drafts: Sequence[Draft], noises: Sequence[Noise]) -> tuple[Noise, ...]:
    """The same, where every number says what part it is of all that its kind of unit pays."""
    whole: dict[UnitType, Fraction] = {}
    for noise in noises:
        for unit, cost in noise.costs.items():
            whole[unit] = whole.get(unit, Fraction(0)) + cost.rho
    return tuple(_with_shares(draft, noise, whole) for draft, noise in zip(drafts, noises, strict=True))


def _with_shares(draft: Draft, noise: Noise, whole: Mapping[UnitType, Fraction]) -> Noise:
    unit = max(draft.units, key=lambda one: noise.costs[one].rho)

    def share(number: Number, scale: Fraction) -> Fraction:
        rho = DiscreteGaussian(scale).cost(draft.sensitivity(number, unit)).rho
        return round(rho / whole[unit], _SHARE_PLACES)

    columns = zip(draft.numbers, noise.columns, strict=True)
    ranks = zip(draft.rankings, noise.ranks, strict=True)
    return replace(
        noise,
        columns=tuple(replace(column, share=share(number, column.scale)) for number, column in columns),
        ranks=tuple(replace(one, share=share(ranking, one.scale)) for ranking, one in ranks),
    )


def _listing(
    noise: DiscreteGaussian, draft: Draft, spend: Budgets, costs: Costs
) -> tuple[int, dict[UnitType, PrivacyCost]]:
    """The threshold of listing a group, and the costs with the delta that it spends; its noise is paid already."""
    groups = draft.limits.of_units(None).numbers
    tau = threshold(noise, groups, min(cost.delta for cost in spend.values()))
    listed = PrivacyCost(Fraction(0), selection_cost(noise, groups, tau).delta)
    return tau, {unit: cost + listed for unit, cost in costs.items()}


def _may_be_negative(number: Number) -> bool:
    return number.kind == "sum" and number.least_added < 0
