"""A noisy tree of counts over declared bins: how many values lie below each edge, for all quantiles at once.

Every node of a complete tree holds the noisy number of values below it, so a unit changes as many numbers as there
are levels. Parents and children are made to agree by least squares (Hay et al., Boosting the Accuracy of
Differentially Private Histograms, VLDB 2010), and the variance of what comes out is computed along the same tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from math import sqrt

from louver_sandbox.mechanisms.noise import DiscreteGaussian, Sensitivity
from louver_sandbox.mechanisms.release import Bounds
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.privacy.refused import PrivacyRefused, Reason

BRANCHES = 4
BINS_MOST = 1 << 14


@dataclass(frozen=True)
class Bins:
    """Declared edges in ascending order: bin i holds the whole numbers from edge i up to, but without, edge i + 1.

    Raises:
        PrivacyRefused: BOUNDS_UNSOUND: fewer than two edges, too many, or not ascending.
    """

    edges: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 2 <= len(self.edges) <= BINS_MOST + 1 or any(low >= high for low, high in pairwise(self.edges)):
            raise PrivacyRefused(
                Reason.BOUNDS_UNSOUND,
                f"bins need 2 to {BINS_MOST + 1} ascending edges",
                "分箱边界须严格递增且数量合适",
            )

    @property
    def number(self) -> int:
        """How many bins there are."""
        return len(self.edges) - 1

    @cached_property
    def levels(self) -> int:
        """How many levels of the tree have noise: from the bins up to the root."""
        levels, leaves = 1, 1
        while leaves < self.number:
            levels, leaves = levels + 1, leaves * BRANCHES
        return levels

    def sensitivity(self, rows_per_unit: int = 1) -> Sensitivity:
        """What one unit changes the nodes of the tree by: all its rows may fall into one bin, or each in another.

        The first is the worse by L2, and neither by L1.
        """
        return Sensitivity(rows_per_unit, self.levels)


def evenly(bounds: Bounds, number: int) -> Bins:
    """So many bins of nearly equal width over declared bounds, or one for each whole number where these are fewer."""
    values = bounds.high - bounds.low + 1
    number = max(1, min(number, values))
    return Bins(tuple(bounds.low + values * step // number for step in range(number + 1)))


@dataclass(frozen=True)
class Ranks:
    """For every edge: how many values lie below it, by least squares. Made by `ranks`."""

    bins: Bins
    below: tuple[float, ...]
    noise: DiscreteGaussian

    @property
    def total(self) -> float:
        """How many values there are."""
        return self.below[-1]

    def error(self, edge: int, share: float) -> float:
        """The standard deviation of below[edge] - share * total."""
        slope, rest = _line(self.bins.levels, edge)
        top = _own(self.bins.levels - 1)
        return float(self.noise.scale) * sqrt((slope - share) ** 2 * top + rest)


def ranks(counts: Sequence[int], bins: Bins, noise: DiscreteGaussian, sampler: Sampler) -> Ranks:
    """The noisy ranks of exact numbers of values per bin.

    ValueError unless there is one number for each bin.
    """
    if len(counts) != bins.number:
        raise ValueError("there is not one count for each bin")
    width = BRANCHES ** (bins.levels - 1)
    levels: list[list[float]] = [[float(count) for count in counts] + [0.0] * (width - len(counts))]
    while len(levels[-1]) > 1:
        levels.append([sum(group) for group in _groups(levels[-1])])
    drawn = iter(noise.drawn(sampler, sum(map(len, levels))))
    noisy = [[count + next(drawn) for count in level] for level in levels]
    leaves = _consistent(noisy)[: bins.number]
    return Ranks(bins, tuple(accumulate(leaves, initial=0.0)), noise)


def together(parts: Sequence[Ranks], bins: Bins, noise: DiscreteGaussian) -> Ranks:
    """The ranks of all parts together; `noise` is that of the sum of so many draws."""
    columns = zip(*(part.below for part in parts), strict=True)
    below = tuple(map(sum, columns)) if parts else (0.0,) * (bins.number + 1)
    return Ranks(bins, below, noise)


def _consistent(noisy: Sequence[Sequence[float]]) -> Sequence[float]:
    """The leaves after both passes: upward the best estimate from below, downward what is missing in equal parts."""
    upward = [list(noisy[0])]
    for height, level in enumerate(noisy[1:], start=1):
        children = BRANCHES * _own(height - 1)
        weight = children / (1 + children)
        sums = [sum(group) for group in _groups(upward[-1])]
        upward.append([weight * own + (1 - weight) * below for own, below in zip(level, sums, strict=True)])
    settled = upward[-1]
    for level in reversed(upward[:-1]):
        lacking = [(total - sum(group)) / BRANCHES for total, group in zip(settled, _groups(level), strict=True)]
        settled = [value + lacking[place // BRANCHES] for place, value in enumerate(level)]
    return settled


@lru_cache(maxsize=64)
def _own(height: int) -> float:
    """The variance of a node's estimate from itself and below, where a node's noise has variance 1."""
    if height == 0:
        return 1.0
    children = BRANCHES * _own(height - 1)
    return children / (1 + children)


@lru_cache(maxsize=1 << 16)
def _line(levels: int, edge: int) -> tuple[float, float]:
    """The leaves before the edge, given the estimate T of the root: slope T + noise of this variance.

    Given their parent, children are independent estimates that are moved by equal parts to add up to it.
    """
    if levels == 1:
        return (float(edge), 0.0)
    leaves = BRANCHES ** (levels - 2)
    full, part = divmod(edge, leaves)
    slope, rest = _line(levels - 1, part) if part else (0.0, 0.0)
    total, squares = full + slope, full + slope * slope
    return total / BRANCHES, _own(levels - 2) * (squares - total * total / BRANCHES) + rest


def _groups(level: Sequence[float]) -> list[Sequence[float]]:
    return [level[start : start + BRANCHES] for start in range(0, len(level), BRANCHES)]
