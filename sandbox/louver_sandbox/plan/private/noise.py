"""How much noise each number of a core gets, and what that costs every kind of unit: exactly what is charged.

The cost of a question is divided in equal parts over its cores and over the numbers of each. A number's noise is the
largest that any kind of unit needs, so the others pay less than their part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.mechanisms.groups import selection_cost, threshold
from louver_sandbox.mechanisms.noise import DiscreteGaussian, Sensitivity, gaussian
from louver_sandbox.plan.private.bounding import Bounded
from louver_sandbox.plan.private.measures import UNITS, Number
from louver_sandbox.privacy.cost import NOTHING, PrivacyCost
from louver_sandbox.privacy.refused import PrivacyRefused
from louver_sandbox.private_core import NoisyColumn

Costs = Mapping[UnitType, PrivacyCost]
"""By kind of unit."""


@dataclass(frozen=True, slots=True)
class Noise:
    """The noise of a core's numbers, in order, the threshold for listing its groups (0: none), and the costs."""

    columns: tuple[NoisyColumn, ...]
    tau: int
    costs: Costs


class TooLittle(Exception):
    """The cost leaves so little for a number that its noise would leave 64 bits."""


def noise_of(
    numbers: Sequence[Number], names: Sequence[str], bounded: Bounded, spend: Costs, cells: int | None
) -> Noise:
    """The noise of the numbers of a core that may cost each kind of unit so much; without `cells`, of which there are
    so many in a public domain, a part of `delta` pays for listing them.

    Raises:
        TooLittle: there is too little to spend.
    """
    try:
        return _noise_of(numbers, names, bounded, spend, cells)
    except PrivacyRefused as refused:
        raise TooLittle from refused


def _noise_of(
    numbers: Sequence[Number], names: Sequence[str], bounded: Bounded, spend: Costs, cells: int | None
) -> Noise:
    costs = dict.fromkeys(spend, NOTHING)
    columns: list[NoisyColumn] = []
    tau = 0
    for number, name in zip(numbers, names, strict=True):
        sensitivities = {unit: _sensitivity(number, bounded, unit, cells) for unit in spend}
        chosen = max(
            (gaussian(spend[unit].rho / len(numbers), sensitivity) for unit, sensitivity in sensitivities.items()),
            key=lambda noise: noise.scale,
        )
        for unit, sensitivity in sensitivities.items():
            costs[unit] += chosen.cost(sensitivity)
        columns.append(NoisyColumn(name, chosen.scale, None if _may_be_negative(number) else 0))
        if number == UNITS and cells is None:
            tau, costs = _listing(chosen, bounded, spend, costs)
    return Noise(tuple(columns), tau, costs)


def _listing(
    noise: DiscreteGaussian, bounded: Bounded, spend: Costs, costs: Costs
) -> tuple[int, dict[UnitType, PrivacyCost]]:
    """The threshold of listing a group, and the costs with the delta that it spends; its noise is paid already."""
    groups = bounded.of_units().numbers
    tau = threshold(noise, groups, min(cost.delta for cost in spend.values()))
    listed = PrivacyCost(Fraction(0), selection_cost(noise, groups, tau).delta)
    return tau, {unit: cost + listed for unit, cost in costs.items()}


def _sensitivity(number: Number, bounded: Bounded, unit: UnitType, cells: int | None) -> Sensitivity:
    return bounded.of_units() if number == UNITS else bounded.of_sums(unit, number.largest, cells)


def _may_be_negative(number: Number) -> bool:
    return number.kind == "sum" and number.least_added < 0
