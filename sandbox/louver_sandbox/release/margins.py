"""Grouping sets: a total beside its parts must not give a withheld part away (PRIVACY 5.5).

A cell of a coarser set is the union of its children in a finer one. Who has it and all children but one has that one
as well; with two missing, their sum. So a total leaves only when none of its children is withheld, or when at least
two are and what they make together is safe by itself. That is judged from bounds that the parts allow: units,
contributors and magnitudes are at least the total's less those of the released children, and no unit's contribution
is larger than the withheld children's largest ones together.

It is the rule for one total and its own children; totals that overlap in other ways are for the disclosure gate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import add, itemgetter
from typing import Any

from louver_sandbox.core_plan import CountedUnit, JudgedTotal
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.release.rules import Contributions, reaches, withheld_by

Keys = tuple[int, ...]
"""The keys of a grouping set, by index."""

Values = tuple[object, ...]
"""The values of a set's keys in one of its cells."""

Sums = tuple[Any, ...]
"""What is added up over cells: numbers, in an order that is the caller's."""


MAX_STEPS = 500_000
"""Steps that one core's margins may take, about three seconds of work: one for each cell that is added up under one
coarser set, `COMPARISON` for each total that is judged beside the children in one finer set."""

COMPARISON = 8


class TooManyMargins(Exception):
    """A question has too many cells in too many grouping sets to judge each total beside its parts."""


class Work:
    """The steps that are left to one core."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Counts steps. Raises `TooManyMargins`."""
        self._left -= steps
        if self._left < 0:
            raise TooManyMargins


class Margins:
    """Adds up the cells of finer sets under those of coarser ones, each from the smallest table that has them.

    `sets` in the order in which they are asked for, finer ones first.
    """

    def __init__(self, sets: Sequence[Keys], work: Work) -> None:
        self._waiting = list(map(frozenset, sets))
        self._work = work
        self._of: dict[Keys, dict[Keys, Mapping[Values, Sums]]] = {}

    def add(self, finer: Keys, cells: Mapping[Values, Sums]) -> None:
        """A set whose cells will be looked at from every coarser one."""
        self._of[finer] = {finer: cells}

    def under(self, coarser: Keys) -> list[Mapping[Values, Sums]]:
        """For each finer set, the sums of the children of the coarser set's cells. Raises `TooManyMargins`."""
        self._waiting.remove(frozenset(coarser))
        found: list[Mapping[Values, Sums]] = []
        for finer, known in self._of.items():
            if set(coarser) < set(finer):
                nearest = _nearest(known, frozenset(coarser))
                self._work.spend(len(known[nearest]))
                known[coarser] = _added_up(known[nearest], picking(nearest.index(key) for key in coarser))
                found.append(known[coarser])
            self._forget(known)
        return found

    def _forget(self, known: dict[Keys, Mapping[Values, Sums]]) -> None:
        """Keeps the tables from which others are still to be made."""
        kept = {_nearest(known, keys) for keys in self._waiting if any(keys < set(other) for other in known)}
        for keys in known.keys() - kept:
            del known[keys]


def _nearest(known: Mapping[Keys, Mapping[Values, Sums]], coarser: frozenset[int]) -> Keys:
    return min((keys for keys in known if coarser < set(keys)), key=lambda keys: len(known[keys]))


def picking(places: Iterable[int]) -> Callable[[Values], Values]:
    """What picks the values at these places."""
    match tuple(places):
        case ():
            return lambda values: ()
        case (place,):
            return lambda values: (values[place],)
        case several:
            return itemgetter(*several)


def _added_up(cells: Mapping[Values, Sums], parent: Callable[[Values], Values]) -> Mapping[Values, Sums]:
    found: dict[Values, Sums] = {}
    for values, sums in cells.items():
        seen = parent(values)
        before = found.get(seen)
        found[seen] = sums if before is None else tuple(map(add, before, sums))
    return found


@dataclass(frozen=True, slots=True)
class Children:
    """One total of several cells, every number of a unit group added up: over those in which it is known, and over
    the `number` of others. For the cells themselves only units count.
    """

    number: int
    released: Sequence[Contributions]
    withheld: Sequence[Contributions]


def sums_of(total: Sequence[Contributions], *, known: bool) -> Sums:
    """One cell's total as numbers to add up."""
    numbers = [number for part in total for number in part if number is not None]
    nothing = [0] * len(numbers)
    return (0, *numbers, *nothing) if known else (1, *nothing, *numbers)


def children_of(sums: Sums, groups: int) -> Children:
    """What was added up, by unit group."""
    half = len(sums) // 2
    width = half // groups
    parts = [Contributions(*sums[start : start + width]) for start in range(1, len(sums), width)]
    return Children(sums[0], parts[:groups], parts[groups:])


def cell_gives_away(
    whole: Sequence[int], children: Children, groups: Sequence[CountedUnit], rules: ThresholdRules
) -> bool:
    """Whether a cell beside its released children tells too much of the others, by unit counts."""
    if not children.number:
        return False
    left = [max(0, units - known.units) for units, known in zip(whole, children.released, strict=True)]
    withheld = [part.units for part in children.withheld]
    return children.number < 2 or not reaches(left, present(groups, withheld), rules)


def present(groups: Sequence[CountedUnit], withheld: Sequence[int]) -> list[CountedUnit]:
    """A bound of zero is not the absence of an optional group where some withheld part has units of it."""
    return [
        replace(group, optional=False) if group.optional and units else group
        for group, units in zip(groups, withheld, strict=True)
    ]


def total_gives_away(
    whole: Sequence[Contributions],
    children: Children,
    groups: Sequence[CountedUnit],
    rules: ThresholdRules,
    total: JudgedTotal,
) -> bool:
    """Whether a total beside those of its released children tells too much of the others."""
    if not children.number:
        return False
    if children.number < 2 or total.by_key:
        return True
    parts = zip(whole, children.released, children.withheld, strict=True)
    left = [_rest(part, released, withheld, total) for part, released, withheld in parts]
    # Withheld parts that lack it are told from those that do not by the total, whatever the released parts have.
    all_have_it = not any(part.units - part.contributors for part in (*whole, *children.withheld))
    return is_unsafe(left, children.withheld, groups, rules, replace(total, presence=total.presence and all_have_it))


def _rest(
    whole: Contributions, released: Contributions, withheld: Contributions, total: JudgedTotal
) -> Contributions:
    """Bounds of what the withheld children make together: the fewest units, the largest possible contribution."""
    units = max(0, whole.units - released.units)
    contributors = max(0, whole.contributors - released.contributors)
    magnitude = None if whole.magnitude is None else max(0, whole.magnitude - (released.magnitude or 0))
    return bounded(
        units, contributors, magnitude, withheld._replace(second=withheld.largest), own=total.own or total.tallies
    )


def bounded(units: int, contributors: int, magnitude: Any, parts: Contributions, *, own: bool) -> Contributions:
    """What is known of several parts together: the fewest units, contributors and the least magnitude they can have,
    and of `parts`, their numbers added up, the most that one or two units contribute to them.
    """
    if own or magnitude is None:
        # Both those who have it and those who lack it must be enough: the fewest of each.
        units = contributors + max(0, units - parts.contributors)
    if magnitude is None:
        return Contributions(units, contributors)
    return Contributions(units, contributors, parts.largest, parts.second, magnitude)


def is_unsafe(
    left: Sequence[Contributions],
    parts: Sequence[Contributions],
    groups: Sequence[CountedUnit],
    rules: ThresholdRules,
    total: JudgedTotal,
) -> bool:
    """Whether a total of several parts together breaks a rule, by its bounds and the parts' numbers added up."""
    if total.optional and not any(bound.contributors for bound in left) and any(part.contributors for part in parts):
        # No contributor may be left, or a few: a bound cannot tell.
        return True
    return withheld_by(left, present(groups, [part.units for part in parts]), rules, total) is not None
