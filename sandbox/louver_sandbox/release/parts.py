"""A core's exact rows by position: where each part stands is found once per core and looked up in every row.

A row stays the tuple it was decoded to, since an answer may have a hundred thousand of them. What no data could
produce is a lie of the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from operator import itemgetter
from typing import Any, Protocol

from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.core_plan import AskedSet, CoreColumn, CountedUnit, JudgedTotal, Measure, NoisyTotal, Part
from louver_sandbox.plan.measures import POWER_SUMS
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.rules import Contributions
from louver_sandbox.sql.statistics import PowerSums, from_sums
from louver_sandbox.stages import Cell

Exact = tuple[Any, ...]
"""One exact row, checked: numbers where numbers are planned."""


class Core(Protocol):
    """What judging must know of a core: what its columns are, and how measures are put together from them."""

    @property
    def core_id(self) -> int: ...
    @property
    def columns(self) -> tuple[CoreColumn, ...]: ...
    @property
    def measures(self) -> tuple[Measure, ...]: ...
    @property
    def unit_groups(self) -> tuple[CountedUnit, ...]: ...
    @property
    def noisy(self) -> tuple[NoisyTotal, ...]: ...
    @property
    def asked(self) -> tuple[AskedSet, ...]: ...


_NUMBERS = frozenset({type(None), int, Decimal})
_KINDS = {
    Part.KEY: _NUMBERS | {bool, float, str, date, datetime},
    Part.VALUE: _NUMBERS,
    Part.UNITS: frozenset({int}),
    Part.SET: frozenset({int}),
    Part.ROW_KIND: frozenset({int}),
    Part.COMBINED: frozenset({int}),
    Part.MARGIN: frozenset({int}),
}


def checked(core: Core, rows: Sequence[Sequence[object]]) -> list[Exact]:
    """The rows, with every part of the kind it must be. Raises `WorkerLied`."""
    found = [tuple(row) for row in rows]
    if {len(row) for row in found} - {len(core.columns)}:
        raise WorkerLied("rows that are not of the core's columns")
    # By column, which is many times as fast as row by row.
    for column, values in zip(core.columns, zip(*found, strict=True), strict=False):
        if not _KINDS[column.part].issuperset(map(type, values)):
            raise WorkerLied("a part that is not a number")
        if column.part in (Part.UNITS, Part.SET) and min(values) < 0:
            raise WorkerLied("a part that is not a number")
        if column.part is Part.COMBINED and not -(2**63) <= min(values) <= max(values) < 2**63:
            raise WorkerLied("record keys of more than 64 bits")
    return found


class Parts:
    """Looks up the parts of one core's rows."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.places = {column.name: place for place, column in enumerate(core.columns)}
        self.keys = [column.of for column in core.columns if column.part is Part.KEY]
        self.kind = next(place for place, column in enumerate(core.columns) if column.part is Part.ROW_KIND)
        self.set = next((place for place, column in enumerate(core.columns) if column.part is Part.SET), None)
        self._keys = [place for place, column in enumerate(core.columns) if column.part is Part.KEY]
        self._asked: dict[int, list[AskedSet]] = {}
        for one in core.asked:
            self._asked.setdefault(self._bits(one.cells), []).append(one)
        self._units = [place for place, column in enumerate(core.columns) if column.part is Part.UNITS]
        self.values: Callable[[Exact], tuple[Cell, ...]] = _several(self._keys)
        """The values of a row's keys."""
        self.units: Callable[[Exact], tuple[int, ...]] = _several(self._units)
        """The distinct units of every group in a row."""

    def identities(self, rows: Sequence[Exact]) -> set[object]:
        """What tells the cells apart: their keys, and the grouping set."""
        places = self._keys if self.set is None else [self.set, *self._keys]
        return set(map(itemgetter(*places), rows)) if places else set()

    def leaves_out(self, row: Exact, key: int) -> bool:
        """Whether the cell's grouping set has not this key, as GROUPING counts: the first key has the highest bit."""
        return self.set is not None and bool(row[self.set] >> (len(self.keys) - 1 - key) & 1)

    def keys_of_set(self, row: Exact) -> tuple[int, ...]:
        """The keys of the cell's grouping set, by index."""
        return tuple(key for key, _ in enumerate(self.keys) if not self.leaves_out(row, key))

    def is_asked(self, row: Exact) -> bool:
        """Whether a cell is of a grouping set that leaves, and not only of one that counts as known."""
        return self.set is None or not self._asked or row[self.set] in self._asked

    def as_asked(self, row: Exact) -> Iterator[Exact]:
        """The cell as a row of each grouping set that it is asked for in: with that set's keys only."""
        if self.set is None or not self._asked:
            yield row
        else:
            for one in self._asked.get(row[self.set], ()):
                yield row if one.keys == one.cells else self._without(row, one.keys)

    def _without(self, row: Exact, keys: Sequence[int]) -> Exact:
        made = list(row)
        for key, place in enumerate(self._keys):
            made[place] = row[place] if key in keys else None
        made[self.set or 0] = self._bits(keys)
        return tuple(made)

    def _bits(self, keys: Sequence[int]) -> int:
        """The number of a grouping set, as GROUPING counts."""
        return sum(1 << (len(self.keys) - 1 - key) for key, _ in enumerate(self.keys) if key not in keys)

    def count(self, row: Exact, name: str) -> int:
        """A number of rows or units. Raises `WorkerLied`."""
        return _counted(row[self.places[name]])

    def contributions(self, total: JudgedTotal) -> Callable[[Exact], tuple[Contributions, ...]]:
        """What the units of each group contribute to a total, as a function of a row that raises `WorkerLied`."""
        amounted = zip(total.largest, total.second, total.magnitude, strict=True) if total.largest else ()
        named = [[self.places[name] for name in names] for names in amounted] or [[]] * len(self._units)
        contributors = [self.places[name] for name in total.contributors]
        groups = list(zip(self._units, contributors, named, strict=True))
        if len(groups) == 1:
            ((units, some, amounts),) = groups
            return lambda row: (_contributed(row, units, some, amounts),)

        def of(row: Exact) -> tuple[Contributions, ...]:
            return tuple([_contributed(row, *group) for group in groups])

        return of

    def value(self, measure: Measure) -> Callable[[Exact], Cell]:
        """A measure put together from its parts, as a function of a row that raises `WorkerLied`."""
        match measure.kind:
            case "count" | "units":
                (addend,) = measure.addends
                place = self.places[addend.total.value]
                return lambda row: _counted(row[place])
            case "average":
                return self._average(measure)
            case "sum":
                return self._sum(measure)
            case "grouping":
                keys = list(enumerate(reversed(measure.keys)))
                return lambda row: sum(1 << bit for bit, key in keys if self.leaves_out(row, key))
            case kind if kind in POWER_SUMS:
                return lambda row: self._statistic(row, measure)
            case _:
                raise WorkerLied("a measure of no kind")

    def _sum(self, measure: Measure) -> Callable[[Exact], Cell]:
        combined, type_, plain = self._combined(measure), measure.type, self._plain(measure)
        if plain is not None and self.core.columns[plain].type == type_:
            return itemgetter(plain)

        def of(row: Exact) -> Cell:
            whole = combined(row)
            return None if whole is None else _typed(whole, type_)

        return of

    def _average(self, measure: Measure) -> Callable[[Exact], Cell]:
        combined, count, plain = self._combined(measure), self.places[measure.count], self._plain(measure)

        def of(row: Exact) -> Cell:
            whole, rows = combined(row), _counted(row[count])
            return None if whole is None or not rows else float(whole / rows)

        if plain is None:
            return of

        def of_one(row: Exact) -> Cell:
            whole, rows = row[plain], _counted(row[count])
            if whole is None or not rows:
                return None
            numerator, denominator = whole.as_integer_ratio()
            # A quotient of integers is rounded once, as that of fractions is.
            quotient: float = numerator / (denominator * rows)
            return quotient

        return of_one

    def _plain(self, measure: Measure) -> int | None:
        """The place of the one sum that a measure consists of, if it is that very sum."""
        match measure.addends:
            case (addend,) if addend.numerator == addend.denominator == 1:
                return self.places[addend.total.value]
            case _:
                return None

    def _combined(self, measure: Measure) -> Callable[[Exact], Fraction | None]:
        """The addends together; None where one has no value to add."""
        addends = [
            (self.places[addend.total.value], Fraction(addend.numerator, addend.denominator))
            for addend in measure.addends
        ]

        def of(row: Exact) -> Fraction | None:
            whole = Fraction(0)
            for place, factor in addends:
                if row[place] is None:
                    return None
                whole += Fraction(row[place]) * factor
            return whole

        return of

    def _statistic(self, row: Exact, measure: Measure) -> Cell:
        """A variance or its like, from its power sums."""
        sums = {"x": Fraction(0), "y": Fraction(0), "xx": Fraction(0), "xy": Fraction(0), "yy": Fraction(0)}
        for name, addend in zip(POWER_SUMS[measure.kind], measure.addends, strict=True):
            value = row[self.places[addend.total.value]]
            if value is None:
                return None
            sums[name] = Fraction(value) * Fraction(addend.numerator, addend.denominator)
        return from_sums(measure.kind, PowerSums(self.count(row, measure.count), **sums))


def _several(places: Sequence[int]) -> Callable[[Exact], tuple[Any, ...]]:
    """Looks up several parts at once."""
    match places:
        case ():
            return lambda row: ()
        case (place,):
            return lambda row: (row[place],)
        case _:
            return itemgetter(*places)


def _counted(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise WorkerLied("a count that is not one")
    return value


def _contributed(row: Exact, units: int, contributors: int, amounts: Sequence[int]) -> Contributions:
    some = _counted(row[contributors])
    if some > row[units]:
        raise WorkerLied("more contributors than units")
    if not amounts:
        return Contributions(row[units], some)
    largest, second, magnitude = [row[place] or 0 for place in amounts]
    if not 0 <= second <= largest or largest + second > magnitude:
        raise WorkerLied("contributions that contradict each other")
    return Contributions(row[units], some, largest, second, magnitude)


def _typed(value: Fraction, type_: Type) -> Cell:
    """An exact sum in the type of the answer, rounded half away from zero where it has more digits."""
    match type_.kind:
        case Kind.INTEGER if value.denominator == 1:
            return value.numerator
        case Kind.DECIMAL:
            scaled = value * 10**type_.scale
            whole = (2 * abs(scaled.numerator) + scaled.denominator) // (2 * scaled.denominator)
            digits = tuple(map(int, str(whole)))
            return Decimal((int(scaled < 0 and whole > 0), digits, -type_.scale))
        case _:
            return float(value)
