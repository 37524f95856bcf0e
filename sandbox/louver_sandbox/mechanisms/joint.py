"""Intervals of what is computed from several released numbers of independent noise: sums with factors, and quotients.

**Theorem.** Let X_i = x_i + e_i with independent discrete Gaussian e_i of scale s_i (on whole steps), a_i real and
sum 1 / (24 s_i^2) < alpha. Then |sum a_i X_i - sum a_i x_i| <= z sqrt(sum a_i^2 s_i^2) + sum |a_i| / 2 with a chance
of at least 1 - alpha, where z is the two-sided Gaussian quantile at alpha - sum 1 / (24 s_i^2).

*Proof.* Let Y be Gaussian of scale s and round(Y) the nearest whole number, and p_k, q_k the chances of a discrete
Gaussian and of round(Y) at k. By Poisson summation sum_k e^(-k^2 / 2 s^2) >= s sqrt(2 pi) (Canonne, Kamath and
Steinke, The Discrete Gaussian for Differential Privacy, NeurIPS 2020, fact 18), so q_k / p_k is at least the mean of
e^(-(2 k u + u^2) / 2 s^2) over u in -1/2..1/2, which by Jensen's inequality is at least e^(-1 / 24 s^2), the mean of
u being 0 and that of u^2 1/12. The total variation distance is the sum of p_k (1 - q_k / p_k) where this is
positive, so at most 1 - e^(-1 / 24 s^2) <= 1 / (24 s^2). Hence e_i and Y_i can be coupled so that e_i = round(Y_i)
but for that chance; then |sum a_i e_i - sum a_i Y_i| <= sum |a_i| / 2, and sum a_i Y_i is Gaussian. A union bound
adds the chances.

A total of m draws of scale s is a discrete Gaussian of scale s sqrt(m) but for a relative error of every chance of at
most 5 m e^(-pi^2 s^2) (Poisson summation of the convolution; 10^-10 for a million draws of scale 2), which is
neglected.

**Quotients** (Fieller, 1954). For the true r = a / b the theorem holds of A - r B, whose expectation is 0: all r that
|A - r B| <= w(r) does not exclude hold the true one as often. With w a norm of the factors of A - r B, that set is
one interval if |B| > w of B alone, since then |A - r B| - w(r) rises on either side of A / B; else it has no bounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import sqrt
from statistics import NormalDist
from typing import Final

from louver_sandbox.mechanisms.noise import CONFIDENCE

MOST_LOST: Final = Fraction(3, 100)
"""Of the 5 in 100, the most that may go to noise not being continuous; below a scale of about 1.7 for two numbers."""
_OUTWARDS: Final = 1e-9
_HALVINGS: Final = 16


@dataclass(frozen=True, slots=True)
class Spread:
    """The noise of one released number: its scale, and the step between its values, in the number's own unit."""

    scale: float
    step: float


@dataclass(frozen=True, slots=True)
class Combined:
    """A constant and factors of released numbers, by name; `slack` is how far off what is computed may be besides."""

    constant: Fraction
    factors: Mapping[str, Fraction]
    slack: Fraction = Fraction(0)

    def value(self, numbers: Mapping[str, Fraction]) -> Fraction:
        """What the released numbers give."""
        return self.constant + sum((factor * numbers[name] for name, factor in self.factors.items()), Fraction(0))


def lost(scales: Sequence[float]) -> float:
    """The chance that goes to noises of these scales, in steps, not being continuous."""
    return sum(1 / (24 * scale * scale) for scale in scales)


def of_sum(
    whole: Combined, numbers: Mapping[str, Fraction], spreads: Mapping[str, Spread], confidence: Fraction = CONFIDENCE
) -> tuple[Fraction, Fraction]:
    """The interval of a constant and factors of numbers. ValueError where their scales are too small."""
    factors = {name: float(factor) for name, factor in whole.factors.items()}
    width = _Norm(spreads, confidence).of(factors) * (1 + _OUTWARDS)
    value, reach = whole.value(numbers), Fraction(width) + whole.slack
    return value - reach, value + reach


def of_quotient(
    above: Combined,
    below: Combined,
    numbers: Mapping[str, Fraction],
    spreads: Mapping[str, Spread],
    confidence: Fraction = CONFIDENCE,
) -> tuple[Fraction, Fraction] | None:
    """The interval of a quotient; None where the divisor may be nothing, so that anything is possible.

    ValueError where scales are too small."""
    norm = _Norm(spreads, confidence)
    names = dict.fromkeys((*above.factors, *below.factors))
    pairs = [(name, float(above.factors.get(name, 0)), float(below.factors.get(name, 0))) for name in names]
    top, bottom = above.value(numbers), below.value(numbers)
    steepest = norm.of({name: b for name, _, b in pairs}) + float(below.slack)
    size = abs(float(bottom))
    if size <= steepest * (1 + _OUTWARDS):
        return None
    best = float(top / bottom)

    def width(ratio: float) -> float:
        combined = norm.of({name: a - ratio * b for name, a, b in pairs})
        return combined + float(above.slack) + abs(ratio) * float(below.slack)

    ends = []
    for sign in (-1.0, 1.0):
        inside, outside = 0.0, width(best) / (size - steepest) * (1 + _OUTWARDS)
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if middle * size <= width(best + sign * middle) else (inside, middle)
        ends.append(Fraction(best) + Fraction(sign * outside * (1 + _OUTWARDS)))
    return ends[0], ends[1]


class _Norm:
    """Half the width of the interval of factors of numbers: a norm of the factors."""

    def __init__(self, spreads: Mapping[str, Spread], confidence: Fraction) -> None:
        self._spreads = spreads
        self._z = _deviations(confidence, tuple(sorted(one.scale / one.step for one in spreads.values())))

    def of(self, factors: Mapping[str, float]) -> float:
        squares = sum((factor * self._spreads[name].scale) ** 2 for name, factor in factors.items())
        return self._z * sqrt(squares) + sum(
            abs(factor) * self._spreads[name].step / 2 for name, factor in factors.items()
        )


@lru_cache(maxsize=4096)
def _deviations(confidence: Fraction, scales: tuple[float, ...]) -> float:
    left = float(1 - confidence) - lost(scales)
    if left <= 0:
        raise ValueError("noise too small to be taken for continuous")
    return NormalDist().inv_cdf(1 - left / 2)
