"""How exact a number with so much noise is predicted to be, and the largest noise that is exact enough.

Scales that are looked for lie on a grid of 1,024 steps to each power of two: the found one is at most a thousandth
dearer than the least, and the fractions of costs stay short.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf, sqrt
from typing import Final

from louver_sandbox.mechanisms.noise import (
    CONFIDENCE,
    SCALE_LEAST,
    SCALE_MOST,
    DiscreteGaussian,
    deviations,
    granted,
    half_width,
)
from louver_sandbox.plan.private.measures import Number
from louver_sandbox.privacy.directed import root_up

_STEPS: Final = 1 << 10
_LAST: Final = _STEPS * ((SCALE_MOST // SCALE_LEAST).numerator.bit_length() - 1)


def scale_at(place: int) -> Fraction:
    """The scale at a place of the grid, from 0 (the least) on."""
    power, step = divmod(place, _STEPS)
    return SCALE_LEAST * Fraction(_STEPS + step, _STEPS) * (1 << power)


def below(scale: Fraction) -> Fraction:
    """The largest scale of the grid that is not above; the least where none is."""
    return largest(lambda one: one <= scale) or SCALE_LEAST


def largest(fits: Callable[[Fraction], bool]) -> Fraction | None:
    """The largest scale of the grid that fits, where smaller ones always do; None where none does."""
    if not fits(scale_at(0)):
        return None
    low, high = 0, _LAST + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(scale_at(middle)) else (low, middle)
    return scale_at(low)


def width_of_number(scale: Fraction, merged: int = 1) -> int:
    """Half the width of the interval of a count or sum, in whole units; of the largest total, where `merged` cells
    are added up."""
    alone = half_width(DiscreteGaussian(scale))
    if merged == 1:
        return alone
    return half_width(DiscreteGaussian(granted(root_up(merged * scale**2)))) + 1


def largest_scale(wanted: int, merged: int = 1) -> Fraction | None:
    """The largest noise with which the interval of a number reaches as far to either side at most."""

    def fits(scale: Fraction) -> bool:
        if merged * scale**2 > SCALE_MOST**2:
            return False
        return width_of_number(scale, merged) <= wanted

    return largest(fits)


@dataclass(frozen=True, slots=True)
class Average:
    """What is wanted of an average: `wanted` in whole units of its sum, `among` so many values. `sensitivities` are
    those of its count and its sum, in this order."""

    column: str
    count: Number
    total: Number
    wanted: Fraction
    among: int
    merged: int
    sensitivities: tuple[Fraction, Fraction]

    def width(self, count: Fraction, total: Fraction) -> float:
        """Half the width of the interval at most, wherever the average lies between its bounds: that of the releaser
        (`mechanisms.moments`) where the noisy number of values is as expected."""
        z, root, farthest = deviations(CONFIDENCE), sqrt(self.merged), self.total.largest
        counts, totals = float(count) * root, float(total) * root
        left = self.among - z * counts - 0.5
        if left <= 0:
            return inf
        return (z * sqrt(totals**2 + (farthest * counts) ** 2) + (1 + farthest) / 2) / left

    def cheapest(self) -> tuple[Fraction, Fraction] | None:
        """The scales of count and sum with which it costs least; None where no scales are small enough.

        Where s^2 + (h c)^2 is given, D_s^2 / s^2 + D_c^2 / c^2 is least for s^2 / (h c)^2 = D_s / (h D_c).
        """
        of_count, of_sum = self.sensitivities
        ratio = root_up(of_sum / (self.total.largest * of_count)) * self.total.largest
        count = largest(lambda scale: self.fits(scale, scale * ratio))
        return None if count is None else (count, below(count * ratio))

    def fits(self, count: Fraction, total: Fraction) -> bool:
        """Whether it is as exact as wanted with this noise."""
        return self.width(count, total) <= self.wanted


def raised(
    number: Number, scales: Mapping[Number, Fraction], averages: Sequence[Average], most: Fraction | None
) -> Fraction:
    """The largest scale of a number, beside these of the others, with which no average misses what is wanted."""

    def fits(scale: Fraction) -> bool:
        of = {**scales, number: scale}
        kept = all(one.fits(of[one.count], of[one.total]) for one in averages if number in (one.count, one.total))
        return kept and (most is None or scale <= most)

    return largest(fits) or scales[number]
