"""Perturbation tables for counts: with which chance a count becomes which other count, as whole numbers.

A row holds the noise values that may be added to one count, and for each a weight; the weights of a row add up to
`KEYS`. A draw is a whole number below `KEYS`, so looking noise up is comparing integers and gives the same on every
machine. From count k + D on every count has the same row, the last one.

Sources: Fraser and Wooton 2006, Thompson, Broadfoot and Elazar 2013 (ABS), Giessing 2016 (Eurostat).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import Final

from louver_sandbox.perturbation.refused import PerturbationRefused, Reason

KEY_BITS: Final = 32
KEYS: Final = 1 << KEY_BITS
"""How many draws there are. Every probability of a table is a multiple of one over this number."""

MOST_NOISE: Final = 200
"""Largest D of a table, which has about 2 D (k + D) weights."""


@dataclass(frozen=True, slots=True)
class NoiseTerms:
    """What a table must hold: noise of at most `maximum` (D), of variance `variance` (V), and no result in 1..k-1.

    Raises:
        PerturbationRefused: no unbiased noise is like that.
    """

    maximum: int
    variance: Fraction
    threshold: int

    def __post_init__(self) -> None:
        if not 1 <= self.threshold <= self.maximum <= MOST_NOISE:
            raise PerturbationRefused(
                Reason.MAXIMUM_BELOW_K,
                f"the largest noise is {self.maximum}; it must be from k = {self.threshold} to {MOST_NOISE}: "
                "a count of k can only be lowered to zero, and noise that only raises it is biased",
                f"最大噪声为 {self.maximum}，必须介于 k = {self.threshold} 与 {MOST_NOISE} 之间：计数 k 只能降为零，"
                "只会抬高的噪声是有偏的",
            )
        most = Fraction(self.maximum * (self.maximum + 1), 3)
        if not 0 < self.variance <= most:
            raise PerturbationRefused(
                Reason.VARIANCE_OUT_OF_RANGE,
                f"the variance is {self.variance}; it must be above zero and at most {most}, "
                "as of equally likely noise",
                f"方差为 {self.variance}，必须大于零且不超过 {most}（等概率噪声的方差）",
            )

    @property
    def last_count(self) -> int:
        """The count from which on all rows are the same: noise of -D still leaves k."""
        return self.threshold + self.maximum

    def support(self, count: int) -> tuple[int, ...]:
        """The noise that may be added to a count, ascending: at most D, giving zero or at least k."""
        if count == 0:
            return (0,)
        steps = range(max(-count, -self.maximum), self.maximum + 1)
        return tuple(step for step in steps if count + step == 0 or count + step >= self.threshold)


@dataclass(frozen=True, slots=True)
class Multipliers:
    """The certificate that a row has maximal entropy: p(v) is proportional to exp(slope v - curvature v^2).

    Decimal text, so that a stored table is the same bytes everywhere.
    """

    slope: str
    curvature: str


@dataclass(frozen=True)
class NoiseRow:
    """The noise of one count: `noise[n]` has the probability `weights[n] / KEYS`.

    `multipliers` is None where one distribution only is possible or the least variance exceeds V.
    """

    noise: tuple[int, ...]
    weights: tuple[int, ...]
    multipliers: Multipliers | None = None

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """For each noise value, the first draw that gives a larger one."""
        return tuple(accumulate(self.weights))

    def drawn(self, draw: int) -> int:
        """The noise for a draw, a whole number from 0 to `KEYS` - 1."""
        return self.noise[bisect_right(self.ends, draw)]

    @property
    def mean(self) -> Fraction:
        return self._moment(1)

    @property
    def variance(self) -> Fraction:
        """The variance, since the mean is zero."""
        return self._moment(2)

    def _moment(self, power: int) -> Fraction:
        return Fraction(
            sum(weight * step**power for step, weight in zip(self.noise, self.weights, strict=True)), KEYS
        )


@dataclass(frozen=True)
class PerturbationTable:
    """One row per count from 0 to k + D. Made by `solve.solved` and `stored.read`, which verify it."""

    terms: NoiseTerms
    rows: tuple[NoiseRow, ...]

    def row(self, count: int) -> NoiseRow:
        """The noise of a count; those above k + D share the last row."""
        return self.rows[min(count, len(self.rows) - 1)]

    def perturbed(self, count: int, draw: int) -> int:
        """A count with its noise. Zero stays zero, and the result is zero or at least k.

        Counts below k are withheld before any noise; their rows exist so that the promise does not rest on it.

        Raises:
            ValueError: a negative count or a draw that is none.
        """
        if count < 0 or not 0 <= draw < KEYS:
            raise ValueError("counts and draws are not negative, and draws are below the number of keys")
        return count + self.row(count).drawn(draw)


STEPS: Final = 32
"""How many steps of a magnitude table make one standard deviation."""


@dataclass(frozen=True)
class MagnitudeTable:
    """The one row of noise that magnitudes are multiplied with, in steps of which `STEPS` are one.

    A magnitude has no counts to keep apart, so the row is that of a count far above D. Made by
    `solve.solved_for_magnitudes` and `stored.read_for_magnitudes`, which verify it.
    """

    terms: NoiseTerms
    row: NoiseRow
