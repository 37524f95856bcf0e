"""Constants: from the text of a literal or the value of a parameter to a typed literal."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import Decimal

from sqlglot import exp

from louver_sandbox.algebra.expressions import Expression, Interval, Literal, Value
from louver_sandbox.algebra.types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    INTERVAL,
    NULL,
    TEXT,
    TIMESTAMP,
    Kind,
    Position,
    Type,
    decimal,
)
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql.rules import DECIMAL_DIGITS, MAX_SCALE, to_type, unify

_UNITS = {
    "YEAR": Interval(months=12),
    "QUARTER": Interval(months=3),
    "MONTH": Interval(months=1),
    "WEEK": Interval(days=7),
    "DAY": Interval(days=1),
}
_NUMBER = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|-[0-9]+(\.[0-9]+)?")
_MAX_DIGITS = 60
_LONGEST_STEP = 120_000
_KIND_NAMES = {
    Kind.DATE: ("date", "日期"),
    Kind.TIMESTAMP: ("timestamp", "时间戳"),
    Kind.BOOLEAN: ("truth value", "布尔值"),
    Kind.INTEGER: ("number", "数字"),
    Kind.DECIMAL: ("number", "数字"),
    Kind.DOUBLE: ("number", "数字"),
}


def number(text: str, at: Position | None) -> Literal:
    """An exact number: an integer of 64 bits, or a decimal; `1e6` is the integer it denotes."""
    if not _NUMBER.fullmatch(text):
        raise refusals.syntax(at)
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > _MAX_DIGITS or len(exponent) > 4:
        raise refusals.constant_invalid("number", "数字", at)
    value = Decimal(text)
    if exponent:
        value = value.normalize()
        value = value.quantize(Decimal(1)) if value == value.to_integral_value() and abs(value) < 10**18 else value
    return exact(value, at)


def exact(value: Decimal, at: Position | None) -> Literal:
    """The decimal as a literal, an integer when it has no digits after the point."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > MAX_SCALE or abs(value) >= Decimal(10) ** DECIMAL_DIGITS:
        raise refusals.constant_invalid("number", "数字", at)
    if exponent >= 0:
        return whole(int(value), at)
    if abs(value) >= Decimal(10) ** (DECIMAL_DIGITS + exponent):
        raise refusals.constant_invalid("number", "数字", at)
    return Literal(value, decimal(-exponent), at)


def whole(value: int, at: Position | None) -> Literal:
    """An integer literal of 64 bits."""
    if not -(2**63) <= value < 2**63:
        raise refusals.constant_invalid("number", "数字", at)
    return Literal(value, INTEGER, at)


def parameter(value: Value, at: Position | None) -> Literal:
    """The value of a named parameter as a literal of its own type."""
    match value:
        case None:
            return Literal(None, NULL, at)
        case bool():
            return Literal(value, BOOLEAN, at)
        case int():
            return whole(value, at)
        case Decimal():
            if not value.is_finite():
                raise refusals.constant_invalid("number", "数字", at)
            return exact(value, at)
        case float():
            if not math.isfinite(value):
                raise refusals.constant_invalid("number", "数字", at)
            return Literal(to_type(value, DOUBLE), DOUBLE, at)
        case str():
            if re.search(r"[\x00-\x1f\x7f]", value):
                raise refusals.constant_invalid("text", "文本", at)
            return Literal(value, TEXT, at)
        case datetime():
            if value.tzinfo is not None:
                raise refusals.constant_invalid("timestamp", "时间戳", at)
            return Literal(value, TIMESTAMP, at)
        case date():
            return Literal(value, DATE, at)
        case Interval():
            return Literal(value, INTERVAL, at)


def interval(node: exp.Interval, at: Position | None) -> Literal:
    """`INTERVAL n unit` for whole n and calendar units."""
    unit = str(node.args["unit"].this).upper().removesuffix("S")
    count = str(node.this.this)
    if unit not in _UNITS or not re.fullmatch(r"-?[0-9]{1,6}", count) or abs(int(count)) > _LONGEST_STEP:
        raise refusals.wrong_arguments(
            "INTERVAL",
            "write a whole number of DAY, WEEK, MONTH, QUARTER or YEAR",
            "请写整数加 DAY、WEEK、MONTH、QUARTER 或 YEAR",
            at,
        )
    step = _UNITS[unit]
    return Literal(Interval(step.months * int(count), step.days * int(count)), INTERVAL, at)


def typed(literal: Literal, wanted: Type) -> Literal:
    """A text constant as one of the type it is compared with; LVR-1012 when it is none."""
    value = to_type(literal.value, wanted)
    if value is None and literal.value is not None:
        raise refusals.constant_invalid(*_KIND_NAMES.get(wanted.kind, ("constant", "常量")), literal.at)
    return Literal(value, wanted, literal.at)


def agree(arguments: tuple[Expression, ...]) -> tuple[Expression, ...]:
    """Text constants beside values of another type become constants of that type, as the engine would read them."""
    others = tuple(item.type for item in arguments if not (isinstance(item, Literal) and item.type in (TEXT, NULL)))
    common = unify(others) if others else None
    if common is None or common.kind not in _KIND_NAMES:
        return arguments
    wanted = Type(Kind.DECIMAL, MAX_SCALE) if common.kind is Kind.DOUBLE else common
    if common.kind in (Kind.INTEGER, Kind.DECIMAL):
        return tuple(
            number(str(item.value), item.at) if isinstance(item, Literal) and _is_numeric_text(item) else item
            for item in arguments
        )
    return tuple(
        typed(item, wanted) if isinstance(item, Literal) and item.type == TEXT else item for item in arguments
    )


def _is_numeric_text(item: Literal) -> bool:
    if item.type != TEXT:
        return False
    if not re.fullmatch(r"-?[0-9]{1,30}(\.[0-9]{1,12})?", str(item.value)):
        raise refusals.constant_invalid("number", "数字", item.at)
    return True
