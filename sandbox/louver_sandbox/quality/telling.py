"""What everybody who reads a table may know of its quality: counts by dimension, rounded at random, and their grade.

An officer sees exact counts of every rule; beside an answer stands what tells nothing of one subject (ADR 87). Grades
are computed from the rounded counts, so they tell no more than these do.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from louver_sandbox.catalog.model import Role, Table
from louver_sandbox.quality.model import Dimension, Grade, Measured, Report, grade_of

BASE: Final = 5
"""A subject's rows are at most a fifth of what counts are rounded to."""
LEAST: Final = 10
"""A rule is told of where it concerns at least as many times what counts are rounded to."""
_LADDER: Final = (1, 2, 5)
_TENS: Final = tuple(int(f"1{'0' * zeros}") for zeros in range(20))
_PERIODS: Final = {"live": 1, "day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}


@dataclass(frozen=True, slots=True)
class Told:
    """The worst rule of one dimension: of about `rows` about `faulty` break it."""

    dimension: Dimension
    grade: Grade
    faulty: int
    rows: int


@dataclass(frozen=True, slots=True)
class Published:
    """A table's quality as it leaves: counts are less than `within` from the true ones. `told` is empty where the
    table is too small for any. Data asked of after `fresh_until` are late."""

    within: int
    told: tuple[Told, ...]
    as_of: date
    fresh_until: date

    def plain(self) -> dict[str, str | int | dict[str, list[str | int]]]:
        """As JSON, for the state store and the log."""
        return {
            "within": self.within,
            "as_of": self.as_of.isoformat(),
            "fresh_until": self.fresh_until.isoformat(),
            "dimensions": {one.dimension.value: [one.grade.value, one.faulty, one.rows] for one in self.told},
        }


def fresh_until(table: Table) -> date:
    """The last day on which data that are refreshed so often are not late: two periods after that of the data."""
    return table.as_of + timedelta(days=2 * _PERIODS[table.refresh])


def published(report: Report, table: Table, key: bytes) -> Published:
    """What is told of a measured table. The same counts are always rounded alike under a `key` of 32 bytes.

    Left out are rules that bind nobody, those of sensitive and L5 columns, and those that concern few rows.
    """
    within = BASE * _most_rows(report, table)
    hidden = {column.name for column in table.columns if column.role is Role.SENSITIVE or column.level > 4}
    told = [
        worst
        for dimension in Dimension
        if (worst := _worst(report, dimension, hidden, _Rounding(str(table.name), within, key))) is not None
    ]
    return Published(within, tuple(told), table.as_of, fresh_until(table))


def _worst(report: Report, dimension: Dimension, hidden: set[str], rounding: _Rounding) -> Told | None:
    """The dimension's worst rule, by rounded counts."""
    rules = (
        item
        for item in report.measured
        if item.binding and item.dimension is dimension and not item.whole and item.column not in hidden
    )
    rounded = list(_rounded(rules, rounding))
    if not rounded:
        return None
    faulty, rows = max(rounded, key=lambda pair: (pair[0] / pair[1], -pair[1]))
    return Told(dimension, grade_of(faulty, rows), faulty, rows)


def _rounded(rules: Iterator[Measured], rounding: _Rounding) -> Iterator[tuple[int, int]]:
    for item in rules:
        rows = rounding.of(item, "rows", item.rows)
        if rows >= LEAST * rounding.base:
            yield min(rows, rounding.of(item, "faulty", item.faulty)), rows


@dataclass(frozen=True, slots=True)
class _Rounding:
    """Unbiased random rounding, by a keyed hash of what is counted and of the count itself."""

    table: str
    base: int
    key: bytes

    def of(self, item: Measured, what: str, count: int) -> int:
        """The multiple of the base below the count, or the one above with the probability that keeps the mean."""
        below = count - count % self.base
        said = "\0".join(("louver quality 1", self.table, item.column, item.rule, what, str(self.base), str(count)))
        drawn = int.from_bytes(hmac.digest(self.key, said.encode(), hashlib.sha256)[:16])
        return below + self.base if drawn * self.base < (count - below) << 128 else below


def _most_rows(report: Report, table: Table) -> int:
    """Of how many rows a subject may be: as declared of all units, else as counted, up to one digit: 1, 2 or 5."""
    declared = [unit.rows_per_unit for unit in table.units]
    if declared and all(unit.when is None for unit in table.units) and None not in declared:
        return max(bound for bound in declared if bound is not None)
    return next(digit * zeros for zeros in _TENS for digit in _LADDER if digit * zeros >= report.most_rows)
