"""How far a released sum can be from the true one: bounds that hold for every cell, so that none tells of its own.

Where the base follows from declared bounds it is public, and the noise of every sum that leaves has less than half of
it as its standard deviation: absolute numbers. Elsewhere noise and base follow from the cell's largest contributions,
and all that may be said is in proportion to the sum of absolute contributions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from math import isqrt
from typing import Final

from louver_sandbox.perturbation.magnitudes import MOST_DEVIATIONS, MagnitudeNoise
from louver_sandbox.perturbation.rounding import RoundingMode
from louver_sandbox.perturbation.table import STEPS

_CONTEXT: Final = Context(prec=30)
_FINE: Final = 10**6


@dataclass(frozen=True, slots=True)
class Distance:
    """At most `absolute` smallest units plus `relative` times the sum of absolute contributions."""

    absolute: Fraction
    relative: Fraction


@dataclass(frozen=True, slots=True)
class SumAccuracy:
    """The statements for one kind of sum.

    `dominance_percent` is the largest share of a released sum that one unit may have. `mode` is None without
    rounding; `unit` is the smallest base of a cell, and `base` that of the column, 0 where each cell has its own.
    """

    noise: MagnitudeNoise
    dominance_percent: int
    mode: RoundingMode | None
    unit: int = 1
    base: int = 0

    @property
    def standard_error(self) -> Distance:
        """At least the root of the mean squared error, whatever the cell.

        Rounding at random is without bias whatever the noise was, so its square is added; to the nearest it is not
        independent of the noise, and the error itself is.
        """
        half = Fraction(1, 2)
        if self.mode is RoundingMode.RANDOM:
            return self._distance(lambda base: root(1 + (base * half) ** 2), half)
        return self._distance(lambda base: 1 + base * half, half)

    def within(self, confidence: Fraction) -> Distance:
        """How far the true sum is away at most, with this confidence over the draw of keys."""
        return self._least_of(min(deviations(confidence), self._most_deviations))

    @property
    def always(self) -> Distance:
        """How far the true sum is away at most, whatever is drawn."""
        return self._least_of(self._most_deviations)

    def bases(self, confidence: Fraction | None) -> Fraction:
        """How many of its own bases the true sum is away at most, with this confidence or always (None).

        What each cell's base is nobody says, but its sum is a multiple of it. It exceeds two deviations.
        """
        noise = self._most_deviations if confidence is None else min(deviations(confidence), self._most_deviations)
        return noise / 2 + (Fraction(1) if self.mode is RoundingMode.RANDOM else Fraction(1, 2))

    def of_largest(self, confidence: Fraction) -> Fraction:
        """How far the true sum is away at most, with this confidence, in proportion to the root of the squares of the
        two largest contributions to it, where each cell has a base of its own. For whoever knows a bound of these."""
        share = Fraction(1) if self.mode is RoundingMode.RANDOM else Fraction(1, 2)
        base = Fraction(0) if self.mode is None else MOST_DEVIATIONS * share
        return (min(deviations(confidence), self._most_deviations) + base) * self.noise.terms.small

    def _least_of(self, noise: Fraction) -> Distance:
        # Rounding at random goes as far as the next multiple, rounding to the nearest half as far.
        share = Fraction(1) if self.mode is RoundingMode.RANDOM else Fraction(1, 2)
        return self._distance(lambda base: noise + base * share, share)

    def _distance(self, of: Callable[[Fraction], Fraction], share: Fraction) -> Distance:
        """A distance in deviations of the noise, as a function of the base in deviations, made one in numbers."""
        if self.base and self.mode is not None:
            # The base exceeds two deviations of every sum that leaves.
            return Distance(of(Fraction(2)) * Fraction(self.base, 2), Fraction(0))
        if self.mode is None:
            return Distance(Fraction(0), of(Fraction(0)) * self.deviation)
        # A base is at most so many deviations, or the unit.
        least = self.unit * share if self.unit > 1 else Fraction(0)
        return Distance(least, of(Fraction(MOST_DEVIATIONS)) * self.deviation)

    @property
    def _most_deviations(self) -> Fraction:
        """How many deviations all noise of a cell is together at most: Cauchy and Schwarz."""
        weights = sum(1 for weight in self.noise.terms.weights if weight)
        return Fraction(self.noise.table.terms.maximum, STEPS) * root(Fraction(weights))

    @property
    def deviation(self) -> Fraction:
        """The standard deviation of the noise relative to the sum of absolute contributions, at most.

        A released sum has passed dominance: the worst is one unit with that share and the next with what is left. And
        all noise together is at most that sum, which is the largest noise for a contribution.
        """
        left, dominance, squares = Fraction(1), Fraction(self.dominance_percent, 100), Fraction(0)
        for weight in self.noise.terms.weights:
            share = min(dominance, left)
            left -= share
            squares += (weight * self.noise.terms.small * share) ** 2
        return min(root(squares), Fraction(STEPS, self.noise.table.terms.maximum))


def deviations(confidence: Fraction) -> Fraction:
    """Of how many standard deviations the noise of a sum is at most, with this confidence.

    Each draw is symmetric and none of its even moments exceeds that of a normal one with variance one, so sums of
    draws with any weights have tails below 2 exp(-t^2 / 2) (Chernoff).
    """
    doubt = 1 - confidence
    logarithm = _CONTEXT.ln(_CONTEXT.divide(Decimal(2 * doubt.denominator), Decimal(doubt.numerator)))
    return root(2 * Fraction(logarithm))


def root(square: Fraction) -> Fraction:
    """The square root, rounded up to six digits after the point."""
    scaled = -(-square.numerator * _FINE**2 // square.denominator)
    found = isqrt(scaled)
    return Fraction(found + (found * found < scaled), _FINE)
