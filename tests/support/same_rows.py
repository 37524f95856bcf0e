"""Whether two answers are the same rows, whatever their order and the last digits of their doubles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

Rows = Sequence[tuple[object, ...]]


def same(found: object, true: object) -> bool:
    """Equal, numbers up to the digits of a double."""
    if isinstance(found, int | float | Decimal) and isinstance(true, int | float | Decimal):
        return math.isclose(float(found), float(true), rel_tol=1e-9, abs_tol=1e-9)
    return found == true


def agree(found: Rows, true: Rows) -> bool:
    """The same rows in any order."""
    return len(found) == len(true) and all(
        len(a) == len(b) and all(map(same, a, b)) for a, b in zip(_ordered(found), _ordered(true), strict=True)
    )


def _ordered(rows: Rows) -> list[tuple[object, ...]]:
    """By their texts and whole numbers first, which do not suffer from rounding."""
    return sorted(rows, key=lambda row: ([str(value) for value in row if isinstance(value, str | int)], str(row)))
