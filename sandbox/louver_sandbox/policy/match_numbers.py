"""With how much noise a number of a match leaves, and what it costs: by the policy and the declared bound alone.

Neighbours are lists with and without one subject. A subject on both sides adds one to a count, and to a sum at most
the bound that the requester has declared; so noise for that is (epsilon, delta)-private whatever ids a batch holds,
and what several numbers tell of one subject is the sum of what was paid for them (ADR 55).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.mechanisms.noise import DiscreteGaussian, Sensitivity, gaussian
from louver_sandbox.obligations import Period, PrivacyCharge, PrivacyTerms
from louver_sandbox.policy.match_terms import MatchMode, NumberTerms
from louver_sandbox.policy.private import cost_of
from louver_sandbox.privacy.cost import PrivacyCost

_PERIODS = list(Period)


@dataclass(frozen=True, slots=True)
class NumberRules:
    """How a number leaves: with this noise, for a subject that adds at most `bound`. `cost` is what the noise costs,
    never above what the policy lets one number cost."""

    noise: DiscreteGaussian
    bound: int
    cost: PrivacyCost


def bound_of(mode: MatchMode, declared: int) -> int:
    """The most that one subject adds to a number of this mode."""
    return declared if mode is MatchMode.SUM else 1


def number_rules(terms: NumberTerms, bound: int) -> NumberRules:
    """The rules for numbers to which one subject adds at most `bound`. Raises `PrivacyRefused`."""
    sensitivity = Sensitivity(bound)
    noise = gaussian(cost_of(terms.each).rho, sensitivity)
    return NumberRules(noise, bound, noise.cost(sensitivity))


def losses(
    several: Sequence[NumberTerms], rules: NumberRules, units: Sequence[UnitType], dataset: str, purpose: str
) -> tuple[PrivacyCharge, ...]:
    """What a number is charged for every kind of subject that the list may hold, by the strictest of the terms."""
    each, allowance, lifetime = (
        _least([cost_of(getattr(one, name)) for one in several]) for name in ("each", "allowance", "lifetime")
    )
    window = max((one.window for one in several), key=_PERIODS.index)
    delta = min(Fraction(one.each.delta) for one in several)
    return tuple(
        PrivacyCharge(
            dataset, purpose, rules.cost, PrivacyTerms(unit, lifetime, allowance, window, each, shared=False), delta
        )
        for unit in units
    )


def strictest(several: Sequence[NumberTerms]) -> NumberTerms:
    """The terms that let one number cost least."""
    return min(several, key=lambda one: cost_of(one.each).rho)


def _least(costs: Sequence[PrivacyCost]) -> PrivacyCost:
    return PrivacyCost(min(cost.rho for cost in costs), min(cost.delta for cost in costs))
