"""The aggregate functions that can be asked for, and the names of those that never can."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import DOUBLE, INTEGER, NUMERIC, Kind, Type
from louver_sandbox.sql.rules import FunctionKind, FunctionRule, Texts, Types

_ORDERED = NUMERIC | {Kind.TEXT, Kind.DATE, Kind.TIMESTAMP, Kind.BOOLEAN}

Rows = Sequence[tuple[Any, ...]]


def _present(rows: Rows) -> list[Any]:
    return [row[0] for row in rows if row[0] is not None]


def _count(rows: Rows) -> Value:
    return sum(1 for row in rows if not row or row[0] is not None)


def _sum(rows: Rows) -> Value:
    present = _present(rows)
    return sum(present[1:], start=present[0]) if present else None


def _average(rows: Rows) -> Value:
    present = _present(rows)
    if not present:
        return None
    return float(sum((Fraction(Decimal(value)) for value in present), Fraction(0)) / len(present))


def _summable(types: Types) -> Type | None:
    return types[0] if len(types) == 1 and types[0].kind in (Kind.INTEGER, Kind.DECIMAL) else None


def _ordered(types: Types) -> Type | None:
    return types[0] if len(types) == 1 and types[0].kind in _ORDERED else None


def _called(texts: Texts, name: str) -> str:
    return f"{name}({', '.join(texts) or '*'})"


AGGREGATES: tuple[FunctionRule, ...] = (
    FunctionRule(
        "count",
        FunctionKind.AGGREGATE,
        lambda types: INTEGER if len(types) <= 1 else None,
        lambda texts, types, result: _called(texts, "count"),
        _count,
    ),
    # Doubles reach SUM and AVG as decimals (the binder casts them): a sum of doubles depends on the order of rows.
    FunctionRule("sum", FunctionKind.AGGREGATE, _summable, lambda texts, types, result: _called(texts, "sum"), _sum),
    FunctionRule(
        "avg",
        FunctionKind.AGGREGATE,
        lambda types: DOUBLE if _summable(types) else None,
        lambda texts, types, result: _called(texts, "avg"),
        _average,
    ),
    FunctionRule(
        "min",
        FunctionKind.AGGREGATE,
        _ordered,
        lambda texts, types, result: _called(texts, "min"),
        lambda rows: min(_present(rows), default=None),
    ),
    FunctionRule(
        "max",
        FunctionKind.AGGREGATE,
        _ordered,
        lambda texts, types, result: _called(texts, "max"),
        lambda rows: max(_present(rows), default=None),
    ),
)
