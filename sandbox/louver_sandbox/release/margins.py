"""Grouping sets: a total beside its parts must not give a withheld part away (PRIVACY 5.5).

A cell of a coarser set is the union of its children in a finer one. Who has it and all children but one has that one
as well; with two missing, their sum. So a total leaves only when none of its children is withheld, or when at least
two are and what they make together is safe by itself. That is judged from bounds that the parts allow: units,
contributors and magnitudes are at least the total's less those of the released children, and no unit's contribution
is larger than the withheld children's largest ones together.

It is the rule for one total and its own children; totals that overlap in other ways are for the disclosure gate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from louver_sandbox.release.rules import Contributions, reaches, withheld_by
from louver_sandbox.stages import CountedUnit, JudgedTotal, ThresholdRules


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cell stands: which keys its set has (by index), and the values of all keys (None where left out)."""

    keys: frozenset[int]
    values: tuple[object, ...]

    def contains(self, other: Place) -> bool:
        """Whether the other cell is one of this one's children."""
        return self.keys < other.keys and all(self.values[index] == other.values[index] for index in self.keys)


def coarsest_last(places: Sequence[Place]) -> list[int]:
    """The indexes of the places so that children come before what they are parts of."""
    return sorted(range(len(places)), key=lambda index: -len(places[index].keys))


class Family:
    """Finds the children of every cell, by grouping set."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = places
        self._of_set: dict[frozenset[int], list[int]] = {}
        for number, place in enumerate(places):
            self._of_set.setdefault(place.keys, []).append(number)
        self._finer = {
            keys: sorted((other for other in self._of_set if keys < other), key=sorted) for keys in self._of_set
        }
        self._index: dict[tuple[frozenset[int], frozenset[int]], dict[tuple[object, ...], list[int]]] = {}

    def children(self, cell: int) -> Iterator[list[int]]:
        """The children in each finer set."""
        place = self._places[cell]
        seen = _seen(place, place.keys)
        for finer in self._finer[place.keys]:
            found = self._by_parent(place.keys, finer).get(seen, [])
            if found:
                yield found

    def _by_parent(self, coarse: frozenset[int], fine: frozenset[int]) -> dict[tuple[object, ...], list[int]]:
        if (coarse, fine) not in self._index:
            index: dict[tuple[object, ...], list[int]] = {}
            for number in self._of_set[fine]:
                index.setdefault(_seen(self._places[number], coarse), []).append(number)
            self._index[coarse, fine] = index
        return self._index[coarse, fine]


def _seen(place: Place, keys: frozenset[int]) -> tuple[object, ...]:
    return tuple(place.values[key] for key in sorted(keys))


def cell_gives_away(
    whole: Sequence[int],
    released: Sequence[Sequence[int]],
    withheld: Sequence[Sequence[int]],
    groups: Sequence[CountedUnit],
    rules: ThresholdRules,
) -> bool:
    """Whether a cell beside its released children tells too much of the others, by unit counts."""
    if not withheld:
        return False
    left = [max(0, count - sum(child[group] for child in released)) for group, count in enumerate(whole)]
    return len(withheld) < 2 or not reaches(left, _present(groups, withheld), rules)


def _present(groups: Sequence[CountedUnit], withheld: Sequence[Sequence[int]]) -> list[CountedUnit]:
    """A bound of zero is not the absence of an optional group where some withheld child has units of it."""
    return [
        replace(group, optional=group.optional and not any(child[index] for child in withheld))
        for index, group in enumerate(groups)
    ]


def total_gives_away(
    whole: Sequence[Contributions],
    released: Sequence[Sequence[Contributions]],
    withheld: Sequence[Sequence[Contributions]],
    groups: Sequence[CountedUnit],
    rules: ThresholdRules,
    total: JudgedTotal,
) -> bool:
    """Whether a total beside those of its released children tells too much of the others."""
    if not withheld:
        return False
    if len(withheld) < 2:
        return True
    left = [
        _rest(part, [child[group] for child in released], [child[group] for child in withheld], total)
        for group, part in enumerate(whole)
    ]
    present = _present(groups, [[part.units for part in child] for child in withheld])
    all_have_it = not any(part.units - part.contributors for part in whole)
    strict = replace(total, presence=total.presence and all_have_it)
    return withheld_by(left, present, rules, strict) is not None


def _rest(
    whole: Contributions,
    released: Sequence[Contributions],
    withheld: Sequence[Contributions],
    total: JudgedTotal,
) -> Contributions:
    """Bounds of what the withheld children make together: the fewest units, the largest possible contribution."""
    units = max(0, whole.units - sum(child.units for child in released))
    contributors = max(0, whole.contributors - sum(child.contributors for child in released))
    most = sum(child.contributors for child in withheld)
    if total.own or whole.magnitude is None:
        # Both those who have it and those who lack it must be enough: the fewest of each.
        units = contributors + max(0, units - most)
    if whole.magnitude is None:
        return Contributions(units, contributors)
    magnitude = max(0, whole.magnitude - sum(child.magnitude or 0 for child in released))
    largest = sum(child.largest or 0 for child in withheld)
    return Contributions(units, contributors, largest, largest, magnitude)
