"""What a row of the function table is, and how a Python value becomes a value of one of our types.

Arithmetic is total (SECURITY 5.6): no expression may fail on data or give infinity or NaN. Integers are 64 bits,
decimals 27 digits of which at most 12 after the point (19 in a factor of a product), computed doubles are rounded to
12 digits after the point; what does not fit is NULL. A SUM is wider (128 bits, 38 digits), so that it cannot
overflow on fewer than 10^11 rows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from enum import StrEnum

from louver_sandbox.algebra.expressions import Interval, Value
from louver_sandbox.algebra.types import DOUBLE, NULL, NUMERIC, TIMESTAMP, Kind, Type, decimal

DECIMAL_DIGITS = 27
MAX_SCALE = 12
FACTOR_DIGITS = 19
_INTEGER_LIMIT = 2**63
_DOUBLE_LIMIT = 1e26


class FunctionKind(StrEnum):
    """Whether a function looks at one row or at many."""

    SCALAR = "scalar"
    AGGREGATE = "aggregate"


Types = tuple[Type, ...]
Texts = tuple[str, ...]


@dataclass(frozen=True)
class FunctionRule:
    """One function or operator: what it takes, what it gives, how it is sent to the engine, what it means.

    `result` gives None for argument types it does not take. `emit` makes total DuckDB text from argument texts that
    were emitted before, their types and the result type. `evaluate` is the plain meaning over Python values (None
    is NULL); an aggregate's gets the list of argument tuples. Use `evaluate_call`, which also brings the result
    into its type. `strict` ones give NULL for any NULL; `keeps` marks those that give an argument or its opposite.
    `constants` are the arguments that must be constants; `comparison` marks functions that compare a value with
    others; `mentions` says how often the text or the engine's binder copies each argument (a chain of these grows
    exponentially; 1 where not said).
    """

    name: str
    kind: FunctionKind
    result: Callable[[Types], Type | None]
    emit: Callable[[Texts, Types, Type], str]
    evaluate: Callable[..., Value]
    strict: bool = True
    order_preserving: bool = False
    constants: tuple[int, ...] = ()
    mentions: Callable[[Types], tuple[int, ...]] = lambda types: ()
    comparison: bool = False
    keeps: bool = False


def copied(*counts: int) -> Callable[[Types], tuple[int, ...]]:
    """For `mentions`: each argument's number of copies, whatever the types."""
    return lambda types: counts


def unify(types: Types) -> Type | None:
    """The type that holds the values of all `types`, or None when there is none.

    Dates and timestamps have none: the binder casts the dates.
    """
    known = tuple(dict.fromkeys(item for item in types if item != NULL))
    kinds = {item.kind for item in known}
    if not known:
        return NULL
    if len(known) == 1:
        return known[0]
    if kinds <= NUMERIC:
        return DOUBLE if Kind.DOUBLE in kinds else decimal(max(item.scale for item in known))
    return None


def engine_type(wanted: Type) -> str:
    """The DuckDB type that holds values of `wanted`."""
    match wanted.kind:
        case Kind.BOOLEAN:
            return "BOOLEAN"
        case Kind.INTEGER:
            return "BIGINT"
        case Kind.DECIMAL:
            return f"DECIMAL({DECIMAL_DIGITS},{wanted.scale})"
        case Kind.DOUBLE:
            return "DOUBLE"
        case Kind.DATE:
            return "DATE"
        case Kind.TIMESTAMP:
            return "TIMESTAMP"
        case Kind.TEXT_LIST:
            return "VARCHAR[]"
        case Kind.INTERVAL:
            return "INTERVAL"
        case Kind.TEXT | Kind.NULL:
            return "VARCHAR"


def cast_text(text: str, given: Type, wanted: Type) -> str:
    """`text` as a value of `wanted`, NULL where it does not fit; untouched when it is of that type already."""
    if given == wanted or wanted == NULL:
        return text
    return f"TRY_CAST({text} AS {engine_type(wanted)})"


def finite(text: str) -> str:
    """A double as one that is neither infinite nor NaN, mentioning `text` once."""
    return f"CAST(TRY_CAST({text} AS DECIMAL(38,{MAX_SCALE})) AS DOUBLE)"


def _number(value: str) -> Decimal | None:
    if not re.fullmatch(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?\s*", value, re.ASCII):
        return None
    return Decimal(value.strip())


def _exact(value: Value) -> Decimal | None:
    match value:
        case bool() | int():
            return Decimal(int(value))
        case Decimal():
            return value
        case float():
            return Decimal(value) if math.isfinite(value) else None
        case str():
            return _number(value)
        case _:
            return None


def _to_integer(value: Value) -> int | None:
    exact = _exact(value)
    if exact is None or abs(exact) >= _INTEGER_LIMIT * 2:
        return None
    rounding = ROUND_HALF_EVEN if isinstance(value, float) else ROUND_HALF_UP
    whole = int(exact.to_integral_value(rounding=rounding))
    return whole if -_INTEGER_LIMIT <= whole < _INTEGER_LIMIT else None


def quantize(value: Decimal, scale: int, digits: int = DECIMAL_DIGITS) -> Decimal | None:
    """Rounded half away from zero to `scale` digits, None when it needs more than `digits` digits."""
    with localcontext() as context:
        context.prec = 100
        try:
            rounded = value.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP)
        except InvalidOperation:
            return None
    return rounded if abs(rounded) < Decimal(10) ** (digits - scale) else None


def _to_double(value: Value) -> float | None:
    if isinstance(value, int | Decimal):
        return float(value)
    exact = _exact(value)
    if exact is None or abs(exact) >= _DOUBLE_LIMIT:
        return None
    rounded = quantize(exact, MAX_SCALE, 38)
    return None if rounded is None else float(rounded)


def _to_text(value: Value) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.isoformat(sep=" ")
        case date():
            return value.isoformat()
        case int() | float():
            return str(value)
        case str():
            return value
        case _:
            return None


_ONE_DIGIT = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?![0-9])")


def _padded(text: str) -> str:
    """A date with its zeros: `2002-5-1` is a date to every engine, though not to ISO 8601."""
    return _ONE_DIGIT.sub(lambda found: f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}", text, count=1)


def _to_moment(value: Value, wanted: Type) -> date | datetime | None:
    moment: date | datetime | None = None
    if isinstance(value, date):
        moment = value
    elif isinstance(value, str):
        try:
            text = _padded(value.strip())
            moment = datetime.fromisoformat(text) if ":" in text else date.fromisoformat(text)
        except ValueError:
            return None
    if moment is None:
        return None
    if wanted == TIMESTAMP:
        return moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)
    return moment.date() if isinstance(moment, datetime) else moment


_TRUE = frozenset({"true", "t", "1", "yes", "y"})
_FALSE = frozenset({"false", "f", "0", "no", "n"})


def _to_boolean(value: Value) -> bool | None:
    match value:
        case bool():
            return value
        case int() | float() | Decimal():
            return value != 0
        case str():
            word = value.strip().lower()
            return True if word in _TRUE else False if word in _FALSE else None
        case _:
            return None


def to_type(value: Value, wanted: Type) -> Value:
    """The value as one of type `wanted`; None where it does not fit. This is the meaning of `try_cast`."""
    if value is None:
        return None
    match wanted.kind:
        case Kind.BOOLEAN:
            return _to_boolean(value)
        case Kind.INTEGER:
            return _to_integer(value)
        case Kind.DECIMAL:
            exact = _exact(value)
            return None if exact is None else quantize(exact, wanted.scale)
        case Kind.DOUBLE:
            return _to_double(value)
        case Kind.TEXT:
            return _to_text(value)
        case Kind.DATE | Kind.TIMESTAMP:
            return _to_moment(value, wanted)
        case Kind.INTERVAL:
            return value if isinstance(value, Interval) else None
        case Kind.NULL | Kind.TEXT_LIST:
            return value
