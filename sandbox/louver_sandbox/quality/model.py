"""Dimensions, measurements and the grade that follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from louver_sandbox.algebra.types import TableName


class Dimension(StrEnum):
    """What is asked of data (GB/T 36344-2018; uniqueness is part of its accuracy)."""

    COMPLETENESS = "completeness"
    VALIDITY = "validity"
    UNIQUENESS = "uniqueness"
    CONSISTENCY = "consistency"
    TIMELINESS = "timeliness"

    @property
    def chinese(self) -> str:
        """The standard's own word."""
        return _CHINESE[self]


_CHINESE: Final = {
    Dimension.COMPLETENESS: "完整性",
    Dimension.VALIDITY: "规范性",
    Dimension.UNIQUENESS: "唯一性",
    Dimension.CONSISTENCY: "一致性",
    Dimension.TIMELINESS: "时效性",
}


class Grade(StrEnum):
    """Of a table: that of its worst rule."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"


_LEAST: Final = ((Grade.A, 10_000), (Grade.B, 1_000), (Grade.C, 100), (Grade.D, 10))
"""Each grade but the last, and of how many rows at most one is faulty."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One rule over one table: of `rows` that it concerns `faulty` break it. `column` is empty for a rule of rows.

    `binding` is false where the declaration allows what is counted, such as an empty value of a nullable column:
    that is told and takes nothing from the grade. `whole` is a rule of the table as one, which counts no rows.
    """

    dimension: Dimension
    column: str
    rule: str
    rows: int
    faulty: int
    binding: bool = True
    whole: bool = False

    @property
    def grade(self) -> Grade:
        """That of its counts."""
        return grade_of(self.faulty, self.rows)


def grade_of(faulty: int, rows: int) -> Grade:
    """A: at most one row in 10,000 is faulty; B: in 1,000; C: in 100; D: in 10."""
    return next((grade for grade, of in _LEAST if faulty * of <= rows), Grade.E)


@dataclass(frozen=True, slots=True)
class Report:
    """Every measurement of a table. `most_rows` is how many rows the subject with the most of them has."""

    table: TableName
    rows: int
    measured: tuple[Measured, ...]
    most_rows: int = 1

    @property
    def grade(self) -> Grade:
        """That of the worst binding rule; A where none is broken."""
        return worst([item for item in self.measured if item.binding])

    def of(self, dimension: Dimension) -> Grade:
        """The grade of one dimension."""
        return worst([item for item in self.measured if item.binding and item.dimension is dimension])


def worst(measured: Sequence[Measured]) -> Grade:
    """The worst grade among the measurements."""
    return max((item.grade for item in measured), default=Grade.A)
