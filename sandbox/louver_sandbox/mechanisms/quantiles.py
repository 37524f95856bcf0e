"""Quantiles over declared bins from noisy ranks, with their intervals. All quantiles of one release cost one release.

The q-quantile is the value below which fewer than q N values lie, and up to which at least so many do. A bin belongs
to the interval unless the noisy ranks of its edges contradict it, with 97.5 % confidence for either. The test is made
at every edge by itself, so no edge has to share its error with the others. Ranks are made to ascend first, or the
ends of the interval would be where noise is largest; that it still covers is tested.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Final

from louver_sandbox.mechanisms.noise import CONFIDENCE, DiscreteGaussian, deviations
from louver_sandbox.mechanisms.ranks import Bins, Ranks
from louver_sandbox.privacy.refused import PrivacyRefused, Reason

LOWEST: Final = Fraction(1, 100)
HIGHEST: Final = Fraction(99, 100)
"""What MIN and MAX are answered by: the true extremes are single units, and no noise that hides one keeps them."""

_STEP: Final = 0.5


@dataclass(frozen=True, slots=True)
class Quantile:
    """A value between declared bounds, and the edges between which the true one lies."""

    value: int
    low: int
    high: int


def quantile(ranks: Ranks, share: Fraction, confidence: Fraction = CONFIDENCE, *, beside: int = 0) -> Quantile:
    """The quantile at a share of the values. With `beside`, its interval holds the values so many places away too.

    Raises:
        PrivacyRefused: RANK_OUT_OF_RANGE: the share is not between 0 and 1; extremes are asked by LOWEST and HIGHEST.
    """
    if not 0 < share < 1:
        raise PrivacyRefused(
            Reason.RANK_OUT_OF_RANGE,
            "a quantile lies between 0 and 1; a true minimum or maximum is one unit's own value",
            "分位须在 0 与 1 之间；真正的最小值或最大值即某一单元的取值",
        )
    part, z = float(share), deviations(confidence)
    edges, last = ranks.bins.edges, ranks.bins.number
    above = _ascending([below - part * ranks.total for below in ranks.below])
    margin = [z * ranks.error(edge, part) + _STEP + beside for edge in range(last + 1)]
    # Without noise, the quantile's bin starts at an edge with `above` below 0 and ends at one where it is not.
    low = min((edge for edge in range(last) if above[edge + 1] >= -margin[edge + 1]), default=last - 1)
    high = max((edge for edge in range(last) if above[edge] < margin[edge]), default=0)
    value = _crossing(edges, above)
    return Quantile(value, min(edges[low], value), max(edges[high + 1] - 1, value))


def rank_error(bins: Bins, noise: DiscreteGaussian, share: Fraction, confidence: Fraction = CONFIDENCE) -> float:
    """How far the rank of a quantile is off, at any edge, with this confidence: known before any value is."""
    empty = Ranks(bins, (0.0,) * (bins.number + 1), noise)
    part = float(share)
    return deviations(confidence) * max(empty.error(edge, part) for edge in range(bins.number + 1)) + _STEP


def _crossing(edges: tuple[int, ...], rising: list[float]) -> int:
    """Where ascending ranks pass zero, linearly within a bin."""
    place = next((edge for edge in range(1, len(rising)) if rising[edge] >= 0), len(rising) - 1)
    start, end = min(0.0, rising[place - 1]), max(0.0, rising[place])
    within = -start / (end - start) if end > start else 0.0
    width = edges[place] - edges[place - 1]
    return edges[place - 1] + min(width - 1, floor(within * width))


def _ascending(values: list[float]) -> list[float]:
    """The nearest values, by least squares, that never fall (pool adjacent violators)."""
    pools: list[tuple[float, int]] = []
    for value in values:
        total, size = value, 1
        while pools and pools[-1][0] * size >= total * pools[-1][1]:
            before, members = pools.pop()
            total, size = total + before, size + members
        pools.append((total, size))
    return [total / size for total, size in pools for _ in range(size)]
