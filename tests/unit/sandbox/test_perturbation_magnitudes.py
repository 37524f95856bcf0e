"""Noise for sums is in proportion to the largest contributions, exact, unbiased, and larger than no cell."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import isqrt

import pytest

from louver_sandbox.perturbation import solve, stored
from louver_sandbox.perturbation.keys import MOST_NOISE_WORDS, CellKey
from louver_sandbox.perturbation.magnitudes import MOST_DEVIATIONS, Contributed, MagnitudeNoise, MagnitudeTerms
from louver_sandbox.perturbation.refused import PerturbationRefused, Reason
from louver_sandbox.perturbation.sum_accuracy import SumAccuracy
from louver_sandbox.perturbation.sum_accuracy import deviations as most_deviations
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
    bound = SumAccuracy(noise, 60, None).deviation
    assert bound == Fraction(1, 3)
    for largest, second in product(range(0, 601, 25), repeat=2):
        if second <= largest and largest + second <= 1_000:
            made = deviations(noise, Contributed((largest, second), 1_000))
            assert sum(one**2 for one in made) <= (bound * 1_000) ** 2
    assert SumAccuracy(noise, 20, None).deviation < bound


def test_a_deviation_has_the_tails_of_a_normal_one(table: MagnitudeTable) -> None:
    """No even moment exceeds (2 n - 1)!!, that of a normal draw; beyond the tenth none can, for a draw is at most 3.
    So a draw's exponential moments are below the normal ones, and tails of sums with any weights below Chernoff's."""
    double_factorial = 1
    for n in range(1, 11):
        double_factorial *= 2 * n - 1
        steps = zip(table.row.noise, table.row.weights, strict=True)
        moment = Fraction(sum(weight * step ** (2 * n) for step, weight in steps), KEYS * STEPS ** (2 * n))
        assert moment <= double_factorial * (1 + Fraction(1, 1 << 20))
    assert Fraction(table.terms.maximum, STEPS) == 3
    assert 21 * double_factorial > 9 ** (11 - 1)


@pytest.mark.parametrize("second", [0, 1, 10, 50, 99, 100])
@pytest.mark.parametrize("confidence", [Fraction(95, 100), Fraction(99, 100)])
def test_noise_is_within_the_stated_deviations(table: MagnitudeTable, second: int, confidence: Fraction) -> None:
    """Over all pairs of draws, in exact arithmetic: two contributions, of 100 and of up to as much."""
    most = 100**2 + second**2
    limit = most_deviations(confidence) ** 2 * STEPS**2 * most
    draws = list(zip(table.row.noise, table.row.weights, strict=True))
    inside = sum(a * b for one, a in draws for other, b in draws if (100 * one + second * other) ** 2 <= limit)
    assert Fraction(inside, KEYS * KEYS) >= confidence


CELLS = [(500, 300, 9_000), (900, 100, 1_000), (7, 7, 700), (1, 0, 1), (0, 0, 0), (3 * 10**20, 10**19, 10**23)]


@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("unit", [1, 5])
def test_a_base_is_coarser_than_twice_the_noise_and_not_much(
    noise: MagnitudeNoise, cell: tuple[int, int, int], unit: int
) -> None:
    contributed = Contributed(cell[:2], cell[2])
    variance = sum(one**2 for one in deviations(noise, contributed))
    found = {noise.base(contributed, drawn(draw), unit) for draw in (0, 1 << 62, 1 << 63, (1 << 64) - 1)}
    for base in found:
        assert base**2 > 4 * variance
        assert base == unit or base**2 <= MOST_DEVIATIONS**2 * variance
        assert set(str(base // unit).rstrip("0")) <= {"1", "2", "5"}
        assert noise.is_hidden_by(base, contributed)
    assert len(found) <= 3
    assert variance == 0 or not noise.is_hidden_by(isqrt(int(4 * variance)), contributed)


def drawn(draw: int) -> CellKey:
    """A key with this draw for the base."""
    return CellKey(bytes(48) + draw.to_bytes(8, "little") + bytes(8))


def test_a_base_is_no_threshold_for_the_largest_contributions(noise: MagnitudeNoise) -> None:
    """Cells whose contributions are a hundredth apart have the same base by nearly every draw, wherever they lie, so
    nobody finds out on which side of a step a cell is. By the deviation alone some pair would never have."""
    draws = range(0, 1 << 64, 1 << 58)
    for size in range(1_000, 10_000, 100):
        one, other = (Contributed((some, 0), 10**9) for some in (size, size + size // 100))
        differ = sum(noise.base(one, drawn(draw)) != noise.base(other, drawn(draw)) for draw in draws)
        assert differ <= len(draws) * 5 // 100
    first = [noise.base(Contributed((size, 0), 10**9), drawn(0)) for size in range(1_000, 10_000, 100)]
    assert len(set(first)) > 1


def test_a_base_by_bounds_hides_every_cell_within_them(noise: MagnitudeNoise) -> None:
    base = noise.bound_to_hide(500)
    assert base == 2_000
    for largest, second in product(range(0, 501, 50), repeat=2):
        for magnitude in (largest + second, 10**6):
            if second <= largest:
                assert noise.is_hidden_by(base, Contributed((largest, second), magnitude))
    assert not noise.is_hidden_by(base, Contributed((2_000, 0), 9_000))
