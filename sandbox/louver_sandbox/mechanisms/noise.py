"""Discrete Laplace and discrete Gaussian noise: cost, tails, intervals and variances of the discrete distributions.

Sources: Ghosh, Roughgarden and Sundararajan, Universally utility-maximizing privacy mechanisms, STOC 2009 (Laplace);
Canonne, Kamath and Steinke, The Discrete Gaussian for Differential Privacy, NeurIPS 2020 (CKS).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, erfc, sqrt
from statistics import NormalDist
from typing import Final

from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.privacy.cost import PrivacyCost, of_pure
from louver_sandbox.privacy.directed import exp_down, exp_up, root_up
from louver_sandbox.privacy.refused import PrivacyRefused, Reason

CONFIDENCE: Final = Fraction(95, 100)
SCALE_MOST: Final = 1 << 48
"""Beyond it noise would come near the 64 bits at which OpenDP cuts off."""
SCALE_LEAST: Final = Fraction(1, 1 << 6)
_SIGNIFICANT: Final = 40
"""Bits of a scale: a double has 53. Rounding up to them wastes at most one part in 2^38 of the budget."""
_SUMMED: Final = 4
"""Up to this scale Gaussian tails are summed term by term; beyond, compared with the continuous ones."""
_FLOAT_ERROR: Final = 1 + 1e-9


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How much one unit changes what is computed: so many numbers at most, each by at most `largest`.

    Neighbouring data are with and without the unit.

    Raises:
        PrivacyRefused: BOUNDS_UNSOUND: either is below 1.
    """

    largest: int
    numbers: int = 1

    def __post_init__(self) -> None:
        if self.largest < 1 or self.numbers < 1:
            raise PrivacyRefused(Reason.BOUNDS_UNSOUND, "a sensitivity is at least 1", "敏感度至少为 1")

    @property
    def l1(self) -> int:
        """The sum of all changes."""
        return self.largest * self.numbers

    @property
    def squared_l2(self) -> int:
        """The sum of their squares."""
        return self.largest**2 * self.numbers


@dataclass(frozen=True, slots=True)
class DiscreteLaplace:
    """Chance in proportion to e^(-|x| / scale). Made by `laplace`."""

    scale: Fraction

    def __post_init__(self) -> None:
        _checked(self.scale)

    def epsilon(self, sensitivity: Sensitivity) -> Fraction:
        """The pure epsilon: L1 sensitivity over scale, exactly."""
        return sensitivity.l1 / self.scale

    def cost(self, sensitivity: Sensitivity) -> PrivacyCost:
        """What it costs to add independent draws to every number."""
        return of_pure(self.epsilon(sensitivity))

    def tail(self, least: int) -> Fraction:
        """The chance of a draw of at least so much, rounded up; `least` is at least 1."""
        # p^least / (1 + p) with p = e^(-1/scale)
        return exp_up(-max(1, least) / self.scale) / (1 + exp_down(-1 / self.scale))

    def variance(self) -> Fraction:
        """The variance, rounded up."""
        ratio = exp_up(-1 / self.scale)
        return 2 * ratio / (1 - ratio) ** 2

    def drawn(self, sampler: Sampler, draws: int) -> Sequence[int]:
        """Independent draws."""
        return sampler.discrete_laplace(self.scale, draws)


@dataclass(frozen=True, slots=True)
class DiscreteGaussian:
    """Chance in proportion to e^(-x^2 / (2 scale^2)). Made by `gaussian`."""

    scale: Fraction

    def __post_init__(self) -> None:
        _checked(self.scale)

    def cost(self, sensitivity: Sensitivity) -> PrivacyCost:
        """rho = squared L2 sensitivity / (2 scale^2), exactly (CKS, theorem 14)."""
        return PrivacyCost(sensitivity.squared_l2 / (2 * self.scale**2))

    def tail(self, least: int) -> Fraction:
        """The chance of a draw of at least so much, rounded up; `least` is at least 1."""
        return _gaussian_tail(self.scale, max(1, least))

    def variance(self) -> Fraction:
        """scale^2, which is the variance to many digits from scale 1 on and more than it below (CKS, corollary 9)."""
        return self.scale**2

    def drawn(self, sampler: Sampler, draws: int) -> Sequence[int]:
        """Independent draws."""
        return sampler.discrete_gaussian(self.scale, draws)


Noise = DiscreteLaplace | DiscreteGaussian


def laplace(epsilon: Fraction, sensitivity: Sensitivity) -> DiscreteLaplace:
    """The noise that costs at most this pure epsilon, and hardly less.

    Raises:
        PrivacyRefused: EPSILON_OUT_OF_RANGE, SCALE_OUT_OF_RANGE.
    """
    if epsilon <= 0:
        raise PrivacyRefused(Reason.EPSILON_OUT_OF_RANGE, "epsilon is not above 0", "epsilon 须大于 0")
    return DiscreteLaplace(granted(sensitivity.l1 / epsilon))


def gaussian(rho: Fraction, sensitivity: Sensitivity) -> DiscreteGaussian:
    """The noise that costs at most this rho, and hardly less.

    Raises:
        PrivacyRefused: RHO_OUT_OF_RANGE, SCALE_OUT_OF_RANGE.
    """
    if rho <= 0:
        raise PrivacyRefused(Reason.RHO_OUT_OF_RANGE, "rho is not above 0", "rho 须大于 0")
    return DiscreteGaussian(granted(root_up(sensitivity.squared_l2 / (2 * rho))))


def granted(scale: Fraction) -> Fraction:
    """The next larger scale that a double holds exactly, so that what is drawn is what is charged."""
    shift = _SIGNIFICANT - (scale.numerator.bit_length() - scale.denominator.bit_length())
    step = Fraction(2) ** -shift
    return _checked(ceil(scale / step) * step)


@lru_cache(maxsize=4096)
def half_width(noise: Noise, confidence: Fraction = CONFIDENCE) -> int:
    """The least w for which a draw certainly lies in -w..w with this chance."""
    missed = 1 - confidence
    high = 1
    while 2 * noise.tail(high) > missed:
        high *= 2
    low = high // 2  # too narrow, or zero
    while low < high:
        middle = (low + high) // 2
        if 2 * noise.tail(middle + 1) <= missed:
            high = middle
        else:
            low = middle + 1
    return low


@lru_cache(maxsize=64)
def deviations(confidence: Fraction) -> float:
    """How many standard deviations around the mean hold this much of a continuous Gaussian: 1.96 for 95 %."""
    return NormalDist().inv_cdf(0.5 + float(confidence) / 2)


@lru_cache(maxsize=4096)
def _gaussian_tail(scale: Fraction, least: int) -> Fraction:
    if scale <= _SUMMED:
        return _summed_from(scale, least) / _normaliser(scale)
    # e^(-x^2 / 2s^2) falls beyond 0 and is convex beyond s, so a sum from `least` on is at most the integral from
    # least - 1, or least - 1/2 there; the sum over all integers is at least the whole integral (Poisson summation).
    beyond = Fraction(2 * least - 1, 2)
    start = beyond if beyond >= scale else Fraction(least - 1)
    return min(Fraction(1, 2), Fraction(max(1e-300, _FLOAT_ERROR * erfc(float(start / scale) / sqrt(2)) / 2)))


def _summed_from(scale: Fraction, least: int) -> Fraction:
    """At least the sum of e^(-x^2 / 2 scale^2) over x >= least: terms, then a geometric series above what is left."""
    twice = 2 * scale**2
    last = least + ceil(8 * scale)
    terms = sum((exp_up(-(x * x) / twice) for x in range(least, last)), Fraction(0))
    return terms + exp_up(-(last * last) / twice) / (1 - exp_up(-(2 * last + 1) / twice))


@lru_cache(maxsize=256)
def _normaliser(scale: Fraction) -> Fraction:
    """At most the sum of e^(-x^2 / 2 scale^2) over all integers: any part of it is."""
    twice = 2 * scale**2
    return 1 + 2 * sum((exp_down(-(x * x) / twice) for x in range(1, ceil(12 * scale) + 1)), Fraction(0))


def _checked(scale: Fraction) -> Fraction:
    if not SCALE_LEAST <= scale <= SCALE_MOST:
        raise PrivacyRefused(
            Reason.SCALE_OUT_OF_RANGE,
            f"a scale of noise is {SCALE_LEAST} to {SCALE_MOST}: the budget is too large or too small for the bounds",
            f"噪声尺度须在 {SCALE_LEAST} 与 {SCALE_MOST} 之间；预算相对上下限过大或过小",
        )
    return scale
