"""Powers, logarithms, truncation and equal-width bins, one row each.

`power`, `exp`, `log10` and `log2` are doubles, kept to 12 digits after the point; where the result is undefined,
infinite or larger than 10^26 it is NULL. `width_bucket` is ISO/IEC 9075-2's WIDTH_BUCKET.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Any

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import DOUBLE, INTEGER, NUMERIC, Kind, Type
from louver_sandbox.sql.rules import FunctionKind, FunctionRule, Texts, Types, copied, engine_type, finite, unify

_SCALAR = FunctionKind.SCALAR
BUCKET_DIGITS = 19
"""Digits of the span of `width_bucket` in units of its last digit: its numerator must fit the engine's 38."""


def _doubles(arity: int) -> Callable[[Types], Type | None]:
    def result(types: Types) -> Type | None:
        return DOUBLE if len(types) == arity and all(item.kind in NUMERIC for item in types) else None

    return result


def _computed(name: str) -> Callable[[Texts, Types, Type], str]:
    return lambda texts, types, result: finite(f"{name}({', '.join(f'CAST({text} AS DOUBLE)' for text in texts)})")


def _positive(name: str) -> Callable[[Texts, Types, Type], str]:
    return lambda texts, types, result: finite(
        f"{name}(CASE WHEN {texts[0]} > 0 THEN CAST({texts[0]} AS DOUBLE) END)"
    )


def _where_defined(calculate: Callable[..., float]) -> Callable[..., Value]:
    def evaluate(*values: Any) -> Value:
        try:
            return calculate(*map(float, values))
        except (ValueError, OverflowError):
            return None

    return evaluate


def _truncated_type(types: Types) -> Type | None:
    """The type stays; digits may be named for exact numbers only, since doubles have none of their own."""
    if not types or types[0].kind not in NUMERIC:
        return None
    exact = types[0].kind is not Kind.DOUBLE
    return types[0] if len(types) == 1 or (len(types) == 2 and types[1] == INTEGER and exact) else None


def _truncated_text(texts: Texts, types: Types, result: Type) -> str:
    if result == DOUBLE:
        return finite(f"trunc({texts[0]})")
    digits = f"CAST({texts[1]} AS INTEGER)" if len(texts) > 1 else "0"
    wide = "DECIMAL(38,0)" if result == INTEGER else engine_type(result)
    return f"TRY_CAST(trunc(TRY_CAST({texts[0]} AS {wide}), {digits}) AS {engine_type(result)})"


def _truncated(value: Any, digits: int = 0) -> Value:
    if isinstance(value, float):
        return float(math.trunc(value)) if math.isfinite(value) else None
    with localcontext() as context:
        context.prec = 100
        exact = Decimal(value)
        step = Decimal(1).scaleb(-digits)
        kept: Value = exact if -exact.as_tuple().exponent <= digits else exact.quantize(step, ROUND_DOWN)  # type: ignore[operator] # a finite decimal's exponent is a number
        return int(kept) if isinstance(value, int) else kept  # type: ignore[arg-type] # a decimal, by the line above


def _bucket_type(types: Types) -> Type | None:
    common = unify(types[:3]) if len(types) == 4 else None
    exact = common is not None and common.kind in (Kind.INTEGER, Kind.DECIMAL)
    return INTEGER if exact and types[3] == INTEGER else None


def _bucket_text(texts: Texts, types: Types, result: Type) -> str:
    value, low, high, count = texts
    scale = max(item.scale for item in types[:3])
    unit = f"CAST('{10**scale}' AS DECIMAL({BUCKET_DIGITS},0))"

    def units(left: str) -> str:
        sides = (f"TRY_CAST({side} AS DECIMAL({38 - BUCKET_DIGITS + scale},{scale}))" for side in (left, low))
        span = f"TRY_CAST(({' - '.join(sides)}) AS DECIMAL({BUCKET_DIGITS},{scale}))"
        return f"CAST(TRY_CAST(({span} * {unit}) AS DECIMAL(38,{scale})) AS HUGEINT)"

    inside = f"({units(value)} * CAST({count} AS HUGEINT) // {units(high)} + 1)"
    return (
        f"TRY_CAST(CASE WHEN {value} < {low} THEN 0 WHEN {value} >= {high} THEN {count} + 1 "
        f"WHEN {value} IS NOT NULL THEN {inside} END AS BIGINT)"
    )


def _bucket(value: Any, low: Any, high: Any, count: int) -> Value:
    if value < low:
        return 0
    if value >= high:
        return count + 1
    with localcontext() as context:
        context.prec = 100
        return int((Decimal(value) - Decimal(low)) * count // (Decimal(high) - Decimal(low))) + 1


MATHEMATICS: tuple[FunctionRule, ...] = (
    FunctionRule("power", _SCALAR, _doubles(2), _computed("pow"), _where_defined(math.pow)),
    FunctionRule("exp", _SCALAR, _doubles(1), _computed("exp"), _where_defined(math.exp), order_preserving=True),
    FunctionRule(
        "log10",
        _SCALAR,
        _doubles(1),
        _positive("log10"),
        _where_defined(math.log10),
        order_preserving=True,
        mentions=copied(2),
    ),
    FunctionRule(
        "log2",
        _SCALAR,
        _doubles(1),
        _positive("log2"),
        _where_defined(math.log2),
        order_preserving=True,
        mentions=copied(2),
    ),
    FunctionRule(
        "trunc", _SCALAR, _truncated_type, _truncated_text, _truncated, order_preserving=True, constants=(1,)
    ),
    FunctionRule(
        "width_bucket",
        _SCALAR,
        _bucket_type,
        _bucket_text,
        _bucket,
        order_preserving=True,
        constants=(1, 2, 3),
        mentions=copied(4, 5, 3, 2),
    ),
)
