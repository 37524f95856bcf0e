"""Controlled rounding: a table that adds up is rounded so that it still does (Cox and Ernst 1982).

Every cell goes to one of the two multiples of the base next to it, every total too, and the cells move as little as
possible together: a binary program, solved by HiGHS with a limit of nodes and never of time. It takes perturbed
tables whose totals `additivity.restored` has made the sums of their cells. Tables of two ways and of nested totals
always have such a rounding; others may have none, or none that is found within the limit. Then cells are rounded to
the nearest multiple and adjusted (`additivity.restored`), and the result says so: what leaves never fails on data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from louver_sandbox.perturbation.additivity import Limits, Total, restored
from louver_sandbox.suppression.linear import INFINITY, Rows, SolverFailed, minimise_binary

MOST_NODES: Final = 1_000


class Method(StrEnum):
    """How a table was rounded: by the binary program, or by rounding to the nearest and adjusting."""

    CONTROLLED = "controlled"
    ADJUSTED = "adjusted"


@dataclass(frozen=True, slots=True)
class RoundedTable:
    """A rounded table that adds up, in the order given."""

    cells: tuple[int, ...]
    totals: tuple[int, ...]
    method: Method


def controlled(cells: Sequence[int], totals: Sequence[Sequence[int]], limits: Limits) -> RoundedTable:
    """The rounded table; each total is given by the places of all cells it sums.

    The base must fit k (`rounding.checked`), so that no cell of zero or at least k is rounded into 1..k-1.

    Raises:
        ValueError: a cell is negative.
    """
    if any(cell < 0 for cell in cells):
        raise ValueError("cells must not be negative")
    base = limits.base
    low = [cell - cell % base for cell in cells]
    between = [place for place, cell in enumerate(cells) if cell % base]
    if not between:
        return _with_totals(low, totals, Method.CONTROLLED)
    try:
        up = _chosen_up(cells, between, totals, base)
    except SolverFailed:
        return _adjusted(cells, totals, limits)
    rounded = [cell + base * (place in up) for place, cell in enumerate(low)]
    return _with_totals(rounded, totals, Method.CONTROLLED)


def _chosen_up(
    cells: Sequence[int], between: Sequence[int], totals: Sequence[Sequence[int]], base: int
) -> frozenset[int]:
    """Which cells go up. Of a total's cells so many go up that it stays next to its own value."""
    column = {place: number for number, place in enumerate(between)}
    rows: list[tuple[list[int], list[float]]] = []
    least: list[float] = []
    for total in totals:
        rests = sum(cells[place] % base for place in total)
        columns = [column[place] for place in total if place in column]
        if columns:
            # The rests together make this many multiples, rounded down and up: no fewer and no more cells go up.
            rows += [(columns, [1.0] * len(columns)), (columns, [-1.0] * len(columns))]
            least += [rests // base, -rests // base]
    if not rows:
        return frozenset(place for place in between if 2 * (cells[place] % base) > base)
    # Up costs base - rest, down costs rest; what both cost anyway is left out.
    cost = np.array([base - 2 * (cells[place] % base) for place in between], dtype=np.float64)
    chosen = minimise_binary(
        cost,
        np.zeros(len(between)),
        np.ones(len(between)),
        Rows.of(rows),
        np.array(least, dtype=np.float64),
        nodes=MOST_NODES,
        target=-INFINITY,
    )
    return frozenset(place for place, number in column.items() if chosen.columns[number])


def _adjusted(cells: Sequence[int], totals: Sequence[Sequence[int]], limits: Limits) -> RoundedTable:
    base = limits.base
    nearest = [(2 * cell + base) // (2 * base) * base for cell in cells]
    sums = [sum(cells[place] for place in total) for total in totals]
    wanted = [Total(value, tuple(total)) for value, total in zip(sums, totals, strict=True)]
    return _with_totals(restored(nearest, wanted, limits).cells, totals, Method.ADJUSTED)


def _with_totals(cells: Sequence[int], totals: Sequence[Sequence[int]], method: Method) -> RoundedTable:
    return RoundedTable(tuple(cells), tuple(sum(cells[place] for place in total) for total in totals), method)
