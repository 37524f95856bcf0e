"""The `dp` mechanism: exact whole numbers of bounded contributions, released with the noise that the plan says.

Nothing of the worker's result leaves but through noise, and which cells there are is public or chosen by a noisy
threshold. The sampler is handed in; drawing is all that is random here. The answer is computed from what is left.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR
from fractions import Fraction
from itertools import product

from louver_sandbox.algebra.relations import Project
from louver_sandbox.core_plan import CorePlan, Part
from louver_sandbox.mechanisms.noise import DiscreteGaussian, half_width
from louver_sandbox.mechanisms.ranks import Ranks
from louver_sandbox.mechanisms.release import Noisy, released
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.private_core import PrivateCells, PrivateMeasure
from louver_sandbox.release import notices
from louver_sandbox.release.complementary import Solve
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.estimates import Told, in_type, quantile_told, told
from louver_sandbox.release.exact import exact_rows
from louver_sandbox.release.intervals import Widened, confidence, high, low, of_average, scale, widened
from louver_sandbox.release.joins import TooManyPairs
from louver_sandbox.release.losses import ADDITIVE, Tracing, accuracy, measures_of, private_notices
from louver_sandbox.release.private_quantiles import of_set, ranked
from louver_sandbox.release.sets import grouped, left_out
from louver_sandbox.release.shape import shaped
from louver_sandbox.release.values import Row
from louver_sandbox.stages import Accuracy, Cell, Execution, Notice, OutputColumn, Plan, Release

Key = tuple[Cell, ...]


class NoNoise(Exception):
    """An answer that needs noise, and no sampler to draw it: nothing may leave."""


class Private:
    """Releases noisy aggregates."""

    def release(self, execution: Execution, solve: Solve, secret: bytes | None, sampler: Sampler | None) -> Release:
        """The released rows with an interval for each number. Nothing is withheld and no key decides the noise.

        WorkerLied where the worker's rows are not those of the plan, NoNoise without a sampler."""
        plan = execution.committed.plan
        if sampler is None:
            raise NoNoise("no sampler")
        if not isinstance(plan.shape, Project) or not any(core.protected for core in plan.cores):
            raise WorkerLied("an answer under differential privacy without a shape or protected rows")
        wide = widened(plan.shape, measures_of(plan), Tracing(plan).is_noisy)
        pairs = list(zip(plan.cores, execution.rows, strict=True))
        tables = {
            core.core_id: _rows(
                core, rows, [counts for one, counts in pairs if one.ranks_of == core.core_id], sampler, wide.levels
            )
            for core, rows in pairs
            if core.ranks_of is None
        }
        rows, said = _shaped(wide, tables, plan)
        count = len(plan.columns)
        found = tuple(_accuracies(plan, wide, [row[count:] for row in rows]))
        answer = tuple(row[:count] for row in rows)
        return Release(plan.columns, answer, (*private_notices(plan), *said), plan.treatment, None, found)


def _shaped(
    wide: Widened, tables: Mapping[int, Sequence[Row]], plan: Plan
) -> tuple[tuple[tuple[Cell, ...], ...], tuple[Notice, ...]]:
    """The answer's rows, each followed by the cells that its intervals are made of."""
    more = wide.relation.columns[len(plan.columns) :]
    columns = (*plan.columns, *(OutputColumn(named.name, named.expression.type) for named in more))
    try:
        return shaped(wide.relation, tables, columns), ()
    except TooManyPairs:
        return (), (notices.join_too_large(),)


def _accuracies(plan: Plan, wide: Widened, cells: Sequence[tuple[Cell, ...]]) -> Iterator[Accuracy]:
    """What is said of each column that noise reaches, with the ends of every row's interval."""
    place = 0
    for column, named, parts in zip(plan.columns, wide.relation.columns, wide.parts, strict=False):
        own = 0 if parts is None else parts.cells
        rows = [row[place : place + own] for row in cells]
        found = [] if parts is None else [parts.ends(row) for row in rows]
        place += own
        lows = tuple(_text(None if ends is None else in_type(ends[0], column.type, ROUND_FLOOR)) for ends in found)
        highs = tuple(_text(None if ends is None else in_type(ends[1], column.type, ROUND_CEILING)) for ends in found)
        one = accuracy(plan, column.name, named, lows, highs, parts)
        if one is not None:
            yield one


def _text(end: Cell) -> str:
    return "" if end is None else str(end)


Rows = Sequence[Sequence[object]]


def _rows(
    core: CorePlan, rows: Rows, histograms: Sequence[Rows], sampler: Sampler, levels: Sequence[int]
) -> list[Row]:
    if core.protected and core.private is not None:
        if core.private.ranks and not core.private.noisy:
            rows, histograms = (), (rows, *histograms)
        return list(_Cells(core, core.private, tuple(levels)).rows(rows, histograms, sampler))
    if core.protected or any(column.part is not Part.VALUE for column in core.columns):
        raise WorkerLied("rows that are neither exact nor noisy")
    names = [(core.core_id, column.of) for column in core.columns]
    return [dict(zip(names, row, strict=True)) for row in exact_rows(rows)]


@dataclass(frozen=True, slots=True)
class _Cells:
    """The cells of one core."""

    core: CorePlan
    private: PrivateCells
    levels: tuple[int, ...] = (1,)

    def rows(self, rows: Rows, histograms: Sequence[Rows], sampler: Sampler) -> Iterator[Row]:
        """The released cells."""
        exact = self._exact(rows)
        keys = self._keys(exact)
        nothing = (0,) * len(self.private.noisy)
        drawn: dict[str, tuple[Noisy, ...]] = {}
        for place, column in enumerate(self.private.noisy):
            numbers = [exact.get(key, nothing)[place] for key in keys]
            drawn[column.name] = released(numbers, DiscreteGaussian(column.scale), sampler, column.least)
        names = [(self.core.core_id, column.of) for column in self.core.columns if column.part is Part.KEY]
        names = names[: len(names) - self._binned]
        listed = {key: {name: numbers[place] for name, numbers in drawn.items()} for place, key in enumerate(keys)}
        if self.private.domain is None:
            units, tau = self.private.units, self.private.tau
            listed = {key: noisy for key, noisy in listed.items() if noisy[units].value >= tau}
        ranked = self._ranked(listed, histograms, sampler)
        for one in self.private.sets or (tuple(range(len(names))),):
            of_one = [of_set(cells, listed, one, of) for of, cells in zip(self.private.ranks, ranked, strict=True)]
            for key, noisy in grouped(listed, one, len(names), self.private.noisy).items():
                ranks = [cells.get(key) for cells in of_one]
                yield {**dict(zip(names, key, strict=True)), **self._measured(noisy, ranks, one)}

    @property
    def _binned(self) -> int:
        """How many of the last keys are bins: 1 where the core's own rows are a histogram."""
        return int(bool(self.private.ranks) and not self.private.noisy)

    def _ranked(
        self, listed: Mapping[Key, Mapping[str, Noisy]], histograms: Sequence[Rows], sampler: Sampler
    ) -> list[dict[Key, Ranks]]:
        """The noisy ranks of the cells that leave, largest first where a threshold lists them."""
        keys = list(listed)
        if self.private.domain is None:
            keys.sort(key=lambda key: -listed[key][self.private.units].value)
        pairs = zip(self.private.ranks, histograms, strict=True)
        return [ranked(of, rows, keys, sampler) for of, rows in pairs]

    def _measured(self, noisy: Mapping[str, Noisy], ranks: Sequence[Ranks | None], one: Sequence[int]) -> Row:
        row: Row = {}
        for measure in self.private.measures:
            core = self.core.core_id
            if measure.kind == "grouping":
                row |= {(core, measure.name): left_out(measure.keys, one)}
                continue
            for parts in self.levels:
                found = self._told(measure, noisy, ranks, parts)
                row |= {(core, measure.name): found.value}
                row |= {(core, low(measure.name, parts)): found.low, (core, high(measure.name, parts)): found.high}
            row |= {(core, name): value for name, value in _noise_of(measure, noisy)}
        return row

    def _told(
        self, measure: PrivateMeasure, noisy: Mapping[str, Noisy], ranks: Sequence[Ranks | None], parts: int
    ) -> Told:
        """A measure with its interval where so many are combined."""
        if measure.ranks >= 0:
            return quantile_told(measure, ranks[measure.ranks], confidence(parts))
        if parts == 1:
            return told(measure, noisy)
        columns = {column.name: column for column in self.private.noisy}
        wider = {name: _wider(one, columns[name].least, confidence(parts)) for name, one in noisy.items()}
        return told(measure, wider, confidence(parts))

    def _keys(self, exact: Mapping[Key, tuple[int, ...]]) -> list[Key]:
        """The cells of a public domain, whatever rows there are; else those of the rows, in an order of their own."""
        if self.private.domain is None:
            return sorted(exact, key=repr)
        return [tuple(_cell(value) for value in key) for key in product(*self.private.domain)]

    def _exact(self, rows: Sequence[Sequence[object]]) -> dict[Key, tuple[int, ...]]:
        """The exact numbers by the keys of their cell. Raises `WorkerLied`."""
        found: dict[Key, tuple[int, ...]] = {}
        count = sum(column.part is Part.KEY for column in self.core.columns) - self._binned
        for row in rows:
            (key,) = exact_rows([row[:count]])
            numbers = tuple(_number(value) for value in row[count:])
            if key in found or len(numbers) != len(self.private.noisy):
                raise WorkerLied("a cell that comes twice, or without its numbers")
            found[key] = numbers
        return found


def _wider(number: Noisy, least: int | None, of: Fraction) -> Noisy:
    """The same number with an interval of another confidence; a step more, as totals have."""
    width = half_width(number.noise, of) + 1
    first, last = number.value - width, number.value + width
    return (
        replace(number, low=first, high=last)
        if least is None
        else replace(number, low=max(first, least), high=max(last, least))
    )


def _noise_of(measure: PrivateMeasure, noisy: Mapping[str, Noisy]) -> Iterator[tuple[str, Cell]]:
    """What is said of the noise of a measure beside its value, for what is computed from several."""
    name, total, count = measure.name, noisy.get(measure.total), noisy.get(measure.count)
    if measure.kind in ADDITIVE and (one := total or count) is not None:
        yield scale(name), _scale(one, measure.digits)
    elif measure.kind == "average" and total is not None and count is not None:
        found = (total.value, count.value, _scale(total, measure.digits), _scale(count, 0))
        yield from zip(of_average(name), found, strict=True)


def _scale(number: Noisy, digits: int) -> float:
    """The scale of a number's noise in the unit of its column, rounded up."""
    return math.nextafter(float(number.noise.scale / 10**digits), math.inf)


def _number(value: object) -> int:
    if type(value) is not int:
        raise WorkerLied("a number that is not whole")
    return value


def _cell(value: object) -> Cell:
    ((cell,),) = exact_rows([[value]])
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
