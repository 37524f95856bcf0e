"""Which expressions are one sum of released numbers with factors over another: rates, ratios, differences, shares.

Of those the interval is sharp (`mechanisms.joint`); of all others it is what the intervals of their parts leave
possible (`intervals`). What functions of the language round is carried as slack, so that the interval holds for what
they compute and not only for the exact quotient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Final

from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, Literal
from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.mechanisms.joint import Combined

_NOTHING: Final = Fraction(0)
_OF_DOUBLES: Final = Fraction(1, 10**12)
"""Doubles are rounded to 12 digits after the point; their relative error is added at the end."""
_ONE: Final = Combined(Fraction(1), {})

Column = tuple[int, str]
"""The id of a relation and the name of one of its columns."""


@dataclass(frozen=True, slots=True)
class Quotient:
    """A sum over a sum, and how far roundings after the division may move it."""

    above: Combined
    below: Combined = _ONE
    slack: Fraction = _NOTHING

    @property
    def is_sum(self) -> bool:
        """Whether nothing noisy is divided by."""
        return not self.below.factors

    @property
    def constant(self) -> Fraction | None:
        """The value of what holds no noisy number, exactly."""
        noisy = self.above.factors or self.below.factors or self.above.slack or self.below.slack or self.slack
        return None if noisy else self.above.constant / self.below.constant


def quotient(
    expression: Expression, names: Mapping[Column, str], known: Mapping[Column, Fraction | None]
) -> Quotient | None:
    """The expression as a quotient of released numbers, which `names` names, and exact values; None for other forms,
    and where an exact value is missing."""
    match expression:
        case Literal():
            value = expression.value
            exact = isinstance(value, int | Decimal) and not isinstance(value, bool)
            return Quotient(Combined(Fraction(value), {})) if exact else None  # type: ignore[arg-type]  # a number
        case ColumnRef():
            column = expression.relation, expression.name
            if column in names:
                return Quotient(Combined(_NOTHING, {names[column]: Fraction(1)}))
            found = known.get(column)
            return None if found is None else Quotient(Combined(found, {}))
        case Call():
            return _of_call(expression, names, known)
        case _:
            return None


def _of_call(call: Call, names: Mapping[Column, str], known: Mapping[Column, Fraction | None]) -> Quotient | None:
    match call.function:
        case "nullif" | "case":
            one = shown(call)
            return None if one is None else quotient(one, names, known)
        case "+" | "-" | "*" | "/" if len(call.arguments) == 2:
            left, right = (quotient(part, names, known) for part in call.arguments)
            if left is None or right is None:
                return None
            made = _OPERATIONS[call.function](left, right)
            return None if made is None else _rounded(made, rounding_error(call))
        case "negate":
            inner = quotient(call.arguments[0], names, known)
            return None if inner is None else _times(inner, Fraction(-1))
        case "try_cast" | "round" | "floor" | "ceil" | "trunc":
            inner = quotient(call.arguments[0], names, known)
            return None if inner is None else _rounded(inner, rounding_error(call))
        case _:
            return None


def shown(call: Call) -> Expression | None:
    """What a NULLIF or a CASE is wherever it is anything; None for other calls, and for a CASE of several."""
    match call.function:
        case "nullif":
            return call.arguments[0]
        case "case":
            results = [*call.arguments[1::2], call.arguments[-1]]
            found = [one for one in results if not (isinstance(one, Literal) and one.value is None)]
            return found[0] if len(found) == 1 else None
        case _:
            return None


def rounding_error(call: Call) -> Fraction:
    """How far a call's result may be from the exact one."""
    first, wanted = call.arguments[0].type, call.type
    match call.function:
        case "round" | "floor" | "ceil" | "trunc":
            digits = (
                call.arguments[1].value if len(call.arguments) > 1 and isinstance(call.arguments[1], Literal) else 0
            )
            return Fraction(1, 10**digits) if isinstance(digits, int) and digits >= 0 else Fraction(10**18)
        case "try_cast":
            return _NOTHING if _fits(first, wanted) else _step(wanted)
        case "/":
            return _step(wanted)
        case "*":
            needed = sum(one.type.scale for one in call.arguments)
        case _:
            needed = max(one.type.scale for one in call.arguments)
    exact = wanted.kind is Kind.INTEGER or (wanted.kind is Kind.DECIMAL and wanted.scale >= needed)
    return _NOTHING if exact else _step(wanted)


def _fits(given: Type, wanted: Type) -> bool:
    """Whether a cast changes a value by its relative error alone."""
    if given.kind not in (Kind.INTEGER, Kind.DECIMAL):
        return given == wanted
    return (
        wanted.kind is Kind.DOUBLE or (wanted.kind is Kind.DECIMAL and wanted.scale >= given.scale) or given == wanted
    )


def _step(type_: Type) -> Fraction:
    if type_.kind is Kind.DOUBLE:
        return _OF_DOUBLES
    return Fraction(1, 10**type_.scale)


def _rounded(of: Quotient, error: Fraction) -> Quotient:
    if not error:
        return of
    if of.is_sum:
        return replace(of, above=replace(of.above, slack=of.above.slack + error * abs(of.below.constant)))
    return replace(of, slack=of.slack + error)


def _added(left: Quotient, right: Quotient) -> Quotient | None:
    if left.below == right.below:
        return Quotient(_plus(left.above, right.above), left.below, left.slack + right.slack)
    for one, other in ((left, right), (right, left)):
        constant = other.constant
        if constant is not None:
            above = _plus(one.above, _scaled(one.below, constant))
            return Quotient(above, one.below, one.slack)
    return None


def _subtracted(left: Quotient, right: Quotient) -> Quotient | None:
    return _added(left, _times(right, Fraction(-1)))


def _multiplied(left: Quotient, right: Quotient) -> Quotient | None:
    for one, other in ((left, right), (right, left)):
        constant = other.constant
        if constant is not None:
            return _times(one, constant)
    return None


def _divided(left: Quotient, right: Quotient) -> Quotient | None:
    constant = right.constant
    if constant is not None:
        return None if constant == 0 else _times(left, 1 / constant)
    if not (left.is_sum and right.is_sum and right.above.factors):
        return None
    return Quotient(left.above, right.above)


_OPERATIONS: Final = {"+": _added, "-": _subtracted, "*": _multiplied, "/": _divided}


def _times(of: Quotient, factor: Fraction) -> Quotient:
    return Quotient(_scaled(of.above, factor), of.below, of.slack * abs(factor))


def _scaled(of: Combined, factor: Fraction) -> Combined:
    factors = {name: factor * one for name, one in of.factors.items()}
    return Combined(of.constant * factor, factors, of.slack * abs(factor))


def _plus(left: Combined, right: Combined) -> Combined:
    factors = dict(left.factors)
    for name, factor in right.factors.items():
        factors[name] = factors.get(name, _NOTHING) + factor
    return Combined(left.constant + right.constant, factors, left.slack + right.slack)
