"""A seeded stand-in for OpenDP's samplers: inverts distribution functions made from the definitions alone.

It shares nothing with the code under test but the names of the distributions, and is for tests only: its randomness
can be guessed, and its chances are doubles.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from itertools import accumulate
from math import exp, floor, log
from random import Random


class SeededSampler:
    """Draws that a seed decides."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def discrete_laplace(self, scale: Fraction, draws: int) -> Sequence[int]:
        return [self._geometric(float(scale)) - self._geometric(float(scale)) for _ in range(draws)]

    def discrete_gaussian(self, scale: Fraction, draws: int) -> Sequence[int]:
        if scale > 300:  # closer to a rounded continuous one than any test of thousands of draws can see
            return [round(self._random.gauss(0.0, float(scale))) for _ in range(draws)]
        reach, sums = _gaussian_sums(float(scale))
        return [min(bisect_right(sums, self._random.random() * sums[-1]) - reach, reach) for _ in range(draws)]

    def _geometric(self, scale: float) -> int:
        """The difference of two of these is discrete Laplace."""
        return floor(log(1.0 - self._random.random()) * -scale)


class Silent:
    """No noise at all: what an un-noised release does, and how exact parts of a mechanism are seen."""

    def discrete_laplace(self, scale: Fraction, draws: int) -> Sequence[int]:
        return [0] * draws

    def discrete_gaussian(self, scale: Fraction, draws: int) -> Sequence[int]:
        return [0] * draws


@cache
def _gaussian_sums(scale: float) -> tuple[int, list[float]]:
    reach = int(12 * scale) + 2
    return reach, list(accumulate(exp(-x * x / (2 * scale * scale)) for x in range(-reach, reach + 1)))
