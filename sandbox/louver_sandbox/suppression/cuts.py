"""Inequalities over which cells are withheld, that every set of cells fulfils which protects the table.

Fischetti and Salazar (2001): by linear programming duality a cell can deviate no farther than the sum, over all
withheld cells, of their room times a multiplier. So that sum must be at least the level (capacity cut); coefficients
above the level are lowered to it; where the withheld cells cannot make it up, one of the others must (cover cut).
Cuts have the form: the coefficients of the cells withheld add up to at least 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from louver_sandbox.suppression.deviations import FARTHEST, SLACK, Demand, Deviations, Mask
from louver_sandbox.suppression.linear import Floats

STEP = 1e6
"""Multipliers are rounded to a fraction of this: the cut holds for any, and rounding keeps noise out of it."""
SMALLEST = 1e-4
"""Coefficients below are raised to it: a weaker cut that holds, and a better conditioned program."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Coefficients of open cells; those of the cells withheld add up to at least `least`."""

    cells: tuple[int, ...]
    coefficients: tuple[float, ...]
    least: float = 1.0


def capacity_cut(all_: Deviations, demand: Demand, multipliers: Sequence[Floats]) -> Cut | None:
    """What the multipliers of an attack on a cell say; None where the primary cells alone suffice."""
    room = _room(all_, demand, multipliers)
    return _capacity_cut(all_, np.flatnonzero(room > 0), room[room > 0])


def _capacity_cut(all_: Deviations, cells: NDArray[np.integer], room: Floats) -> Cut | None:
    missing = 1.0 - SLACK - room[all_.primary[cells]].sum()
    if missing <= SLACK:
        return None
    open_ = all_.open[cells]
    shares = np.clip(room[open_] / missing, SMALLEST, 1.0)
    return Cut(tuple(cells[open_].tolist()), tuple(shares.tolist()))


def cover_cut(all_: Deviations, demand: Demand, multipliers: Sequence[Floats], withheld: Mask) -> Cut | None:
    """One more cell of these is needed beside the withheld; None where the withheld may suffice."""
    room = _room(all_, demand, multipliers)
    left = 1.0 - SLACK - room[withheld].sum()
    if left <= 0:
        return None
    others = np.flatnonzero(all_.open & ~withheld & (room > 0))
    # Cells that do not suffice even together are left out, those of least room first: a stronger cut.
    others = others[np.argsort(room[others], kind="stable")]
    others = others[np.cumsum(room[others]) >= left]
    return Cut(tuple(sorted(others.tolist())), tuple(1.0 for _ in others))


def first_cuts(all_: Deviations) -> Iterator[Cut]:
    """What holds before any attack: each relation of a primary cell must have room for it in its other cells."""
    demands: dict[int, list[Demand]] = {}
    for demand in all_.demands:
        demands.setdefault(demand.cell, []).append(demand)
    for row in range(len(all_.rows)):
        members = all_.members(row)
        signs = all_.rows.coefficients[all_.rows.starts[row] : all_.rows.starts[row + 1]]
        for position in np.flatnonzero(all_.primary[members]).tolist():
            others = np.arange(len(members)) != position
            slope = -signs[others] * signs[position]
            for demand in demands[int(members[position])]:
                up = np.minimum(all_.up[members[others]] / demand.level, FARTHEST)
                down = np.minimum(all_.down[members[others]] / demand.level, FARTHEST)
                room = sum((np.where(sign * slope > 0, up, down) for sign in demand.side.value), np.zeros(len(up)))
                cut = _capacity_cut(all_, members[others][room > 0], room[room > 0])
                if cut is not None:
                    yield cut


def no_secondary_alone(all_: Deviations) -> Iterator[Cut]:
    """A secondary cell that is the only one withheld in a relation is known anyway: some best set has none."""
    for row in range(len(all_.rows)):
        members = all_.members(row)
        if not all_.primary[members].any():
            open_ = members[all_.open[members]]
            for cell in open_:
                yield Cut(tuple(open_.tolist()), tuple(-1.0 if other == cell else 1.0 for other in open_), 0.0)


def _room(all_: Deviations, demand: Demand, multipliers: Sequence[Floats]) -> Floats:
    """What each cell can contribute to the deviation of the demand's cell, in levels, if it is withheld."""
    up = np.minimum(all_.up / demand.level, FARTHEST)
    down = np.minimum(all_.down / demand.level, FARTHEST)
    room = np.zeros(len(up))
    for sign, each in zip(demand.side.value, multipliers, strict=True):
        rounded = np.round(each * STEP) / STEP
        slope = -all_.rows.transposed_times(rounded, len(up))
        slope[demand.cell] += sign
        slope[np.abs(slope) < 0.5 / STEP] = 0.0
        room += np.where(slope > 0, slope * up, -slope * down)
    return room
