"""What a grand total less the released cells leaves over: the withheld cells and those whose value is withheld.

They are known as one sum, so they may only be known when they are several and safe as one. The remainder row is exact
about the withheld cells. A subject may be in many of the others too, so together only bounds are certain: as many
units as the part that has most, no contribution larger than the parts' largest ones together, and as many
contributors and as large a magnitude as one part has less what the others could take away. Amounts of one sign take
nothing away: then magnitudes add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from louver_sandbox.core_plan import CorePlan, JudgedTotal, Measure
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.plan.rewrites.threshold import CELL
from louver_sandbox.release.cells import Judged
from louver_sandbox.release.classes import Classes
from louver_sandbox.release.margins import bounded, is_unsafe
from louver_sandbox.release.parts import Exact, Parts
from louver_sandbox.release.remainder import Known, same_cells
from louver_sandbox.release.rules import Contributions, reaches
from louver_sandbox.release.withheld import WITHHELD


class Cells:
    """The exact cells of a core without grouping sets, told apart by what leaves of them."""

    def __init__(self, core: CorePlan, rows: Sequence[Exact], judged: Judged) -> None:
        self.core = core
        self.parts = Parts(core)
        self._classes = Classes(self.parts)
        self._judged = judged
        self._rows: dict[tuple[object, ...], Exact] = {
            self.parts.values(cell): row
            for row in rows
            if row[self.parts.kind] == CELL
            for cell in self.parts.as_asked(row)
        }
        self._rest = [row for row in rows if row[self.parts.kind] != CELL]
        released: list[tuple[object, ...]] = [
            tuple(row[core.core_id, name] for name in self.parts.keys) for row in judged.rows
        ]
        self._released = dict(zip(released, judged.rows, strict=True))

    def withheld(self) -> Iterator[Exact]:
        """The cells that are no row of the answer."""
        return (row for key, row in self._rows.items() if key not in self._released)

    def emptied(self, measure: str) -> Iterator[Exact]:
        """The cells that leave without the value of a measure."""
        name = (self.core.core_id, measure)
        return (self._rows[key] for key, row in self._released.items() if row[name] is WITHHELD)

    def holds_all(self, rules: ThresholdRules) -> bool:
        """Whether some cell has so few units outside that its total may not leave either."""
        return any(self._classes.holds(row, rules) for row in self.withheld())

    def left_over(self, measure: str) -> tuple[int, list[Exact]]:
        """How many cells are not known in a measure, and parts that make them: the remainder stands for several."""
        withheld, emptied = list(self.withheld()), list(self.emptied(measure))
        known = tuple(map(self._known, withheld))
        parts = (
            self._rest if withheld and any(same_cells(known, self._known(row)) for row in self._rest) else withheld
        )
        return len(withheld) + len(emptied), [*parts, *emptied]

    def _known(self, row: Exact) -> Known:
        return Known(self.parts.units(row), self.parts.count(row, "n"))


def gives_away(cells: Cells, measure: str, rules: ThresholdRules, *, by_key: bool) -> bool:
    """Whether the total of a measure over all cells, less the released ones, tells too much.

    Where the total asks for a key of the cells (`by_key`) the question itself may leave it nothing of a part.
    """
    if cells.holds_all(rules):
        return True
    number, parts = cells.left_over(measure)
    asked = next(one for one in cells.core.measures if one.name == measure)
    if number < 2 or by_key or any(total.by_key for total in _judged(asked)):
        return number > 0
    groups = cells.core.unit_groups
    units = [max(counts) for counts in zip(*map(cells.parts.units, parts), strict=True)]
    if not reaches(units, groups, rules):
        return True
    return any(_is_unsafe(cells, total, parts, rules) for total in _judged(asked))


def _judged(measure: Measure) -> Iterator[JudgedTotal]:
    """The totals that are judged before a measure leaves."""
    for total in (*(addend.total for addend in measure.addends), *measure.guards):
        if total.contributors:
            yield total


def _is_unsafe(cells: Cells, total: JudgedTotal, parts: Sequence[Exact], rules: ThresholdRules) -> bool:
    of = cells.parts.contributions(total)
    found = [of(row) for row in parts]
    adding = len(parts) == 1 or not total.largest or _of_one_sign(cells.parts, total, parts)
    bounds = [
        _bounded(list(group), own=total.own or total.tallies, adding=adding) for group in zip(*found, strict=True)
    ]
    all_have_it = all(part.units == part.contributors for row in found for part in row)
    strict = replace(total, presence=total.presence and all_have_it)
    sums = [bound.sums for bound in bounds]
    return is_unsafe([bound.least for bound in bounds], sums, cells.core.unit_groups, rules, strict)


class _Bounds(NamedTuple):
    """For one unit group: what several parts make together at least, and their numbers added up."""

    least: Contributions
    sums: Contributions


def _bounded(parts: Sequence[Contributions], *, own: bool, adding: bool) -> _Bounds:
    contributors = [part.contributors for part in parts]
    sums = Contributions(sum(part.units for part in parts), sum(contributors))
    magnitude: int | Decimal | None = None
    if parts[0].magnitude is not None:
        magnitudes = [part.magnitude or 0 for part in parts]
        largest, second = sum(part.largest or 0 for part in parts), sum(part.second or 0 for part in parts)
        sums = Contributions(sums.units, sums.contributors, largest, second, sum(magnitudes))
        magnitude = sum(magnitudes) if adding else _without_others(magnitudes)
    fewest = max(contributors) if adding else _without_others(contributors)
    units = max(part.units for part in parts)
    return _Bounds(bounded(units, int(fewest), magnitude, sums, own=own), sums)


def _without_others(numbers: Sequence[int | Decimal]) -> int | Decimal:
    """What the greatest of several has at least when all others take away from it."""
    return max(0, 2 * max(numbers) - sum(numbers))


def _of_one_sign(parts: Parts, total: JudgedTotal, rows: Sequence[Exact]) -> bool:
    """Whether all contributions have the same sign: then the sum is as large as their magnitude.

    With several unit groups a magnitude leaves rows of others out, and says nothing of the whole sum.
    """
    if len(total.magnitude) != 1:
        return False
    value, magnitude = parts.places[total.value], parts.places[total.magnitude[0]]
    sums = [row[value] or 0 for row in rows]
    if any(abs(found) != (row[magnitude] or 0) for found, row in zip(sums, rows, strict=True)):
        return False
    return all(found >= 0 for found in sums) or all(found <= 0 for found in sums)
