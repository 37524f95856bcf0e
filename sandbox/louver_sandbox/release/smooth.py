"""Which expressions are smooth functions of released numbers, and their values and derivatives (`mechanisms.curved`).

Sums, differences, products, quotients, logarithms, roots and powers of e, with what rounds or guards them around.
What rounds may also stand inside, where it is added up or multiplied by a constant, or is little beside the noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, Literal
from louver_sandbox.mechanisms.curved import Jet, NotSmooth, Numbers
from louver_sandbox.release.quotients import rounding_error, shown

_OF_DOUBLES: Final = 1e-12
"""What the language rounds a double to."""

Column = tuple[int, str]
"""The id of a relation and the name of one of its columns."""
Leaf = Callable[[Numbers], Jet]
"""A released column, as a function of the released numbers behind it."""


def is_smooth(expression: Expression) -> bool:
    """Whether an expression has that form, whatever its columns are."""
    match expression:
        case Literal():
            return _number(expression) is not None
        case ColumnRef():
            return True
        case Call(function="case" | "nullif"):
            inner = shown(expression)
            return inner is not None and is_smooth(inner)
        case Call(function=function, arguments=arguments):
            if function in _ROUNDING:
                return is_smooth(arguments[0])
            known = (function in _BINARY and len(arguments) == 2) or function in _UNARY or function == "negate"
            return known and all(map(is_smooth, arguments))
        case _:
            return False


@dataclass(frozen=True, slots=True)
class Smooth:
    """An expression in one row: what its released columns are, and the values of the others. NotSmooth where a value
    is missing."""

    expression: Expression
    leaves: Mapping[Column, Leaf]
    known: Mapping[Column, Fraction | None]

    def __call__(self, at: Numbers) -> Jet:
        """Its value, with derivatives. NotSmooth where it has none."""
        return self._of(self.expression, at)

    def _of(self, expression: Expression, at: Numbers) -> Jet:
        match expression:
            case Literal():
                return at.constant(_exact(_number(expression)))
            case ColumnRef():
                column = expression.relation, expression.name
                leaf = self.leaves.get(column)
                return at.constant(_exact(self.known.get(column))) if leaf is None else leaf(at)
            case Call():
                return self._of_call(expression, at)
            case _:
                raise NotSmooth

    def _of_call(self, call: Call, at: Numbers) -> Jet:
        inner = shown(call)
        if inner is not None:
            return self._of(inner, at)
        first = self._of(call.arguments[0], at)
        if call.function == "negate":
            return at.constant(0.0).plus(first, -1.0)
        if call.function in _UNARY:
            return _rounded(_of_one(call.function, first, at), _OF_DOUBLES)
        if call.function in _ROUNDING:
            return _rounded(first, float(rounding_error(call)))
        return _rounded(
            _of_two(call.function, first, self._of(call.arguments[1], at), at), float(rounding_error(call))
        )


_ROUNDING: Final = frozenset({"try_cast", "round", "floor", "ceil", "trunc"})
_BINARY: Final = frozenset({"+", "-", "*", "/"})
_UNARY: Final = frozenset({"ln", "log2", "log10", "sqrt", "exp"})


def _number(literal: Literal) -> Fraction | None:
    value = literal.value
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        return None
    return Fraction(value)


def _exact(value: Fraction | None) -> float:
    if value is None:
        raise NotSmooth
    return float(value)


def _rounded(jet: Jet, error: float) -> Jet:
    return Jet(jet.value, jet.slopes, jet.bends, jet.slack + error)


def _of_two(function: str, left: Jet, right: Jet, at: Numbers) -> Jet:
    match function:
        case "+":
            return left.plus(right)
        case "-":
            return left.plus(right, -1.0)
        case "*":
            return at.product(left, right)
        case _:
            return at.divided(left, right)


def _of_one(function: str, inner: Jet, at: Numbers) -> Jet:
    """A function of one number. NotSmooth where that may be below what it is defined for, or is rounded."""
    at.faint(inner)
    value = inner.value
    if function == "exp":
        grown = math.exp(value)
        return inner.through(grown, grown, grown)
    at.clear(inner)
    if value <= 0:
        raise NotSmooth
    if function == "sqrt":
        root = math.sqrt(value)
        return inner.through(root, 0.5 / root, -0.25 / root**3)
    base = {"ln": 1.0, "log2": math.log(2), "log10": math.log(10)}[function]
    return inner.through(math.log(value) / base, 1 / (value * base), -1 / (value * value * base))
