"""Noise for sums is in proportion to the largest contributions, exact, unbiased, and larger than no cell."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import product

import pytest

from louver_sandbox.perturbation import solve, stored
from louver_sandbox.perturbation.accuracy import relative_error
from louver_sandbox.perturbation.keys import MOST_NOISE_WORDS, CellKey
from louver_sandbox.perturbation.magnitudes import Contributed, MagnitudeNoise, MagnitudeTerms
from louver_sandbox.perturbation.refused import PerturbationRefused, Reason
from louver_sandbox.perturbation.table import KEYS, STEPS, MagnitudeTable, NoiseTerms

ONE, HALF, TENTH = Fraction(1), Fraction(1, 2), Fraction(1, 10)
TERMS = MagnitudeTerms(flexpoint=10_000, small=ONE, large=TENTH, power=1, weights=(ONE, HALF))


@pytest.fixture(scope="module")
def table() -> MagnitudeTable:
    return stored.read_for_magnitudes(stored.supplied(stored.MAGNITUDE))


@pytest.fixture(scope="module")
def noise(table: MagnitudeTable) -> MagnitudeNoise:
    return MagnitudeNoise(table, TERMS)


def key(*draws: int) -> CellKey:
    words = (*draws, *[KEYS // 2] * (16 - len(draws)))
    return CellKey(b"".join(word.to_bytes(4, "little") for word in words))


def share(terms: MagnitudeTerms, magnitude: int) -> Fraction:
    return Fraction(*terms.share(magnitude))


def deviations(noise: MagnitudeNoise, contributed: Contributed) -> list[Fraction]:
    """The standard deviation of the noise that each of the largest contributions makes."""
    weights, _ = noise.terms.whole_weights
    per_step = Fraction(*noise.per_step(contributed))
    return [STEPS * per_step * weight * one for weight, one in zip(weights, contributed.largest, strict=True)]


def test_the_flex_function_falls_from_small_cells_to_large_ones() -> None:
    assert share(TERMS, 1) == share(TERMS, 10_000) == ONE
    assert share(TERMS, 20_000) == TENTH + Fraction(9, 10) / 2
    steep = MagnitudeTerms(10_000, ONE, TENTH, power=3)
    assert share(steep, 20_000) == TENTH + Fraction(9, 10) / 8
    assert TENTH < share(TERMS, 10**12) < TENTH + Fraction(1, 10**7)


def test_each_of_the_largest_contributions_makes_noise_of_its_own(noise: MagnitudeNoise) -> None:
    contributed = Contributed((500, 300), 9_000)
    assert deviations(noise, contributed) == [500, 150]
    most, least = KEYS - 1, 0
    assert noise.perturbed(9_000, contributed, key(most, most)) == 9_000 + 3 * 500 + 3 * 150
    assert noise.perturbed(9_000, contributed, key(most, least)) == 9_000 + 3 * 500 - 3 * 150
    assert noise.perturbed(9_000, contributed, key()) == 9_000


def test_a_cell_gets_no_more_noise_than_it_has(noise: MagnitudeNoise) -> None:
    """Two units, one with nearly all: three standard deviations of its contribution would turn the sum negative."""
    contributed = Contributed((900, 100), 1_000)
    assert 3 * sum(deviations(noise, contributed)) == 1_000
    assert noise.perturbed(1_000, contributed, key(0, 0)) == 0
    assert noise.perturbed(1_000, contributed, key(KEYS - 1, KEYS - 1)) == 2_000


@pytest.mark.parametrize(("total", "result"), [(200, 200), (201, 202), (-201, -200)])
def test_halves_go_to_the_even_number(noise: MagnitudeNoise, total: int, result: int) -> None:
    """One step of noise on a contribution of half as many units as a deviation has steps."""
    one_step_up = noise.table.row.ends[noise.table.row.noise.index(1) - 1]
    contributed = Contributed((STEPS // 2,), 201)
    assert noise.perturbed(total, contributed, key(one_step_up)) == result


def test_what_nobody_contributes_to_has_no_noise(noise: MagnitudeNoise) -> None:
    for draws in ((0, 0), (KEYS - 1, 0), (12345, 67890)):
        assert noise.perturbed(0, Contributed((0, 0), 0), key(*draws)) == 0
        assert noise.perturbed(0, Contributed((), 0), key(*draws)) == 0


def test_a_cell_of_one_contributor_uses_one_draw(noise: MagnitudeNoise) -> None:
    contributed = Contributed((100,), 9_000)
    assert noise.perturbed(9_000, contributed, key(KEYS - 1, 0)) == 9_300


def test_negative_sums_have_the_same_noise(noise: MagnitudeNoise) -> None:
    contributed = Contributed((500, 300), 9_000)
    there = noise.perturbed(2_000, contributed, key(77, 12345)) - 2_000
    assert noise.perturbed(-4_000, contributed, key(77, 12345)) + 4_000 == there


def test_large_sums_stay_exact(noise: MagnitudeNoise) -> None:
    """Beyond what a double holds, one unit more in the sum is one more in the answer."""
    contributed = Contributed((10**30, 10**29), 10**32)
    total = 10**32 + 1
    first = noise.perturbed(total, contributed, key(9999, 4_000_000_000))
    assert noise.perturbed(total + 1, contributed, key(9999, 4_000_000_000)) == first + 1
    assert abs(first - total) > 10**28


@pytest.mark.parametrize("total", [70, 71])
def test_the_expected_sum_is_the_sum_exactly(total: int) -> None:
    """Over all pairs of draws of a coarse table, halves included, in exact arithmetic."""
    small = solve.solved_for_magnitudes(NoiseTerms(3 * STEPS // 16, Fraction(STEPS, 16) ** 2, 1))
    noise = MagnitudeNoise(small, MagnitudeTerms(1_000, ONE, ONE))
    contributed = Contributed((23, 5), 90)
    starts = (0, *small.row.ends[:-1])
    expected = sum(
        Fraction(a * b, KEYS * KEYS) * noise.perturbed(total, contributed, key(first, second))
        for (a, first), (b, second) in product(zip(small.row.weights, starts, strict=True), repeat=2)
        if a and b
    )
    assert expected == total


@pytest.mark.parametrize(
    "settings",
    [
        {"flexpoint": 0},
        {"small": Fraction(0), "large": Fraction(0)},
        {"large": Fraction(2)},
        {"power": 0},
        {"weights": ()},
        {"weights": (HALF,)},
        {"weights": (ONE, Fraction(3, 2))},
        {"weights": (ONE, -HALF)},
        {"weights": (ONE,) * (MOST_NOISE_WORDS + 1)},
    ],
)
def test_terms_for_sums_out_of_bounds_are_refused(settings: dict[str, object]) -> None:
    sound: dict[str, object] = {"flexpoint": 1, "small": ONE, "large": TENTH, "power": 1, "weights": (ONE,)}
    MagnitudeTerms(**sound)  # type: ignore[arg-type]
    with pytest.raises(PerturbationRefused) as caught:
        MagnitudeTerms(**(sound | settings))  # type: ignore[arg-type]
    assert caught.value.reason is Reason.MAGNITUDE_TERMS


def test_the_published_error_holds_for_every_cell_that_passes_dominance(noise: MagnitudeNoise) -> None:
    """A bound over all cells: the exact one of a cell would tell its largest contribution."""
    bound = relative_error(noise, dominance_percent=60)
    assert bound == Decimal("0.633")
    for largest, second in product(range(0, 601, 25), repeat=2):
        if second <= largest and largest + second <= 1_000:
            made = deviations(noise, Contributed((largest, second), 1_000))
            assert sum(one**2 for one in made) <= (Fraction(bound) * 1_000) ** 2
    assert relative_error(noise, dominance_percent=20) < bound
