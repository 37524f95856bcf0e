"""Bounds of expressions by interval arithmetic: from what a catalogue says of columns to what a formula can give.

Used to clamp automatically and to know signs. A bound is sound for every value that is not NULL and may be wider
than the truth (IEEE 1788 calls this an enclosure); what cannot be bounded is None. Bounds are exact fractions,
rounded outwards where the function table rounds (12 digits after the point).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, NUMERIC, Kind, Type

Bounds = tuple[Fraction, Fraction]
"""The least and the largest value there can be, both included."""

ColumnBounds = Mapping[tuple[int, str], Bounds]
"""What is known of columns, by relation id and name."""

_LAST_DIGIT = Fraction(1, 10**12)
_DOUBLE_ERROR = Fraction(1, 2**50)
_LARGEST = Fraction(10) ** 26
_TRUTH = (Fraction(0), Fraction(1))

_Rule = Callable[[Sequence[Bounds], Sequence[Expression], Type], Bounds | None]


def bounds_of(expression: Expression, columns: ColumnBounds) -> Bounds | None:
    """The bounds of a number (a truth value counts as 0 or 1), or None where there are none.

    Of `columns`, only numbers and truth values have an entry; what is missing is unbounded.
    """
    match expression:
        case Literal():
            return _of_constant(expression)
        case ColumnRef():
            known = columns.get((expression.relation, expression.name))
            return _TRUTH if known is None and expression.type == BOOLEAN else known
        case AggregateCall():
            return None
        case Call():
            return _of_call(expression, columns)


def domain_of(expression: Expression, columns: Mapping[tuple[int, str], frozenset[str]]) -> frozenset[str] | None:
    """The texts a text can be, where they are few and known: constants, columns of a code list, choices of them."""
    match expression:
        case Literal():
            return frozenset({expression.value}) if isinstance(expression.value, str) else None
        case ColumnRef():
            return columns.get((expression.relation, expression.name))
        case AggregateCall():
            return None
        case Call():
            parts = _choices(expression) if expression.type.kind is Kind.TEXT else None
            known = [domain_of(part, columns) for part in parts or ()]
            found = [texts for texts in known if texts is not None]
            return frozenset().union(*found) if found and len(found) == len(known) else None


def _of_constant(literal: Literal) -> Bounds | None:
    value = literal.value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bool | int | float | Decimal):
        exact = Fraction(value)
        return exact, exact
    return None


def _of_call(call: Call, columns: ColumnBounds) -> Bounds | None:
    if call.type == BOOLEAN:
        return _TRUTH
    if call.type.kind not in NUMERIC:
        return None
    fixed = _FIXED.get(call.function)
    if fixed is not None:
        return Fraction(fixed[0]), Fraction(fixed[1])
    choices = _choices(call)
    if choices is not None:
        return _hull([bounds_of(part, columns) for part in choices], call.type)
    rule = _RULES.get(call.function)
    if rule is None:
        return None
    numbers = [part for part in call.arguments if part.type.kind in NUMERIC or part.type == BOOLEAN]
    known = [bounds_of(part, columns) for part in numbers]
    inner = [bounds for bounds in known if bounds is not None]
    if len(inner) != len(call.arguments):
        return None
    found = rule(inner, call.arguments, call.type)
    return None if found is None else _rounded_out(found, call.type)


def _choices(call: Call) -> tuple[Expression, ...] | None:
    """The arguments one of which is the result; NULL is none of the values that are bounded."""
    match call.function:
        case "case":
            parts: tuple[Expression, ...] = (*call.arguments[1::2], call.arguments[-1])
        case "coalesce":
            parts = call.arguments
        case "nullif":
            parts = call.arguments[:1]
        case _:
            return None
    return tuple(part for part in parts if not (isinstance(part, Literal) and part.value is None))


def _hull(parts: Sequence[Bounds | None], wanted: Type) -> Bounds | None:
    known = [bounds for bounds in parts if bounds is not None]
    if not known or len(known) != len(parts):
        return None
    return _rounded_out((min(low for low, _ in known), max(high for _, high in known)), wanted)


def _rounded_out(bounds: Bounds, wanted: Type) -> Bounds:
    """The bounds after rounding to the type: to its digits, or for a double by its error and to 12 digits."""
    low, high = bounds
    match wanted.kind:
        case Kind.INTEGER:
            return Fraction(math.floor(low)), Fraction(math.ceil(high))
        case Kind.DECIMAL:
            unit = Fraction(1, 10**wanted.scale)
            return math.floor(low / unit) * unit, math.ceil(high / unit) * unit
        case _:
            # What is over the largest double there can be is NULL.
            wide_low = low - abs(low) * _DOUBLE_ERROR - _LAST_DIGIT
            wide_high = high + abs(high) * _DOUBLE_ERROR + _LAST_DIGIT
            return max(wide_low, -_LARGEST), min(wide_high, _LARGEST)


def _sum(inner: Sequence[Bounds], arguments: Sequence[Expression], wanted: Type) -> Bounds:
    (a, b), (c, d) = inner
    return a + c, b + d


def _difference(inner: Sequence[Bounds], arguments: Sequence[Expression], wanted: Type) -> Bounds:
    (a, b), (c, d) = inner
    return a - d, b - c


def _product(inner: Sequence[Bounds], arguments: Sequence[Expression], wanted: Type) -> Bounds:
    (a, b), (c, d) = inner
    if arguments[0] == arguments[1]:
        # A square is not negative, which two intervals alone would not say.
        squares = (a * a, b * b)
        return (Fraction(0) if a <= 0 <= b else min(squares)), max(squares)
    corners = (a * c, a * d, b * c, b * d)
    return min(corners), max(corners)


def _quotient(inner: Sequence[Bounds], arguments: Sequence[Expression], wanted: Type) -> Bounds | None:
    """Division by zero is NULL; but a divisor that comes near zero gives numbers of any size."""
    (a, b), (c, d) = inner
    if c <= 0 <= d:
        if wanted != INTEGER:
            return None
        largest = max(abs(a), abs(b))
        return -largest, largest
    corners = (a / c, a / d, b / c, b / d)
    low, high = min(corners), max(corners)
    return (Fraction(math.trunc(low)), Fraction(math.trunc(high))) if wanted == INTEGER else (low, high)


def _remainder(inner: Sequence[Bounds], arguments: Sequence[Expression], wanted: Type) -> Bounds:
    """The sign is that of the dividend, and the size below both the divisor's and the dividend's."""
    (a, b), (c, d) = inner
    most = max(abs(c), abs(d)) - 1
    return max(min(a, Fraction(0)), -most), min(max(b, Fraction(0)), most)


def _opposite(inner: Sequence[Bounds], arguments: Sequence[Expression], wanted: Type) -> Bounds:
    ((a, b),) = inner
    return -b, -a


def _size(inner: Sequence[Bounds], arguments: Sequence[Expression], wanted: Type) -> Bounds:
    ((a, b),) = inner
    return (Fraction(0) if a <= 0 <= b else min(abs(a), abs(b))), max(abs(a), abs(b))


def _greatest(inner: Sequence[Bounds], arguments: Sequence[Expression], wanted: Type) -> Bounds:
    """NULLs are passed over, so the largest of what is left is only known to be one of them."""
    return min(low for low, _ in inner), max(high for _, high in inner)


def _rounding(inner: Sequence[Bounds], arguments: Sequence[Expression], wanted: Type) -> Bounds:
    """ROUND, FLOOR, CEIL and TRUNC move a number by less than one unit of the digit they keep."""
    low, high = inner[0]
    digits = arguments[1].value if len(arguments) > 1 and isinstance(arguments[1], Literal) else 0
    unit = Fraction(10) ** -(digits if isinstance(digits, int) else 0)
    return math.floor(low / unit) * unit, math.ceil(high / unit) * unit


def _cast(inner: Sequence[Bounds], arguments: Sequence[Expression], wanted: Type) -> Bounds:
    return inner[0]


def _monotone(function: Callable[[float], float], least: float | None = None) -> _Rule:
    """A rising function; below `least` (where given) it is NULL, and its bounds start there."""

    def rule(inner: Sequence[Bounds], arguments: Sequence[Expression], wanted: Type) -> Bounds | None:
        low, high = inner[0]
        if least is not None and low <= least:
            low = Fraction(least)
        if high < low or (least is not None and low == least and not _is_defined(function, least)):
            return None
        try:
            edges = Fraction(function(float(low))), Fraction(function(float(high)))
        except (OverflowError, ValueError):
            return None
        # Two units in the last place for the function, besides the rounding of its argument.
        slack = max(abs(edges[0]), abs(edges[1])) * _DOUBLE_ERROR * 4
        return edges[0] - slack, edges[1] + slack

    return rule


def _is_defined(function: Callable[[float], float], value: float) -> bool:
    try:
        function(value)
    except ValueError:
        return False
    return True


def _power(inner: Sequence[Bounds], arguments: Sequence[Expression], wanted: Type) -> Bounds | None:
    """For a base that is not negative and a constant exponent of at least 0, the power rises with the base."""
    (low, high), (least, most) = inner
    if low < 0 or least != most or least < 0:
        return None
    return _monotone(lambda base: math.pow(base, float(least)))([(low, high)], arguments, wanted)


def _buckets(inner: Sequence[Bounds], arguments: Sequence[Expression], wanted: Type) -> Bounds:
    return Fraction(0), inner[3][1] + 1


_FIXED: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "sign": (-1, 1),
        "year": (1, 9999),
        "isoyear": (0, 10_000),
        "quarter": (1, 4),
        "month": (1, 12),
        "week": (1, 53),
        "day": (1, 31),
        "dayofyear": (1, 366),
        "isodow": (1, 7),
        "hour": (0, 23),
        "minute": (0, 59),
        "date_diff": (-3_652_059, 3_652_059),
        "elapsed": (-119_988, 119_988),
        "date_sub": (-119_988, 119_988),
    }
)
"""Functions with bounds of their own, whatever their arguments (dates are of the years 1 to 9999)."""

_RULES: Mapping[str, _Rule] = MappingProxyType(
    {
        "+": _sum,
        "-": _difference,
        "*": _product,
        "/": _quotient,
        "//": _quotient,
        "%": _remainder,
        "negate": _opposite,
        "abs": _size,
        "greatest": _greatest,
        "least": _greatest,
        "round": _rounding,
        "floor": _rounding,
        "ceil": _rounding,
        "trunc": _rounding,
        "try_cast": _cast,
        "ln": _monotone(math.log, 0.0),
        "log10": _monotone(math.log10, 0.0),
        "log2": _monotone(math.log2, 0.0),
        "sqrt": _monotone(math.sqrt, 0.0),
        "exp": _monotone(math.exp),
        "power": _power,
        "width_bucket": _buckets,
    }
)
"""Bounds of a call from the bounds of its arguments."""
