"""Totals beside parts of which some are withheld so that the totals may stay: what is left of them as one cell.

What a total less the shown parts of one finer set leaves is a number about all withheld parts together. It is known,
however well each of them is protected, so it must be safe as a cell of its own. Where no unit is in two parts, that
cell's parts are known exactly; otherwise it is judged by the bounds of `release/margins.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from louver_sandbox.core_plan import CountedUnit, JudgedTotal
from louver_sandbox.release.complementary import Bench, Chosen
from louver_sandbox.release.margins import (
    COMPARISON,
    Children,
    Keys,
    Values,
    cell_gives_away,
    picking,
    total_gives_away,
)
from louver_sandbox.release.parts import Exact
from louver_sandbox.release.rules import Contributions, Rule, Verdicts, withheld_by


@dataclass(frozen=True, slots=True)
class Family:
    """A total and its parts in one finer set, by number, and whether the parts share no unit."""

    total: int
    parts: tuple[int, ...]
    apart: bool


def beside_withheld(bench: Bench, cells: Sequence[Exact], chosen: Chosen) -> dict[int, Verdicts]:
    """The cells that leave, by number, with what each total of them breaks; finer ones are judged first.

    Raises:
        TooManyMargins: more cells in more grouping sets than can be judged in time.
    """
    return _Judge(bench, cells, chosen).verdicts()


class Telling:
    """What totals of one core's cells tell of withheld parts, by what is left of them."""

    def __init__(self, bench: Bench, cells: Sequence[Exact]) -> None:
        self._bench, self._cells = bench, cells
        self._units = [bench.parts.units(cell) for cell in cells]
        self._contributions: list[dict[int, tuple[Contributions, ...]]] = [{} for _ in bench.totals]

    def family(self, number: int, parts: Sequence[int]) -> Family:
        """A cell with its parts."""
        groups = self._bench.core.unit_groups
        # Rows that have no unit are one contributor, and might be in several parts.
        apart = (
            len(groups) == 1
            and not groups[0].optional
            and sum(self._units[part][0] for part in parts) == self._units[number][0]
        )
        return Family(number, tuple(parts), apart)

    def units_left(self, family: Family, hidden: Collection[int]) -> tuple[int, ...]:
        """The fewest units of every group that what a total less its shown parts leaves has."""
        shown = [self._units[part] for part in family.parts if part not in hidden]
        return tuple(
            max(0, units - sum(counts[index] for counts in shown))
            for index, units in enumerate(self._units[family.total])
        )

    def tells_cells(self, family: Family, withheld: Sequence[int]) -> bool:
        """Whether a cell beside its shown parts tells too much of those that are hidden."""
        hidden = frozenset(withheld)
        shown = [self._units[part] for part in family.parts if part not in hidden]
        left = [self._units[part] for part in hidden]
        self._bench.work.spend(COMPARISON)
        groups, bench = self._bench.core.unit_groups, self._bench
        children = Children(len(left), _only_units(shown, groups), _only_units(left, groups))
        return cell_gives_away(self._units[family.total], children, groups, bench.rules)

    def tells(self, place: int, total: JudgedTotal, family: Family, withheld: Sequence[int]) -> bool:
        """Whether a total of a cell beside those of its parts that are known tells too much of the others."""
        if len(withheld) == 1:
            return True
        bench, groups = self._bench, self._bench.core.unit_groups
        bench.work.spend(COMPARISON)
        whole, of = self._parts(place, family.total), [self._parts(place, part) for part in withheld]
        if not family.apart:
            missing = frozenset(withheld)
            known = [self._parts(place, part) for part in family.parts if part not in missing]
            children = Children(len(withheld), _added_up(known, whole), _added_up(of, whole))
            return total_gives_away(whole, children, groups, bench.rules, total)
        union = together([part for (part,) in of])
        all_have_it = not any(part.units - part.contributors for part in (*whole, union))
        strict = replace(total, presence=total.presence and all_have_it)
        return withheld_by((union,), groups, bench.rules, strict) is not None

    def _parts(self, place: int, number: int) -> tuple[Contributions, ...]:
        known = self._contributions[place]
        if number not in known:
            known[number] = self._bench.contributions[place](self._cells[number])
        return known[number]


class _Judge:
    def __init__(self, bench: Bench, cells: Sequence[Exact], chosen: Chosen) -> None:
        self._bench, self._cells, self._chosen = bench, cells, chosen
        self._telling = Telling(bench, cells)
        self._verdicts: dict[int, Verdicts] = {}

    def verdicts(self) -> dict[int, Verdicts]:
        sets: dict[Keys, list[int]] = {}
        for number, cell in enumerate(self._cells):
            sets.setdefault(self._bench.parts.keys_of_set(cell), []).append(number)
        finest_first = sorted(sets, key=len, reverse=True)
        for keys in finest_first:
            finer = [sets[other] for other in finest_first if set(keys) < set(other)]
            found = [self._by_total(keys, numbers) for numbers in finer]
            for number in sets[keys]:
                families = [self._telling.family(number, parts) for parts in self._of(number, keys, found)]
                verdict = self._verdict(number, families)
                if verdict is not None:
                    self._verdicts[number] = verdict
        return self._verdicts

    def _by_total(self, keys: Keys, numbers: Sequence[int]) -> dict[Values, list[int]]:
        """The cells of a finer set by the values of a coarser one's keys."""
        self._bench.work.spend(len(numbers))
        of_set, found = picking(keys), dict[Values, list[int]]()
        for number in numbers:
            found.setdefault(of_set(self._bench.parts.values(self._cells[number])), []).append(number)
        return found

    def _of(self, number: int, keys: Keys, found: Sequence[Mapping[Values, list[int]]]) -> Iterator[list[int]]:
        place = picking(keys)(self._bench.parts.values(self._cells[number]))
        return (parts[place] for parts in found if place in parts)

    def _verdict(self, number: int, families: Sequence[Family]) -> Verdicts | None:
        """What each total of a cell breaks, None where the cell is withheld."""
        bench = self._bench
        if number in self._chosen.hidden or not bench.reaches(self._cells[number]):
            return None
        if any(self._tells_cells(family) for family in families):
            return None
        if number in self._chosen.emptied:
            return [Rule.COMPLEMENTARY] * len(bench.totals)
        found = bench.verdicts(self._cells[number])
        for place, total in enumerate(bench.totals):
            if found[place] is None and any(self._tells(place, total, family) for family in families):
                found[place] = Rule.DIFFERENCE
        return found

    def _tells_cells(self, family: Family) -> bool:
        hidden = [part for part in family.parts if part not in self._verdicts]
        return bool(hidden) and self._telling.tells_cells(family, hidden)

    def _tells(self, place: int, total: JudgedTotal, family: Family) -> bool:
        withheld = [
            part for part in family.parts if part not in self._verdicts or self._verdicts[part][place] is not None
        ]
        if not withheld:
            return False
        return place in self._chosen.unproved or self._telling.tells(place, total, family, withheld)


def _only_units(units: Sequence[tuple[int, ...]], groups: Sequence[CountedUnit]) -> list[Contributions]:
    return [Contributions(sum(counts[index] for counts in units), 0) for index, _ in enumerate(groups)]


def _added_up(parts: Sequence[tuple[Contributions, ...]], like: Sequence[Contributions]) -> list[Contributions]:
    """Every number of every unit group added up; of no parts, nothing of what `like` has."""
    nothing = [Contributions(0, 0, *(None if number is None else 0 for number in one[2:])) for one in like]
    return [reduce(_plus, (part[index] for part in parts), none) for index, none in enumerate(nothing)]


def _plus(one: Contributions, other: Contributions) -> Contributions:
    amounts = zip(one[2:], other[2:], strict=True)
    return Contributions(
        one.units + other.units,
        one.contributors + other.contributors,
        *(None if amount is None else amount + (more or 0) for amount, more in amounts),
    )


def together(parts: Sequence[Contributions]) -> Contributions:
    """Several cells that share no unit, as one."""
    units, contributors = sum(part.units for part in parts), sum(part.contributors for part in parts)
    if parts[0].magnitude is None:
        return Contributions(units, contributors)
    largest = sorted((amount or 0 for part in parts for amount in (part.largest, part.second)), reverse=True)
    return Contributions(units, contributors, largest[0], largest[1], sum(part.magnitude or 0 for part in parts))
