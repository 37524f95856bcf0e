"""Totals that would give away a missing part: a coarser cell leaves only if what remains of it may (PRIVACY 5.6).

What a total tells beside the released parts is their difference: all withheld parts together. For a grand total that
is the remainder of the finer core and the cells whose value is withheld (`leftover`), which must be safe together. A
coarser cell with keys of its own has no remainder of its own, so it may leave only if no part of it is withheld.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from louver_sandbox.core_plan import CorePlan, Finer, Part
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.plan.rewrites.threshold import CELL
from louver_sandbox.release import notices
from louver_sandbox.release.cells import Judged
from louver_sandbox.release.leftover import Cells, gives_away
from louver_sandbox.release.margins import picking
from louver_sandbox.release.parts import Exact, Parts
from louver_sandbox.release.rules import Rule
from louver_sandbox.release.values import Row
from louver_sandbox.release.withheld import WITHHELD, as_null

Telling = Callable[[tuple[object, ...], str, str], bool]
"""Whether a coarser cell, by the values of its keys, tells by one of its measures, beside one of its parts', what may
not leave."""


def without_differences(
    cores: Sequence[CorePlan], exact: Sequence[Sequence[Exact]], judged: Sequence[Judged], rules: ThresholdRules
) -> list[Judged]:
    """What may leave of each core, given that all of them leave together. `exact` are the rows that were judged."""
    found = list(judged)
    places = {core.core_id: place for place, core in enumerate(cores)}
    # From the finest to the coarsest: a total that is withheld is a part of the next one.
    for place in sorted(places.values(), key=lambda place: -len(_keys(cores[place]))):
        for finer in cores[place].finer:
            other = places[finer.core_id]
            tells = _telling(finer, cores[place], cores[other], exact[other], found[other], rules)
            found[place] = _less(cores[place], finer, found[place], tells)
    return found


def _less(core: CorePlan, finer: Finer, judged: Judged, tells: Telling) -> Judged:
    """The core's rows without the values that its parts would give away."""
    broken = 0
    rows: list[Row] = []
    for row in judged.rows:
        key = tuple(row[core.core_id, mine] for mine, _ in finer.keys)
        lost = {
            (core.core_id, mine): WITHHELD
            for mine, theirs in finer.measures
            if as_null(row[core.core_id, mine]) is not None and tells(key, mine, theirs)
        }
        broken += len(lost)
        rows.append({**row, **lost})
    found = (*judged.notices, *notices.values_withheld(Counter({Rule.DIFFERENCE: broken})))
    return replace(judged, rows=tuple(rows), notices=found)


def _telling(
    finer: Finer, coarser: CorePlan, core: CorePlan, exact: Sequence[Exact], judged: Judged, rules: ThresholdRules
) -> Telling:
    if finer.keys or _in_sets(coarser) or _in_sets(core):
        return _Parts(finer, core, exact, judged).give_away
    cells = Cells(core, exact, judged)
    told = {
        (mine, theirs): gives_away(cells, theirs, rules, by_key=mine in finer.by_key)
        for mine, theirs in finer.measures
    }
    return lambda _, mine, theirs: told[mine, theirs]


class _Parts:
    """The cells of a finer core, seen from the coarser cell they belong to, which tells of each that is missing."""

    def __init__(self, finer: Finer, core: CorePlan, exact: Sequence[Exact], judged: Judged) -> None:
        self._withheld: set[tuple[object, ...]] = set()
        self._lost: set[tuple[tuple[object, ...], str]] = set()
        parts = Parts(core)
        cells = [cell for row in exact if row[parts.kind] == CELL for cell in parts.as_asked(row)]
        if _in_sets(core) and len(judged.rows) < len(cells):
            # A subtotal's row and one whose key is null look alike, so only their number is compared.
            self._withheld.add(())
            return
        place = picking(parts.keys.index(theirs) for _, theirs in finer.keys)
        left: set[tuple[object, ...]] = {tuple(row[core.core_id, name] for name in parts.keys) for row in judged.rows}
        for key in map(parts.values, cells):
            if key not in left:
                self._withheld.add(place(key))
        if any(notice.code == notices.VALUES_WITHHELD for notice in judged.notices):
            measures = {theirs for _, theirs in finer.measures}
            for released in judged.rows:
                of: tuple[object, ...] = tuple(released[core.core_id, theirs] for _, theirs in finer.keys)
                self._lost |= {(of, name) for name in measures if as_null(released[core.core_id, name]) is None}

    def give_away(self, key: tuple[object, ...], _: str, theirs: str) -> bool:
        """Whether a part of the coarser cell is withheld, as a cell or in a measure."""
        return key in self._withheld or (key, theirs) in self._lost


def _in_sets(core: CorePlan) -> bool:
    """Whether several grouping sets of a core leave."""
    return any(column.part is Part.SET for column in core.columns) and len(core.asked) != 1


def _keys(core: CorePlan) -> list[str]:
    return [column.of for column in core.columns if column.part is Part.KEY]
