"""The remainder row: all withheld cells as one (PRIVACY 5.7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """What the releaser knows of a cell before it believes in a remainder: units per group, and rows."""

    units: tuple[int, ...]
    rows: int


def same_cells(withheld: Sequence[Known], whole: Known) -> bool:
    """Whether `whole` can be the union of exactly the withheld cells.

    Rows add up, since each row is in one cell; units may be in several, so their number lies between the largest
    cell's and the sum. A remainder over other cells would give a released cell away by difference.
    """
    if whole.rows != sum(cell.rows for cell in withheld):
        return False
    for index, units in enumerate(whole.units):
        counts = [cell.units[index] for cell in withheld]
        if not max(counts, default=0) <= units <= sum(counts):
            return False
    return True
