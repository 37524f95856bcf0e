"""Class disclosure (PRIVACY 5.4): a cell that holds all of a margin but a few says of everybody what its key says.

Outside a cell, in each of its margins, there must be as many units of every type that it has as a cell needs. A cell
that has not is withheld like one of too few units. So is every total of such a cell in the question: that exactly one
of its parts is missing would say that one holds them all.
"""

from __future__ import annotations

from collections.abc import Sequence

from louver_sandbox.core_plan import Part
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.margins import Keys, Values, picking
from louver_sandbox.release.parts import Core, Exact, Parts

_Margin = tuple[int | None, list[int]]
"""A key by index, None for what selected the rows, and the places of its numbers of units."""


class Classes:
    """The margins of one core's cells."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        groups = parts.core.unit_groups
        columns = [(place, column) for place, column in enumerate(parts.core.columns) if column.part is Part.MARGIN]
        self._margins: list[_Margin] = []
        for start in range(0, len(columns), max(1, len(groups))):
            of = columns[start][1].of
            key = parts.keys.index(of) if of else None
            self._margins.append((key, [place for place, _ in columns[start : start + len(groups)]]))

    def holds(self, cell: Exact, rules: ThresholdRules) -> bool:
        """Whether too few units of some margin are outside the cell. Raises `WorkerLied`."""
        return any(
            self._is_all(cell, places, rules)
            for key, places in self._margins
            # A total over all values of a key is that margin itself.
            if key is None or not self._parts.leaves_out(cell, key)
        )

    def _is_all(self, cell: Exact, places: Sequence[int], rules: ThresholdRules) -> bool:
        found = False
        for units, place, group in zip(self._parts.units(cell), places, self._parts.core.unit_groups, strict=True):
            outside = cell[place] - units
            if outside < 0:
                raise WorkerLied("a cell with more units than its margin")
            found = found or (units > 0 and outside < rules.k[group.type])
        return found

    def holding(self, cells: Sequence[Exact], rules: ThresholdRules) -> frozenset[Exact]:
        """The cells that hold all of a margin but a few. Raises `WorkerLied`."""
        return frozenset(cell for cell in cells if self.holds(cell, rules)) if self._margins else frozenset()

    def kept_back(self, cells: Sequence[Exact], rules: ThresholdRules) -> frozenset[Exact]:
        """The cells that hold all of a margin but a few, and their totals. Raises `WorkerLied`."""
        holding = self.holding(cells, rules)
        if not holding or self._parts.set is None:
            return holding
        sets: dict[Keys, dict[Values, Exact]] = {}
        for cell in cells:
            keys = self._parts.keys_of_set(cell)
            sets.setdefault(keys, {})[picking(keys)(self._parts.values(cell))] = cell
        found = set(holding)
        for cell in holding:
            finer, values = set(self._parts.keys_of_set(cell)), self._parts.values(cell)
            found |= {of[picking(keys)(values)] for keys, of in sets.items() if set(keys) < finer}
        return frozenset(found)


def judges_classes(core: Core) -> bool:
    """Whether cells of a core are judged beside margins: then neither their number is told nor what they make
    together."""
    return any(column.part is Part.MARGIN for column in core.columns)
