"""The catalogue for people: found by words, department, theme and level, with rows that were made up.

``tables()`` of a client gives what you may use; this finds among it, and shows what rows look like before you ask.
A sample is made here from a table's declaration alone (data elements, value lists, bounds): no data have been looked
at, by anybody.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from louver.results import Column, Table

Value = str | int | float | bool | Decimal | date | list[str] | None

MADE_UP: Final = "Made up from the declaration alone; no row of the data was looked at."
MADE_UP_ZH: Final = "样例仅据目录声明构造，未读取任何数据。"
_PLACEHOLDER: Final = "示例"
_LETTERS: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_BOUNDS: Final = re.compile(r"\[(-?[0-9.]+(?:E[+-]?[0-9]+)?), (-?[0-9.]+(?:E[+-]?[0-9]+)?)\]")
_DAYS: Final = 700
"""Days before the day of the data in which made-up days lie."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows that nobody is in, the same for everybody who asks; ``note`` and ``note_zh`` say so."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    note: str = MADE_UP
    note_zh: str = MADE_UP_ZH


def found(
    tables: Iterable[Table], words: str = "", *, department: str = "", theme: str = "", level: int = 0
) -> list[Table]:
    """The tables that have all these words in their names, titles, departments, themes or columns, are of this
    department and theme, and have a column of this level (1 to 5)."""
    wanted = words.casefold().split()
    return [
        table
        for table in tables
        if (not department or table.owner == department)
        and (not theme or theme in table.themes)
        and (not level or any(column.level == level for column in table.columns))
        and all(word in _text(table) for word in wanted)
    ]


def sample(table: Table, rows: int = 5) -> Sample:
    """Rows as they might look, from what is declared of the columns.

    Numbers of persons and firms have right check characters and a county code that is nobody's (370290 to 370299).
    """
    return Sample(
        tuple(column.name for column in table.columns),
        tuple(tuple(_value(table, column, number) for column in table.columns) for number in range(rows)),
    )


def _text(table: Table) -> str:
    columns = " ".join(f"{column.name} {column.description}" for column in table.columns)
    return f"{table.full_name} {table.title} {table.owner} {' '.join(table.themes)} {columns}".casefold()


def _value(table: Table, column: Column, row: int) -> Value:
    drawn = int.from_bytes(hashlib.sha256(f"{table.full_name}\0{column.name}\0{row}".encode()).digest()[:8], "big")
    if column.domain:
        return _of_type(column.type, column.domain[drawn % len(column.domain)])
    if column.element in _MADE and column.type == "text":
        return _MADE[column.element](drawn)
    if column.type == "boolean":
        return drawn % 2 == 0
    if column.type in ("date", "timestamp"):
        last = date.fromisoformat(table.as_of) if table.as_of else date(2026, 1, 1)
        return last - timedelta(days=drawn % _DAYS)
    if column.type == "text":
        return f"{_PLACEHOLDER}{drawn % 100}"
    if column.type == "text_list":
        return [_PLACEHOLDER]
    return _number(column, drawn)


def _of_type(kind: str, text: str) -> Value:
    match kind:
        case "integer":
            return int(text)
        case "boolean":
            return text == "true"
        case "date":
            return date.fromisoformat(text)
    return text


def _number(column: Column, drawn: int) -> Value:
    """A number within the bounds; where none are declared a small one."""
    declared = _BOUNDS.fullmatch(column.bounds)
    low, high = (Decimal(declared[1]), Decimal(declared[2])) if declared else (Decimal(0), Decimal(100))
    value = low + (high - low) * Decimal(drawn % 1001) / 1000
    if column.type == "integer":
        return int(value)
    scale = int(column.type[8:-1]) if column.type.startswith("decimal(") else 2
    rounded = value.quantize(Decimal(1).scaleb(-scale))
    return float(rounded) if column.type == "double" else rounded


def _citizen_number(drawn: int) -> str:
    """GB 11643-1999: county, day of birth, number of the day, check character."""
    born = date(1960, 1, 1) + timedelta(days=drawn % 15_000)
    body = f"37029{drawn // 7 % 10}{born:%Y%m%d}{drawn // 11 % 1000:03}"
    total = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(body))
    return body + "10X98765432"[total % 11]


def _credit_code(drawn: int) -> str:
    """GB 32100-2015, with the organisation code of GB 11714-1997 in places 9 to 17."""
    body = "MA" + "".join(_LETTERS[drawn // 31**place % 31] for place in range(6))
    weighed = sum(int(letter, 36) * weight for letter, weight in zip(body, (3, 7, 9, 10, 5, 8, 4, 2), strict=True))
    code = f"9137029{drawn // 13 % 10}{body}{'0123456789X'[(11 - weighed % 11) % 11]}"
    total = sum(_LETTERS.index(letter) * (3**place % 31) for place, letter in enumerate(code))
    return code + _LETTERS[(31 - total % 31) % 31]


_MADE: Final[Mapping[str, Callable[[int], str]]] = MappingProxyType(
    {
        "citizen_number": _citizen_number,
        "uscc": _credit_code,
        "subject_code": _credit_code,
        "organisation_code": lambda drawn: _credit_code(drawn)[8:17],
        "region": lambda drawn: f"37029{drawn % 10}",
        "person_name": lambda drawn: f"{_PLACEHOLDER}{'甲乙丙丁戊己庚辛'[drawn % 8]}",
        "firm_name": lambda drawn: f"{_PLACEHOLDER}{'甲乙丙丁戊己庚辛'[drawn % 8]}有限公司",
        "section": lambda drawn: "ABCDEFGHIJKLMNOPQRST"[drawn % 20],
        "industry": lambda drawn: ("C3913", "F5191", "I6513", "A0111", "H6220")[drawn % 5],
    }
)
"""Elements that are made up in their form; a card or telephone number might be somebody's, so of these nothing is."""
