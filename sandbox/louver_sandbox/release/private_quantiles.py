"""From the exact histograms of a core to the noisy ranks of its cells, and from those to quantiles.

Only cells that leave get noise. Where there are more of them than a plan's ranks allow draws for, those with the most
subjects, by their noisy number, have quantiles and the rest have none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction

from louver_sandbox.mechanisms.grid import joined
from louver_sandbox.mechanisms.moments import Estimate
from louver_sandbox.mechanisms.noise import DiscreteGaussian
from louver_sandbox.mechanisms.quantiles import quantile
from louver_sandbox.mechanisms.ranks import Ranks, ranks, together
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.private_core import PrivateMeasure, PrivateRanks
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.exact import exact_rows
from louver_sandbox.release.sets import added
from louver_sandbox.stages import Cell

Key = tuple[Cell, ...]


def ranked(
    of: PrivateRanks, rows: Sequence[Sequence[object]], cells: Iterable[Key], sampler: Sampler
) -> dict[Key, Ranks]:
    """The noisy ranks of the first cells, of as many as there are draws for, in that order. WorkerLied."""
    bins, noise = joined(of.segments), DiscreteGaussian(of.scale)
    counts: dict[Key, dict[int, int]] = {}
    for row in rows:
        (key,) = exact_rows([row[:-2]])
        place, number = row[-2:]
        if type(place) is not int or type(number) is not int or not 0 <= place < bins.number:
            raise WorkerLied("a bin that there is not")
        of_cell = counts.setdefault(key, {})
        if place in of_cell:
            raise WorkerLied("a bin that comes twice")
        of_cell[place] = number
    drawn = list(cells)[: of.most]
    nothing: dict[int, int] = {}
    return {
        key: ranks([counts.get(key, nothing).get(place, 0) for place in range(bins.number)], bins, noise, sampler)
        for key in drawn
    }


def of_set(
    cells: Mapping[Key, Ranks], keys: Collection[Key], one: Sequence[int], of: PrivateRanks
) -> Mapping[Key, Ranks]:
    """The ranks of one grouping set: of a total, the sum of its parts'. Where a part has none, the total has none.

    `keys` are all finest cells that leave; of no keys there is always a total.
    """
    width = len(next(iter(keys))) if keys else 0
    if keys and len(one) == width:
        return cells
    parts: dict[Key, list[Key]] = {}
    for key in keys:
        left = tuple(value if place in one else None for place, value in enumerate(key))
        parts.setdefault(left, []).append(key)
    bins = joined(of.segments)
    return {
        left: together([cells[key] for key in several], bins, added(of.scale, len(several)))
        for left, several in parts.items()
        if all(key in cells for key in several)
    }


def estimated(measure: PrivateMeasure, found: Ranks, confidence: Fraction) -> Estimate:
    """One quantile of a cell, in the unit of its column. A continuous one lies between two neighbours."""
    told = quantile(found, measure.share, confidence, beside=1 if measure.kind == "quantile_cont" else 0)
    unit = Fraction(1, 10**measure.digits)
    return Estimate(told.value * unit, told.low * unit, told.high * unit)
