"""Counts and sums: contributions of units within declared bounds, added up exactly, and noise on top."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from louver_sandbox.mechanisms.noise import CONFIDENCE, Noise, Sensitivity, half_width
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.privacy.refused import PrivacyRefused, Reason


@dataclass(frozen=True, slots=True)
class Bounds:
    """Declared bounds of a value, in whole smallest units (fen): from the catalogue, never from data or a question.

    Raises:
        PrivacyRefused: BOUNDS_UNSOUND: there is nothing between them.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise PrivacyRefused(Reason.BOUNDS_UNSOUND, "the lower bound is not below the upper", "下限须小于上限")

    @property
    def largest(self) -> int:
        """The most a value within them can be away from zero."""
        return max(abs(self.low), abs(self.high))

    @property
    def centre(self) -> int:
        """A whole number in their middle."""
        return (self.low + self.high) // 2

    def clipped(self, value: int) -> int:
        """The nearest value within them."""
        return min(max(value, self.low), self.high)


@dataclass(frozen=True, slots=True)
class Noisy:
    """A released number, the 95 % interval around it, and the noise that it has."""

    value: int
    low: int
    high: int
    noise: Noise


def counted(rows_per_unit: int, groups_per_unit: int) -> Sensitivity:
    """What one unit changes numbers of rows by; with one row per unit, COUNT(DISTINCT unit)."""
    return Sensitivity(rows_per_unit, groups_per_unit)


def summed(bounds: Bounds, rows_per_unit: int, groups_per_unit: int) -> Sensitivity:
    """What one unit changes sums of clipped values by."""
    return Sensitivity(bounds.largest * rows_per_unit, groups_per_unit)


def clipped_sum(values: Iterable[int], bounds: Bounds) -> int:
    """The exact sum of the values, each within its bounds: what a worker computes."""
    return sum(bounds.clipped(value) for value in values)


def released(
    exact: Sequence[int], noise: Noise, sampler: Sampler, least: int | None = None, confidence: Fraction = CONFIDENCE
) -> tuple[Noisy, ...]:
    """Each number with a draw of its own. `least` is what no true number is below, 0 for counts.

    The value stays unbiased and may be below `least`; its interval does not.
    """
    width = half_width(noise, confidence)
    drawn = noise.drawn(sampler, len(exact))
    values = [number + draw for number, draw in zip(exact, drawn, strict=True)]
    return tuple(Noisy(value, _least(value - width, least), _least(value + width, least), noise) for value in values)


def _least(value: int, least: int | None) -> int:
    return value if least is None else max(value, least)
