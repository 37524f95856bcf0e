"""How exact an average is beside what any unbiased answer charged the same could be (ADR 35)."""

from __future__ import annotations

from fractions import Fraction

import pytest
from tests.support.private_worlds import PERSON, planned, rules, world

RHO = Fraction(1, 4)
CASES = {
    "a share": ("avg(CASE WHEN age > 30 THEN 1 ELSE 0 END)", Fraction(1, 2), 10),
    "money": ("avg(amount)", Fraction(50), 100),
}
"""An average, half the distance of its bounds, and how many smallest units of its sum are one."""


@pytest.mark.parametrize("name", CASES)
def test_an_average_at_an_end_of_its_bounds_has_the_least_variance_there_is_and_in_the_middle_twice_that(
    name: str,
) -> None:
    measure, half, units = CASES[name]
    made = planned(world(), f"SELECT {measure} FROM gov.account", (rules("gov.account", PERSON, rho=RHO),))
    (core,) = made.cores
    assert core.private is not None
    (number,) = (one.scale for one in core.private.noisy if one.least == 0)
    (total,) = (one.scale / units for one in core.private.noisy if one.least is None)
    for mean, times in ((half, 1), (-half, 1), (Fraction(0), 2)):
        variance = total**2 + mean**2 * number**2  # of the mean of N values, times N squared
        least = (half + abs(mean)) ** 2 / (2 * RHO)
        assert times * least <= variance < times * least * Fraction(1_000_001, 1_000_000)
