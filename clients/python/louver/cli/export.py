"""Answers as files: CSV that is inert in a spreadsheet, JSON that loses no digit, Arrow as it came."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from louver.decoding import Row
from louver.failures import Misused
from louver.privacy import plain
from louver.quality import TableQuality
from louver.results import Accuracy, Answer

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet take a text for a formula, full-width forms included."""


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    ARROW = "arrow"


_ENDINGS = {".csv": Format.CSV, ".json": Format.JSON, ".arrow": Format.ARROW, ".arrows": Format.ARROW}
"""The format a file is written in where none is given. `.txt` and the like say nothing of one."""


def chosen_format(given: Format | None, output: Path | None, terminal: bool) -> Format:
    """The format asked for, else by the file's ending, else a table on a terminal and CSV elsewhere.

    Raises ``Misused`` for Arrow on a terminal, and for a file whose ending names no format where none is given.
    """
    if given is not None:
        if given is Format.ARROW and output is None and terminal:
            raise Misused("Arrow is not for a terminal", "add --output answer.arrow or pipe it somewhere")
        return given
    if output is not None:
        form = _ENDINGS.get(output.suffix.lower())
        if form is None:
            raise Misused(
                f"the ending of {output.name} names no format",
                f"end it in {', '.join(_ENDINGS)}, or say --format {', '.join(Format)}",
            )
        return form
    return Format.TABLE if terminal else Format.CSV


def as_csv(answer: Answer) -> str:
    """CSV (RFC 4180, with line feeds). Withheld and NULL cells are empty; an empty text is a pair of quotes.

    A text that a spreadsheet would take for a formula is prefixed with an apostrophe.
    """
    rows = [tuple(column.name for column in answer.columns), *answer.rows]
    return csv_lines(rows)


def csv_lines(rows: list[Row]) -> str:
    """Rows as CSV text; see ``as_csv``."""
    return "".join(",".join(_field(value) for value in row) + "\n" for row in rows)


def _field(value: object) -> str:
    """One field; the standard library's writer cannot tell an empty text from a missing one before Python 3.12."""
    text = inert(value)
    if text is None:
        return ""
    quoted = text == "" or any(char in text for char in ',"\r\n')
    return '"' + text.replace('"', '""') + '"' if quoted else text


def inert(value: object) -> str | None:
    """The cell's text; None for a withheld or NULL cell."""
    if value is None:
        return None
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    plain = plain_value(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, bool | list) else str(plain)


def plain_value(value: object) -> object:
    """The value for JSON: decimals, dates and intervals as text, so that nothing is rounded."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():f}"
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    return value


def plain_accuracy(item: Accuracy) -> dict[str, object]:
    """How exact a column is, for JSON; figures as text, null where there are none."""
    return {
        "column": item.column,
        "kind": item.kind,
        "standard_error": plain_value(item.standard_error),
        "below": plain_value(item.below),
        "above": plain_value(item.above),
        "relative_error": plain_value(item.relative_error),
        "message": item.message,
        **({} if item.share is None else {"share": plain_value(item.share)}),
        **({"low": plain_value(item.low), "high": plain_value(item.high)} if item.low else {}),
    }


def plain_quality(item: TableQuality) -> dict[str, object]:
    """The quality of a table's data, for JSON: ``faulty`` of ``rows`` break the worst rule of each dimension."""
    return {
        "table": item.table,
        "grade": item.grade or None,
        "as_of": item.as_of.isoformat(),
        "late": item.late,
        "within": item.within,
        "dimensions": {
            one.dimension: {"grade": one.grade, "faulty": one.faulty, "rows": one.rows} for one in item.dimensions
        },
    }


def as_json(answer: Answer) -> str:
    """The answer with everything that was said about it. Rows are arrays: two columns may share a name."""
    document = {
        "request_id": answer.request_id,
        "treatment": answer.treatment,
        "columns": [{"name": column.name, "type": column.type} for column in answer.columns],
        "rows": [plain_value(row) for row in answer],
        "remainder": plain_value(answer.remainder),
        "notices": [
            {"code": item.code, "count": item.count, "rule": item.rule, "message": item.message}
            for item in answer.notices
        ],
        "accuracy": [plain_accuracy(item) for item in answer.accuracy],
        "privacy": [plain(item) for item in answer.privacy],
        "quality": [plain_quality(item) for item in answer.quality],
        "cost": dict(answer.cost),
        "remaining": dict(answer.remaining),
        "policies": list(answer.policies),
        "stored": answer.stored,
        "verified": answer.proof is not None,
    }
    return json.dumps(document, ensure_ascii=False, indent=1)
