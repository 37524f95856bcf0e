"""Functions over text, one row each. Positions count characters from 1."""

from __future__ import annotations

from collections.abc import Callable

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, NULL, TEXT, Type
from louver_sandbox.sql.rules import FunctionKind, FunctionRule, Texts, Types, unify

_SCALAR = FunctionKind.SCALAR


def _one(result: Callable[[Types], Type | None]) -> Callable[[Types], Type | None]:
    return lambda types: result(types) if len(types) == 1 else None


def _integers(types: Types) -> Type | None:
    return INTEGER if unify(types) == INTEGER else None


_AT_ONCE = 32


def _concatenated(texts: Texts, types: Types, result: Type) -> str:
    """A chain of `||`; a long one in halves, since the engine's parser nests one level deeper with each sign."""
    if len(texts) <= _AT_ONCE:
        return "(" + " || ".join(texts) + ")"
    half = len(texts) // 2
    return f"({_concatenated(texts[:half], types, result)} || {_concatenated(texts[half:], types, result)})"


def _called(name: str) -> Callable[[Texts, Types, Type], str]:
    return lambda texts, types, result: f"{name}({', '.join(texts)})"


def _padded(name: str) -> Callable[[Texts, Types, Type], str]:
    return lambda texts, types, result: f"{name}({texts[0]}, CAST({texts[1]} AS INTEGER), {texts[2]})"


def _texts(types: Types) -> Type | None:
    return TEXT if unify(types) in (TEXT, NULL) else None


def _text_test(types: Types) -> Type | None:
    return BOOLEAN if len(types) == 2 and _texts(types) else None


def _trimmed(types: Types) -> Type | None:
    return TEXT if len(types) in (1, 2) and _texts(types) else None


def _joined(types: Types) -> Type | None:
    return TEXT if len(types) > 1 and _texts(types) else None


def _three_texts(types: Types) -> Type | None:
    return TEXT if len(types) == 3 and _texts(types) else None


def _padded_type(types: Types) -> Type | None:
    return TEXT if len(types) == 3 and _texts((types[0], types[2])) and types[1] == INTEGER else None


def _split_type(types: Types) -> Type | None:
    return TEXT if len(types) == 3 and _texts(types[:2]) and types[2] == INTEGER else None


def _replaced(value: str, old: str, new: str) -> Value:
    return value.replace(old, new) if old else value


def _left_padded(value: str, length: int, pad: str) -> Value:
    missing = length - len(value)
    return value[:length] if missing <= 0 else (pad * missing)[:missing] + value


def _right_padded(value: str, length: int, pad: str) -> Value:
    missing = length - len(value)
    return value[:length] if missing <= 0 else value + (pad * missing)[:missing]


def _piece(value: str, delimiter: str, index: int) -> Value:
    pieces = value.split(delimiter)
    return pieces[index - 1] if index <= len(pieces) else ""


def _joined_with(separator: str | None, *values: str | None) -> Value:
    return None if separator is None else separator.join(value for value in values if value is not None)


def _substring(value: str, start: int, length: int | None = None) -> Value:
    begin = max(0, start - 1)
    return value[begin:] if length is None else value[begin : max(begin, start - 1 + max(0, length))]


def _substr_result(types: Types) -> Type | None:
    return TEXT if len(types) in (2, 3) and _texts(types[:1]) and _integers(types[1:]) else None


def _end_result(types: Types) -> Type | None:
    return TEXT if len(types) == 2 and _texts(types[:1]) and types[1] == INTEGER else None


TEXTS: tuple[FunctionRule, ...] = (
    FunctionRule("concat", _SCALAR, _texts, _concatenated, lambda *values: "".join(values)),
    FunctionRule("upper", _SCALAR, _one(_texts), _called("upper"), lambda value: value.upper()),
    FunctionRule("lower", _SCALAR, _one(_texts), _called("lower"), lambda value: value.lower()),
    FunctionRule(
        "trim", _SCALAR, _trimmed, _called("trim"), lambda value, set_=" ": value.strip(set_), constants=(1,)
    ),
    FunctionRule(
        "ltrim", _SCALAR, _trimmed, _called("ltrim"), lambda value, set_=" ": value.lstrip(set_), constants=(1,)
    ),
    FunctionRule(
        "rtrim", _SCALAR, _trimmed, _called("rtrim"), lambda value, set_=" ": value.rstrip(set_), constants=(1,)
    ),
    FunctionRule("concat_ws", _SCALAR, _joined, _called("concat_ws"), _joined_with, strict=False, constants=(0,)),
    FunctionRule("replace", _SCALAR, _three_texts, _called("replace"), _replaced, constants=(1, 2)),
    FunctionRule("lpad", _SCALAR, _padded_type, _padded("lpad"), _left_padded, constants=(1, 2)),
    FunctionRule("rpad", _SCALAR, _padded_type, _padded("rpad"), _right_padded, constants=(1, 2)),
    FunctionRule("split_part", _SCALAR, _split_type, _called("split_part"), _piece, constants=(1, 2)),
    FunctionRule(
        "strpos",
        _SCALAR,
        lambda types: INTEGER if _text_test(types) else None,
        _called("strpos"),
        lambda value, part: value.find(part) + 1,
        constants=(1,),
        comparison=True,
    ),
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
        "ends_with",
        _SCALAR,
        _text_test,
        _called("suffix"),
        lambda value, ending: value.endswith(ending),
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
