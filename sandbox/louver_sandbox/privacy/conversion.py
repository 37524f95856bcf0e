"""Between rho and (epsilon, delta): the tight conversion, rounded against the spender.

A release of rho-zCDP is (epsilon, delta)-differentially private for every order a > 1 with (Canonne, Kamath and
Steinke, The Discrete Gaussian for Differential Privacy, NeurIPS 2020, proposition 12)

    ln delta = (a - 1) (a rho - epsilon) - ln a + (a - 1) ln(1 - 1/a).

Every order gives a true statement. So the best one is looked for in floats, and the statement for it is then computed
with bounds: a search that misses the best order loses accuracy, never privacy.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import exp, inf, log, log1p
from typing import Final

from louver_sandbox.privacy.cost import PrivacyCost
from louver_sandbox.privacy.directed import exp_up, ln_down, ln_up, rounded_down, rounded_up
from louver_sandbox.privacy.refused import PrivacyRefused, Reason

_EPSILON_PLACES: Final = 12
_RHO_PLACES: Final = 18
_LOWEST, _HIGHEST = -15.0, 50.0
"""Where the logarithm of the order less one is looked for."""


def epsilon_of(cost: PrivacyCost, delta: Fraction) -> Fraction:
    """The least epsilon for which the cost is certainly (epsilon, delta)-differentially private, rounded up.

    What thresholds have spent of delta is not there for the conversion.

    Raises:
        PrivacyRefused: DELTA_OUT_OF_RANGE, or DELTA_SPENT: thresholds spent all of it.
    """
    left = _left(cost.delta, delta)
    if cost.rho == 0:
        return Fraction(0)
    rho, hidden = float(cost.rho), log(left.denominator) - log(left.numerator)

    def stated(order: float) -> float:
        return order * rho + (hidden - log(order)) / (order - 1) + log1p(-1 / order)

    order = _best(stated)
    bound = order * cost.rho + (ln_up(1 / left) - ln_down(order)) / (order - 1) + ln_up(1 - 1 / order)
    return max(Fraction(0), rounded_up(bound, _EPSILON_PLACES))


def rho_of(epsilon: Fraction, delta: Fraction, thresholds: Fraction = Fraction(0)) -> PrivacyCost:
    """The largest cost that is certainly (epsilon, delta)-differentially private, rounded down.

    `thresholds` is the part of delta that is kept for groups listed because of a threshold; it is the delta of the
    result.

    Raises:
        PrivacyRefused: EPSILON_OUT_OF_RANGE, DELTA_OUT_OF_RANGE, DELTA_SPENT.
    """
    left = _left(thresholds, delta)
    if epsilon <= 0:
        raise PrivacyRefused(Reason.EPSILON_OUT_OF_RANGE, "epsilon is not above 0", "epsilon 须大于 0")
    wanted, hidden = float(epsilon), log(left.denominator) - log(left.numerator)

    def unused(order: float) -> float:
        return -(wanted - log1p(-1 / order) - (hidden - log(order)) / (order - 1)) / order

    order = _best(unused)
    bound = (epsilon - ln_up(1 - 1 / order) - (ln_up(1 / left) - ln_down(order)) / (order - 1)) / order
    return PrivacyCost(max(Fraction(0), rounded_down(bound, _RHO_PLACES)), thresholds)


def delta_of(cost: PrivacyCost, epsilon: Fraction) -> Fraction:
    """The least delta for which the cost is surely (epsilon, delta)-differentially private, rounded up, at most 1."""
    if epsilon < 0:
        raise PrivacyRefused(Reason.EPSILON_OUT_OF_RANGE, "epsilon is negative", "epsilon 为负")
    if cost.rho == 0:
        return min(Fraction(1), cost.delta)
    rho, wanted = float(cost.rho), float(epsilon)

    def logarithm(order: float) -> float:
        return (order - 1) * (order * rho - wanted + log1p(-1 / order)) - log(order)

    order = _best(logarithm)
    bound = (order - 1) * (order * cost.rho - epsilon + ln_up(1 - 1 / order)) - ln_down(order)
    return min(Fraction(1), cost.delta + exp_up(bound)) if bound < 0 else Fraction(1)


def _left(spent: Fraction, delta: Fraction) -> Fraction:
    if not 0 < delta < 1:
        raise PrivacyRefused(Reason.DELTA_OUT_OF_RANGE, "delta is not between 0 and 1", "delta 须在 0 与 1 之间")
    if spent >= delta:
        raise PrivacyRefused(
            Reason.DELTA_SPENT, "thresholds have spent all of delta", "阈值选择已用尽 delta，无法换算"
        )
    return delta - spent


def _best(loss: Callable[[float], float]) -> Fraction:
    """The order at which the loss is least: a coarse grid, then golden section between the neighbours of the best."""

    def at(place: float) -> float:
        order = 1 + exp(place)
        return loss(order) if order > 1 else inf

    grid = [_LOWEST + (_HIGHEST - _LOWEST) * step / 130 for step in range(131)]
    middle = min(grid, key=at)
    low, high = middle - 0.5, middle + 0.5
    golden = (5**0.5 - 1) / 2
    for _ in range(40):
        first, second = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, second) if at(first) <= at(second) else (first, high)
    return 1 + Fraction(exp((low + high) / 2))
