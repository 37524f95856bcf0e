"""The partition of a table into safe atoms: which combination of dimension values takes the place of which. Pure.

Atoms that are not safe are merged, the smallest first, with the neighbour in the order of values, among those that
agree in the narrowest grouping that has any: first within the first grouping of the first dimension, then of the
next, then within the second groupings, at last over all values of one dimension after the other. Local recoding as in
official statistics. The safety of every union of atoms follows from that of each: units and contributors only grow,
and dominance and p % are subadditive (Cox 1981).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from louver_sandbox.catalog.atoms import AtomRules, Dimension, Grouping

_Level = Grouping | bool | None
"""How a dimension is seen: by its values, through a grouping, or (True) not at all any more."""

Place = int | Decimal
"""Where a value stands in its dimension; neighbours are near each other."""

Value = None | bool | int | str | Decimal | date | datetime

MOST_ATOMS = 200_000
"""Most combinations of dimension values in one table: more are finer than a partition is meant to be."""


class Unmergeable(Exception):
    """The whole table together is not safe, so it has no atom."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """What units hold of one measured column over some rows: how many hold something other than zero, how many have a
    row without a value, their absolute amounts together, and the two largest. Amounts are zero if only counted."""

    contributors: int = 0
    lacking: int = 0
    total: Decimal = Decimal(0)
    largest: Decimal = Decimal(0)
    second: Decimal = Decimal(0)

    def __add__(self, other: Amounts) -> Amounts:
        """Over both sets of rows, if they have no unit in common."""
        ranked = sorted((self.largest, self.second, other.largest, other.second), reverse=True)
        return Amounts(
            self.contributors + other.contributors,
            self.lacking + other.lacking,
            self.total + other.total,
            ranked[0],
            ranked[1],
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """The distinct units of one declaration over some rows, and what they hold of each measured column."""

    units: int
    amounts: tuple[Amounts, ...] = ()

    def __add__(self, other: Counted) -> Counted:
        """Over both sets of rows, if they have no unit in common."""
        both = zip(self.amounts, other.amounts, strict=True)
        return Counted(self.units + other.units, tuple(one + two for one, two in both))


@dataclass(frozen=True, slots=True)
class Asked:
    """What the rules ask of every atom: per unit declaration the least units and the least of them that a measured
    column may be of, and of measured columns whether they are summed."""

    units: tuple[int, ...]
    least: tuple[int, ...]
    summed: tuple[bool, ...]
    dominance_percent: int
    p_percent: int

    def holds(self, atom: Sequence[Counted]) -> bool:
        """Whether rows with these counts may be an atom: some units are there, of each kind enough or none, and every
        measured column of theirs would leave as an answer of its own."""
        return any(counted.units for counted in atom) and all(
            counted.units == 0
            or (
                counted.units >= units
                and all(
                    self._leaves(amounts, least, summed)
                    for amounts, summed in zip(counted.amounts, self.summed, strict=True)
                )
            )
            for counted, units, least in zip(atom, self.units, self.least, strict=True)
        )

    def _leaves(self, held: Amounts, least: int, summed: bool) -> bool:
        if 0 < held.lacking < least or held.contributors < least:
            return False
        return not summed or (
            held.largest * 100 <= held.total * self.dominance_percent
            and (held.total - held.largest - held.second) * 100 >= held.largest * self.p_percent
        )


@dataclass(frozen=True, slots=True)
class Atom:
    """One combination of values that occurs, with its rows and the counts of each unit declaration."""

    values: tuple[Value, ...]
    rows: int
    counted: tuple[Counted, ...]


Count = Callable[[Sequence[Sequence[int]]], Sequence[tuple[Counted, ...]]]
"""The exact counts of sets of atoms, each given by the atoms' places."""


@dataclass(slots=True)
class _Cluster:
    """Atoms that are one from now on; `place` is that of the atom whose values all of them take."""

    place: int
    members: list[int]
    counted: tuple[Counted, ...]
    largest: int
    changed: bool = False
    safe: bool = False

    @property
    def size(self) -> int:
        """What "smallest" compares: the units there are, of whatever kind."""
        return sum(counted.units for counted in self.counted)


def partition(atoms: Sequence[Atom], rules: AtomRules, asked: Asked, count: Count | None) -> tuple[int, ...]:
    """For each atom the place of the one whose values it takes, itself where nothing is merged.

    The order of `atoms` must not depend on that of the rows. `count` is asked again after each step where a unit may
    have rows in several atoms; None says that none has, and counts are added up.

    Raises:
        Unmergeable: the whole table is not safe.
    """
    clusters = [
        _Cluster(place, [place], atom.counted, _size(atom.counted), safe=asked.holds(atom.counted))
        for place, atom in enumerate(atoms)
    ]
    standing = _standing(atoms)
    levels: list[_Level] = [None] * len(rules.dimensions)
    for number, grouping in _steps(rules.dimensions):
        levels[number] = grouping
        if all(cluster.safe for cluster in clusters):
            break
        groups = [
            tuple(_seen(value, level) for value, level in zip(atom.values, levels, strict=True)) for atom in atoms
        ]
        clusters = _settled(clusters, _Step(groups, standing, number), asked, count)
    if not all(cluster.safe for cluster in clusters):
        raise Unmergeable
    takes = {member: cluster.place for cluster in clusters for member in cluster.members}
    return tuple(takes[place] for place in range(len(atoms)))


def _size(counted: Iterable[Counted]) -> int:
    return sum(item.units for item in counted)


def _standing(atoms: Sequence[Atom]) -> tuple[tuple[Place, ...], ...]:
    """Where each atom stands in each dimension."""
    columns = [_places(values) for values in zip(*(atom.values for atom in atoms), strict=True)]
    return tuple(zip(*columns, strict=True))


def _places(values: Sequence[Value]) -> list[Place]:
    """Numbers stand where they are, dates at their days, texts at their place in order; no value comes last, further
    from the others than they are from one another."""
    texts = {text: place for place, text in enumerate(sorted({one for one in values if isinstance(one, str)}))}
    known = [None if value is None else _place(value, texts) for value in values]
    there = [place for place in known if place is not None]
    last = 2 * max(there) - min(there) + 1 if there else 0
    return [last if place is None else place for place in known]


def _place(value: bool | int | str | Decimal | date | datetime, texts: Mapping[str, int]) -> Place:
    if isinstance(value, str):
        return texts[value]
    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    if isinstance(value, date):
        return value.toordinal()
    return value


def _steps(dimensions: Sequence[Dimension]) -> Iterator[tuple[int, Grouping | bool]]:
    """Which dimension is seen through which grouping next; True means that its values do not matter any more."""
    for level in range(max(len(dimension.merge) for dimension in dimensions)):
        for number, dimension in enumerate(dimensions):
            if level < len(dimension.merge):
                yield number, dimension.merge[level]
    for number in range(len(dimensions)):
        yield number, True


@dataclass(frozen=True, slots=True)
class _Step:
    """By place of each atom: the group within which it may be merged now, and where it stands. `number` is the
    dimension that gives way: neighbours are next to each other in it, whatever else they differ in."""

    groups: Sequence[tuple[object, ...]]
    standing: Sequence[tuple[Place, ...]]
    number: int

    def order(self, place: int) -> tuple[Place, ...]:
        """What the atoms of a group are ordered by."""
        return (self.standing[place][self.number], *self.standing[place])

    def distance(self, one: int, other: int) -> Place:
        """Between two atoms of a group, in the dimension that gives way."""
        first, second = self.standing[one][self.number], self.standing[other][self.number]
        return first - second if first >= second else second - first


def _seen(value: Value, level: _Level) -> object:
    """A value through a grouping."""
    if level is True:
        return ()
    if value is None or not isinstance(level, Grouping):
        return (value,)
    text = str(value)
    if level.prefix is not None:
        return text[: level.prefix]
    return next((group for member, group in level.groups or () if member == text), (value,))


def _settled(clusters: list[_Cluster], step: _Step, asked: Asked, count: Count | None) -> list[_Cluster]:
    """After merging within the groups until nothing there is left to merge."""
    while True:
        before = len(clusters)
        groups: dict[tuple[object, ...], list[_Cluster]] = {}
        for cluster in sorted(clusters, key=lambda cluster: step.order(cluster.place)):
            groups.setdefault(step.groups[cluster.place], []).append(cluster)
        clusters = [left for members in groups.values() for left in _merged(members, step, asked)]
        changed = [cluster for cluster in clusters if cluster.changed]
        for cluster in changed:
            cluster.changed = False
        if count is None or len(clusters) == before:
            return clusters
        for cluster, counted in zip(changed, count([cluster.members for cluster in changed]), strict=True):
            cluster.counted, cluster.safe = counted, asked.holds(counted)


def _merged(ordered: list[_Cluster], step: _Step, asked: Asked) -> list[_Cluster]:
    """One group in order, merged until all in it are safe or one is left."""
    following: list[int | None] = [*range(1, len(ordered)), None]
    preceding: list[int | None] = [None, *range(len(ordered) - 1)]
    waiting = [(cluster.size, place) for place, cluster in enumerate(ordered) if not cluster.safe]
    heapq.heapify(waiting)
    gone: set[int] = set()
    while waiting:
        size, place = heapq.heappop(waiting)
        small = ordered[place]
        if place in gone or small.safe or small.size != size:
            continue
        before, after = preceding[place], following[place]
        sides = [side for side in (before, after) if side is not None]
        if not sides:
            break
        nearest = min(
            sides, key=lambda side: (step.distance(small.place, ordered[side].place), ordered[side].size, side)
        )
        _join(ordered[nearest], small, asked)
        gone.add(place)
        if before is not None:
            following[before] = after
        if after is not None:
            preceding[after] = before
        if not ordered[nearest].safe:
            heapq.heappush(waiting, (ordered[nearest].size, nearest))
    return [cluster for place, cluster in enumerate(ordered) if place not in gone]


def _join(into: _Cluster, small: _Cluster, asked: Asked) -> None:
    """Both are one; all take the values of the atom that was the largest by itself."""
    if (small.largest, -small.place) > (into.largest, -into.place):
        into.place, into.largest = small.place, small.largest
    into.members = [*into.members, *small.members]
    both = zip(into.counted, small.counted, strict=True)
    into.counted = tuple(one + two for one, two in both)
    into.safe, into.changed = asked.holds(into.counted), True
