"""The atom rule as policies declare it (PRIVACY 5.6; Chin and Ozsoyoglu 1981): dimensions, bins, and what merges.

An atom is a combination of values of all dimensions. In a snapshot under this rule every atom is safe by itself, and
a question can only select whole atoms.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Final

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.catalog.numbers import InDigits

HOLDING_UNITS: Final = 110
"""Units of an atom that need nothing besides: who knows the exact numbers of all atoms is right about a value of one
of their subjects at most 0.52 / sqrt(110) = 0.05 more often than who knows none (ADR 25)."""


class Declared(InDigits):
    """The base of every part: frozen, hashable, and a key nobody declared is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BinPeriod(StrEnum):
    """Bins of a date: the first day of the year, quarter or month stands for all of them."""

    YEAR = "year"
    QUARTER = "quarter"
    MONTH = "month"


def _pairs(given: object) -> object:
    """A mapping as pairs, in order of its keys."""
    return tuple(sorted(given.items())) if isinstance(given, Mapping) else given


Groups = Annotated[
    tuple[tuple[str, str], ...],
    BeforeValidator(_pairs),
    PlainSerializer(dict),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
    Field(min_length=1, max_length=2_000),
]
"""Values with the name of the group that each is in."""


class Grouping(Declared):
    """One coarser grouping of a dimension's values, within which small atoms are merged: values with the same first
    characters (`prefix`), or those of the same group (`groups`, by value; what is not named stands alone)."""

    prefix: int | None = Field(default=None, ge=1, le=100)
    groups: Groups | None = None

    @model_validator(mode="after")
    def _one(self) -> Grouping:
        if (self.prefix is None) is (self.groups is None):
            raise ValueError("a grouping is either a prefix or groups")
        return self


class Dimension(Declared):
    """A column that questions may select and group by, at its bin: periods of a date (`by`), bands of a number of one
    `width` or from the `edges` on (each named by its lower edge, the lowest band open below), the first characters of
    a text (`prefix`), or the values themselves. `merge` lists ever coarser groupings."""

    column: str = Field(min_length=1, max_length=128)
    by: BinPeriod | None = None
    width: int | None = Field(default=None, ge=1, le=1_000_000_000_000)
    edges: tuple[int, ...] | None = Field(default=None, min_length=1, max_length=200)
    prefix: int | None = Field(default=None, ge=1, le=100)
    merge: tuple[Grouping, ...] = Field(default=(), max_length=8)

    @model_validator(mode="after")
    def _one_bin(self) -> Dimension:
        if sum(bin_ is not None for bin_ in (self.by, self.width, self.edges, self.prefix)) > 1:
            raise ValueError("a dimension has one kind of bin")
        if any(high <= low for low, high in pairwise(self.edges or ())):
            raise ValueError("edges must rise")
        return self

    @property
    def told(self) -> str:
        """The bin in words, empty for the values themselves."""
        if self.by is not None:
            return f"by {self.by.value}"
        if self.width is not None:
            return f"in bands of {self.width}"
        if self.edges is not None:
            return f"in bands from {', '.join(map(str, self.edges))}"
        return "" if self.prefix is None else f"by its first {self.prefix} characters"


class MeasuredColumn(Declared):
    """A column that is aggregated: `summed`, or only counted."""

    column: str
    summed: bool


class AtomUnits(Declared):
    """Fewest units of each type in an atom that holds any of that type."""

    person: int = Field(default=HOLDING_UNITS, ge=1, le=100_000)
    enterprise: int = Field(default=HOLDING_UNITS, ge=1, le=100_000)

    def of(self, unit: UnitType) -> int:
        """That of one type."""
        return {UnitType.PERSON: self.person, UnitType.ENTERPRISE: self.enterprise}[unit]


class AtomRules(Declared):
    """From what the partition of one table is made, the same for every snapshot of it: dimensions, those that give
    way first standing first, and what every atom must hold (least units, and of each measure least contributors,
    dominance and p %)."""

    dimensions: tuple[Dimension, ...] = Field(min_length=1)
    measures: tuple[MeasuredColumn, ...] = ()
    person: int
    enterprise: int
    dominance_percent: int
    p_percent: int
    units: AtomUnits = AtomUnits(person=1, enterprise=1)

    def least(self, unit: UnitType) -> int:
        """Fewest units of a type that a measured column may be of."""
        return {UnitType.PERSON: self.person, UnitType.ENTERPRISE: self.enterprise}[unit]

    def least_in_atom(self, unit: UnitType) -> int:
        """Fewest units of a type in an atom that holds any."""
        return max(self.least(unit), self.units.of(unit))

    @property
    def columns(self) -> frozenset[str]:
        """The dimensions' names."""
        return frozenset(dimension.column for dimension in self.dimensions)
