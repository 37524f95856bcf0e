"""Totals that would give away a missing part: a coarser cell leaves only if what remains of it may (PRIVACY 5.6).

What a total tells beside the released parts is their difference: all withheld parts together. For a grand total that
is the remainder of the finer core, which is judged by every rule; it may leave exactly if the remainder may. A
coarser cell with keys of its own has no remainder of its own, so it may leave only if no part of it is withheld.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from louver_sandbox.plan.rewrites.threshold import CELL
from louver_sandbox.release import notices
from louver_sandbox.release.cells import Judged
from louver_sandbox.release.rules import Rule
from louver_sandbox.release.values import Row
from louver_sandbox.release.withheld import WITHHELD, as_null
from louver_sandbox.stages import CorePlan, Finer, Part

Exact = Sequence[Sequence[object]]


def without_differences(cores: Sequence[CorePlan], exact: Sequence[Exact], judged: Sequence[Judged]) -> list[Judged]:
    """What may leave of each core, given that all of them leave together. `exact` are the rows that were judged."""
    found = list(judged)
    places = {core.core_id: place for place, core in enumerate(cores)}
    # From the finest to the coarsest: a total that is withheld is a part of the next one.
    for place in sorted(places.values(), key=lambda place: -len(_keys(cores[place]))):
        for finer in cores[place].finer:
            other = places[finer.core_id]
            parts = _Parts(finer, cores[other], exact[other], found[other], whole=not _in_sets(cores[place]))
            found[place] = _less(cores[place], finer, found[place], parts)
    return found


def _less(core: CorePlan, finer: Finer, judged: Judged, parts: _Parts) -> Judged:
    """The core's rows without the values that its parts would give away."""
    broken = 0
    rows: list[Row] = []
    for row in judged.rows:
        key = tuple(row[core.core_id, mine] for mine, _ in finer.keys)
        lost = {
            (core.core_id, mine): WITHHELD
            for mine, theirs in finer.measures
            if as_null(row[core.core_id, mine]) is not None and parts.give_away(key, theirs)
        }
        broken += len(lost)
        rows.append({**row, **lost})
    found = (*judged.notices, *notices.values_withheld(Counter({Rule.DIFFERENCE: broken})))
    return replace(judged, rows=tuple(rows), notices=found)


class _Parts:
    """The cells of a finer core, seen from the coarser cell they belong to."""

    def __init__(self, finer: Finer, core: CorePlan, exact: Exact, judged: Judged, *, whole: bool) -> None:
        self._core = core.core_id
        self._measures = {theirs for _, theirs in finer.measures}
        self._whole = judged.remainder if whole and not finer.keys else None
        self._withheld: set[tuple[object, ...]] = set()
        self._lost: set[tuple[tuple[object, ...], str]] = set()
        keys = [(column.of, position) for position, column in enumerate(core.columns) if column.part is Part.KEY]
        positions = [dict(keys)[theirs] for _, theirs in finer.keys]
        kind = next(position for position, column in enumerate(core.columns) if column.part is Part.ROW_KIND)
        cells = sum(row[kind] == CELL for row in exact)
        if _in_sets(core) and len(judged.rows) < cells:
            # A subtotal's row and one whose key is null look alike, so only their number is compared.
            self._withheld.add(())
            return
        left = {tuple(row[self._core, name] for name, _ in keys) for row in judged.rows}
        for row in exact:
            if row[kind] == CELL and tuple(row[position] for _, position in keys) not in left:
                self._withheld.add(tuple(row[position] for position in positions))
        if any(notice.code == notices.VALUES_WITHHELD for notice in judged.notices):
            for released in judged.rows:
                key = tuple(released[self._core, theirs] for _, theirs in finer.keys)
                self._lost |= {(key, name) for name in self._measures if as_null(released[self._core, name]) is None}

    def give_away(self, key: tuple[object, ...], measure: str) -> bool:
        """Whether the coarser cell's value, less the released parts', tells what may not leave."""
        if (key, measure) in self._lost:
            return True
        if key not in self._withheld:
            return False
        return self._whole is None or as_null(self._whole[self._core, measure]) is None


def _in_sets(core: CorePlan) -> bool:
    """Whether a core has several grouping sets."""
    return any(column.part is Part.SET for column in core.columns)


def _keys(core: CorePlan) -> list[str]:
    return [column.of for column in core.columns if column.part is Part.KEY]
