"""Averages, variances, shares and ratios from noisy numbers, with the intervals that follow (Fieller 1954).

Whatever is said here is computed from released numbers and costs nothing. A mean is the solution of S - m N = 0,
where the noise of S - m N is known for every m: all m that it does not contradict are the interval, however uncertain
N is. Where N itself may be nothing, the interval is all that the declared bounds allow.

Only Gaussian noise: the sum of independent discrete Gaussians is closer to a Gaussian than one step of each of them,
and half a step of each is added. That the intervals cover is tested, as for every mechanism.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

from louver_sandbox.mechanisms.noise import CONFIDENCE, DiscreteGaussian, Sensitivity, deviations
from louver_sandbox.mechanisms.release import Bounds, Noisy

_NUISANCE = Fraction(999, 1000)
"""The confidence with which the mean is bounded when a variance is; what it misses is taken from the variance's."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number computed from noisy ones, and its interval, within what is possible at all."""

    value: Fraction
    low: Fraction
    high: Fraction


@dataclass(frozen=True, slots=True)
class Moments:
    """Noisy number of values, sum of (x - c) and sum of (x - c)^2, where c is the centre of the bounds.

    Values centred in the middle of their bounds have half the sensitivity, or less, of values as they are.
    """

    bounds: Bounds
    count: Noisy
    total: Noisy
    squares: Noisy | None = None


def of_total(bounds: Bounds, rows_per_unit: int = 1, groups_per_unit: int = 1) -> Sensitivity:
    """What one unit changes the sum of x - c by."""
    return Sensitivity(_reach(bounds) * rows_per_unit, groups_per_unit)


def of_squares(bounds: Bounds, rows_per_unit: int = 1, groups_per_unit: int = 1) -> Sensitivity:
    """What one unit changes the sum of (x - c)^2 by."""
    return Sensitivity(_reach(bounds) ** 2 * rows_per_unit, groups_per_unit)


def ratio(numerator: Noisy, denominator: Noisy, bounds: Bounds, confidence: Fraction = CONFIDENCE) -> Estimate:
    """Numerator over denominator, of which it is known that it lies within the bounds."""
    noises = (_scale(numerator), _scale(denominator))

    def spread(value: float) -> float:
        return _spread(((1.0, noises[0]), (value, noises[1])), confidence)

    return _fieller(
        numerator.value,
        denominator.value,
        spread,
        _spread(((1.0, noises[1]),), confidence),
        (Fraction(bounds.low), Fraction(bounds.high)),
    )


def share(part: Noisy, rest: Noisy, confidence: Fraction = CONFIDENCE) -> Estimate:
    """part / (part + rest), for counts of disjoint sets: a conditional rate.

    Where a unit is in one of them, both together cost as much as one.
    """
    noises = (_scale(part), _scale(rest))

    def spread(value: float) -> float:
        return _spread(((1 - value, noises[0]), (value, noises[1])), confidence)

    steepest = _spread(((1.0, noises[0]), (1.0, noises[1])), confidence)
    return _fieller(part.value, part.value + rest.value, spread, steepest, (Fraction(0), Fraction(1)))


def mean(moments: Moments, confidence: Fraction = CONFIDENCE) -> Estimate:
    """The average of the values."""
    bounds, centre = moments.bounds, moments.bounds.centre
    found = ratio(moments.total, moments.count, Bounds(bounds.low - centre, bounds.high - centre), confidence)
    return Estimate(found.value + centre, found.low + centre, found.high + centre)


def variance(moments: Moments, sample: bool = True, confidence: Fraction = CONFIDENCE) -> Estimate:
    """The variance of the values; `sample` divides by n - 1, as VAR_SAMP and VARIANCE do.

    With m and v true and M = S / N, the noise of Q - 2 m S + m^2 N - v N is known, and it is Q - 2 M S + M^2 N - v N
    with N (M - m)^2 more. m is bounded by its own interval, so v is by both (and N by one more, where it is needed).
    ValueError without sums of squares.
    """
    if moments.squares is None:
        raise ValueError("a variance needs the sum of squares")
    bounds, count, centre = moments.bounds, moments.count, moments.bounds.centre
    most = Fraction((bounds.high - bounds.low) ** 2, 4)
    nuisance = 2 * (1 - _NUISANCE)
    middle = mean(moments, _NUISANCE)
    means = sorted((float(middle.low) - centre, float(middle.high) - centre))
    scales = (_scale(moments.squares), _scale(moments.total), _scale(count))
    around, largest = float(middle.value) - centre, max(map(abs, means))

    def spread(value: float) -> float:
        widest = max(
            abs(square - value)
            for square in (*(m * m for m in means), 0.0 if means[0] < 0 < means[1] else means[0] ** 2)
        )
        terms = ((1.0, scales[0]), (2 * largest, scales[1]), (widest, scales[2]))
        return _spread(terms, confidence + nuisance)

    steepest = _spread(((1.0, scales[2]),), confidence + nuisance)
    central = float(moments.squares.value) - 2 * around * moments.total.value + around * around * count.value
    found = _fieller(central, count.value, spread, steepest, (Fraction(0), most))
    bend = Fraction(max(abs(m - around) for m in means)) ** 2
    bent = Estimate(found.value, found.low, min(most, found.high + bend))
    return _of_sample(bent, count, most) if sample else bent


def deviation(of: Estimate) -> Estimate:
    """The standard deviation of an estimated variance."""
    return Estimate(*(Fraction(sqrt(part)) for part in (of.value, of.low, of.high)))


def total(parts: Sequence[Noisy], confidence: Fraction = CONFIDENCE) -> Estimate:
    """The sum of released numbers of independent noise: totals agree with their parts, and cost nothing."""
    width = Fraction(_spread([(1.0, _scale(part)) for part in parts], confidence))
    value = Fraction(sum(part.value for part in parts))
    return Estimate(value, value - width, value + width)


def _of_sample(population: Estimate, count: Noisy, most: Fraction) -> Estimate:
    width = _spread(((1.0, _scale(count)),), _NUISANCE)
    fewest, many = count.value - width, max(2.0, count.value + width)
    if fewest < 2:
        return Estimate(population.value, Fraction(0), 2 * most)
    factor = Fraction(count.value, count.value - 1)
    low, high = (Fraction(n / (n - 1)) for n in (many, fewest))
    return Estimate(population.value * factor, population.low * low, min(2 * most, population.high * high))


def _fieller(
    numerator: float,
    denominator: int,
    spread: Callable[[float], float],
    steepest: float,
    limits: tuple[Fraction, Fraction],
) -> Estimate:
    """All v with |numerator - v denominator| <= spread(v), where the spread never rises faster than `steepest`.

    With u = |v - numerator / denominator| that is u denominator <= spread, which has one end on either side.
    """
    low, high = limits
    if denominator <= steepest * (1 + 1e-9):
        middle = Fraction(numerator) / denominator if denominator > 0 else (low + high) / 2
        return Estimate(min(max(middle, low), high), low, high)
    best = numerator / denominator
    ends = []
    for sign in (-1, 1):
        inside, outside = 0.0, spread(best) / (denominator - steepest) * (1 + 1e-9)
        for _ in range(30):
            middle_ = (inside + outside) / 2
            inside, outside = (
                (middle_, outside) if middle_ * denominator <= spread(best + sign * middle_) else (inside, middle_)
            )
        ends.append(min(max(Fraction(best + sign * outside), low), high))
    return Estimate(min(max(Fraction(best), low), high), ends[0], ends[1])


def _spread(terms: Sequence[tuple[float, float]], confidence: Fraction) -> float:
    """Half the width of an interval for a sum of factors times noises: the Gaussian one and half a step each."""
    z = deviations(confidence)
    return (
        z * sqrt(sum((factor * scale) ** 2 for factor, scale in terms)) + sum(abs(factor) for factor, _ in terms) / 2
    )


def _scale(number: Noisy) -> float:
    if not isinstance(number.noise, DiscreteGaussian):
        raise ValueError("only numbers of Gaussian noise are combined")
    return float(number.noise.scale)


def _reach(bounds: Bounds) -> int:
    return max(bounds.high - bounds.centre, bounds.centre - bounds.low)
