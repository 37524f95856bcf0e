"""Functions over text, one row each. Positions count characters from 1."""

from __future__ import annotations

import re
from collections.abc import Callable

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, NULL, TEXT, Type
from louver_sandbox.sql.rules import FunctionKind, FunctionRule, Texts, Types, unify

_SCALAR = FunctionKind.SCALAR


def _one(result: Callable[[Types], Type | None]) -> Callable[[Types], Type | None]:
    return lambda types: result(types) if len(types) == 1 else None


def _integers(types: Types) -> Type | None:
    return INTEGER if unify(types) == INTEGER else None


def _infix(sign: str) -> Callable[[Texts, Types, Type], str]:
    return lambda texts, types, result: "(" + f" {sign} ".join(texts) + ")"


def _called(name: str) -> Callable[[Texts, Types, Type], str]:
    return lambda texts, types, result: f"{name}({', '.join(texts)})"


def _texts(types: Types) -> Type | None:
    return TEXT if unify(types) in (TEXT, NULL) else None


def _text_test(types: Types) -> Type | None:
    return BOOLEAN if len(types) == 2 and _texts(types) else None


def _matches(pattern_flags: int) -> Callable[[str, str], Value]:
    def evaluate(value: str, pattern: str) -> Value:
        parts = {"%": ".*", "_": "."}
        body = "".join(parts.get(character, re.escape(character)) for character in pattern)
        return re.fullmatch(body, value, re.DOTALL | pattern_flags) is not None

    return evaluate


def _substring(value: str, start: int, length: int | None = None) -> Value:
    begin = max(0, start - 1)
    return value[begin:] if length is None else value[begin : max(begin, start - 1 + max(0, length))]


def _substr_result(types: Types) -> Type | None:
    return TEXT if len(types) in (2, 3) and _texts(types[:1]) and _integers(types[1:]) else None


def _end_result(types: Types) -> Type | None:
    return TEXT if len(types) == 2 and _texts(types[:1]) and types[1] == INTEGER else None


TEXTS: tuple[FunctionRule, ...] = (
    FunctionRule("like", _SCALAR, _text_test, _infix("LIKE"), _matches(0), constants=(1,), comparison=True),
    FunctionRule(
        "ilike", _SCALAR, _text_test, _infix("ILIKE"), _matches(re.IGNORECASE), constants=(1,), comparison=True
    ),
    FunctionRule("concat", _SCALAR, _texts, _infix("||"), lambda *values: "".join(values)),
    FunctionRule("upper", _SCALAR, _one(_texts), _called("upper"), lambda value: value.upper()),
    FunctionRule("lower", _SCALAR, _one(_texts), _called("lower"), lambda value: value.lower()),
    FunctionRule("trim", _SCALAR, _one(_texts), _called("trim"), lambda value: value.strip(" ")),
    FunctionRule("ltrim", _SCALAR, _one(_texts), _called("ltrim"), lambda value: value.lstrip(" ")),
    FunctionRule("rtrim", _SCALAR, _one(_texts), _called("rtrim"), lambda value: value.rstrip(" ")),
    FunctionRule("length", _SCALAR, lambda types: INTEGER if _one(_texts)(types) else None, _called("length"), len),
    FunctionRule("substr", _SCALAR, _substr_result, _called("substr"), _substring, constants=(1, 2)),
    FunctionRule(
        "left", _SCALAR, _end_result, _called("left"), lambda value, count: value[: max(0, count)], constants=(1,)
    ),
    FunctionRule(
        "right",
        _SCALAR,
        _end_result,
        _called("right"),
        lambda value, count: value[len(value) - count :] if 0 < count < len(value) else value if count else "",
        constants=(1,),
    ),
    FunctionRule(
        "starts_with",
        _SCALAR,
        _text_test,
        _called("starts_with"),
        lambda value, prefix: value.startswith(prefix),
        constants=(1,),
        comparison=True,
    ),
    FunctionRule(
        "contains",
        _SCALAR,
        _text_test,
        _called("contains"),
        lambda value, part: part in value,
        constants=(1,),
        comparison=True,
    ),
)
