"""Intervals of sums of averages with factors, beside released numbers with factors: differences of means above all.

Of average i, T_i and N_i are the noisy sum (of values less a centre) and number of values, m_i the true average less
the centre and M_i = T_i / N_i. Since T_i - m_i N_i = e_T - m_i e_N =: E_i is noise alone, M_i - m_i = E_i / N_i, with
N_i as it was released; so of averages over the same number of values

    sum c_i M_i - sum c_i m_i = (sum c_i e_T - (sum c_i m_i) e_N) / N,

which is one sum of noises with fixed factors (Fieller, 1954). Of k such groups, and of the released numbers beside
them as one more, the noises are independent, and by `mechanisms.joint` each is a Gaussian q s_g and half a step of
each noise, but for the chance stated there. The sum of the squares of k standard Gaussians q is at most R^2 with the
chance of a chi-squared of k degrees of freedom, and then sum q s_g / N_g <= R sqrt(sum s_g^2 / N_g^2) (Cauchy and
Schwarz). s_g depends on the true sum c_i m_i, which is bounded in the same event: by what values can be, and by its
own distance from sum c_i M_i.

For one group that is as sharp as a quotient's interval; for two 1.25 times, for three 1.43 times as wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import erfc, exp, gamma, sqrt

from louver_sandbox.mechanisms.joint import Combined, Spread, lost
from louver_sandbox.mechanisms.noise import CONFIDENCE


@dataclass(frozen=True, slots=True)
class Averaged:
    """An average of one cell: its noisy sum less the centre and number of values, which noises these have, and how
    far values can be from the centre; all in the unit of its column."""

    total: Fraction
    count: Fraction
    noise_of_total: str
    noise_of_count: str
    centre: Fraction
    reach: Fraction


def of_averages(
    whole: Combined,
    averages: Mapping[str, Averaged],
    numbers: Mapping[str, Fraction],
    spreads: Mapping[str, Spread],
    confidence: Fraction = CONFIDENCE,
) -> tuple[Fraction, Fraction] | None:
    """The interval of a constant and factors of averages and of released numbers, by name, whose noises are all
    others; None where a number of values may be nothing. `spreads` are those of all noises. ValueError where scales
    are too small."""
    groups: dict[str, list[tuple[Fraction, Averaged]]] = {}
    for name, one in averages.items():
        groups.setdefault(one.noise_of_count, []).append((whole.factors.get(name, Fraction(0)), one))
    plain = {name: factor for name, factor in whole.factors.items() if name not in averages}
    left = float(1 - confidence) - lost([one.scale / one.step for one in spreads.values()])
    radius = chi(left, len(groups) + bool(plain))
    value = whole.constant + sum((factor * numbers[name] for name, factor in plain.items()), Fraction(0))
    squares = sum((float(factor) * spreads[name].scale) ** 2 for name, factor in plain.items())
    steps = sum(abs(float(factor)) * spreads[name].step / 2 for name, factor in plain.items())
    for name, several in groups.items():
        found = _of_group(several, spreads, spreads[name], radius)
        if found is None:
            return None
        value += sum((factor * (one.total / one.count + one.centre) for factor, one in several), Fraction(0))
        squares, steps = squares + found[0] ** 2, steps + found[1]
    width = Fraction((radius * sqrt(squares) + steps) * (1 + 1e-9)) + whole.slack
    return value - width, value + width


def _of_group(
    several: Sequence[tuple[Fraction, Averaged]], spreads: Mapping[str, Spread], of_count: Spread, radius: float
) -> tuple[float, float] | None:
    """The deviation and the half steps of averages over one number of values; None where that may be nothing."""
    count = float(several[0][1].count)
    if count <= 0:
        return None
    pairs = [(abs(float(factor)), spreads[one.noise_of_total]) for factor, one in several]
    totals = sqrt(sum((factor * spread.scale) ** 2 for factor, spread in pairs))
    steps = sum(factor * spread.step / 2 for factor, spread in pairs)
    seen = abs(float(sum((factor * one.total / one.count for factor, one in several), Fraction(0))))
    mean = float(sum((abs(factor) * one.reach for factor, one in several), Fraction(0)))
    certain = count - radius * of_count.scale - of_count.step / 2
    if certain > 0:
        # |m| <= |M| + (R (totals + |m| scale) + steps + |m| step / 2) / N, solved for |m|.
        mean = min(mean, (seen * count + radius * totals + steps) / certain)
    return sqrt(totals**2 + (mean * of_count.scale) ** 2) / count, (steps + mean * of_count.step / 2) / count


@lru_cache(maxsize=4096)
def chi(missed: float, degrees: int) -> float:
    """What the length of so many independent standard Gaussians exceeds with this chance, rounded up. ValueError
    unless the chance is above 0."""
    if missed <= 0:
        raise ValueError("noise too small to be taken for continuous")
    low, high = 0.0, 64.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _beyond(middle, degrees) > missed else (low, middle)
    return high * (1 + 1e-12)


def _beyond(length: float, degrees: int) -> float:
    """The chance that so many standard Gaussians are longer than this, by the recurrence of the incomplete gamma
    function in steps of two degrees (Abramowitz and Stegun 1964, 26.4.8)."""
    half = length * length / 2
    found, done = (erfc(length / sqrt(2)), 1) if degrees % 2 else (exp(-half), 2)
    while done < degrees:
        found += half ** (done / 2) * exp(-half) / gamma(done / 2 + 1)
        done += 2
    return found
