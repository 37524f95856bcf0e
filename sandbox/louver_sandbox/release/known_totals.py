"""Cells beside every total that anybody may have been shown, in this answer or in another (PRIVACY 5.5, ADR 26).

With `totals: known` a grouping set has one pattern, whatever question it is asked in: that of its cells beside all
coarser sets, each with its own pattern. So sets are decided from the grand total down. What of a coarser set may
leave counts as known, and further cells are withheld in the set itself; no pattern looks at a finer set, or at which
sets, values or cores are asked for besides. Two answers over the same rows therefore never show together what one of
them withholds for its totals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from louver_sandbox.core_plan import JudgedTotal
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.release.complementary import Bench, CellTable, Solve, amounts_of, rows_of, units_of, value_of
from louver_sandbox.release.levels import cell_protection, sum_protection
from louver_sandbox.release.margins import Keys, Values, picking
from louver_sandbox.release.parts import Exact
from louver_sandbox.release.rules import Contributions
from louver_sandbox.release.unions import Family, Telling, together
from louver_sandbox.suppression.pattern import Number, Problem
from louver_sandbox.suppression.table import Protection

MOST_CELLS = 5_000
"""Cells of a set with its totals that are given to the solver. Of a larger set nothing leaves, or nothing of a value,
where something of it may not: no pattern is proved."""

ROUNDS = 3
"""How often the solver is asked to protect what is left of a total; then all parts of the total are withheld."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """Cells by their number: those that do not leave, and those that leave without their judged values."""

    hidden: frozenset[int]
    emptied: frozenset[int]


def beside_known_totals(bench: Bench, cells: Sequence[Exact], solve: Solve) -> Withheld:
    """What is withheld of a core's cells, of every set that is asked for or counts as known.

    Raises:
        WorkerLied: a total is not the sum of its parts.
        TooManyMargins: more cells in more grouping sets than can be judged in time.
    """
    of_set: dict[Keys, list[int]] = {}
    for number, cell in enumerate(cells):
        of_set.setdefault(bench.parts.keys_of_set(cell), []).append(number)
    few = frozenset(number for number, cell in enumerate(cells) if not bench.reaches(cell))
    verdicts = [
        [None] * len(bench.totals) if number in few else bench.verdicts(cell) for number, cell in enumerate(cells)
    ]
    breaking = [
        frozenset(number for number, rules in enumerate(verdicts) if rules[place])
        for place, _ in enumerate(bench.totals)
    ]
    hidden: frozenset[int] = few
    emptied = breaking
    telling = Telling(bench, cells)
    for keys in sorted(of_set, key=lambda one: (len(one), one)):
        under = [number for coarser, numbers in of_set.items() if set(coarser) <= set(keys) for number in numbers]
        step = _Step(bench, cells, under, frozenset(of_set[keys]), solve, telling)
        hidden = step.of_cells(hidden, few)
        emptied = [
            step.of_value(place, total, hidden, some, few | breaking[place])
            for (place, total), some in zip(enumerate(bench.totals), emptied, strict=True)
        ]
    return Withheld(hidden, frozenset().union(*emptied) - hidden)


class _Step:
    """One grouping set beside all coarser ones, whose patterns are decided."""

    def __init__(
        self,
        bench: Bench,
        cells: Sequence[Exact],
        under: Sequence[int],
        own: frozenset[int],
        solve: Solve,
        telling: Telling,
    ) -> None:
        self._bench, self._cells, self._under, self._own = bench, cells, under, own
        self._solve, self._telling = solve, telling
        self._table: CellTable | None = None
        self._lines: list[Family] | None = None

    def of_cells(self, hidden: frozenset[int], few: frozenset[int]) -> frozenset[int]:
        """The cells that do not leave, those of this set included. `few` may not by themselves."""
        if few.isdisjoint(self._under):
            return hidden
        if len(self._under) > MOST_CELLS:
            return hidden | self._own
        table = self._of_table()
        numbers = (rows_of(table), *units_of(table))
        return self._protected(hidden, numbers, self._telling.tells_cells, self._leftover_rows)

    def of_value(
        self, place: int, total: JudgedTotal, hidden: frozenset[int], emptied: frozenset[int], primary: frozenset[int]
    ) -> frozenset[int]:
        """The cells that leave without a value, those of this set included. `primary` may not show it themselves."""
        if primary.isdisjoint(self._under):
            return emptied
        table = self._of_table() if len(self._under) <= MOST_CELLS else None
        number = None if table is None else value_of(table, place, total)
        if table is None or number is None:
            # Of what is not modelled, all of a set is withheld, or nothing: then every total is what is left of it.
            return emptied | (frozenset() if (hidden | emptied).isdisjoint(self._own) else self._own)
        amounts = amounts_of(table, place, total) if total.largest else None
        of_number = {self._under[cell]: at for at, cell in enumerate(table.order)}

        def tells(family: Family, withheld: Sequence[int]) -> bool:
            return self._telling.tells(place, total, family, withheld)

        def level(family: Family, withheld: Sequence[int]) -> Protection:
            parts = None if amounts is None else [amounts[of_number[part]] for part in withheld]
            return _leftover(parts, family, self._bench.rules)

        return self._protected(hidden | emptied, (number,), tells, level)

    def _protected(
        self,
        withheld: frozenset[int],
        numbers: Sequence[Number],
        tells: Callable[[Family, Sequence[int]], bool],
        level: Callable[[Family, Sequence[int]], Protection],
    ) -> frozenset[int]:
        """The withheld cells with those that protect them, and what is left of every total that is known."""
        sums: dict[tuple[int, ...], Protection] = {}
        for _ in range(ROUNDS):
            pattern = self._solved(withheld, numbers, sums)
            if pattern is None:
                return withheld | self._own
            withheld |= pattern
            open_ = dict(self._open(withheld, tells))
            if not open_:
                return withheld
            sums = {tuple(left): level(family, left) for family, left in open_.items()}
        return self._whole_lines(withheld, tells)

    def _whole_lines(
        self, withheld: frozenset[int], tells: Callable[[Family, Sequence[int]], bool]
    ) -> frozenset[int]:
        """All parts of each total that tells something of some, until none does."""
        while open_ := dict(self._open(withheld, tells)):
            withheld = withheld.union(*(family.parts for family in open_))
        return withheld

    def _open(
        self, withheld: frozenset[int], tells: Callable[[Family, Sequence[int]], bool]
    ) -> Iterator[tuple[Family, list[int]]]:
        """The known totals that tell something of their withheld parts. All of them together are the total itself."""
        for family in self._families():
            left = [part for part in family.parts if part in withheld]
            if family.total not in withheld and left and len(left) < len(family.parts) and tells(family, left):
                yield family, left

    def _families(self) -> list[Family]:
        """Every coarser cell with its parts in this set."""
        if self._lines is None:
            parts, bench = self._bench.parts, self._bench
            of_set: dict[Keys, list[int]] = {}
            for number in self._under:
                if number not in self._own:
                    of_set.setdefault(parts.keys_of_set(self._cells[number]), []).append(number)
            self._lines = []
            for keys, totals in of_set.items():
                bench.work.spend(len(self._own))
                place = picking(keys)
                found: dict[Values, list[int]] = {}
                for number in sorted(self._own):
                    found.setdefault(place(parts.values(self._cells[number])), []).append(number)
                self._lines += [
                    self._telling.family(total, tuple(found[place(parts.values(self._cells[total]))]))
                    for total in totals
                    if place(parts.values(self._cells[total])) in found
                ]
        return self._lines

    def _of_table(self) -> CellTable:
        if self._table is None:
            found = CellTable.of(self._bench, [self._cells[number] for number in self._under])
            if found is None:
                raise ValueError("a set that its coarser sets are not coarser than")
            self._table = found
        return self._table

    def _solved(
        self, withheld: frozenset[int], numbers: Sequence[Number], sums: Mapping[tuple[int, ...], Protection]
    ) -> frozenset[int] | None:
        """The cells that protect these numbers, and sums of some of their cells; None where nothing is proved."""
        if not any(number.protections for number in numbers) and not sums:
            return frozenset()
        table = self._of_table()
        here = {self._under[cell]: place for place, cell in enumerate(table.order)}
        # In the order of the table's cells, which no order of rows decides.
        levels = {tuple(sorted(here[number] for number in left)): level for left, level in sums.items()}
        groups = sorted(levels)
        count, made = len(table.order), range(len(table.order), len(table.order) + len(groups))
        hidden = frozenset(here[number] for number in withheld if number in here)
        problem = Problem(
            (*(max(1, *units) for units in table.units), *(0 for _ in groups)),
            (*table.relations, *zip(made, groups, strict=True)),
            hidden | frozenset(made),
            # What is left of a total is judged by the first number; the others only have to add up.
            tuple(
                _with_sums(
                    number, groups, {} if place else {one: levels[of] for one, of in zip(made, groups, strict=True)}
                )
                for place, number in enumerate(numbers)
            ),
            (),
            frozenset(place for number, place in here.items() if number not in self._own) - hidden,
        )
        pattern = self._solve(problem)
        if pattern is None:
            return None
        return frozenset(self._under[table.order[place]] for place in pattern.hidden if place < count)

    def _leftover_rows(self, family: Family, left: Sequence[int]) -> Protection:
        bench = self._bench
        rows = sum(bench.parts.count(self._cells[part], "n") for part in left)
        units = self._telling.units_left(family, frozenset(left))
        return cell_protection(rows, units, bench.core.unit_groups, bench.rules)


def _leftover(amounts: Sequence[Contributions] | None, family: Family, rules: ThresholdRules) -> Protection:
    """How far what is left of a total must stay from its value: any distance makes room for one more part."""
    if amounts is None or not family.apart:
        return Protection(0, 1)
    return sum_protection(together(amounts), rules)


def _with_sums(number: Number, groups: Sequence[tuple[int, ...]], levels: Mapping[int, Protection]) -> Number:
    """The number with sums of some of its cells as further cells."""
    values = (sum(number.values[cell] for cell in group) for group in groups)
    most = (sum(number.most[cell] for cell in group) for group in groups) if number.most else ()
    return Number((*number.values, *values), {**number.protections, **levels}, (*number.most, *most))
