"""Answers as tables of a page."""

from __future__ import annotations

from decimal import Decimal

from louver.results import Answer


def columns_of(answer: Answer) -> list[tuple[str, str]]:
    """Names and classes: numbers stand to the right."""
    return [
        (column.name, "number" if _is_number(answer, place) else "text")
        for place, column in enumerate(answer.columns)
    ]


def _is_number(answer: Answer, place: int) -> bool:
    values = [row[place] for row in answer.rows if row[place] is not None]
    return bool(values) and all(
        isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in values
    )
