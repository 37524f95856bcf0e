"""Noise over a real population of 299,285 persons: how far the answers are from the truth, and how far they say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import hypot

import pytest
from tests.real.conftest import DATA, FILES
from tests.support.census import Census, census
from tests.support.seeded_noise import SeededSampler

from louver_sandbox.release.release import release

RUNS = 1_000
ONE = Fraction(1)

pytestmark = pytest.mark.skipif(not (DATA / FILES["census_person"]).exists(), reason="the census is not here")


@pytest.fixture(scope="module")
def people() -> Iterator[Census]:
    with census(DATA / FILES["census_person"]) as found:
        yield found


def test_counts_by_sex_at_epsilon_one_are_within_a_hundredth_of_a_percent(people: Census) -> None:
    """The chance is over 99 in 100 (14 of 143,510 is 2.9 deviations of the noise), so 970 of 1,000 is far below it."""
    execution = people.executed("SELECT sex, count(*) AS n FROM gov.census GROUP BY sex ORDER BY sex", ONE)
    near = 0
    for seed in range(RUNS):
        (women, n_women), (men, n_men) = release(execution, sampler=SeededSampler(seed)).rows
        assert (women, men) == ("Female", "Male")
        near += abs(n_women - 155_775) <= 15.5 and abs(n_men - 143_510) <= 14.3  # type: ignore[operator]
    assert near >= 0.97 * RUNS


def test_the_mean_age_at_epsilon_one_is_within_a_hundredth_of_a_year(people: Census) -> None:
    """A hundredth of a year is 2,992 years of all, beyond seven deviations of the noise of their sum."""
    execution = people.executed("SELECT avg(age) AS age FROM gov.census", ONE)
    far = [abs(float(str(_only(execution, seed))) - 34.538998) for seed in range(RUNS)]
    assert max(far) < 0.01
    assert min(far) > 0


def _only(execution: object, seed: int) -> object:
    ((value,),) = release(execution, sampler=SeededSampler(seed)).rows  # type: ignore[arg-type]
    return value


@pytest.mark.parametrize(
    ("select", "ideal"),
    [
        ("count(*)", 1.0),
        ("sum(wage_per_hour)", 9_999.0),
        ("avg(age)", hypot(45, 45 - 34.539) * 2**0.5 / 299_285),
        ("avg(income_gt_50k)", hypot(0.5, 0.5 - 0.06204) * 2**0.5 / 299_285),
    ],
)
def test_intervals_over_the_census_hold_and_are_no_wider_than_their_noise(
    people: Census, select: str, ideal: float
) -> None:
    """`ideal`: the standard deviation of the answer's noise where that of a number of persons alone is 1. An average is
    of two numbers, each with half of the cost: the sum of values less their centre, and the number of persons, which
    counts by how far the mean is from the centre."""
    sql = f"SELECT {select} AS x FROM gov.census"
    execution = people.executed(sql, ONE)
    ((true,),) = people.truth(sql)
    counted = people.executed("SELECT count(*) FROM gov.census", ONE).committed.plan.cores[0].private
    assert counted is not None
    scale = float(counted.noisy[0].scale)
    held, widths = 0, []
    for seed in range(RUNS):
        (accuracy,) = release(execution, sampler=SeededSampler(seed)).accuracy
        low, high = float(accuracy.low[0]), float(accuracy.high[0])
        held += low <= float(str(true)) <= high
        widths.append(high - low)
    assert held >= 0.93 * RUNS
    assert sorted(widths)[RUNS // 2] <= 1.3 * 2 * 1.96 * scale * ideal


@pytest.mark.parametrize("share", ["0.5", "0.9"], ids=["median", "p90"])
@pytest.mark.parametrize("keys", ["", "sex"], ids=["of all", "by sex"])
def test_quantiles_of_weeks_worked_are_within_their_intervals_which_are_as_narrow_as_their_noise(
    people: Census, share: str, keys: str
) -> None:
    """Ideal is the width of the middle 95 % of what is released, over the same seeds."""
    grouped = f"GROUP BY {keys} ORDER BY {keys}" if keys else ""
    sql = f"SELECT quantile_disc(weeks_worked_in_year, {share}) AS x FROM gov.census {grouped}"
    execution, true = people.executed(sql, ONE), [float(str(value)) for (value,) in people.truth(sql)]
    held, widths, values = 0, [], []
    for seed in range(RUNS):
        found = release(execution, sampler=SeededSampler(seed))
        lows, highs = ([float(end) for end in ends] for ends in (found.accuracy[0].low, found.accuracy[0].high))
        held += all(low <= value <= high for low, value, high in zip(lows, true, highs, strict=True))
        widths += [high - low for low, high in zip(lows, highs, strict=True)]
        values.append([float(str(value)) for (value,) in found.rows])
    assert held >= 0.93 * RUNS
    ideal = sum(middle(column) for column in zip(*values, strict=True)) / len(true)
    assert sorted(widths)[len(widths) // 2] <= 1.3 * ideal


def middle(values: Sequence[float]) -> float:
    """The width of the middle 95 %."""
    ordered, cut = sorted(values), len(values) // 40
    return ordered[-cut - 1] - ordered[cut]
