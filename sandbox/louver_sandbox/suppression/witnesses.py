"""Deviations that were found to be possible, and what they prove.

A table with a deviation added is one that an attacker cannot tell from the true one. So a deviation proves at once,
for every cell, that its feasibility interval reaches at least so far. Nothing is believed of a solver: each deviation
is checked here against the relations and the bounds, by arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from louver_sandbox.suppression.deviations import SLACK, Demand, Deviations, Mask, Side
from louver_sandbox.suppression.linear import Floats

STILL = 1e-9
"""In units of a deviation: what is noise of its computation and no movement."""


def whole(reached: float) -> float:
    """How far an interval of whole numbers reaches for certain, a little noise aside."""
    return float(np.floor(reached * (1.0 + 100 * SLACK)))


class Witnesses:
    """Possible deviations of one table: `risen` and `fallen` are how far they reach upward and downward, by cell."""

    def __init__(self, all_: Deviations) -> None:
        self._all = all_
        self._points: list[tuple[NDArray[np.intp], Floats]] = []
        self.risen = np.zeros(len(all_.up))
        self.fallen = np.zeros(len(all_.up))

    def take(self, point: Floats, unit: float) -> Mask:
        """Takes in a deviation found in units of `unit`; which cells it moves."""
        moved = np.abs(point) > STILL * unit
        point = np.where(moved, point, 0.0)
        error = max(
            float(np.max(np.abs(self._all.rows.times(point)), initial=0.0)),
            float(np.max(point - self._all.up, initial=0.0)),
            float(np.max(-point - self._all.down, initial=0.0)),
        )
        # What is wrong by an error may be right for levels far above it, and proves nothing for those below.
        cells = np.flatnonzero(moved)
        self._keep(cells, np.where(np.abs(point[cells]) * SLACK >= error, point[cells], 0.0))
        return moved

    def without(self, cell: int) -> Witnesses:
        """Those that do not move this cell."""
        kept = Witnesses(self._all)
        for cells, point in self._points:
            if not (cells == cell).any():
                kept._keep(cells, point)
        return kept

    def unmet(self, demands: Iterable[Demand]) -> list[Demand]:
        """The demands they do not prove to be fulfilled."""
        return [demand for demand in demands if not self.fulfil(demand)]

    def fulfil(self, demand: Demand) -> bool:
        """Whether they prove that a demand is fulfilled."""
        match demand.side:
            case Side.LOWER:
                reached = self.fallen[demand.cell]
            case Side.UPPER:
                reached = self.risen[demand.cell]
            case Side.SLIDING:
                reached = whole(self.fallen[demand.cell]) + whole(self.risen[demand.cell])
        return bool(reached >= demand.level * (1.0 - 10 * SLACK))

    def _keep(self, cells: NDArray[np.intp], point: Floats) -> None:
        self._points.append((cells, point))
        self.risen[cells] = np.maximum(self.risen[cells], point)
        self.fallen[cells] = np.maximum(self.fallen[cells], -point)
