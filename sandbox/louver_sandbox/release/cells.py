"""Judging the cells of one core from exact parts; what is not safe is withheld (PRIVACY 5).

Cells whose units do not reach their k disappear and are counted in a notice; a measure that breaks a rule of its own
is `WITHHELD` in its cell. A grand total keeps its one row, with every value empty, so that its form tells nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from louver_sandbox.plan.rewrites.threshold import CELL, REMAINDER
from louver_sandbox.release import notices
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.margins import Family, Place, cell_gives_away, coarsest_last, total_gives_away
from louver_sandbox.release.parts import Core, Exact, Parts, checked
from louver_sandbox.release.remainder import Known, same_cells
from louver_sandbox.release.rules import Rule, reaches, withheld_by
from louver_sandbox.release.values import Row
from louver_sandbox.release.withheld import WITHHELD
from louver_sandbox.stages import JudgedTotal, Notice, ThresholdRules


@dataclass(frozen=True, slots=True)
class Judged:
    """What may leave of one core: rows as the shape reads them, what is said about the rest, the remainder row."""

    rows: tuple[Row, ...]
    notices: tuple[Notice, ...]
    remainder: Row | None


Verdicts = Sequence[Rule | None]
"""For each total of a core, in order, the rule that it breaks in a cell."""


def judge(core: Core, rows: Sequence[Sequence[object]], rules: ThresholdRules) -> Judged:
    """The rows of one core that may leave. Never raises on data.

    Raises:
        WorkerLied: the parts contradict each other.
    """
    bench = _Bench(core, rules)
    cells, remainders = _sorted(bench, rows)
    if bench.parts.set is not None:
        return _judged_in_sets(bench, cells)
    keyed = bool(bench.parts.keys)
    safe: list[Exact] = []
    withheld: list[Exact] = []
    for cell in cells:
        (safe if bench.reaches(cell) else withheld).append(cell)
    broken: Counter[Rule] = Counter()
    released = [bench.row(cell, bench.verdicts(cell), broken) for cell in safe]
    if not keyed and withheld:
        released = [{(core.core_id, measure.name): WITHHELD for measure in core.measures}]
    remainder = _remainder(bench, withheld, remainders) if remainders else None
    tellable = any(map(bench.reaches, remainders))
    found = [*_cells(keyed, withheld, tellable), *notices.values_withheld(broken)]
    found += [notices.remainder(remainder is not None)] if tellable else []
    return Judged(tuple(released), tuple(found), remainder)


class _Bench:
    """The rules and everything that is the same for all cells of a core."""

    def __init__(self, core: Core, rules: ThresholdRules) -> None:
        self.core, self.rules, self.parts = core, rules, Parts(core)
        self.totals: tuple[JudgedTotal, ...] = tuple(
            dict.fromkeys(
                total
                for measure in core.measures
                for total in (*(addend.total for addend in measure.addends), *measure.guards)
                if total.contributors
            )
        )
        self.contributions = [self.parts.contributions(total) for total in self.totals]
        place = {total: index for index, total in enumerate(self.totals)}
        self._judged = [
            [
                place[total]
                for total in (*(addend.total for addend in measure.addends), *measure.guards)
                if total.contributors
            ]
            for measure in core.measures
        ]
        self._named_values = [((core.core_id, measure.name), self.parts.value(measure)) for measure in core.measures]
        self._keys = [(core.core_id, name) for name in self.parts.keys]

    def reaches(self, cell: Exact) -> bool:
        """Whether the cell's units reach their thresholds."""
        return reaches(self.parts.units(cell), self.core.unit_groups, self.rules)

    def verdicts(self, cell: Exact) -> list[Rule | None]:
        """The rule that each total of a cell breaks by itself."""
        groups, rules = self.core.unit_groups, self.rules
        return [
            withheld_by(of(cell), groups, rules, total)
            for total, of in zip(self.totals, self.contributions, strict=True)
        ]

    def row(self, cell: Exact, verdicts: Verdicts, broken: Counter[Rule]) -> Row:
        """A safe cell's row as the shape reads it; what breaks a rule of its own is `WITHHELD` and counted."""
        row: Row = dict(zip(self._keys, self.parts.values(cell), strict=True))
        if not any(verdicts):
            for name, value in self._named_values:
                row[name] = value(cell)
            return row
        for (name, value), judged in zip(self._named_values, self._judged, strict=True):
            rule = next((verdicts[place] for place in judged if verdicts[place] is not None), None)
            if rule is not None:
                broken[rule] += 1
            row[name] = value(cell) if rule is None else WITHHELD
        return row


def _sorted(bench: _Bench, rows: Sequence[Sequence[object]]) -> tuple[list[Exact], list[Exact]]:
    """The rows sorted into cells and remainders, checked for what no data could produce."""
    kind, keyed, in_sets = bench.parts.kind, bool(bench.parts.keys), bench.parts.set is not None
    found = checked(bench.core, rows)
    cells = [row for row in found if row[kind] == CELL]
    remainders = [row for row in found if row[kind] == REMAINDER]
    if len(cells) + len(remainders) != len(found):
        raise WorkerLied("a row of no kind")
    if (keyed or in_sets) and len(bench.parts.identities(cells)) != len(cells):
        raise WorkerLied("one cell twice")
    if len(remainders) != int(keyed and bench.rules.remainder and not in_sets) or (not keyed and len(cells) != 1):
        raise WorkerLied("not the planned rows")
    return cells, remainders


def _judged_in_sets(bench: _Bench, cells: Sequence[Exact]) -> Judged:
    """Cells of several grouping sets: every total beside its parts, parts first."""
    places = [_place(bench.parts, cell) for cell in cells]
    family = Family(places)
    verdicts: dict[int, Verdicts] = {}
    for number in coarsest_last(places):
        families = list(family.children(number))
        if _leaves(bench, cells, number, families, verdicts):
            verdicts[number] = _beside_parts(bench, cells, number, families, verdicts)
    broken: Counter[Rule] = Counter()
    rows = [bench.row(cells[number], verdicts[number], broken) for number in sorted(verdicts)]
    return Judged(tuple(rows), (notices.cells_untold(), *notices.values_withheld(broken)), None)


def _place(parts: Parts, cell: Exact) -> Place:
    present = frozenset(index for index, _ in enumerate(parts.keys) if not parts.leaves_out(cell, index))
    return Place(present, parts.values(cell))


def _leaves(
    bench: _Bench,
    cells: Sequence[Exact],
    number: int,
    families: Sequence[Sequence[int]],
    leaving: Container[int],
) -> bool:
    units = bench.parts.units
    return bench.reaches(cells[number]) and not any(
        cell_gives_away(
            units(cells[number]),
            [units(cells[child]) for child in children if child in leaving],
            [units(cells[child]) for child in children if child not in leaving],
            bench.core.unit_groups,
            bench.rules,
        )
        for children in families
    )


def _beside_parts(
    bench: _Bench,
    cells: Sequence[Exact],
    number: int,
    families: Sequence[Sequence[int]],
    verdicts: Mapping[int, Verdicts],
) -> Verdicts:
    """What each total of a leaving cell breaks, by itself or beside those of its children."""
    found = bench.verdicts(cells[number])
    for place, total in enumerate(bench.totals):
        of = bench.contributions[place]
        for children in families if found[place] is None else ():
            known = {child: child in verdicts and verdicts[child][place] is None for child in children}
            released, withheld = (
                [of(cells[child]) for child in children if known[child] is wanted] for wanted in (True, False)
            )
            whole = of(cells[number])
            if total_gives_away(whole, released, withheld, bench.core.unit_groups, bench.rules, total):
                found[place] = Rule.DIFFERENCE
    return found


def _cells(keyed: bool, withheld: Sequence[Exact], tellable: bool) -> list[Notice]:
    """What is said about missing cells. Their number is itself a statistic: it is told when their units reach k.

    Otherwise "none" and "one" must look alike, or a question about one subject would be answered by its notice.
    """
    if not keyed:
        return [notices.cells_withheld(1)] if withheld else []
    return [notices.cells_withheld(len(withheld))] if tellable else [notices.cells_untold()]


def _remainder(bench: _Bench, withheld: Sequence[Exact], remainders: Sequence[Exact]) -> Row | None:
    """The withheld cells as one row, or None when that is not safe or not over exactly these cells."""
    (whole,) = remainders
    parts = bench.parts
    known = tuple(Known(parts.units(cell), parts.count(cell, "n")) for cell in withheld)
    if len(withheld) < 2 or not same_cells(known, Known(parts.units(whole), parts.count(whole, "n"))):
        return None
    if not bench.reaches(whole):
        return None
    row = bench.row(whole, bench.verdicts(whole), Counter())
    return row | {(bench.core.core_id, name): None for name in parts.keys}
