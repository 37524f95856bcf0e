"""How a question's budget is divided over its numbers, so that all are equally accurate.

A number of squared L2 sensitivity D^2 and expected size m, given rho_i of zCDP, gets Gaussian noise of variance
D^2 / (2 rho_i), hence the relative error r_i = D / (m sqrt(2 rho_i)). Given the total, the largest r_i is least when
all are equal: otherwise the worst could be given some of what the best has. They are equal when rho_i is in
proportion to D^2 / m^2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from louver_sandbox.privacy.directed import root_up, rounded_down, rounded_up
from louver_sandbox.privacy.refused import PrivacyRefused, Reason

_PLACES = 18


@dataclass(frozen=True, slots=True)
class Wanted:
    """A number that a question asks for. `expected` is its size as known publicly, never from the data."""

    name: str
    squared_sensitivity: int
    expected: Fraction


@dataclass(frozen=True, slots=True)
class Share:
    """What a number gets, and the standard error relative to its expected size, rounded up."""

    name: str
    rho: Fraction
    relative_error: Fraction


def split(rho: Fraction, numbers: Sequence[Wanted]) -> tuple[Share, ...]:
    """The shares of the numbers, in their order. They add up to at most rho.

    Raises:
        PrivacyRefused: RHO_OUT_OF_RANGE: no budget, or too little for a share; BOUNDS_UNSOUND: a sensitivity or an
            expected size is not above zero.
    """
    if any(number.squared_sensitivity < 1 or number.expected <= 0 for number in numbers):
        raise PrivacyRefused(
            Reason.BOUNDS_UNSOUND,
            "a number needs a sensitivity and an expected size above 0",
            "每个数须有大于 0 的敏感度与预期大小",
        )
    weights = [number.squared_sensitivity / number.expected**2 for number in numbers]
    shares = [rounded_down(rho * weight / sum(weights), _PLACES) for weight in weights]
    if min(shares, default=Fraction(1)) <= 0:
        raise PrivacyRefused(Reason.RHO_OUT_OF_RANGE, "the budget is too small to divide", "预算过小，无法分配")
    return tuple(
        Share(number.name, share, rounded_up(root_up(weight / (2 * share)), 9))
        for number, weight, share in zip(numbers, weights, shares, strict=True)
    )
