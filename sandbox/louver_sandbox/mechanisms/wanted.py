"""The least cost that reaches a wanted accuracy, on a declared grid; and what a cost reaches."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from louver_sandbox.mechanisms.noise import CONFIDENCE, Sensitivity, gaussian, half_width
from louver_sandbox.privacy.refused import PrivacyRefused, Reason


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Within `relative` of the true number, with this confidence: +-2 % at 95 %.

    Raises:
        PrivacyRefused: ACCURACY_OUT_OF_REACH: either is not between 0 and 1.
    """

    relative: Fraction
    confidence: Fraction = CONFIDENCE

    def __post_init__(self) -> None:
        if not (0 < self.relative < 1 and Fraction(1, 2) <= self.confidence < 1):
            raise PrivacyRefused(
                Reason.ACCURACY_OUT_OF_REACH,
                "an accuracy is a share between 0 and 1, its confidence at least 1/2 and below 1",
                "精度须在 0 与 1 之间，置信度不低于 1/2 且小于 1",
            )


def reached(rho: Fraction, sensitivity: Sensitivity, expected: int, confidence: Fraction = CONFIDENCE) -> Fraction:
    """Half the width of the interval that this cost brings, relative to the expected number.

    `expected` is known publicly or from a former release; it is not looked up in the data.
    """
    return Fraction(half_width(gaussian(rho, sensitivity), confidence), expected)


def least_cost(wanted: Accuracy, sensitivity: Sensitivity, expected: int, grid: Sequence[Fraction]) -> Fraction:
    """The least rho of the grid with which the interval of a number is as narrow as wanted.

    `grid` is ascending, from policy, and its last is the most one question may spend.

    Raises:
        PrivacyRefused: ACCURACY_OUT_OF_REACH: none is enough, or nothing is expected.
    """

    def enough(rho: Fraction) -> bool:
        return reached(rho, sensitivity, expected, wanted.confidence) <= wanted.relative

    place = bisect_left(grid, True, key=enough) if expected > 0 else len(grid)
    if place == len(grid):
        raise PrivacyRefused(
            Reason.ACCURACY_OUT_OF_REACH,
            "no permitted cost reaches this accuracy for a number of this size",
            "在允许的成本内无法达到该精度",
        )
    return grid[place]
