"""The one place that talks to HiGHS: linear and integer programs with a fixed seed, one thread and no clock.

Limits are counts of nodes and iterations, never seconds, so that equal programs end alike on any machine. Nothing but
a proven optimum is taken for one: whatever else HiGHS reports is `SolverFailed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from highspy import Highs

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]

INFINITY = float("inf")
SIMPLEX_ITERATIONS = 1_000_000
FEASIBLE = 2
"""What HiGHS calls a solution that fulfils all bounds and rows (kSolutionStatusFeasible)."""


class SolverFailed(Exception):
    """HiGHS found no optimum within its limits, or met an error. Its text holds no data."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A sparse matrix by rows (compressed): `starts` has one entry more than there are rows."""

    starts: Integers
    columns: Integers
    coefficients: Floats

    @staticmethod
    def of(rows: Sequence[tuple[Sequence[int], Sequence[float]]]) -> Rows:
        """From one pair of columns and coefficients for each row."""
        lengths = [0, *(len(columns) for columns, _ in rows)]
        return Rows(
            np.cumsum(lengths, dtype=np.int32),
            np.array([column for columns, _ in rows for column in columns], dtype=np.int32),
            np.array([value for _, values in rows for value in values], dtype=np.float64),
        )

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.starts) - 1

    def times(self, values: Floats) -> Floats:
        """The value of each row."""
        if not len(self):
            return np.zeros(0)
        return np.add.reduceat(self.coefficients * values[self.columns], self.starts[:-1])

    def transposed_times(self, multipliers: Floats, columns: int) -> Floats:
        """The sum of the rows, each times its multiplier."""
        spread = np.repeat(multipliers, np.diff(self.starts)) * self.coefficients
        return np.asarray(np.bincount(self.columns, weights=spread, minlength=columns), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Optimum:
    """An optimal solution: the objective, one value per column, one multiplier per row."""

    objective: float
    values: Floats
    duals: Floats


class LinearProgram:
    """A linear program that is solved again and again with other bounds or costs, each time from the last basis."""

    def __init__(
        self,
        cost: Floats,
        lower: Floats,
        upper: Floats,
        rows: Rows,
        row_lower: Floats,
        row_upper: Floats,
        *,
        primal: bool,
    ) -> None:
        self._highs = _model(cost, lower, upper, rows, row_lower, row_upper)
        self._highs.setOptionValue("solver", "simplex")
        # After new costs the last basis is still primal feasible, after new rows it is still dual feasible.
        self._highs.setOptionValue("simplex_strategy", 4 if primal else 1)
        self._highs.setOptionValue("simplex_iteration_limit", SIMPLEX_ITERATIONS)
        self._all = np.arange(len(cost), dtype=np.int32)

    def change_bounds(self, lower: Floats, upper: Floats) -> None:
        """Other bounds for every column."""
        self._highs.changeColsBounds(len(self._all), self._all, lower, upper)

    def change_column(self, column: int, lower: float, upper: float) -> None:
        """Other bounds for one column."""
        self._highs.changeColBounds(column, lower, upper)

    def change_costs(self, cost: Floats) -> None:
        """Another objective."""
        self._highs.changeColsCost(len(self._all), self._all, cost)

    def change_cost(self, column: int, cost: float) -> None:
        """Another cost of one column."""
        self._highs.changeColCost(column, cost)

    def add_rows(self, rows: Rows, lower: Floats) -> None:
        """Further rows, each at least its bound."""
        upper = np.full(len(rows), INFINITY)
        self._highs.addRows(
            len(rows), lower, upper, len(rows.columns), rows.starts[:-1], rows.columns, rows.coefficients
        )

    def minimise(self) -> Optimum:
        """The optimum; SolverFailed where none was found."""
        from highspy import HighsModelStatus

        self._highs.run()
        if self._highs.getModelStatus() != HighsModelStatus.kOptimal:
            raise SolverFailed("the linear program has no proven optimum")
        solution = self._highs.getSolution()
        return Optimum(
            self._highs.getInfo().objective_function_value,
            np.asarray(solution.col_value, dtype=np.float64),
            np.asarray(solution.row_dual, dtype=np.float64),
        )


@dataclass(frozen=True, slots=True)
class Chosen:
    """A solution of a binary program: which columns are 1, what no cost can be below, and the nodes it took."""

    columns: NDArray[np.bool_]
    bound: float
    nodes: int


def minimise_binary(
    cost: Floats, lower: Floats, upper: Floats, rows: Rows, row_lower: Floats, *, nodes: int, target: float
) -> Chosen:
    """Columns of 0 or 1 of least cost with every row at least its bound.

    The search ends with the optimum, with a solution of at most the cost `target`, or after `nodes` nodes with the
    best one so far. SolverFailed where there is no solution, or none was found.
    """
    from highspy import HighsModelStatus, HighsVarType

    highs = _model(cost, lower, upper, rows, row_lower, np.full(len(rows), INFINITY))
    every = np.arange(len(cost), dtype=np.int32)
    highs.changeColsIntegrality(len(cost), every, np.full(len(cost), int(HighsVarType.kInteger), dtype=np.uint8))
    highs.setOptionValue("mip_max_nodes", nodes)
    highs.setOptionValue("mip_rel_gap", 0.0)
    highs.setOptionValue("objective_target", target)
    highs.run()
    info = highs.getInfo()
    ended = highs.getModelStatus() in (
        HighsModelStatus.kOptimal,
        HighsModelStatus.kSolutionLimit,
        HighsModelStatus.kObjectiveTarget,
    )
    if not ended or info.primal_solution_status != FEASIBLE:
        raise SolverFailed("the integer program has no solution within its limits")
    columns = np.asarray(highs.getSolution().col_value, dtype=np.float64) > 0.5
    return Chosen(columns, info.mip_dual_bound, int(info.mip_node_count))


def _model(cost: Floats, lower: Floats, upper: Floats, rows: Rows, row_lower: Floats, row_upper: Floats) -> Highs:
    from highspy import Highs

    highs = Highs()  # type: ignore[no-untyped-call]
    for name, value in (("output_flag", False), ("threads", 1), ("random_seed", 0), ("parallel", "off")):
        highs.setOptionValue(name, value)
    nothing = np.zeros(0, dtype=np.int32)
    highs.addCols(len(cost), cost, lower, upper, 0, np.zeros(len(cost), dtype=np.int32), nothing, np.zeros(0))
    highs.addRows(
        len(rows), row_lower, row_upper, len(rows.columns), rows.starts[:-1], rows.columns, rows.coefficients
    )
    return highs
