"""How far an attacker must stay from a primary cell: the formulas of the handbook, with their numbers."""

from decimal import Decimal

import pytest

from louver_sandbox.suppression.levels import (
    Parts,
    dominance_protection,
    magnitude_protection,
    p_percent_protection,
    prior_posterior_protection,
    strictest,
    units_protection,
)
from louver_sandbox.suppression.table import Protection


def test_p_percent_is_what_the_largest_needs_less_what_the_others_give() -> None:
    # 10 % of 70 is 7; the others than the two largest make up 5 of it.
    assert p_percent_protection(Parts(4, (70, 25), 100), 10) == Protection(2, 2)


def test_prior_posterior_asks_for_more_the_more_is_known_beforehand() -> None:
    parts = Parts(4, (70, 25), 100)
    assert prior_posterior_protection(parts, 10, 100) == p_percent_protection(parts, 10)
    assert prior_posterior_protection(parts, 10, 50) == Protection(9, 9)


def test_dominance_is_how_much_larger_the_cell_had_to_be() -> None:
    # 95 is 75 % of 126.67.
    assert dominance_protection(Parts(4, (70, 25), 100), 2, 75) == Protection(27, 27)
    assert dominance_protection(Parts(4, (70, 25), 100), 1, 60) == Protection(17, 17)


def test_amounts_are_computed_without_floats() -> None:
    parts = Parts(2, (10**17 + 1, 10**16), 10**17 + 10**16 + 1)
    assert p_percent_protection(parts, 10) == Protection(10**16 + 1, 10**16 + 1)
    cents = Parts(2, (Decimal("70.05"), Decimal("25")), Decimal("95.05"))
    assert p_percent_protection(cents, 10) == Protection(8, 8)


def test_a_single_unit_is_its_own_largest() -> None:
    assert p_percent_protection(Parts(1, (50,), 50), 10) == Protection(5, 5)


def test_a_count_below_its_threshold_might_reach_it() -> None:
    assert units_protection(3, 10) == Protection(1, 7, 10)
    assert units_protection(0, 10) == Protection(0, 10, 10)


def test_an_amount_of_too_few_units_has_a_safety_range() -> None:
    assert magnitude_protection(Parts(3, (40, 30), 100), 15) == Protection(15, 15)


def test_a_level_is_never_nothing() -> None:
    assert p_percent_protection(Parts(9, (10, 10), 90), 10) == Protection(1, 1)
    assert magnitude_protection(Parts(1, (0,), 0), 10) == Protection(1, 1)


def test_a_cell_primary_by_several_rules_gets_the_strictest_level_of_each_kind() -> None:
    assert strictest(Protection(1, 7, 10), Protection(4, 4)) == Protection(4, 7, 10)


def test_levels_outside_the_rules_are_refused() -> None:
    parts = Parts(4, (70, 25), 100)
    for wrong in (
        lambda: p_percent_protection(parts, 0),
        lambda: prior_posterior_protection(parts, 20, 10),
        lambda: dominance_protection(parts, 0, 60),
        lambda: dominance_protection(parts, 1, 100),
        lambda: units_protection(10, 10),
        lambda: magnitude_protection(parts, 0),
        strictest,
        lambda: Parts(2, (25, 70), 100),
        lambda: Parts(2, (70, 40), 100),
        lambda: Parts(-1, (), 0),
    ):
        with pytest.raises(ValueError, match=r"."):
            wrong()
