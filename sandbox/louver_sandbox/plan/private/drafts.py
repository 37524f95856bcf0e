"""A core before its noise is decided: the numbers that leave, what each is for, and how one unit can change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import Position
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.mechanisms.noise import Sensitivity
from louver_sandbox.plan.private.bounding import Bounded
from louver_sandbox.plan.private.measures import UNITS, VARIANCES, Number, Wanted
from louver_sandbox.plan.private.quantiles import Histogram
from louver_sandbox.plan.private.statement import Statement

Datasets = frozenset[tuple[str, UnitType]]
"""Datasets, each with a kind of unit that is protected in it."""

Scales = Mapping[Number, Fraction]
"""The scale of each number's noise, and of that on every node of each ranking's tree."""


@dataclass(frozen=True)
class Draft:
    """One core. `domain` are the public values of its keys, None where groups are listed by a threshold; `at_least`
    is how many rows and units are declared to be in its only cell, None where nothing declares it. `datasets` are
    those it is charged to, whatever names its tables go by."""

    core: int
    numbers: tuple[Number, ...]
    wanted: tuple[Wanted, ...]
    limits: Bounded
    domain: tuple[tuple[Value, ...], ...] | None
    sets: tuple[tuple[int, ...], ...]
    statement: Statement
    datasets: Datasets
    at_least: int | None
    at: Position | None
    histograms: tuple[Histogram, ...] = ()

    @property
    def cells(self) -> int | None:
        """How many cells a public domain has."""
        return None if self.domain is None else prod(map(len, self.domain))

    @property
    def rankings(self) -> tuple[Number, ...]:
        """What is ranked, one for each histogram."""
        return tuple(one.ranking for one in self.histograms)

    @property
    def paid(self) -> tuple[Number, ...]:
        """All that has noise and costs something."""
        return (*self.numbers, *self.rankings)

    @property
    def units(self) -> tuple[UnitType, ...]:
        """The kinds of unit that are protected."""
        return self.limits.units

    def sensitivity(self, number: Number, unit: UnitType) -> Sensitivity:
        """What one unit of this kind changes a number by, or all nodes of a ranking's tree."""
        if number == UNITS:
            return self.limits.of_units(self.cells)
        if number in self._histograms:
            return self._of_tree(self._histograms[number], unit)
        return self.limits.of_sums(unit, number.largest, self.cells)

    def _of_tree(self, histogram: Histogram, unit: UnitType) -> Sensitivity:
        """What one unit changes all nodes of a tree by, or of those of all cells: `quantiles` says why."""
        bins, limits = histogram.bins, histogram.statement.bounded
        if limits.clipped is None:
            return bins.sensitivity(limits.rows)
        if unit is not limits.clipped.type:
            return Sensitivity(limits.rows, 2 * bins.levels)
        if self.cells is None:
            raise ValueError("clipped units need a public domain")
        return Sensitivity(limits.clipped_rows, bins.levels * self.cells)

    @cached_property
    def _histograms(self) -> Mapping[Number, Histogram]:
        return {one.ranking: one for one in self.histograms}

    @cached_property
    def merged(self) -> int | None:
        """How many cells the largest total of grouping sets adds up; 1 without totals, None where nobody can say."""
        if not self.sets:
            return 1
        if self.domain is None:
            return None
        sizes = [len(values) for values in self.domain]
        return max(prod(size for key, size in enumerate(sizes) if key not in one) for one in self.sets)

    @cached_property
    def importance(self) -> Mapping[Number, int]:
        """How much a number's variance moves the variances of the columns that are made of it, in squares of the
        most that one row adds (ADR 34)."""
        found: dict[Number, int] = dict.fromkeys(self.paid, 0)
        for one in self.wanted:
            if one.ranking is not None:
                found[one.ranking] += 1
            for number in one.numbers:
                is_mean_of_spread = one.kind in VARIANCES and number == one.total
                found[number] += 4 if is_mean_of_spread else 1
        # Numbers that no column shows choose which groups are listed.
        return {number: weight or 1 for number, weight in found.items()}
