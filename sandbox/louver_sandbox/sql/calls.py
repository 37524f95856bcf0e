"""Building calls: types checked, constants folded, and one spelling for each meaning.

Equal questions must give equal trees (SECURITY 5.8), so a constant stands right of a comparison, conjunctions are
flat, sorted and without repetition, `NOT a = b` is `a <> b`, and whatever is constant is computed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType

from louver_sandbox.algebra.expressions import Call, Expression, Literal
from louver_sandbox.algebra.types import BOOLEAN, DATE, NULL, TIMESTAMP, Position, Type
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql import constants
from louver_sandbox.sql.casts import castable
from louver_sandbox.sql.context import Context
from louver_sandbox.sql.functions import RULES, evaluate_call
from louver_sandbox.sql.mathematics import BUCKET_DIGITS

MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
NEGATED = {"=": "<>", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_AGREEING = frozenset({*MIRRORED, "in", "is_distinct", "nullif", "greatest", "least", "coalesce"})


def call(context: Context, name: str, arguments: tuple[Expression, ...], at: Position | None = None) -> Expression:
    """`name(arguments)` in its canonical form. Raises LVR-1204, LVR-1304 or LVR-1006."""
    place = at or next((item.at for item in arguments if item.at is not None), None)
    if name in _AGREEING:
        arguments = _as_moments(context, constants.agree(arguments))
    elif name == "case":
        arguments = _agree_on_values(context, arguments)
    if name in MIRRORED and isinstance(arguments[0], Literal) and not isinstance(arguments[1], Literal):
        name, arguments = MIRRORED[name], arguments[::-1]
    _check_constants(name, arguments, place)
    result = RULES[name].result(tuple(item.type for item in arguments))
    if result is None:
        raise refusals.type_mismatch(name, [str(item.type) for item in arguments], place)
    if name in ("and", "or"):
        return _connect(context, name, arguments, place)
    if name == "not":
        return _negate(context, arguments[0], place)
    if name == "in":
        return _member(context, arguments, place)
    return _folded(context, Call(name, arguments, result, place))


def cast(context: Context, argument: Expression, wanted: Type, at: Position | None = None) -> Expression:
    """The argument as `wanted`, never failing on data; a constant that does not fit is refused (LVR-1012)."""
    if argument.type == wanted:
        return argument
    if not castable(argument.type, wanted):
        raise refusals.type_mismatch("a cast", [str(argument.type), str(wanted)], at or argument.at)
    if isinstance(argument, Literal):
        return constants.typed(argument, wanted)
    return context.weighed(Call("try_cast", (argument,), wanted, at or argument.at))


def true() -> Literal:
    """The constant TRUE."""
    return Literal(True, BOOLEAN)


def _as_moments(context: Context, arguments: tuple[Expression, ...]) -> tuple[Expression, ...]:
    """Dates beside timestamps become timestamps, as the engine would compare them."""
    if TIMESTAMP not in (item.type for item in arguments):
        return arguments
    return tuple(cast(context, item, TIMESTAMP) if item.type == DATE else item for item in arguments)


def _agree_on_values(context: Context, arguments: tuple[Expression, ...]) -> tuple[Expression, ...]:
    values = _as_moments(context, constants.agree((*arguments[1::2], arguments[-1])))
    agreed = list(arguments)
    agreed[1::2] = values[:-1]
    agreed[-1] = values[-1]
    return tuple(agreed)


def _check_constants(name: str, arguments: tuple[Expression, ...], at: Position | None) -> None:
    for index in RULES[name].constants:
        if index >= len(arguments):
            continue
        item = arguments[index]
        low, high = CONSTANT_RANGES.get((name, index), (0, 10_000))
        too_large = isinstance(item, Literal) and isinstance(item.value, int) and not low <= item.value <= high
        if not isinstance(item, Literal) or (item.value == "" and (name, index) in NOT_EMPTY) or too_large:
            raise refusals.wrong_arguments(
                name,
                f"argument {index + 1} must be a constant: a text, or a whole number from {low} to {high}",
                f"第 {index + 1} 个参数须为常量：文本，或 {low} 到 {high} 的整数",
                item.at or at,
            )
        if item.value is None:
            raise refusals.wrong_arguments(name, "NULL is no constant here", "此处不可为 NULL", item.at or at)
    if name == "width_bucket" and len(arguments) == 4:
        _check_buckets(arguments, at)


CONSTANT_RANGES: Mapping[tuple[str, int], tuple[int, int]] = MappingProxyType(
    {
        ("round", 1): (-12, 12),
        ("trunc", 1): (-12, 12),
        ("substr", 1): (1, 10_000),
        ("split_part", 2): (1, 10_000),
        ("lpad", 1): (0, 1_000),
        ("rpad", 1): (0, 1_000),
        ("width_bucket", 1): (-(10**15), 10**15),
        ("width_bucket", 2): (-(10**15), 10**15),
        ("width_bucket", 3): (1, 10_000),
    }
)
"""The whole numbers a constant argument may be, by function and place; elsewhere 0 to 10000. Lengths are characters,
positions count from 1, digits are those after the point (negative: before it)."""

NOT_EMPTY = frozenset({("lpad", 2), ("rpad", 2), ("split_part", 1), ("trim", 1), ("ltrim", 1), ("rtrim", 1)})
"""Text arguments that may not be empty, by function and place: engines differ on what that would mean."""


def _check_buckets(arguments: tuple[Expression, ...], at: Position | None) -> None:
    """The low edge is below the high one, and the span has at most 19 digits in units of the last digit."""
    scale = max(item.type.scale for item in arguments[:3])
    low, high = (item.value for item in arguments[1:3] if isinstance(item, Literal))
    exact = isinstance(low, int | Decimal) and isinstance(high, int | Decimal)
    if not exact or not 0 < (Decimal(str(high)) - Decimal(str(low))).scaleb(scale) < 10**BUCKET_DIGITS:
        raise refusals.wrong_arguments("width_bucket", "the low edge is below the high edge", "下界须小于上界", at)


def _folded(context: Context, made: Call) -> Expression:
    if not all(isinstance(item, Literal) for item in made.arguments):
        return context.weighed(made)
    values = [item.value for item in made.arguments if isinstance(item, Literal)]
    return Literal(evaluate_call(made.function, values, made.type), made.type, made.at)


def _connect(context: Context, name: str, arguments: tuple[Expression, ...], at: Position | None) -> Expression:
    """A flat AND or OR; the neutral constant falls out, the deciding one decides."""
    deciding = name == "or"
    parts: dict[Expression, Expression] = {}
    for argument in arguments:
        nested = argument.arguments if isinstance(argument, Call) and argument.function == name else (argument,)
        for item in nested:
            if isinstance(item, Literal) and item.value is deciding:
                return Literal(deciding, BOOLEAN, at)
            if not isinstance(item, Literal) or item.value is None:
                parts.setdefault(item, item)
    if not parts:
        return Literal(not deciding, BOOLEAN, at)
    if len(parts) == 1:
        return next(iter(parts))
    return context.weighed(Call(name, tuple(sorted(parts, key=repr)), BOOLEAN, at))


def _negate(context: Context, argument: Expression, at: Position | None) -> Expression:
    if isinstance(argument, Call) and argument.function == "not":
        return argument.arguments[0]
    if isinstance(argument, Call) and argument.function in NEGATED:
        return context.weighed(replace(argument, function=NEGATED[argument.function]))
    return _folded(context, Call("not", (argument,), BOOLEAN, at))


def _member(context: Context, arguments: tuple[Expression, ...], at: Position | None) -> Expression:
    """`IN` over a list without repetitions; over one value it is `=`."""
    operand, listed = arguments[0], tuple(sorted(dict.fromkeys(arguments[1:]), key=repr))
    if len(listed) == 1:
        return call(context, "=", (operand, listed[0]), at)
    return _folded(context, Call("in", (operand, *listed), BOOLEAN, at))


def null() -> Literal:
    """The constant NULL."""
    return Literal(None, NULL)
