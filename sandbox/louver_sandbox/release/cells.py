"""Judging the cells of one core from exact parts; what is not safe is withheld (PRIVACY 5).

Cells whose units do not reach their k disappear and are counted in a notice; a measure that breaks a rule of its own
is `WITHHELD` in its cell. A grand total keeps its one row, with every value empty, so that its form tells nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from louver_sandbox.core_plan import JudgedTotal
from louver_sandbox.obligations import ThresholdRules, Totals
from louver_sandbox.plan.rewrites.threshold import CELL, REMAINDER
from louver_sandbox.release import notices
from louver_sandbox.release.additive import adjusted, limits_of, parts_of_totals, summed
from louver_sandbox.release.classes import Classes, judges_classes
from louver_sandbox.release.complementary import Chosen, Solve, chosen, no_solver
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.known_totals import Withheld, beside_known_totals
from louver_sandbox.release.margins import (
    COMPARISON,
    Children,
    Keys,
    Margins,
    Sums,
    Values,
    Work,
    cell_gives_away,
    children_of,
    picking,
    sums_of,
    total_gives_away,
)
from louver_sandbox.release.noise import is_rounded_together, perturbing
from louver_sandbox.release.parts import Core, Exact, Parts, checked
from louver_sandbox.release.remainder import Known, same_cells
from louver_sandbox.release.rules import Contributions, Rule, Verdicts, reaches, withheld_by
from louver_sandbox.release.unions import beside_withheld
from louver_sandbox.release.values import Row
from louver_sandbox.release.withheld import WITHHELD
from louver_sandbox.stages import Notice


@dataclass(frozen=True, slots=True)
class Judged:
    """What may leave of one core: rows as the shape reads them, what is said about the rest, the remainder row."""

    rows: tuple[Row, ...]
    notices: tuple[Notice, ...]
    remainder: Row | None


def judge(
    core: Core,
    rows: Sequence[Sequence[object]],
    rules: ThresholdRules,
    solve: Solve | None = None,
    secret: bytes | None = None,
) -> Judged:
    """The rows of one core that may leave; with noise by the secret of cell keys where the rules ask for it.

    With `solve`, further parts are withheld so that totals may stay.

    Raises:
        NoiseSecretMissing: they do, and there is none.
        WorkerLied: the parts contradict each other.
        TooManyMargins: more cells in more grouping sets than can be judged in time.
    """
    bench = _Bench(core, rules, secret)
    cells, remainders = _sorted(bench, rows)
    if rules.totals is Totals.KNOWN and bench.parts.set is not None:
        return _judged_beside_known(bench, cells, solve or no_solver)
    bench.keep_back(cells)
    if bench.parts.set is not None:
        return _judged_in_sets(bench, cells, _in_sets(bench, cells, solve), complementary=solve is not None)
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

    def __init__(self, core: Core, rules: ThresholdRules, secret: bytes | None) -> None:
        self.core, self.rules, self.parts = core, rules, Parts(core)
        self._kept_back: frozenset[Exact] = frozenset()
        self._perturb = perturbing(core, rules, secret)
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
        widths = [2, *(5 if total.largest else 2 for total in self.totals)]
        ends = list(accumulate(1 + 2 * width * len(core.unit_groups) for width in widths))
        self.work = Work()
        self._slices = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    def keep_back(self, cells: Sequence[Exact]) -> None:
        """Takes note of the cells that may not leave because few units are outside. Raises `WorkerLied`."""
        self._kept_back = Classes(self.parts).kept_back(cells, self.rules)

    def keep_back_alone(self, cells: Sequence[Exact]) -> None:
        """The same without the totals of such cells, which depend on what else is asked. Raises `WorkerLied`."""
        self._kept_back = Classes(self.parts).holding(cells, self.rules)

    def reaches(self, cell: Exact) -> bool:
        """Whether the cell's units reach their thresholds, inside and where it is judged so outside."""
        if self._kept_back and cell in self._kept_back:
            return False
        return reaches(self.parts.units(cell), self.core.unit_groups, self.rules)

    def verdicts(self, cell: Exact) -> list[Rule | None]:
        """The rule that each total of a cell breaks by itself."""
        groups, rules = self.core.unit_groups, self.rules
        return [
            withheld_by(of(cell), groups, rules, total)
            for total, of in zip(self.totals, self.contributions, strict=True)
        ]

    def sums(self, cell: Exact, verdicts: Verdicts | None) -> Sums:
        """What a cell adds to its parents' sums: units, then totals. Without verdicts it is withheld."""
        units = [Contributions(units, 0) for units in self.parts.units(cell)]
        rules = verdicts or [Rule.UNITS] * len(self.totals)
        totals = zip(self.contributions, rules, strict=True)
        return (
            *sums_of(units, known=verdicts is not None),
            *(number for of, rule in totals for number in sums_of(of(cell), known=rule is None)),
        )

    def children(self, families: Iterable[Sums], place: int) -> Iterator[Children]:
        """The children of each family in which some are withheld: the cells (place 0), or a total of them."""
        part = self._slices[place]
        for sums in families:
            if sums[part.start]:
                self.work.spend(COMPARISON)
                yield children_of(sums[part], len(self.core.unit_groups))

    def shown(self, cell: Exact) -> Exact:
        """The cell with the numbers that may be seen of it: perturbed ones where policies ask for noise."""
        return cell if self._perturb is None else self._perturb(cell)

    def base(self, place: int, numbers: Iterable[int], cells: Sequence[Exact]) -> int:
        """The base to which a column of perturbed numbers is rounded together."""
        return 1 if self._perturb is None else self._perturb.base(place, (cells[number] for number in numbers))

    def hides(self, column: str, verdicts: Verdicts) -> bool:
        """Whether some measure that a column is part of is withheld."""
        return any(
            any(verdicts[place] for place in judged)
            for measure, judged in zip(self.core.measures, self._judged, strict=True)
            if column in (measure.count, *(addend.total.value for addend in measure.addends))
        )

    def row(self, cell: Exact, verdicts: Verdicts, broken: Counter[Rule], shown: Exact | None = None) -> Row:
        """A safe cell's row as the shape reads it; what breaks a rule of its own is `WITHHELD` and counted. `shown`
        is the cell as it may be seen, if that depends on others."""
        row: Row = dict(zip(self._keys, self.parts.values(cell), strict=True))
        exact = cell
        cell = self.shown(cell) if shown is None else shown
        if not any(verdicts):
            for name, value in self._named_values:
                row[name] = value(cell)
            if cell is not exact:
                self._without_quotients(row, exact, broken)
            return row
        for (name, value), judged in zip(self._named_values, self._judged, strict=True):
            rule = next((verdicts[place] for place in judged if verdicts[place] is not None), None)
            if rule is not None:
                broken[rule] += 1
            row[name] = value(cell) if rule is None else WITHHELD
        if cell is not exact:
            self._without_quotients(row, exact, broken)
        return row

    def _without_quotients(self, row: Row, exact: Exact, broken: Counter[Rule]) -> None:
        """Withholds what noise left nothing to divide by: it is no NULL of the data."""
        for name, value in self._named_values:
            if row[name] is None and value(exact) is not None:
                broken[Rule.NOISE] += 1
                row[name] = WITHHELD


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
    summed_up = keyed and bench.rules.remainder and not in_sets and not judges_classes(bench.core)
    if len(remainders) != int(summed_up) or (not keyed and len(cells) != 1):
        raise WorkerLied("not the planned rows")
    return cells, remainders


def _judged_beside_known(bench: _Bench, cells: Sequence[Exact], solve: Solve) -> Judged:
    """Cells of the sets that are asked for, beside those that only count as known."""
    bench.keep_back_alone(cells)
    found = beside_known_totals(bench, cells, solve)
    asked = [number for number, cell in enumerate(cells) if bench.parts.is_asked(cell)]
    here = {number: place for place, number in enumerate(asked)}
    hidden, emptied = (frozenset(here[one] for one in some if one in here) for some in (found.hidden, found.emptied))
    leaving = [cells[number] for number in asked]
    bench.keep_back(leaving)
    verdicts = _beside_known(bench, leaving, solve, Withheld(hidden, emptied))
    return _judged_in_sets(bench, leaving, verdicts, complementary=True)


def _judged_in_sets(
    bench: _Bench, cells: Sequence[Exact], verdicts: Mapping[int, Verdicts], *, complementary: bool
) -> Judged:
    """Cells of several grouping sets, of which those that leave have verdicts, by number."""
    broken: Counter[Rule] = Counter()
    shown = {number: bench.shown(cells[number]) for number in verdicts}
    noise = bench.rules.noise
    added: tuple[Notice, ...] = ()
    if noise is not None and is_rounded_together(bench.core, noise):
        shown, added = _rounded_together(bench, cells, verdicts, shown)
    rows = [
        bench.row(cell, verdicts[number], broken, cell if shown[number] is cells[number] else seen)
        for number in sorted(verdicts)
        for cell, seen in zip(*map(bench.parts.as_asked, (cells[number], shown[number])), strict=True)
    ]
    if complementary:
        # One number for all: how many broke a rule themselves would help to find out which.
        broken = Counter({Rule.COMPLEMENTARY: broken.total()})
    return Judged(tuple(rows), (notices.cells_untold(), *notices.values_withheld(broken), *added), None)


def _in_sets(bench: _Bench, cells: Sequence[Exact], solve: Solve | None) -> dict[int, Verdicts]:
    """The cells that leave, by number, beside those of the other sets."""
    besides = None if solve is None else chosen(bench, cells, solve)
    return _beside_parts(bench, cells) if besides is None else beside_withheld(bench, cells, besides)


def _beside_known(bench: _Bench, cells: Sequence[Exact], solve: Solve, known: Withheld) -> dict[int, Verdicts]:
    """The same where further cells are withheld beside totals that count as known. Levels that those put out of reach
    are reached in this answer at least, by its own totals."""
    if len({one.cells for one in bench.core.asked}) == 1:
        return beside_withheld(bench, cells, Chosen(known.hidden, known.emptied, frozenset()))
    besides = chosen(bench, cells, solve, known.hidden)
    every = frozenset(range(len(bench.totals)))
    found = Chosen(known.hidden, known.emptied, every) if besides is None else besides
    withheld = replace(found, hidden=found.hidden | known.hidden, emptied=found.emptied | known.emptied)
    return beside_withheld(bench, cells, withheld)


def _by_set(bench: _Bench, cells: Sequence[Exact]) -> dict[Keys, list[int]]:
    """The numbers of the cells of each grouping set."""
    sets: dict[Keys, list[int]] = {}
    for number, cell in enumerate(cells):
        sets.setdefault(bench.parts.keys_of_set(cell), []).append(number)
    return sets


def _beside_parts(bench: _Bench, cells: Sequence[Exact]) -> dict[int, Verdicts]:
    """The cells that leave, by number: every total beside its parts, parts first."""
    sets = _by_set(bench, cells)
    finest_first = sorted(sets, key=len, reverse=True)
    margins = Margins(finest_first, bench.work)
    verdicts: dict[int, Verdicts] = {}
    for keys in finest_first:
        places = _places(bench, cells, keys, sets[keys])
        finer = margins.under(keys)
        for place, number in places.items():
            families = [sums[place] for sums in finer if place in sums]
            if _leaves(bench, cells[number], families):
                verdicts[number] = _totals_beside_parts(bench, cells[number], families)
        # A set of which all is known tells nothing of others.
        if any(number not in verdicts or any(verdicts[number]) for number in sets[keys]):
            margins.add(
                keys, {place: bench.sums(cells[number], verdicts.get(number)) for place, number in places.items()}
            )
    return verdicts


def _rounded_together(
    bench: _Bench,
    cells: Sequence[Exact],
    verdicts: Mapping[int, Verdicts],
    shown: Mapping[int, Exact],
) -> tuple[dict[int, Exact], tuple[Notice, ...]]:
    """The numbers of a table with totals, rounded so that they add up where they can, and what is said of it."""
    found = {number: list(cell) for number, cell in shown.items()}
    whole = parts_of_totals(_by_set(bench, cells), lambda number: bench.parts.values(cells[number]))
    adds_up, most_moved = whole is not None, 0
    for total in bench.core.noisy:
        place = bench.parts.places[total.value]
        # What some measure may not show is no part and no total, yet another may show it: it is rounded by itself.
        seen = {number for number in found if not bench.hides(total.value, verdicts[number])}
        sums = {number: parts for number, parts in (whole or {}).items() if number in seen and seen.issuperset(parts)}
        if total.of and not total.base:
            for number, value in summed({number: cell[place] for number, cell in shown.items()}, sums).items():
                found[number][place] = value
            continue
        # A subject may be in several parts, and a base by bounds leaves no room for an error that grows with the
        # number of parts: these are rounded by themselves.
        added = total.value.startswith("n")
        adds_up = adds_up and added
        if total.of:
            continue
        numbers = {number: cell[place] for number, cell in shown.items()}
        limits = replace(limits_of(total, bench.rules), base=bench.base(place, shown, cells))
        made = adjusted(numbers, sums if added else {}, limits)
        adds_up = adds_up and made.adds_up
        most_moved = max(most_moved, made.most_moved)
        for number, value in made.numbers.items():
            found[number][place] = value
    return {number: tuple(cell) for number, cell in found.items()}, (notices.totals(adds_up, most_moved),)


def _places(bench: _Bench, cells: Sequence[Exact], keys: Keys, numbers: Sequence[int]) -> dict[Values, int]:
    """The cells of one grouping set by the values of its keys."""
    values, of_set = bench.parts.values, picking(keys)
    return {of_set(values(cells[number])): number for number in numbers}


def _leaves(bench: _Bench, cell: Exact, families: Sequence[Sums]) -> bool:
    return bench.reaches(cell) and not any(
        cell_gives_away(bench.parts.units(cell), children, bench.core.unit_groups, bench.rules)
        for children in bench.children(families, 0)
    )


def _totals_beside_parts(bench: _Bench, cell: Exact, families: Sequence[Sums]) -> Verdicts:
    """What each total of a leaving cell breaks, by itself or beside those of its children."""
    found = bench.verdicts(cell)
    for place, total in enumerate(bench.totals):
        if found[place] is not None:
            continue
        for children in bench.children(families, place + 1):
            whole = bench.contributions[place](cell)
            if total_gives_away(whole, children, bench.core.unit_groups, bench.rules, total):
                found[place] = Rule.DIFFERENCE
                break
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
    verdicts = [
        Rule.DIFFERENCE if total.by_key else rule
        for total, rule in zip(bench.totals, bench.verdicts(whole), strict=True)
    ]
    row = bench.row(whole, verdicts, Counter())
    return row | {(bench.core.core_id, name): None for name in parts.keys}
