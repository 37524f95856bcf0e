"""Noise for sums: in proportion to the largest contributions, which is what a sum could give away.

X' = X + sum over j of weight_j m(M) x_j v_j, with x_j the absolute contribution of the j-th largest unit, v_j noise
of mean zero and standard deviation one by the cell's key, and m(M) a flex function of the sum M of absolute
contributions (after Thompson, Broadfoot and Elazar 2013; Giessing and Tent 2019; the documentation of the R package
`cellKey`). All numbers are whole numbers of the value's smallest unit, so results are exact and the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import isqrt, lcm
from operator import mul
from typing import Final

from louver_sandbox.perturbation.keys import DRAW_BITS, MOST_NOISE_WORDS, CellKey
from louver_sandbox.perturbation.refused import PerturbationRefused, Reason
from louver_sandbox.perturbation.rounding import WIDEST_STEP, step_of
from louver_sandbox.perturbation.table import STEPS, MagnitudeTable


@dataclass(frozen=True)
class MagnitudeTerms:
    """How much noise a sum gets, in standard deviations relative to the largest contributions.

    `small` for cells whose absolute contributions are together at most `flexpoint` (in smallest units); above it the
    share falls to `large` as (flexpoint / M)^`power`. `weights` are the shares of the noise that each of the largest
    contributions makes, 1 for the first, falling.

    Raises:
        PerturbationRefused: MAGNITUDE_TERMS.
    """

    flexpoint: int
    small: Fraction
    large: Fraction
    power: int = 1
    weights: tuple[Fraction, ...] = (Fraction(1), Fraction(1))

    def __post_init__(self) -> None:
        falling = all(a >= b >= 0 for a, b in zip(self.weights, self.weights[1:], strict=False))
        weighed = falling and 1 <= len(self.weights) <= MOST_NOISE_WORDS and self.weights[0] == 1
        if not (weighed and self.flexpoint >= 1 and self.power >= 1 and 0 < self.large <= self.small):
            raise PerturbationRefused(
                Reason.MAGNITUDE_TERMS,
                "noise for sums needs 0 < large <= small, a flexpoint and power of at least 1, and falling weights "
                f"that begin with 1, at most {MOST_NOISE_WORDS}",
                "求和噪声要求 0 < large <= small，flexpoint 与 power 至少为 1，"
                f"权重以 1 开头、递减且至多 {MOST_NOISE_WORDS} 个",
            )

    def share(self, magnitude: int) -> tuple[int, int]:
        """The flex function, noise in standard deviations per contribution, as numerator and denominator."""
        if magnitude <= self.flexpoint:
            return self.small.numerator, self.small.denominator
        large, fall, whole = self._parts
        power = magnitude**self.power
        return large * power + fall * self.flexpoint**self.power, whole * power

    @cached_property
    def whole_weights(self) -> tuple[tuple[int, ...], int]:
        """The weights over their common denominator."""
        whole = lcm(*(weight.denominator for weight in self.weights))
        return tuple(int(weight * whole) for weight in self.weights), whole

    @cached_property
    def _parts(self) -> tuple[int, int, int]:
        """`large`, and how much `small` exceeds it, over their common denominator."""
        whole = lcm(self.large.denominator, self.small.denominator)
        return int(self.large * whole), int((self.small - self.large) * whole), whole


@dataclass(frozen=True, slots=True)
class Contributed:
    """What one unit group contributes to a sum: the largest absolute contributions, falling, and the sum of all."""

    largest: tuple[int, ...]
    magnitude: int


@dataclass(frozen=True)
class MagnitudeNoise:
    """Noise for sums: a table and its terms."""

    table: MagnitudeTable
    terms: MagnitudeTerms

    def per_step(self, contributed: Contributed) -> tuple[int, int]:
        """By what the weighted contributions are multiplied for one step of noise, as numerator and denominator.

        The noise of all of them together can never exceed the sum of absolute contributions, so a sum of numbers that
        are not negative stays so, without the bias that cutting off would have. It tells the largest contributions:
        never publish it, nor an interval computed from it.
        """
        weights, whole = self.terms.whole_weights
        share, of = self.terms.share(contributed.magnitude)
        weighted = sum(map(mul, weights, contributed.largest))
        most = self.table.terms.maximum
        numerator, denominator = share, of * whole * STEPS
        if most * weighted * numerator > contributed.magnitude * denominator:
            return contributed.magnitude, most * weighted
        return numerator, denominator

    def perturbed(self, total: int, contributed: Contributed, key: CellKey) -> int:
        """A sum with its noise, in smallest units, halves to even. What nobody contributes to stays as it is.

        With several unit groups the caller takes the contributions of the one with the most noise.
        """
        weights, _ = self.terms.whole_weights
        drawn = self.table.row.drawn
        steps = sum(
            weight * contribution * drawn(key.noise(number))
            for number, (weight, contribution) in enumerate(zip(weights, contributed.largest, strict=False))
        )
        numerator, denominator = self.per_step(contributed)
        whole, rest = divmod(total * denominator + steps * numerator, denominator)
        return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))

    def is_hidden_by(self, base: int, contributed: Contributed) -> bool:
        """Whether a base is coarser than twice the standard deviation of a cell's noise."""
        squares, denominator = self._twice_deviation(contributed)
        return base * base * denominator > squares

    def base(self, contributed: Contributed, key: CellKey, unit: int = 1) -> int:
        """The base for a cell whose column has none: `unit` times 1, 2, 5, 10, ..., coarser than twice the noise.

        A sum's last digits tell its base, and a base that followed from the largest contributions alone would tell
        of two cells on which side of a step each of them is. So the deviation is first stretched by a factor between
        one and two that the cell's key draws: the base is more than two and at most ten deviations (or is `unit`),
        and leaves their size open by a factor of five.
        """
        squares, denominator = self._twice_deviation(contributed)
        stretched = (1 << DRAW_BITS) + key.base
        above = isqrt(squares * stretched * stretched // (denominator << 2 * DRAW_BITS))
        return step_of(above + 1, unit)

    def _twice_deviation(self, contributed: Contributed) -> tuple[int, int]:
        """The square of twice the noise's standard deviation, as numerator and denominator."""
        weights, _ = self.terms.whole_weights
        numerator, denominator = self.per_step(contributed)
        weighted = sum((weight * one) ** 2 for weight, one in zip(weights, contributed.largest, strict=False))
        variance = self.table.terms.variance
        return 4 * variance.numerator * numerator**2 * weighted, variance.denominator * denominator**2

    def bound_to_hide(self, contribution: int) -> int:
        """The base that is coarser than twice the noise of every cell in which no unit contributes more than this.

        It follows from public numbers alone, so it tells nothing of any cell.
        """
        weights = self.terms.weights
        square = 4 * sum(weight * weight for weight in weights) * (self.terms.small * contribution) ** 2
        return step_of(isqrt(square.numerator // square.denominator) + 1)


MOST_DEVIATIONS: Final = 2 * 2 * WIDEST_STEP
"""How many standard deviations of a cell's noise its base is at most, unless it is the unit."""
