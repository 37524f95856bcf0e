"""Rounding after noise, so that equal answers stop meaning equal sets (PRIVACY 5.6, SECURITY 2.6).

Nearest multiple of a base, or random: up or down by the cell's own key, so that the expected result is the value.
Rounding whole tables so that totals stay the sums of their parts is `controlled`. Counts have the base that a policy
names; sums are as large as their columns and cells, so their bases are steps of 1, 2 and 5 times a power of ten.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final

from louver_sandbox.perturbation.keys import CellKey
from louver_sandbox.perturbation.refused import PerturbationRefused, Reason
from louver_sandbox.perturbation.table import NoiseTerms


class RoundingMode(StrEnum):
    """How a value finds its multiple."""

    NEAREST = "nearest"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Rounding:
    """To multiples of `base`, in whole smallest units of the value."""

    mode: RoundingMode
    base: int


def checked(rounding: Rounding, terms: NoiseTerms) -> Rounding:
    """The rounding, when it fits the noise.

    The base must exceed twice the noise's standard deviation, or equal rounded counts still mean mostly equal sets.
    And it must divide k or be at least k, or a count of k could be rounded into 1..k-1.

    Raises:
        PerturbationRefused: ROUNDING_TOO_FINE or ROUNDING_BELOW_K.
    """
    base, k = rounding.base, terms.threshold
    if base < 1 or base * base <= 4 * terms.variance:
        raise PerturbationRefused(
            Reason.ROUNDING_TOO_FINE,
            f"rounding to {base} is not coarser than twice the standard deviation of noise with variance "
            f"{terms.variance}",
            f"舍入基数 {base} 不大于噪声标准差的两倍（方差 {terms.variance}）",
        )
    if k % base and base < k:
        raise PerturbationRefused(
            Reason.ROUNDING_BELOW_K,
            f"rounding to {base} can turn a count of k = {k} into a smaller one; the base must divide k or reach it",
            f"舍入基数 {base} 可能使计数 k = {k} 变小；基数须整除 k 或不小于 k",
        )
    return rounding


_STEPS: Final = (1, 2, 5, 10)

WIDEST_STEP: Final = Fraction(5, 2)
"""How many times the step before it a step is at most."""


def step_of(least: int, unit: int = 1) -> int:
    """The least of unit times 1, 2, 5, 10, 20, ... that is at least `least`."""
    times = -(-least // unit)
    power = 10 ** (len(str(times)) - 1) if times > 1 else 1
    return unit * power * next(step for step in _STEPS if step * power >= times)


def rounded(value: int, rounding: Rounding, key: CellKey) -> int:
    """The multiple of the base. Halves go to the even multiple.

    Random rounding goes up when draw / 2^64 < rest / base, so its bias is below base / 2^64.
    """
    lower, rest = divmod(value, rounding.base)
    match rounding.mode:
        case RoundingMode.NEAREST:
            up = 2 * rest > rounding.base or (2 * rest == rounding.base and lower % 2 == 1)
        case RoundingMode.RANDOM:
            up = key.rounding * rounding.base < rest << 64
    return (lower + up) * rounding.base
