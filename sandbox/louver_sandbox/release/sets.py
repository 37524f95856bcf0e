"""Totals of noisy cells: noise is drawn for the finest cells once, and every total is the sum of its parts.

So totals and parts agree, and a total costs nothing. It is less exact than one with noise of its own: the variances
of the parts add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache

from louver_sandbox.mechanisms.noise import DiscreteGaussian, granted, half_width
from louver_sandbox.mechanisms.release import Noisy
from louver_sandbox.privacy.directed import root_up
from louver_sandbox.private_core import NoisyColumn
from louver_sandbox.stages import Cell

Key = tuple[Cell, ...]
Numbers = Mapping[str, Noisy]


def grouped(
    cells: Mapping[Key, Numbers], one: Sequence[int], keys: int, columns: Sequence[NoisyColumn]
) -> Mapping[Key, Numbers]:
    """The cells of one grouping set, with no value for keys that it leaves out; of no keys there is always one."""
    if len(one) == keys:
        return cells
    parts: dict[Key, list[Numbers]] = {} if one else {(None,) * keys: []}
    for key, numbers in cells.items():
        left = tuple(value if place in one else None for place, value in enumerate(key))
        parts.setdefault(left, []).append(numbers)
    return {
        key: {column.name: _total([part[column.name] for part in of], column) for column in columns}
        for key, of in parts.items()
    }


@lru_cache(maxsize=1024)
def added(scale: Fraction, parts: int) -> DiscreteGaussian:
    """The noise of a sum of so many draws."""
    return DiscreteGaussian(granted(root_up(parts * scale**2)))


def _total(parts: Sequence[Noisy], column: NoisyColumn) -> Noisy:
    """The sum. Discrete Gaussians added up are one of the added variance but for less than a step."""
    noise = added(column.scale, max(1, len(parts)))
    value, width = sum(part.value for part in parts), half_width(noise) + 1
    low, high = value - width, value + width
    if column.least is not None:
        low, high = max(low, column.least), max(high, column.least)
    return Noisy(value, low, high, noise)


def left_out(keys: Sequence[int], one: Sequence[int]) -> int:
    """GROUPING(): a bit for each key, the first the highest, set where the grouping set leaves it out."""
    bits = 0
    for key in keys:
        bits = 2 * bits + (key not in one)
    return bits
