"""A table as arrays: how far each cell can move from its value, and which movements the relations allow.

An attacker's idea of the table is the true one plus a deviation, and every relation must hold for the deviations as
well. A withheld cell may deviate within what is known of it beforehand, any other cell not at all. So a primary cell
is protected where its deviation can be as large as its protection level (Fischetti and Salazar 2001, section 3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from louver_sandbox.suppression.linear import INFINITY, Floats, LinearProgram, Rows
from louver_sandbox.suppression.table import Cell, Table

Mask = NDArray[np.bool_]

SLACK = 1e-6
"""What a level may be missed by, as a share of it: what HiGHS calls feasible."""
FARTHEST = 1e3
"""In levels: how far a cell may deviate for the sake of another. Less room than there is errs on the safe side."""


class Side(Enum):
    """Where an interval must reach: below the value, above it, or be wide wherever it lies."""

    LOWER = (-1.0,)
    UPPER = (1.0,)
    SLIDING = (1.0, -1.0)


@dataclass(frozen=True, slots=True)
class Demand:
    """One protection level of one primary cell, by index."""

    cell: int
    side: Side
    level: float


@dataclass(frozen=True, slots=True)
class Deviations:
    """The arrays, in the order of the table's cells.

    `up` and `down` are the largest deviations, infinite where nothing is known and zero where a cell was released
    earlier; `open` are the cells that may become secondary.
    """

    up: Floats
    down: Floats
    weights: Floats
    primary: Mask
    open: Mask
    rows: Rows
    demands: tuple[Demand, ...]

    @staticmethod
    def of(table: Table) -> Deviations:
        """From a table."""
        cells = table.cells
        return Deviations(
            np.array([_room(cell, cell.known_upper) for cell in cells], dtype=np.float64),
            np.array([_room(cell, cell.known_lower) for cell in cells], dtype=np.float64),
            np.array([cell.weight for cell in cells], dtype=np.float64),
            np.array([cell.protection is not None for cell in cells], dtype=np.bool_),
            np.array([cell.protection is None and not cell.released for cell in cells], dtype=np.bool_),
            Rows.of([_row(table, index) for index in range(len(table.relations))]),
            tuple(demand for index, cell in enumerate(cells) for demand in _demands(index, cell)),
        )

    def cost(self, withheld: Mask) -> float:
        """What the secondary cells of this set cost."""
        return float(self.weights[withheld & ~self.primary].sum())

    def members(self, row: int) -> NDArray[np.int32]:
        """The cells of a relation."""
        return self.rows.columns[self.rows.starts[row] : self.rows.starts[row + 1]]


class Attack:
    """Finds how far a cell can deviate where each is withheld to a degree between 0 (shown) and 1 (withheld)."""

    def __init__(self, deviations: Deviations) -> None:
        self._all = deviations
        nothing = np.zeros(len(deviations.rows))
        still = np.zeros(len(deviations.up))
        self._program = LinearProgram(still, still, still, deviations.rows, nothing, nothing, primal=True)

    def reach(self, demand: Demand, degrees: Floats, farthest: float) -> tuple[float, list[Floats], list[Floats]]:
        """How far the cell deviates, in levels of the demand; the deviations; a multiplier for each relation.

        No deviation is larger than `farthest` levels. For a sliding level, both ways together, and one of each way.
        """
        up = np.minimum(self._all.up / demand.level, farthest) * degrees
        down = np.minimum(self._all.down / demand.level, farthest) * degrees
        self._program.change_bounds(-down, up)
        reached, points, multipliers = 0.0, [], []
        for sign in demand.side.value:
            self._program.change_cost(demand.cell, -sign)
            optimum = self._program.minimise()
            self._program.change_cost(demand.cell, 0.0)
            reached -= optimum.objective
            points.append(optimum.values * demand.level)
            multipliers.append(-optimum.duals)
        return reached, points, multipliers


def _room(cell: Cell, known: int | None) -> float:
    if cell.released:
        return 0.0
    return INFINITY if known is None else float(abs(cell.value - known))


def _row(table: Table, index: int) -> tuple[list[int], list[float]]:
    relation = table.relations[index]
    return (
        [table.place[relation.total], *(table.place[part] for part in relation.parts)],
        [-1.0, *(1.0 for _ in relation.parts)],
    )


def _demands(index: int, cell: Cell) -> Iterator[Demand]:
    if cell.protection is not None:
        levels = (cell.protection.lower, cell.protection.upper, cell.protection.sliding)
        for side, level in zip(Side, levels, strict=True):
            if level:
                yield Demand(index, side, float(level))
