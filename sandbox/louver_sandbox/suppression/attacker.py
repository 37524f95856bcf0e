"""The attacker: bounds every withheld cell as well as anyone can who has the rest of the table.

It knows the relations, every cell that was not withheld, and what `known_lower` and `known_upper` say, and nothing of
how the cells were chosen: it is built from the table alone, so that it can judge the solver. What it finds is exact
up to one part in a million of a cell's scale (its protection level, or a thousandth of its value where it has none).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from louver_sandbox.suppression.linear import LinearProgram, Rows
from louver_sandbox.suppression.table import Cell, Protection, Relation, Table

FAR = 1e6
"""In scales: an interval that reaches farther is taken for unlimited, and no cell is thought to lie farther off."""
BLUR = 1e-5
"""In scales: what the bounds of an interval may be wrong by."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The values a withheld cell can have: whole numbers, both ends included; None where no limit is in sight."""

    lower: int | None
    upper: int | None

    def protects(self, cell: Cell) -> bool:
        """Whether the interval is as wide as the cell's protection demands; any is for a secondary cell."""
        if cell.protection is None:
            return True
        below = None if self.lower is None else cell.value - self.lower
        above = None if self.upper is None else self.upper - cell.value
        wide = below is None or above is None or below + above >= cell.protection.sliding
        return (
            wide
            and (below is None or below >= cell.protection.lower)
            and (above is None or above >= cell.protection.upper)
        )

    def allows(self, value: int, wanted: Protection) -> Protection | None:
        """As much of the protection of a cell of this value as the interval gives; None where it gives nothing."""
        lower = wanted.lower if self.lower is None else min(wanted.lower, value - self.lower)
        upper = wanted.upper if self.upper is None else min(wanted.upper, self.upper - value)
        endless = self.lower is None or self.upper is None
        sliding = wanted.sliding if endless else min(wanted.sliding, (self.upper or 0) - (self.lower or 0))
        return Protection(lower, upper, sliding) if max(lower, upper, sliding) > 0 else None

    @property
    def known(self) -> bool:
        """Whether only one value is left."""
        return self.lower is not None and self.lower == self.upper


def attack(table: Table, withheld: Iterable[str], wanted: Iterable[str] | None = None) -> Mapping[str, Interval]:
    """The interval of each withheld cell, or of those wanted, by name.

    ValueError where a withheld cell was released earlier.
    """
    names = frozenset(withheld)
    asked = names if wanted is None else names & frozenset(wanted)
    if any(table[name].released for name in names):
        raise ValueError("what was released earlier cannot be withheld")
    intervals: dict[str, Interval] = {}
    for group in _groups(table, names):
        if not asked.isdisjoint(group.names):
            intervals.update(_bound(table, group, asked))
    return {name: intervals[name] for name in sorted(asked)}


@dataclass(frozen=True, slots=True)
class _Group:
    """Withheld cells that relations tie together, and those relations."""

    names: tuple[str, ...]
    relations: tuple[Relation, ...]


def _groups(table: Table, names: frozenset[str]) -> Iterator[_Group]:
    """Cells in different groups say nothing of each other."""
    of: dict[str, list[Relation]] = {name: [] for name in sorted(names)}
    for relation in table.relations:
        for name in (relation.total, *relation.parts):
            if name in of:
                of[name].append(relation)
    left = dict.fromkeys(of)
    while left:
        members, waiting = dict.fromkeys([next(iter(left))]), [next(iter(left))]
        relations: dict[Relation, None] = {}
        while waiting:
            for relation in of[waiting.pop()]:
                if relation not in relations:
                    relations[relation] = None
                    new = [n for n in (relation.total, *relation.parts) if n in of and n not in members]
                    members.update(dict.fromkeys(new))
                    waiting += new
        left = {name: None for name in left if name not in members}
        yield _Group(tuple(sorted(members)), tuple(relations))


def _bound(table: Table, group: _Group, asked: frozenset[str]) -> Iterator[tuple[str, Interval]]:
    """Least and greatest possible value of each cell of a group that is asked for."""
    cells = [table[name] for name in group.names]
    place = {name: index for index, name in enumerate(group.names)}
    rows = Rows.of([_row(relation, place) for relation in group.relations])
    still, nothing = np.zeros(len(cells)), np.zeros(len(rows))
    program = LinearProgram(still, still, still, rows, nothing, nothing, primal=True)
    below = np.array([_distance(cell.value, cell.known_lower) for cell in cells])
    above = np.array([_distance(cell.value, cell.known_upper) for cell in cells])
    for index, cell in enumerate(cells):
        if cell.name not in asked:
            continue
        scale = _scale(cell)
        program.change_bounds(-np.minimum(below / scale, FAR), np.minimum(above / scale, FAR))
        ends = []
        for sign in (1.0, -1.0):
            program.change_cost(index, sign)
            ends.append(float(program.minimise().values[index]))
            program.change_cost(index, 0.0)
        yield cell.name, _interval(cell, ends[0], ends[1], scale)


def _row(relation: Relation, place: Mapping[str, int]) -> tuple[list[int], list[float]]:
    parts = [place[part] for part in relation.parts if part in place]
    columns = [*parts, place[relation.total]] if relation.total in place else parts
    return columns, [1.0] * len(parts) + [-1.0] * (len(columns) - len(parts))


def _interval(cell: Cell, lowest: float, highest: float, scale: float) -> Interval:
    lower = cell.value + ceil((lowest - BLUR) * scale)
    upper = cell.value + floor((highest + BLUR) * scale)
    return Interval(
        None if lowest < -0.9 * FAR else lower if cell.known_lower is None else max(lower, cell.known_lower),
        None if highest > 0.9 * FAR else upper if cell.known_upper is None else min(upper, cell.known_upper),
    )


def _scale(cell: Cell) -> float:
    if cell.protection is None:
        return max(1.0, abs(cell.value) / 1000)
    return float(max(cell.protection.lower, cell.protection.upper, cell.protection.sliding))


def _distance(value: int, known: int | None) -> float:
    return float("inf") if known is None else float(abs(value - known))
