"""Rounding after noise, and what a released count says of the true one: every number from the table, none sampled."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from louver_sandbox.perturbation import stored
from louver_sandbox.perturbation.accuracy import accuracy, released
from louver_sandbox.perturbation.keys import CellKey
from louver_sandbox.perturbation.refused import PerturbationRefused, Reason
from louver_sandbox.perturbation.rounding import Rounding, RoundingMode, checked, rounded
from louver_sandbox.perturbation.table import NoiseTerms, PerturbationTable

PERSONS = stored.read(stored.supplied(stored.PERSONS))
ENTERPRISES = stored.read(stored.supplied(stored.ENTERPRISES))
NEAREST, RANDOM = RoundingMode.NEAREST, RoundingMode.RANDOM
ROUNDINGS = [None, *(Rounding(mode, base) for mode in RoundingMode for base in (5, 10))]
ANY = CellKey(bytes(64))


def with_draw(draw: int) -> CellKey:
    return CellKey(bytes(56) + draw.to_bytes(8, "little"))


@pytest.mark.parametrize(
    ("value", "base", "result"),
    [(12, 5, 10), (13, 5, 15), (10, 5, 10), (15, 10, 20), (25, 10, 20), (-13, 5, -15), (-12, 5, -10), (0, 5, 0)],
)
def test_the_nearest_multiple_and_halves_to_the_even_one(value: int, base: int, result: int) -> None:
    assert rounded(value, Rounding(NEAREST, base), ANY) == result


@pytest.mark.parametrize("value", [0, 10, 11, 14, 27, -3])
def test_random_rounding_goes_up_as_often_as_the_value_is_high(value: int) -> None:
    """The draw at which it changes tells the whole distribution: the bias is below base / 2^64."""
    lower, rest = divmod(value, 5)
    change = -(-(rest << 64) // 5)
    rounding = Rounding(RANDOM, 5)
    assert rounded(value, rounding, with_draw((1 << 64) - 1)) == lower * 5
    if rest:
        assert rounded(value, rounding, with_draw(change - 1)) == lower * 5 + 5
        assert rounded(value, rounding, with_draw(change)) == lower * 5
        assert abs(Fraction(change, 1 << 64) - Fraction(rest, 5)) < Fraction(1, 1 << 64)
    else:
        assert rounded(value, rounding, with_draw(0)) == value


@pytest.mark.parametrize("base", [1, 2, 3, 4, 0, -5])
def test_a_base_within_twice_the_standard_deviation_is_refused(base: int) -> None:
    with pytest.raises(PerturbationRefused) as caught:
        checked(Rounding(NEAREST, base), PERSONS.terms)
    assert caught.value.reason is Reason.ROUNDING_TOO_FINE


@pytest.mark.parametrize("base", [6, 7, 8, 9])
def test_a_base_that_could_round_k_to_less_is_refused(base: int) -> None:
    with pytest.raises(PerturbationRefused) as caught:
        checked(Rounding(NEAREST, base), PERSONS.terms)
    assert caught.value.reason is Reason.ROUNDING_BELOW_K


@pytest.mark.parametrize("base", [5, 10, 11, 25])
def test_other_bases_are_possible(base: int) -> None:
    assert checked(Rounding(RANDOM, base), PERSONS.terms) == Rounding(RANDOM, base)


def test_the_bound_is_exact_where_the_standard_deviation_is_no_whole_number() -> None:
    terms = NoiseTerms(12, Fraction(25, 4), 10)
    with pytest.raises(PerturbationRefused, match="ROUNDING_TOO_FINE"):
        checked(Rounding(NEAREST, 5), terms)
    just_less = NoiseTerms(12, Fraction(25, 4) - Fraction(1, 10**30), 10)
    assert checked(Rounding(NEAREST, 5), just_less)


@pytest.mark.parametrize("table", [PERSONS, ENTERPRISES])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_no_released_count_is_in_1_to_k_less_1(table: PerturbationTable, rounding: Rounding | None) -> None:
    k = table.terms.threshold
    for count in (0, *range(k, k + 60)):
        distribution = released(table, rounding, count)
        assert sum(distribution.values()) == 1
        assert set(distribution).isdisjoint(range(1, k))
        assert min(distribution) >= 0


@pytest.mark.parametrize("table", [PERSONS, ENTERPRISES])
@pytest.mark.parametrize("rounding", [None, Rounding(RANDOM, 5), Rounding(RANDOM, 10)])
def test_the_expected_released_count_is_the_true_one_exactly(
    table: PerturbationTable, rounding: Rounding | None
) -> None:
    for count in range(60):
        assert sum(value * chance for value, chance in released(table, rounding, count).items()) == count


@pytest.mark.parametrize("table", [PERSONS, ENTERPRISES])
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("confidence", [Fraction(95, 100), Fraction(1, 2), Fraction(1)])
def test_the_interval_holds_the_true_count_as_often_as_it_says(
    table: PerturbationTable, rounding: Rounding | None, confidence: Fraction
) -> None:
    statements = accuracy(table, rounding, confidence)
    k = table.terms.threshold
    for count in (0, *range(k, k + 60), 1_000_000, 1_000_003):
        held = Fraction(0)
        for value, chance in released(table, rounding, count).items():
            statement = statements.of(value)
            if statement.low <= count <= statement.high:
                held += chance
        assert held >= confidence


def test_the_standard_error_is_the_root_of_the_mean_squared_error_rounded_up() -> None:
    plain = accuracy(PERSONS).of(1_000)
    assert (plain.low, plain.high, plain.standard_error) == (996, 1_004, Decimal("2.000"))
    for rounding in ROUNDINGS:
        statement = accuracy(PERSONS, rounding).of(1_000)
        squares = max(
            sum(chance * (value - count) ** 2 for value, chance in released(PERSONS, rounding, count).items())
            for count in range(statement.low, statement.high + 1)
        )
        error = Fraction(statement.standard_error)
        assert (error - Fraction(1, 1000)) ** 2 < squares <= error**2


def test_zero_is_said_to_be_zero_only_where_nothing_else_is_likely() -> None:
    """Five enterprises are released as zero once in nine times; ten persons once in twenty-nine."""
    assert accuracy(ENTERPRISES).of(0).high == 6
    assert accuracy(PERSONS).of(0).high == 0


def alike(rounding: Rounding | None, count: int) -> Fraction:
    """The chance that two sets of which one has one unit more are answered alike."""
    more = released(PERSONS, rounding, count + 1)
    shares = (chance * more.get(value, Fraction(0)) for value, chance in released(PERSONS, rounding, count).items())
    return sum(shares, Fraction(0))


def test_rounding_makes_different_sets_look_alike_but_not_always() -> None:
    """Why rounding is not enough alone: unequal answers still prove unequal sets, so sets are capped as well."""
    assert max(alike(None, count) for count in range(20, 60)) < Fraction(14, 100)
    for rounding in ROUNDINGS[1:]:
        chances = [alike(rounding, count) for count in range(20, 60)]
        assert Fraction(44, 100) < min(chances) <= max(chances) < 1
