"""Where the bins of a histogram for quantiles lie: round numbers between declared bounds, never from data.

Every whole number has a bin of its own where there are few enough. Else bins are equally wide, where that tells even
the smallest values to one part in twenty; and where bounds span more, they grow with the value: within each power of
ten they are equally wide, so that values are told to so many parts of themselves. Below a ten-thousandth of the
largest they grow no finer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from louver_sandbox.mechanisms.ranks import Bins
from louver_sandbox.mechanisms.release import Bounds

Segment = tuple[int, int, int]
"""So many bins of one width, one after the other: where they start, the width, the number. The last of a segment ends
where the next one starts."""

_FINE = 20
_PARTS = (50, 20, 10, 5, 2, 1)
_SPAN = 10_000


def grid(bounds: Bounds, most: int) -> Bins:
    """At most so many bins over declared bounds; `most` is at least 16."""
    low, end = bounds.low, bounds.high + 1
    if end - low <= most:
        return Bins(tuple(range(low, end + 1)))
    step = next(step for step in _round_steps() if (end - low) // step + 2 <= most)
    equal = _within(range(low - low % step, end, step), low, end)
    nearest = 0 if low <= 0 <= bounds.high else min(abs(low), abs(bounds.high))
    if nearest >= _FINE * step:
        return Bins(equal)
    for parts in _PARTS:
        growing = _growing(low, end, parts, most)
        if growing is not None:
            return Bins(growing)
    return Bins(equal)


def segments(bins: Bins) -> tuple[Segment, ...]:
    """The same bins, told by their widths; `joined` undoes it."""
    found: list[Segment] = []
    for start, end in pairwise(bins.edges):
        if found and found[-1][1] == end - start and found[-1][0] + found[-1][1] * found[-1][2] == start:
            found[-1] = (found[-1][0], found[-1][1], found[-1][2] + 1)
        else:
            found.append((start, end - start, 1))
    return tuple(found)


@lru_cache(maxsize=256)
def joined(of: Sequence[Segment]) -> Bins:
    """The bins of these segments."""
    start, step, number = of[-1]
    edges = [first + width * place for first, width, several in of for place in range(several)]
    return Bins((*edges, start + step * number))


def _round_steps() -> Iterator[int]:
    power = 1
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10


def _growing(low: int, end: int, parts: int, most: int) -> tuple[int, ...] | None:
    """Edges whose distance is a part of their power of ten; None where they are too many."""
    largest = max(abs(low), abs(end))
    power = 10 ** max(0, len(str(largest // _SPAN)) - 1)
    sizes: list[int] = []
    start = 0
    while start <= largest:
        step = max(1, power // parts)
        sizes += range(start, min(10 * power, largest + step), step)
        if len(sizes) > 2 * most:
            return None
        start, power = 10 * power, 10 * power
    edges = _within([*(-size for size in reversed(sizes)), *sizes], low, end)
    return edges if len(edges) <= most + 1 else None


def _within(edges: Sequence[int], low: int, end: int) -> tuple[int, ...]:
    return tuple(sorted({low, *(edge for edge in edges if low < edge < end), end}))
