"""Totals beside their parts, kept by withholding further parts: the problem that a core's cells are, and its answer.

With `totals: complementary` the releaser withholds, besides the cells that break a rule, further ones, so that the
totals may stay (PRIVACY 5.5, ADR 17). Which, is for `suppression.pattern` to find and to prove; here exact cells
become its tables. What is not modelled falls back to the rule of `release/margins.py`, and that rule judges whatever
is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from louver_sandbox.algebra.types import Kind
from louver_sandbox.core_plan import JudgedTotal
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.levels import cell_protection, count_protection, sum_protection, units_protection_of
from louver_sandbox.release.margins import Keys, Values, Work, picking
from louver_sandbox.release.parts import Core, Exact, Parts
from louver_sandbox.release.rules import Contributions, Rule
from louver_sandbox.suppression.pattern import Number, Pattern, Problem
from louver_sandbox.suppression.table import Protection

MOST_NUMBERS = 10_000
"""Cells times numbers of a core that are given to the solver, some ten seconds of work; larger ones are judged by the
rule for margins."""

Solve = Callable[[Problem], Pattern | None]
"""What finds and proves a pattern; None where there is none that it can prove."""


class Bench(Protocol):
    """What is known of a core: its parts, the totals judged in every cell, and how."""

    @property
    def core(self) -> Core: ...
    @property
    def rules(self) -> ThresholdRules: ...
    @property
    def parts(self) -> Parts: ...
    @property
    def totals(self) -> tuple[JudgedTotal, ...]: ...
    @property
    def work(self) -> Work: ...
    @property
    def contributions(self) -> Sequence[Callable[[Exact], tuple[Contributions, ...]]]: ...
    def reaches(self, cell: Exact) -> bool: ...
    def verdicts(self, cell: Exact) -> list[Rule | None]: ...


@dataclass(frozen=True, slots=True)
class Chosen:
    """Cells by their number among a core's: those withheld, and those that leave without their judged values.

    `unproved` are totals, by place, of which no sum beside a withheld part leaves.
    """

    hidden: frozenset[int]
    emptied: frozenset[int]
    unproved: frozenset[int]


def no_solver(_: Problem) -> Pattern | None:
    """Proves nothing: totals are kept back."""
    return None


def chosen(
    bench: Bench, cells: Sequence[Exact], solve: Solve, besides: frozenset[int] = frozenset()
) -> Chosen | None:
    """What is withheld for the totals' sake; None where the core is not modelled or nothing could be proved. The
    cells `besides`, by number, are hidden anyway.

    Raises:
        WorkerLied: a total is not the sum of its parts.
    """
    table = CellTable.of(bench, cells)
    if table is None or table.shows_units_apart():
        return None
    problem, modelled = _problem(table, frozenset(map(table.order.index, besides)))
    if not any(number.protections for number in (*problem.of_cells, *problem.of_values)):
        pattern: Pattern | None = Pattern(problem.hidden, frozenset(), frozenset())
    elif len(cells) * (len(problem.of_cells) + len(problem.of_values)) > MOST_NUMBERS:
        pattern = None
    else:
        pattern = solve(problem)
    if pattern is None:
        return None
    unproved = {modelled[place] for place in pattern.unproved}
    return Chosen(
        frozenset(table.order[place] for place in pattern.hidden),
        frozenset(table.order[place] for place in pattern.emptied | table.unmodelled(modelled)),
        frozenset(unproved | (set(range(len(bench.totals))) - set(modelled))),
    )


class CellTable:
    """A core's cells in an order that depends on their values alone, with every total's parts."""

    def __init__(self, bench: Bench, cells: Sequence[Exact], order: Sequence[int], sets: Sequence[Keys]) -> None:
        self.bench, self.order = bench, order
        self.rows = [cells[number] for number in order]
        self.units = [bench.parts.units(row) for row in self.rows]
        self.counts = [bench.parts.count(row, "n") for row in self.rows]
        self.hidden = frozenset(place for place, row in enumerate(self.rows) if not bench.reaches(row))
        self.verdicts = [
            [None] * len(bench.totals) if place in self.hidden else bench.verdicts(row)
            for place, row in enumerate(self.rows)
        ]
        self.relations = tuple(_relations(bench.parts, self.rows, sets))
        self.check(self.counts)

    @staticmethod
    def of(bench: Bench, cells: Sequence[Exact]) -> CellTable | None:
        """None where the sets have no finest one that divides every other."""
        parts = bench.parts
        sets = sorted({parts.keys_of_set(cell) for cell in cells}, key=lambda keys: (-len(keys), keys))
        if not sets or not all(set(keys) <= set(sets[0]) for keys in sets):
            return None
        names = _canonical([parts.values(cell) for cell in cells], [parts.keys_of_set(cell) for cell in cells])
        return CellTable(bench, cells, sorted(range(len(cells)), key=names.__getitem__), sets)

    def shows_units_apart(self) -> bool:
        """Whether numbers of units are asked for that are no sums: one unit may be in several cells."""
        asked = any(measure.kind == "units" for measure in self.bench.core.measures)
        return asked and not all(self.adds_up(values) for values in zip(*self.units, strict=True))

    def adds_up(self, values: Sequence[int]) -> bool:
        """Whether every total is the sum of its parts."""
        return all(values[total] == sum(values[part] for part in parts) for total, parts in self.relations)

    def check(self, values: Sequence[int]) -> None:
        """Raises `WorkerLied` where a total is not the sum of its parts."""
        if not self.adds_up(values):
            raise WorkerLied("a total that is not the sum of its parts")

    def unmodelled(self, modelled: Sequence[int]) -> set[int]:
        """The cells in which a total breaks a rule that no number stands for."""
        others = set(range(len(self.bench.totals))) - set(modelled)
        return {place for place, rules in enumerate(self.verdicts) if any(rules[total] for total in others)}


def _canonical(values: Sequence[Values], sets: Sequence[Keys]) -> list[tuple[str, ...]]:
    """A name for each cell that neither the order of rows nor that of keys decides."""
    columns = [sorted({repr(value) for value in column}) for column in zip(*values, strict=True)]
    order = sorted(range(len(columns)), key=columns.__getitem__)
    return [
        tuple(repr(row[key]) if key in keys else "" for key in order) for row, keys in zip(values, sets, strict=True)
    ]


def _relations(parts: Parts, rows: Sequence[Exact], sets: Sequence[Keys]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Each cell as the sum of its parts in every next finer set; further sets say no more."""
    places: dict[Keys, list[int]] = {keys: [] for keys in sets}
    for place, row in enumerate(rows):
        places[parts.keys_of_set(row)].append(place)
    for coarse in sets:
        finer = [keys for keys in sets if set(coarse) < set(keys)]
        of_coarse = picking(coarse)
        for fine in finer:
            if any(set(between) < set(fine) for between in finer):
                continue
            found: dict[Values, list[int]] = {of_coarse(parts.values(rows[place])): [] for place in places[coarse]}
            for place in places[fine]:
                family = found.get(of_coarse(parts.values(rows[place])))
                if family is None:
                    raise WorkerLied("a part without its total")
                family.append(place)
            for total in places[coarse]:
                family = found[of_coarse(parts.values(rows[total]))]
                if family:
                    yield total, tuple(family)


def _problem(table: CellTable, besides: frozenset[int]) -> tuple[Problem, list[int]]:
    """The problem, and which total each of its numbers of values is."""
    modelled: list[int] = []
    of_values: list[Number] = []
    for place, total in enumerate(table.bench.totals):
        number = value_of(table, place, total)
        if number is not None:
            modelled.append(place)
            of_values.append(number)
    weights = tuple(max(1, *units) for units in table.units)
    of_cells = (rows_of(table), *units_of(table))
    return Problem(weights, table.relations, table.hidden | besides, of_cells, tuple(of_values)), modelled


def rows_of(table: CellTable) -> Number:
    """The number of rows, which COUNT(*) shows."""
    groups, rules = table.bench.core.unit_groups, table.bench.rules
    protections = {
        place: cell_protection(table.counts[place], table.units[place], groups, rules) for place in table.hidden
    }
    return Number(tuple(table.counts), protections)


def units_of(table: CellTable) -> Iterator[Number]:
    """The numbers of units, where each unit is in one cell of a set only: otherwise they do not add up."""
    groups, rules = table.bench.core.unit_groups, table.bench.rules
    for index, group in enumerate(groups):
        values = [units[index] for units in table.units]
        if values != table.counts and table.adds_up(values):
            few = {place for place in table.hidden if values[place] < rules.k[group.type]}
            protections = {place: units_protection_of(values[place], rules.k[group.type]) for place in few}
            yield Number(tuple(values), protections)


def value_of(table: CellTable, place: int, total: JudgedTotal) -> Number | None:
    """A judged total as a number of every cell; None where it is not modelled."""
    return _sum(table, place, total) if total.largest else _count(table, place, total)


def _count(table: CellTable, place: int, total: JudgedTotal) -> Number | None:
    """A number of rows with a property: nobody takes more rows to have it than there are."""
    bench = table.bench
    if total.own or total.by_key:
        return None
    at = bench.parts.places[total.value]
    values = [row[at] or 0 for row in table.rows]
    if any(not 0 <= value <= most for value, most in zip(values, table.counts, strict=True)):
        return None
    table.check(values)
    protections: dict[int, Protection] = {}
    for cell, row in enumerate(table.rows):
        if cell in table.hidden or table.verdicts[cell][place] is not None:
            found = count_protection(
                values[cell],
                table.counts[cell],
                bench.contributions[place](row),
                bench.core.unit_groups,
                bench.rules,
                presence=total.presence,
            )
            if found is not None:
                protections[cell] = found
    return Number(tuple(values), protections, tuple(table.counts))


def _sum(table: CellTable, place: int, total: JudgedTotal) -> Number | None:
    """A sum to which nobody contributes less than nothing."""
    scaled = amounts_of(table, place, total)
    if scaled is None:
        return None
    values = [int(part.magnitude or 0) for part in scaled]
    table.check(values)
    protections: dict[int, Protection] = {}
    for cell, part in enumerate(scaled):
        rule = table.verdicts[cell][place]
        if cell in table.hidden or rule is not None:
            protections[cell] = sum_protection(part, table.bench.rules)
    return Number(tuple(values), protections)


def amounts_of(table: CellTable, place: int, total: JudgedTotal) -> list[Contributions] | None:
    """What is contributed to a sum in every cell, in its smallest unit; None where that is not one unit group's, or
    not all of one sign."""
    bench = table.bench
    if total.own or total.tallies or len(bench.core.unit_groups) != 1:
        return None
    column = bench.core.columns[bench.parts.places[total.value]]
    digits = column.type.scale if column.type.kind is Kind.DECIMAL else 0
    of, at = bench.contributions[place], bench.parts.places[total.value]
    scaled: list[Contributions] = []
    for row in table.rows:
        (part,) = of(row)
        if (row[at] or 0) != part.magnitude:
            return None
        scaled.append(
            part._replace(
                largest=_whole(part.largest, digits),
                second=_whole(part.second, digits),
                magnitude=_whole(part.magnitude, digits),
            )
        )
    return scaled


def _whole(value: int | Decimal | None, digits: int) -> int:
    """In the smallest unit of the column."""
    numerator, denominator = (value or 0).as_integer_ratio()
    return int(numerator * 10**digits // denominator)
