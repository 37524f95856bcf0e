"""The quality of the data that an answer was made from, as the log's entry about the answer says it.

It stands in the entry that the receipt proves, so it is bound to the answer and cannot be added or left out on the
way. Counts are rounded at random so that they tell nothing of one subject; grades are computed from them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from louver.errors import Unproven
from louver.receipt import Receipt

DIMENSIONS = {
    "completeness": "完整性",
    "validity": "规范性",
    "uniqueness": "唯一性",
    "consistency": "一致性",
    "timeliness": "时效性",
}
"""The dimensions of GB/T 36344-2018, in its order and words."""
_BEIJING = timezone(timedelta(hours=8))
_GRADES = "ABCDE"


@dataclass(frozen=True, slots=True)
class DimensionQuality:
    """The worst rule of one dimension: of about ``rows`` about ``faulty`` break it. ``grade`` is A to E."""

    dimension: str
    grade: str
    faulty: int
    rows: int


@dataclass(frozen=True, slots=True)
class TableQuality:
    """The quality of one table, in the version that the answer was made from.

    ``grade`` is that of its worst dimension, and E where the data were late; empty where the table is too small for
    counts to be told and the data were in time. Each count is less than ``within`` from the true one. ``late`` says
    that the data, of the day ``as_of``, should have been refreshed twice before the answer.
    """

    table: str
    grade: str
    dimensions: tuple[DimensionQuality, ...]
    within: int
    as_of: date
    late: bool

    def text(self, language: str = "en") -> str:
        """In one line, in ``en`` or ``zh``."""
        if language == "zh":
            parts = [f"{DIMENSIONS[one.dimension]} {_counts(one, '，')}" for one in self.dimensions]
            parts += ["未按期更新"] if self.late else []
            parts += [] if self.dimensions else ["数据量过小，不公布计数"]
            rounded = f"，计数误差小于 {self.within}" if self.dimensions else ""
            return f"{self.table} 质量等级 {self.grade or '—'}：{'；'.join(parts)}（截至 {self.as_of}{rounded}）"
        parts = [f"{one.dimension} {_counts(one, ', ')}" for one in self.dimensions]
        parts += ["late"] if self.late else []
        parts += [] if self.dimensions else ["too small for counts to be told"]
        rounded = f", counts within {self.within}" if self.dimensions else ""
        return f"{self.table} quality {self.grade or '-'}: {'; '.join(parts)} (as of {self.as_of}{rounded})"


def _counts(one: DimensionQuality, comma: str) -> str:
    return f"{one.grade}{comma}{one.faulty}/{one.rows}"


def of_receipt(receipt: Receipt | None) -> tuple[TableQuality, ...]:
    """What the receipt's entry says of each table, by name; nothing for a table that nobody has measured.

    It is proved where the receipt is. Raises ``Unproven`` for what has not the form.
    """
    if receipt is None:
        return ()
    try:
        entry = json.loads(receipt.entry)
        said, day = entry.get("quality", {}), day_of(str(entry["time"]))
        return tuple(read(table, told, day) for table, told in sorted(said.items()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unproven("what the entry says of the data's quality cannot be read", receipt.entry) from None


def day_of(moment: str) -> date:
    """The day in Beijing of a moment that the log tells."""
    return datetime.fromisoformat(moment).astimezone(_BEIJING).date()


def read(table: str, told: Mapping[str, Any], day: date) -> TableQuality:
    """What is told of a table, on a day. Raises ``ValueError``, ``KeyError`` or ``TypeError`` for what has not the
    form."""
    dimensions = tuple(_dimensions(told["dimensions"]))
    late = day > date.fromisoformat(told["fresh_until"])
    grades = [one.grade for one in dimensions] + (["E"] if late else [])
    within = told["within"]
    if type(within) is not int:
        raise TypeError("a count is a whole number")
    return TableQuality(table, max(grades, default=""), dimensions, within, date.fromisoformat(told["as_of"]), late)


def _dimensions(told: Mapping[str, Sequence[Any]]) -> Iterator[DimensionQuality]:
    if set(told) - set(DIMENSIONS):
        raise ValueError("a dimension that is none")
    for name in DIMENSIONS:
        if name in told:
            grade, faulty, rows = told[name]
            if grade not in tuple(_GRADES) or type(faulty) is not int or type(rows) is not int:
                raise ValueError("not a grade and counts")
            yield DimensionQuality(name, grade, faulty, rows)
