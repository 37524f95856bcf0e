"""Intervals of sums and quotients of released numbers: the theorem behind them, and which expressions have them."""

from __future__ import annotations

from fractions import Fraction
from math import erf, exp, sqrt

import pytest
from tests.support.private_worlds import DISTRICTS, PERSON, asked, executed, planned, rules, world
from tests.support.relations import Row
from tests.support.seeded_noise import SeededSampler

from louver_sandbox.mechanisms.averages import Averaged, chi, of_averages
from louver_sandbox.mechanisms.joint import Combined, Spread, lost, of_quotient, of_sum
from louver_sandbox.release.intervals import Parts, widened
from louver_sandbox.release.losses import Tracing, measures_of
from louver_sandbox.release.release import release

ROWS: list[Row] = [
    {"person_id": f"p{n}", "district": DISTRICTS[n % 2], "amount": n % 90, "age": 20 + n % 50} for n in range(200)
]
WHOLE = world(accounts=ROWS)


def parts_of(select: str, rho: Fraction = Fraction(1, 50), keys: str = "") -> Parts | None:
    """What the first column of an answer is computed from."""
    made = planned(WHOLE, f"SELECT {select} AS x FROM gov.account {keys}", (rules("gov.account", PERSON, rho=rho),))
    shape = made.shape
    assert shape is not None
    return widened(shape, measures_of(made), Tracing(made).is_noisy).parts[0]  # type: ignore[arg-type]  # a Project


@pytest.mark.parametrize("scale", [0.3, 0.5, 1.0, 1.7, 3.0, 10.0])
def test_a_discrete_gaussian_is_a_rounded_one_but_for_the_stated_chance(scale: float) -> None:
    reach = int(12 * scale) + 3
    weights = {k: exp(-k * k / (2 * scale * scale)) for k in range(-reach, reach + 1)}
    whole = sum(weights.values())
    cumulative = [0.5 * (1 + erf((k + 0.5) / (scale * sqrt(2)))) for k in range(-reach - 1, reach + 1)]
    rounded = {k: cumulative[place + 1] - cumulative[place] for place, k in enumerate(weights)}
    distance = sum(abs(weight / whole - rounded[k]) for k, weight in weights.items()) / 2
    assert 0 < distance <= lost([scale])


def test_a_sum_has_the_width_of_all_its_noise_and_half_a_step_of_each() -> None:
    numbers, spreads = {"a": Fraction(100), "b": Fraction(40)}, {"a": Spread(3e4, 1.0), "b": Spread(4e4, 1.0)}
    low, high = of_sum(Combined(Fraction(5), {"a": Fraction(1), "b": Fraction(-1)}), numbers, spreads)
    assert (low + high) / 2 == 65
    assert float(high - low) / 2 == pytest.approx(1.959964 * 5e4 + 1, rel=1e-6)
    slack = of_sum(Combined(Fraction(5), {"a": Fraction(1)}, Fraction(7)), numbers, spreads)
    assert (
        slack[1] - slack[0] == of_sum(Combined(Fraction(0), {"a": Fraction(1)}), numbers, spreads)[1] * 2 - 200 + 14
    )


def test_a_quotient_has_every_value_that_the_noise_does_not_exclude_and_no_other() -> None:
    above, below = (
        Combined(Fraction(0), {"a": Fraction(1)}),
        Combined(Fraction(0), {"a": Fraction(1), "b": Fraction(1)}),
    )
    numbers, spreads = {"a": Fraction(300), "b": Fraction(700)}, {"a": Spread(20.0, 1.0), "b": Spread(30.0, 1.0)}
    found = of_quotient(above, below, numbers, spreads)
    assert found is not None
    for step in range(-400, 401):
        ratio = Fraction(3, 10) + Fraction(step, 2_000)
        factors = {"a": 1 - ratio, "b": -ratio}
        low, high = of_sum(Combined(Fraction(0), factors), numbers, spreads)
        assert (low <= 0 <= high) == (found[0] <= ratio <= found[1]), ratio


def test_nothing_is_said_where_a_divisor_may_be_nothing() -> None:
    above, below = Combined(Fraction(0), {"a": Fraction(1)}), Combined(Fraction(0), {"b": Fraction(1)})
    spreads = {"a": Spread(20.0, 1.0), "b": Spread(30.0, 1.0)}
    for divisor in (59, 0, -59):
        assert of_quotient(above, below, {"a": Fraction(9), "b": Fraction(divisor)}, spreads) is None
    for divisor in (62, -62):
        assert of_quotient(above, below, {"a": Fraction(9), "b": Fraction(divisor)}, spreads) is not None
    with pytest.raises(ValueError, match="too small"):
        of_sum(above, {"a": Fraction(1)}, {"a": Spread(0.5, 1.0)})


SOME, MORE = "count(*) FILTER (WHERE age < 30)", "count(*) FILTER (WHERE age > 40)"
SHARP = (
    f"{SOME} - {MORE}",
    f"2 * ({SOME} + {MORE}) / 7.0 - 1",
    f"{SOME} * 1.0 / {MORE}",
    f"100 * {SOME} / ({SOME} + {MORE})",
    f"round({SOME}::DOUBLE / nullif({MORE}, 0), 3)",
    f"CASE WHEN {MORE} > 0 THEN 1 - {SOME} * 1.0 / {MORE} END",
    f"-(sum(amount) / {MORE})",
    f"avg(amount) - {SOME}",
    "avg(amount) FILTER (WHERE age < 30) - avg(amount) FILTER (WHERE age > 40)",
    "avg(amount) - avg(CASE WHEN age > 30 THEN 1 ELSE 0 END)",
)
CURVED = (
    f"{SOME} * {MORE}",
    f"avg(amount) * {SOME}",
    f"{SOME} * 1.0 / {MORE} + {MORE}",
    f"ln({SOME} * 1.0 / {MORE})",
    "round(avg(amount) / nullif(avg(CASE WHEN age > 30 THEN 1 ELSE 0 END), 0), 3)",
    "avg(amount) - count(amount)",
)
OTHERWISE = (
    f"greatest({SOME}, {MORE})",
    f"{SOME} * var_pop(amount)",
    f"coalesce({SOME} * 1.0 / nullif({MORE}, 0), 0)",
    f"{SOME} // {MORE}",
)


@pytest.mark.parametrize("select", SHARP)
def test_sums_and_quotients_are_told_from_other_forms(select: str) -> None:
    found = parts_of(select)
    assert found is not None
    assert found.sources
    fallen_back = parts_of(select, rho=Fraction(8))
    assert fallen_back is not None
    assert not fallen_back.sources, "little noise is not taken for continuous"


@pytest.mark.parametrize("select", CURVED)
def test_smooth_forms_have_all_that_a_ball_holds_and_their_parts_intervals_to_fall_back_on(select: str) -> None:
    found = parts_of(select)
    assert found is not None
    assert found.sources
    assert found.level == 2
    fallen_back = parts_of(select, rho=Fraction(8))
    assert fallen_back is not None
    assert not fallen_back.sources, "little noise is not taken for continuous"


@pytest.mark.parametrize("select", OTHERWISE)
def test_other_forms_are_computed_from_the_intervals_of_their_parts(select: str) -> None:
    found = parts_of(select)
    assert found is not None
    assert not found.sources
    assert found.level == 2


def test_one_number_keeps_its_own_interval_and_five_of_another_form_have_none() -> None:
    alone = parts_of("3 * count(*) + 1")
    assert alone is not None
    assert (alone.level, alone.sources) == (1, ())
    several = [f"count(*) FILTER (WHERE age < {20 + 5 * n})" for n in range(1, 6)]
    assert parts_of(f"greatest({', '.join(several)})") is None
    assert parts_of(" + ".join(several)) is not None


def test_the_same_number_twice_is_one_noise() -> None:
    """COUNT(*) and COUNT(DISTINCT unit) are one number where a unit has one row: their difference is known."""
    made = planned(
        WHOLE,
        f"SELECT count(*) - count(DISTINCT person_id) + {SOME} AS x, {SOME} AS n FROM gov.account",
        (rules("gov.account", PERSON, rho=Fraction(1, 50)),),
    )
    found = release(executed(WHOLE, made), sampler=SeededSampler(3))
    computed, own = found.accuracy
    assert int(own.low[0]) - 2 <= int(computed.low[0])
    assert int(computed.high[0]) <= int(own.high[0]) + 2


def test_counts_are_not_below_nothing_and_neither_is_what_is_made_of_them() -> None:
    made = planned(
        WHOLE,
        "SELECT count(*) FILTER (WHERE age > 90) + count(*) FILTER (WHERE age < 10) AS n, "
        "count(*) FILTER (WHERE age > 90) * 1.0 / count(*) AS r FROM gov.account",
        (rules("gov.account", PERSON, rho=Fraction(1, 50)),),
    )
    execution, lows = executed(WHOLE, made), set[float]()
    for seed in range(20):
        found = release(execution, sampler=SeededSampler(seed))
        lows |= {float(one.low[0]) for one in found.accuracy}
        assert all(float(one.high[0]) >= float(one.low[0]) for one in found.accuracy)
    assert min(lows) == 0


def test_exact_values_take_part_row_by_row() -> None:
    found = parts_of(f"{SOME} - {MORE} + age", keys="WHERE age BETWEEN 20 AND 22 GROUP BY age")
    assert found is not None
    assert len(found.exact) == 1
    assert asked(WHOLE, "SELECT 1 FROM gov.account GROUP BY age").protected


def test_the_length_of_independent_gaussians_is_the_tabulated_one() -> None:
    """Roots of the 95th percentiles of chi-squared (Abramowitz and Stegun 1964, table 26.8)."""
    tabulated = {1: 3.84146, 2: 5.99146, 3: 7.81473, 4: 9.48773, 5: 11.0705, 10: 18.3070}
    for degrees, square in tabulated.items():
        assert chi(0.05, degrees) ** 2 == pytest.approx(square, rel=1e-5)
    with pytest.raises(ValueError, match="too small"):
        chi(0.0, 1)


def averaged(total: int, count: int, of: str, reach: int = 50) -> Averaged:
    return Averaged(Fraction(total), Fraction(count), f"{of}t", f"{of}n", Fraction(10), Fraction(reach))


def test_one_average_has_the_interval_of_its_quotient_and_two_the_joint_one() -> None:
    spreads = {name: Spread(40.0 if name[-1] == "t" else 9.0, 1.0) for name in ("at", "an", "bt", "bn")}
    one = {"a": averaged(3_000, 1_000, "a")}
    found = of_averages(Combined(Fraction(0), {"a": Fraction(1)}), one, {}, spreads)
    by_quotient = of_quotient(
        Combined(Fraction(0), {"at": Fraction(1)}),
        Combined(Fraction(0), {"an": Fraction(1)}),
        {"at": Fraction(3_000), "an": Fraction(1_000)},
        spreads,
    )
    assert found is not None
    assert by_quotient is not None
    assert float(found[0] + found[1]) / 2 == 13
    assert float(found[1] - found[0]) == pytest.approx(float(by_quotient[1] - by_quotient[0]), rel=0.03)
    both = one | {"b": averaged(3_000, 1_000, "b")}
    joint = of_averages(Combined(Fraction(0), {"a": Fraction(1), "b": Fraction(-1)}), both, {}, spreads)
    assert joint is not None
    assert joint[0] == -joint[1]
    assert 1.2 * 2**0.5 < float(joint[1] - joint[0]) / float(found[1] - found[0]) < 1.3 * 2**0.5


def test_an_average_of_nobody_says_nothing_and_one_of_few_little() -> None:
    spreads = {"at": Spread(40.0, 1.0), "an": Spread(9.0, 1.0)}
    whole = Combined(Fraction(0), {"a": Fraction(1)})
    assert of_averages(whole, {"a": averaged(30, 0, "a")}, {}, spreads) is None
    assert of_averages(whole, {"a": averaged(30, -3, "a")}, {}, spreads) is None
    few, fewer = (of_averages(whole, {"a": averaged(30, count, "a")}, {}, spreads) for count in (10, 5))
    assert few is not None
    assert fewer is not None
    assert 100 < few[1] - few[0] < fewer[1] - fewer[0], "wider than values can be apart"


def test_numbers_that_share_noise_with_an_average_are_not_taken_for_independent() -> None:
    for select in ("avg(amount) - count(amount)", "avg(amount) - sum(amount)"):
        found = parts_of(select)
        assert found is not None
        assert found.level == 2
