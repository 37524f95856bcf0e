"""Makes the totals of a perturbed table the sums of their cells again, by least squares in whole steps.

Totals have noise of their own (their sets have their own keys), so sums come out a little wrong. Cells are moved so
that all of them, and all totals, stay as near as possible to what noise made of them: least sum of squares, each
total being the sum of its cells. Noise has the same variance everywhere, so no cell counts more than another.
The minimum is approached by moving one cell at a time by one step wherever that lowers the sum, in passes over the
cells in their given order, with steps that halve down to the base. It ends when no single step helps, which need not
be the minimum. Everything is
whole numbers, so equal tables give equal results.

Only perturbed values go in, so nothing comes out that they did not tell. But one cell may then differ between two
tables: where the same number must always be the same, leave totals as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Total:
    """A perturbed total and the places of all innermost cells it sums, whatever subtotals stand between."""

    value: int
    cells: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """An additive table, in the order given, and how far it is from the perturbed one."""

    cells: tuple[int, ...]
    totals: tuple[int, ...]
    most_moved_cell: int
    most_moved_total: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What restoring keeps: no value in 1..k-1, multiples of the base, no cell moved by more than `most`."""

    threshold: int
    base: int
    most: int


def restored(cells: Sequence[int], totals: Sequence[Total], limits: Limits) -> Restored:
    """The additive table. A cell that is zero stays zero, and none that is not becomes zero or less than k.

    Cells must be multiples of the base; a total that covers a withheld cell cannot be restored and is left out by the
    caller.

    Raises:
        ValueError: a cell is negative, or no multiple of the base.
    """
    if any(cell < 0 or cell % limits.base for cell in cells):
        raise ValueError("cells must be multiples of the base and not negative")
    moved = list(cells)
    above: list[list[int]] = [[] for _ in cells]
    for place, total in enumerate(totals):
        for cell in total.cells:
            above[cell].append(place)
    off = [sum(cells[cell] for cell in total.cells) - total.value for total in totals]
    step = _first_step(totals, off, limits)
    while step >= limits.base:
        while _pass(cells, moved, above, off, step, limits):
            pass
        step //= 2
    return Restored(
        tuple(moved),
        tuple(total.value + rest for total, rest in zip(totals, off, strict=True)),
        max((abs(new - old) for new, old in zip(moved, cells, strict=True)), default=0),
        max(map(abs, off), default=0),
    )


def _first_step(totals: Sequence[Total], off: Sequence[int], limits: Limits) -> int:
    """The largest of base, 2 base, 4 base, ... within a cell's even share of what any total is off by.

    Larger steps would leave the cells that come first with more than their share.
    """
    shares = (abs(rest) // len(total.cells) for total, rest in zip(totals, off, strict=True) if total.cells)
    most = min(limits.most, max(shares, default=0))
    step = limits.base
    while 2 * step <= most:
        step *= 2
    return step


def _pass(
    cells: Sequence[int], moved: list[int], above: Sequence[Sequence[int]], off: list[int], step: int, limits: Limits
) -> bool:
    """Moves every cell once where that lowers the sum of squares, and says whether any moved.

    A step s changes the sum by s (2 d + s n), with d what the cell and its totals are off by together and n their
    number. It falls with each move and is a whole number that is not negative, so passes end.
    """
    any_moved = False
    for place, cell in enumerate(cells):
        if not cell:
            continue
        together = moved[place] - cell + sum(off[total] for total in above[place])
        change = -step if together > 0 else step
        if 2 * abs(together) <= step * (1 + len(above[place])):
            continue
        new = moved[place] + change
        if abs(new - cell) > limits.most or new < max(limits.threshold, limits.base):
            continue
        moved[place] = new
        for total in above[place]:
            off[total] += change
        any_moved = True
    return any_moved
