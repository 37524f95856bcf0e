"""Programs over the neighbourhood of a cell, which are small where the table is made of many hierarchies' families.

Room for a cell is nearly always found among the cells that share a relation with it and those that close rectangles
with them. Every relation of such a cell is in the program, so a deviation found there is one of the whole table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from louver_sandbox.suppression.deviations import Deviations
from louver_sandbox.suppression.linear import Floats, LinearProgram, Rows

SMALL_SHARE = 4
"""A neighbourhood is looked at if it is at most one part in so many of the table: a larger one saves nothing."""
MOST_KEPT = 256
"""Neighbourhoods whose programs are kept, with their last basis."""


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Cells by index, and the program over the rise of each of them, then the fall of each."""

    cells: NDArray[np.int64]
    program: LinearProgram

    def place(self, cell: int) -> int:
        """Where a cell stands among these."""
        return int(np.searchsorted(self.cells, cell))


class Neighbourhoods:
    """Finds the neighbourhood of a cell."""

    def __init__(self, all_: Deviations) -> None:
        self._all = all_
        row_of = np.repeat(np.arange(len(all_.rows)), np.diff(all_.rows.starts))
        order = np.argsort(all_.rows.columns, kind="stable")
        self._rows, counts = row_of[order], np.bincount(all_.rows.columns, minlength=len(all_.up))
        self._starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
        self._kept: dict[bytes, Neighbourhood] = {}

    def of(self, cell: int) -> Neighbourhood | None:
        """The neighbourhood of a cell, None where it is no small part of the table."""
        beside = np.union1d(self._members(self._through(np.array([cell]))), [cell])
        if len(beside) * SMALL_SHARE > len(self._all.up):
            return None
        around = self._through(beside)
        counts = np.bincount(
            np.concatenate([beside, *(self._all.members(int(row)) for row in around)]), minlength=len(self._all.up)
        )
        counts[beside] = 2
        cells = np.flatnonzero(counts >= 2)
        if len(cells) * SMALL_SHARE > len(self._all.up):
            return None
        key = cells.tobytes()
        if key not in self._kept:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[key] = Neighbourhood(cells, self._program(cells))
        return self._kept[key]

    def _through(self, cells: NDArray[np.integer]) -> NDArray[np.integer]:
        """The relations of these cells."""
        found = [self._rows[self._starts[cell] : self._starts[cell + 1]] for cell in cells.tolist()]
        return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *found]))

    def _members(self, rows: NDArray[np.integer]) -> NDArray[np.integer]:
        found = [self._all.members(int(row)) for row in rows]
        return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *found]))

    def _program(self, cells: NDArray[np.integer]) -> LinearProgram:
        """Every relation of the cells, over these cells alone: the others stay where they are."""
        rows, count = [], len(cells)
        inside = np.zeros(len(self._all.up), dtype=np.bool_)
        inside[cells] = True
        for row in self._through(cells).tolist():
            start, end = self._all.rows.starts[row], self._all.rows.starts[row + 1]
            columns, signs = self._all.rows.columns[start:end], self._all.rows.coefficients[start:end]
            here = inside[columns]
            places = np.searchsorted(cells, columns[here])
            both, way = np.concatenate([places, places + count]), np.concatenate([signs[here], -signs[here]])
            rows.append((both.tolist(), way.tolist()))
        still, nothing = np.zeros(2 * count), np.zeros(len(rows))
        return LinearProgram(still, still, still, Rows.of(rows), nothing, nothing, primal=False)


def spread(near: Neighbourhood, values: Floats, cells: int) -> Floats:
    """A solution of a neighbourhood as a deviation of the whole table."""
    point = np.zeros(cells)
    count = len(near.cells)
    point[near.cells] = values[:count] - values[count:]
    return point
