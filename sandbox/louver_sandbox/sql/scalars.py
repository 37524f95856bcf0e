"""Operators and functions over numbers, text and truth values, one row each."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import Any

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import BOOLEAN, DOUBLE, INTEGER, NULL, NUMERIC, Kind, Type, decimal
from louver_sandbox.sql.rules import (
    FACTOR_DIGITS,
    MAX_SCALE,
    FunctionKind,
    FunctionRule,
    Texts,
    Types,
    cast_text,
    copied,
    engine_type,
    finite,
    quantize,
    unify,
)

_SCALAR = FunctionKind.SCALAR
_ORDERED = NUMERIC | {Kind.TEXT, Kind.DATE, Kind.TIMESTAMP, Kind.BOOLEAN, Kind.NULL}


def compared(types: Types) -> Type | None:
    common = unify(types)
    return BOOLEAN if common is not None and common.kind in _ORDERED else None


def _numbers(types: Types) -> Type | None:
    common = unify(types)
    return common if common is not None and common.kind in NUMERIC else None


def _product(types: Types) -> Type | None:
    common = _numbers(types)
    if common is None or common.kind is not Kind.DECIMAL:
        return common
    return decimal(min(MAX_SCALE, sum(item.scale for item in types)))


def _integers(types: Types) -> Type | None:
    return INTEGER if unify(types) == INTEGER else None


def _of_a_number(types: Types) -> Type | None:
    return INTEGER if _numbers(types) else None


def _booleans(types: Types) -> Type | None:
    return BOOLEAN if unify(types) in (BOOLEAN, NULL) else None


def _same(types: Types) -> Type | None:
    return types[0] if types and types[0].kind in NUMERIC else None


def _whole(types: Types) -> Type | None:
    kept = _same(types)
    return decimal(0) if kept is not None and kept.kind is Kind.DECIMAL else kept


def _wide(text: str) -> str:
    """An integer of 64 bits in 128, so that one operation on two of them cannot overflow.

    `TRY(...)` would be shorter, but the engine refuses an aggregate inside it.
    """
    return f"CAST(TRY_CAST({text} AS BIGINT) AS HUGEINT)"


def _arithmetic(sign: str) -> Callable[[Texts, Types, Type], str]:
    def emit(texts: Texts, types: Types, result: Type) -> str:
        if result == INTEGER:
            return f"TRY_CAST(({f' {sign} '.join(map(_wide, texts))}) AS BIGINT)"
        if result == DOUBLE:
            return finite("(" + f" {sign} ".join(f"CAST({text} AS DOUBLE)" for text in texts) + ")")
        sides = (
            # A product has the digits of both factors together, and the engine holds 38.
            f"TRY_CAST({text} AS DECIMAL({FACTOR_DIGITS},{given.scale}))"
            if sign == "*"
            else f"TRY_CAST({text} AS {engine_type(result)})"
            for text, given in zip(texts, types, strict=True)
        )
        return f"TRY_CAST(({f' {sign} '.join(sides)}) AS {engine_type(result)})"

    return emit


def _divide(texts: Texts, types: Types, result: Type) -> str:
    return finite(f"(CAST({texts[0]} AS DOUBLE) / NULLIF(CAST({texts[1]} AS DOUBLE), 0))")


def _whole_division(sign: str) -> Callable[[Texts, Types, Type], str]:
    def emit(texts: Texts, types: Types, result: Type) -> str:
        return f"TRY_CAST(({_wide(texts[0])} {sign} NULLIF({_wide(texts[1])}, 0)) AS BIGINT)"

    return emit


def _infix(sign: str) -> Callable[[Texts, Types, Type], str]:
    return lambda texts, types, result: "(" + f" {sign} ".join(texts) + ")"


def of_one_type(template: str) -> Callable[[Texts, Types, Type], str]:
    """A function of several values of one type, each cast to the result type first."""

    def emit(texts: Texts, types: Types, result: Type) -> str:
        cast = (cast_text(text, given, result) for text, given in zip(texts, types, strict=True))
        return template.format(", ".join(cast))

    return emit


def _called(name: str) -> Callable[[Texts, Types, Type], str]:
    return lambda texts, types, result: f"{name}({', '.join(texts)})"


def _rounded(name: str) -> Callable[[Texts, Types, Type], str]:
    def emit(texts: Texts, types: Types, result: Type) -> str:
        digits = f", CAST({texts[1]} AS INTEGER)" if len(texts) > 1 else ""
        if types[0] == INTEGER:
            # Digits before the point round integers too; in 38 digits nothing overflows on the way.
            whole = f"TRY_CAST({name}(CAST({texts[0]} AS DECIMAL(38,0)){digits}) AS BIGINT)"
            return whole if digits else texts[0]
        if result == DOUBLE:
            return finite(f"{name}({texts[0]}{digits})")
        return f"TRY_CAST({name}(TRY_CAST({texts[0]} AS {engine_type(types[0])}){digits}) AS {engine_type(result)})"

    return emit


def _positive(name: str, test: str) -> Callable[[Texts, Types, Type], str]:
    return lambda texts, types, result: finite(
        f"{name}(CASE WHEN {texts[0]} {test} 0 THEN CAST({texts[0]} AS DOUBLE) END)"
    )


def _case(texts: Texts, types: Types, result: Type) -> str:
    values = [
        text if index % 2 == 0 and index < len(texts) - 1 else cast_text(text, types[index], result)
        for index, text in enumerate(texts)
    ]
    pairs = zip(values[:-1:2], values[1::2], strict=True)
    return "CASE " + " ".join(f"WHEN {when} THEN {then}" for when, then in pairs) + f" ELSE {values[-1]} END"


def value_type(types: Types) -> Type | None:
    common = unify(types)
    return None if common is None or common.kind is Kind.INTERVAL else common


def _case_result(types: Types) -> Type | None:
    conditions, values = types[:-1:2], (*types[1::2], types[-1])
    return value_type(values) if len(types) % 2 and len(types) > 2 and _booleans(conditions) else None


def _evaluate_case(*values: Any) -> Value:
    for index in range(0, len(values) - 1, 2):
        if values[index]:
            chosen: Value = values[index + 1]
            return chosen
    last: Value = values[-1]
    return last


def _and(*values: Any) -> Value:
    return False if False in values else None if None in values else True


def _or(*values: Any) -> Value:
    return True if True in values else None if None in values else False


def _in(*values: Any) -> Value:
    operand, listed = values[0], values[1:]
    if operand is None:
        return None
    return True if any(operand == item for item in listed if item is not None) else None if None in listed else False


def _calculate(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Value]:
    """Exact where both sides are, in doubles where one is."""

    def evaluate(left: Any, right: Any) -> Value:
        if isinstance(left, float) or isinstance(right, float):
            left, right = float(left), float(right)
        result: Value = operation(left, right)
        return result

    return evaluate


def _multiply(left: Any, right: Any) -> Value:
    if not isinstance(left, float) and not isinstance(right, float):
        if any(isinstance(side, Decimal) and len(side.as_tuple().digits) > FACTOR_DIGITS for side in (left, right)):
            return None
        with localcontext() as context:
            context.prec = 2 * FACTOR_DIGITS
            product: Value = left * right
            return product
    return float(left) * float(right)


def _truncated(left: int, right: int) -> Value:
    return None if right == 0 else abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)


def _remainder(left: int, right: int) -> Value:
    return None if right == 0 else abs(left) % abs(right) * (1 if left >= 0 else -1)


def _round(value: Any, digits: int = 0) -> Value:
    if isinstance(value, int) and digits >= 0:
        return value
    exact = value if isinstance(value, Decimal) else Decimal(value)
    rounded = quantize(exact, digits, 38)
    if isinstance(value, int):
        return None if rounded is None else int(rounded)
    return rounded if not isinstance(value, float) or rounded is None else float(rounded)


def _towards(rounding: str) -> Callable[[Any], Value]:
    def evaluate(value: Any) -> Value:
        if isinstance(value, float):
            return float(math.floor(value) if rounding == ROUND_FLOOR else math.ceil(value))
        result: Value = value if isinstance(value, int) else value.to_integral_value(rounding=rounding)
        return result

    return evaluate


def _round_result(types: Types) -> Type | None:
    return _same(types) if len(types) == 1 or (len(types) == 2 and types[1] == INTEGER) else None


def _one(result: Callable[[Types], Type | None]) -> Callable[[Types], Type | None]:
    return lambda types: result(types) if len(types) == 1 else None


def _two(result: Callable[[Types], Type | None]) -> Callable[[Types], Type | None]:
    return lambda types: result(types) if len(types) == 2 else None


def _double(types: Types) -> Type | None:
    return DOUBLE if _numbers(types) else None


def _any_boolean(types: Types) -> Type | None:
    return BOOLEAN


def _comparison(name: str, operation: Callable[[Any, Any], bool]) -> FunctionRule:
    return FunctionRule(name, _SCALAR, _two(compared), _infix(name), _calculate(operation), comparison=True)


def _number(value: Any) -> float:
    return float(value)


OPERATORS: tuple[FunctionRule, ...] = (
    _comparison("=", lambda left, right: left == right),
    _comparison("<>", lambda left, right: left != right),
    _comparison("<", lambda left, right: left < right),
    _comparison("<=", lambda left, right: left <= right),
    _comparison(">", lambda left, right: left > right),
    _comparison(">=", lambda left, right: left >= right),
    FunctionRule(
        "is_distinct",
        _SCALAR,
        _two(compared),
        _infix("IS DISTINCT FROM"),
        lambda left, right: left != right,
        strict=False,
        comparison=True,
    ),
    FunctionRule("and", _SCALAR, _booleans, _infix("AND"), _and, strict=False),
    FunctionRule("or", _SCALAR, _booleans, _infix("OR"), _or, strict=False),
    FunctionRule("not", _SCALAR, _one(_booleans), lambda t, g, r: f"(NOT {t[0]})", lambda value: not value),
    FunctionRule(
        "is_null",
        _SCALAR,
        _one(_any_boolean),
        lambda t, g, r: f"({t[0]} IS NULL)",
        lambda value: value is None,
        strict=False,
    ),
    FunctionRule(
        "in",
        _SCALAR,
        compared,
        lambda t, g, r: f"({t[0]} IN ({', '.join(t[1:])}))",
        _in,
        strict=False,
        comparison=True,
    ),
    FunctionRule(
        "case",
        _SCALAR,
        _case_result,
        _case,
        _evaluate_case,
        strict=False,
        keeps=True,
    ),
    FunctionRule("+", _SCALAR, _two(_numbers), _arithmetic("+"), _calculate(lambda left, right: left + right)),
    FunctionRule("-", _SCALAR, _two(_numbers), _arithmetic("-"), _calculate(lambda left, right: left - right)),
    FunctionRule("*", _SCALAR, _two(_product), _arithmetic("*"), _multiply),
    FunctionRule(
        "/",
        _SCALAR,
        _two(_double),
        _divide,
        lambda left, right: None if right == 0 else _number(left) / _number(right),
        mentions=copied(1, 2),
    ),
    FunctionRule("//", _SCALAR, _two(_integers), _whole_division("//"), _truncated, mentions=copied(1, 2)),
    FunctionRule("%", _SCALAR, _two(_integers), _whole_division("%"), _remainder, mentions=copied(1, 2)),
    FunctionRule(
        "negate",
        _SCALAR,
        _one(_same),
        lambda t, g, r: f"TRY_CAST(-{_wide(t[0])} AS BIGINT)" if r == INTEGER else f"(-{t[0]})",
        lambda value: -value,
        keeps=True,
    ),
)

NUMBERS: tuple[FunctionRule, ...] = (
    FunctionRule(
        "abs",
        _SCALAR,
        _one(_same),
        lambda t, g, r: f"TRY_CAST(abs({_wide(t[0])}) AS BIGINT)" if r == INTEGER else f"abs({t[0]})",
        abs,
        keeps=True,
    ),
    FunctionRule("sign", _SCALAR, _one(_of_a_number), _called("sign"), lambda value: (value > 0) - (value < 0)),
    FunctionRule("round", _SCALAR, _round_result, _rounded("round"), _round, order_preserving=True, constants=(1,)),
    FunctionRule("floor", _SCALAR, _one(_whole), _rounded("floor"), _towards(ROUND_FLOOR), order_preserving=True),
    FunctionRule("ceil", _SCALAR, _one(_whole), _rounded("ceil"), _towards(ROUND_CEILING), order_preserving=True),
    FunctionRule(
        "ln",
        _SCALAR,
        _one(_double),
        _positive("ln", ">"),
        lambda value: math.log(value) if value > 0 else None,
        order_preserving=True,
        mentions=copied(2),
    ),
    FunctionRule(
        "sqrt",
        _SCALAR,
        _one(_double),
        _positive("sqrt", ">="),
        lambda value: math.sqrt(value) if value >= 0 else None,
        order_preserving=True,
        mentions=copied(2),
    ),
)
