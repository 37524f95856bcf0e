"""Further parts are withheld first, and what is left is perturbed: noise changes numbers and hides nothing more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.noisy import NOISE, SUMS, ask, firm
from tests.support.relations import Row

from louver_sandbox.obligations import RoundingKind, ThresholdRules, Totals
from louver_sandbox.stages import Cell

FIRMS: list[Row] = [firm(number, "ABC"[number % 3], arrears=number % 4 == 0) for number in range(240)]
FEW: list[Row] = [firm(900 + number, "D") for number in range(3)]
COUNTS = "SELECT section, arrears, count(*) FROM gov.firm GROUP BY ROLLUP (section, arrears)"


def keeping(rules: ThresholdRules) -> ThresholdRules:
    return replace(rules, totals=Totals.COMPLEMENTARY)


def shown(sql: str, rules: ThresholdRules) -> dict[tuple[Cell, ...], tuple[bool, ...]]:
    """The cells that leave, by their keys, and which of their values do."""
    rows = ask(sql, FIRMS + FEW, rules).release.rows
    return {row[:2]: tuple(value is not None for value in row[2:]) for row in rows}


@pytest.mark.parametrize("rounding", [RoundingKind.NONE, RoundingKind.BASE, RoundingKind.CONTROLLED])
def test_the_same_cells_leave_with_noise_and_without(rounding: RoundingKind) -> None:
    assert NOISE.noise is not None
    noisy = replace(NOISE, noise=replace(NOISE.noise, rounding=rounding, base=5))
    without = replace(NOISE, noise=None)
    kept, kept_back = shown(COUNTS, keeping(without)), shown(COUNTS, without)
    assert kept != kept_back
    assert (None, None) in kept
    assert shown(COUNTS, keeping(noisy)) == kept


def test_the_same_values_leave_of_sums() -> None:
    sql = "SELECT section, arrears, sum(revenue) FROM gov.firm GROUP BY ROLLUP (section, arrears)"
    assert shown(sql, keeping(SUMS)) == shown(sql, keeping(replace(SUMS, noise=None)))
