"""Variance, covariance, correlation and the regression line, one row each.

Each is defined by the sums of powers (ISO/IEC 9075-2, 10.9) over the rows where every argument is present. The sums
are exact integers, in units of the argument's last digit, so that the result does not depend on the order of rows
and values that are all equal have variance 0; only the last step is in doubles. A value of more than 14 digits makes
the result NULL, as does a group that is too small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import DOUBLE, INTEGER, Kind, Type
from louver_sandbox.sql.rules import FunctionKind, FunctionRule, Texts, Types, copied, finite

DIGITS = 14
"""Digits of one value: sums of products of fewer than 10^9 rows, and their shifts, then fit the engine's 128 bits."""

OF_TWO = frozenset({"covar_pop", "covar_samp", "corr", "regr_slope", "regr_intercept", "regr_r2"})
"""The functions of two arguments; the others have one. REGR functions take the dependent variable first."""


@dataclass(frozen=True, slots=True)
class PowerSums:
    """The exact sums one of these functions is computed from; for a function of x alone, y is x.

    In a REGR function, x is the independent variable, which is the second argument.
    """

    n: int
    x: Fraction
    y: Fraction
    xx: Fraction
    xy: Fraction
    yy: Fraction

    @property
    def vx(self) -> Fraction:
        """The square of n, times the variance of x."""
        return self.n * self.xx - self.x * self.x

    @property
    def vy(self) -> Fraction:
        """The square of n, times the variance of y."""
        return self.n * self.yy - self.y * self.y

    @property
    def c(self) -> Fraction:
        """The square of n, times the covariance."""
        return self.n * self.xy - self.x * self.y


def from_sums(function: str, sums: PowerSums) -> float | None:
    """What `function` is, by its power sums; None where it is undefined."""
    if sums.n < (1 if function.endswith("_pop") else 2):
        return None
    population, sample = sums.n * sums.n, sums.n * (sums.n - 1)
    match function:
        case "var_pop":
            return float(sums.vx / population)
        case "var_samp":
            return float(sums.vx / sample)
        case "stddev_pop":
            return math.sqrt(max(Fraction(0), sums.vx / population))
        case "stddev_samp":
            return math.sqrt(max(Fraction(0), sums.vx / sample))
        case "covar_pop":
            return float(sums.c / population)
        case "covar_samp":
            return float(sums.c / sample)
        case _:
            return None if sums.vx <= 0 else _of_line(function, sums)


def _of_line(function: str, sums: PowerSums) -> float | None:
    match function:
        case "regr_slope":
            return float(sums.c / sums.vx)
        case "regr_intercept":
            return float((sums.y * sums.vx - sums.c * sums.x) / (sums.n * sums.vx))
        case "regr_r2":
            return 1.0 if sums.vy <= 0 else float(sums.c * sums.c / (sums.vx * sums.vy))
        case "corr":
            root = None if sums.vy <= 0 else math.sqrt(sums.c * sums.c / (sums.vx * sums.vy))
            return None if root is None else math.copysign(min(1.0, root), sums.c)
        case _:
            raise KeyError(function)


def power_sums(pairs: Sequence[tuple[int | Decimal, int | Decimal]]) -> PowerSums:
    """The sums of pairs (x, y)."""
    exact = [(Fraction(x), Fraction(y)) for x, y in pairs]
    zero = Fraction(0)
    return PowerSums(
        n=len(exact),
        x=sum((x for x, _ in exact), zero),
        y=sum((y for _, y in exact), zero),
        xx=sum((x * x for x, _ in exact), zero),
        xy=sum((x * y for x, y in exact), zero),
        yy=sum((y * y for _, y in exact), zero),
    )


def fits(value: int | Decimal) -> bool:
    """Whether a value has at most 14 digits, those after the point of its type included."""
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    return bool(abs(Fraction(value)) * Fraction(10) ** -int(exponent) < 10**DIGITS)


def _evaluate(function: str) -> Callable[[Sequence[tuple[Any, ...]]], Value]:
    def evaluate(rows: Sequence[tuple[Any, ...]]) -> Value:
        present = [row for row in rows if all(value is not None for value in row)]
        if not all(fits(value) for row in present for value in row):
            return None
        order = -1 if function.startswith("regr_") else 1
        pairs = [(row[::order][0], row[::order][-1]) for row in present]
        return from_sums(function, power_sums(pairs))

    return evaluate


def _result(function: str) -> Callable[[Types], Type | None]:
    arity = 2 if function in OF_TWO else 1

    def result(types: Types) -> Type | None:
        exact = all(item.kind in (Kind.INTEGER, Kind.DECIMAL) for item in types)
        return DOUBLE if len(types) == arity and exact else None

    return result


_FORMULAS = {
    "var_pop": "{vx} / {n}",
    "var_samp": "{vx} / NULLIF({n} - 1, 0)",
    "stddev_pop": "sqrt({vx} / {n})",
    "stddev_samp": "sqrt({vx} / NULLIF({n} - 1, 0))",
    "covar_pop": "{c} / {n}",
    "covar_samp": "{c} / NULLIF({n} - 1, 0)",
    "corr": "{c} / sqrt(NULLIF({vx}, 0)) / sqrt(NULLIF({vy}, 0))",
    "regr_slope": "{c} / NULLIF({vx}, 0)",
    "regr_intercept": "({sy} - {c} / NULLIF({vx}, 0) * {sx}) / {n}",
    "regr_r2": "coalesce(pow({c}, 2) / NULLIF({vx}, 0) / NULLIF({vy}, 0), CASE WHEN {vx} > 0 THEN 1 END)",
}
"""For the engine: the formula, with vx, vy and c the n-fold (co)variances and sx, sy the sums, all doubles."""


@dataclass(frozen=True, slots=True)
class _Sums:
    """The engine's texts for one pair of integers x, y: `n` rows, sums `x`, `y`, and the sum of products `xy`."""

    n: str
    x: str
    y: str
    xy: str

    def moment(self) -> str:
        """The n-fold covariance, as a double: products of the distances from the means' whole parts, corrected.

        The whole parts are taken off in exact integers, since doubles of the large sums would lose the small rest.
        """
        mean_x, mean_y = f"({self.x} // NULLIF({self.n}, 0))", f"({self.y} // NULLIF({self.n}, 0))"
        product = f"({self.xy} - {mean_x} * {self.y} - {mean_y} * {self.x} + {self.n} * {mean_x} * {mean_y})"
        rest_x, rest_y = f"({self.x} - {self.n} * {mean_x})", f"({self.y} - {self.n} * {mean_y})"
        correction = " * ".join(f"CAST({rest} AS DOUBLE)" for rest in (rest_x, rest_y))
        return f"(CAST({product} AS DOUBLE) - {correction} / NULLIF({self.n}, 0))"


def _units(text: str, type_: Type) -> str:
    """The value as an integer in units of its last digit, NULL where it has more than 14 digits."""
    unit = f"CAST('{10**type_.scale}' AS DECIMAL(13,0))"
    return f"CAST((TRY_CAST({text} AS DECIMAL({DIGITS},{type_.scale})) * {unit}) AS HUGEINT)"


def _scaled(text: str, scale: int) -> str:
    return f"({text} / CAST('{10**scale}' AS DOUBLE))" if scale else text


def _emit(function: str) -> Callable[[Texts, Types, Type], str]:
    def emit(texts: Texts, types: Types, result: Type) -> str:
        order = -1 if function.startswith("regr_") else 1
        left, right = (texts[::order][0], types[::order][0]), (texts[::order][-1], types[::order][-1])
        together = f"({texts[0]} IS NOT NULL AND {texts[-1]} IS NOT NULL)"
        x, y = (f"CASE WHEN {together} THEN {_units(*side)} END" for side in (left, right))
        n, sum_x, sum_y = f"count({x})", f"sum({x})", f"sum({y})"
        scale_x, scale_y = left[1].scale, right[1].scale

        def moment(a: str, b: str, scale: int) -> str:
            sums = _Sums(n, f"sum({a})", f"sum({b})", f"sum({a} * {b})")
            return _scaled(sums.moment(), scale)

        value = _FORMULAS[function].format(
            n=n,
            vx=moment(x, x, 2 * scale_x),
            vy=moment(y, y, 2 * scale_y),
            c=moment(x, y, scale_x + scale_y),
            sx=_scaled(f"CAST({sum_x} AS DOUBLE)", scale_x),
            sy=_scaled(f"CAST({sum_y} AS DOUBLE)", scale_y),
        )
        least = 1 if function.endswith("_pop") else 2
        whole = f"count(CASE WHEN {together} THEN 1 END)"
        fitting = f"count(CASE WHEN {x} IS NOT NULL AND {y} IS NOT NULL THEN 1 END)"
        return finite(f"CASE WHEN {fitting} = {whole} AND {whole} >= {least} THEN {value} END")

    return emit


def _copies(function: str) -> tuple[int, ...]:
    """How often the text repeats each argument. The engine computes equal aggregates once, but binds each."""
    marks = ("<x>", "<y>")[: 2 if function in OF_TWO else 1]
    text = _emit(function)(marks, (INTEGER,) * len(marks), DOUBLE)
    return tuple(text.count(mark) for mark in marks)


STATISTICS: tuple[FunctionRule, ...] = tuple(
    FunctionRule(
        name,
        FunctionKind.AGGREGATE,
        _result(name),
        _emit(name),
        _evaluate(name),
        mentions=copied(*_copies(name)),
    )
    for name in _FORMULAS
)
