"""Every kind of interval holds in 95 of 100 answers and is hardly wider than the noise in what it is of.

Tried with so many answers of each kind that one which holds as often as it says is accused with a chance below 1e-9:
4,500 where that is 95 in 100, 1,500 where whole numbers make it 96 and more, and of what is computed otherwise, where
noise of a seed is what makes a run repeatable. `LOUVER_INTERVAL_DRAWS=100000` takes so
many of each, and the kinds that take long besides.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from tests.support.interval_runs import DRAWS, Seen, listed, seen
from tests.support.lengths import at_length_only
from tests.support.private_worlds import PERSON, planned, rules, world

SHARP, COARSE, MODEST, WIDE = 4_500, 1_500, 1_000, 500

ONE = {
    "count": ("count(*)", COARSE),
    "some": ("count(*) FILTER (WHERE age < 30)", COARSE),
    "units": ("count(DISTINCT person_id)", COARSE),
    "sum": ("sum(amount)", SHARP),
    "mean": ("avg(amount)", SHARP),
    "variance": ("var_pop(amount)", COARSE),
    "deviation": ("stddev_samp(amount)", COARSE),
}
SEVERAL = {
    "rate": ("100.0 * count(*) FILTER (WHERE age < 30) / count(*)", COARSE),
    "rounded": ("round(100.0 * count(*) FILTER (WHERE age < 30) / nullif(count(*), 0), 2)", COARSE),
    "guarded": ("CASE WHEN count(*) > 9 THEN 1 - count(*) FILTER (WHERE age < 30) * 1.0 / count(*) END", COARSE),
    "part of two": (
        "count(*) FILTER (WHERE age < 30) * 1.0 "
        "/ (count(*) FILTER (WHERE age < 30) + count(*) FILTER (WHERE age > 50))",
        COARSE,
    ),
    "ratio of sums": ("sum(amount) / sum(age)", SHARP),
    "difference": ("count(*) FILTER (WHERE age < 40) - count(*) FILTER (WHERE age > 50)", COARSE),
    "linear": ("3 * count(*) FILTER (WHERE age < 40) - 2 * count(*) FILTER (WHERE age > 50) + 7", COARSE),
    "of four": (
        "count(*) FILTER (WHERE age < 30) + count(*) FILTER (WHERE age > 60) "
        "- count(*) FILTER (WHERE amount < 10) - count(*) FILTER (WHERE amount > 90)",
        COARSE,
    ),
    "of sums": ("sum(amount) - 2 * sum(age)", SHARP),
    "of one": ("1000 - 2 * count(*)", COARSE),
}
CURVED = {
    "difference of means": "avg(amount) FILTER (WHERE age < 40) - avg(amount) FILTER (WHERE age > 50)",
    "of three means": (
        "avg(amount) FILTER (WHERE age < 35) + avg(amount) FILTER (WHERE age > 55) "
        "- 2 * avg(amount) FILTER (WHERE age BETWEEN 35 AND 55)"
    ),
    "mean beside a count": "avg(amount) + count(*) FILTER (WHERE age > 30)",
    "mean beside its count": "avg(amount) * 10 - count(amount)",
    "product": "count(*) FILTER (WHERE age < 40) * count(*) FILTER (WHERE age > 50)",
    "product of means": "avg(amount) FILTER (WHERE age < 40) * avg(age)",
    "ratio of means": "avg(amount) FILTER (WHERE age < 40) / avg(amount) FILTER (WHERE age > 50)",
    "mean times count": "avg(amount) * count(*)",
    "evidence": (
        "ln((count(*) FILTER (WHERE age < 30) * 1.0 / count(*) FILTER (WHERE age >= 30)) "
        "/ (count(*) FILTER (WHERE amount < 40) * 1.0 / count(*) FILTER (WHERE amount >= 40)))"
    ),
}
OTHERWISE = {
    "greatest": ("greatest(count(*) FILTER (WHERE age < 40), count(*) FILTER (WHERE age > 50))", 2.0),
    "deviation by the mean": ("stddev_pop(amount) / avg(amount)", 1.8),
}
BY_COMMAND = {
    "share": "avg(CASE WHEN age < 30 THEN 1 ELSE 0 END)",
    "sample variance": "var_samp(amount)",
    "population deviation": "stddev_pop(amount)",
    "mean by hand": "sum(amount) / count(*)",
    "relative difference": "1 - sum(amount) / sum(age)",
}
TOTALS = {
    "count": ("count(*)", COARSE),
    "sum": ("sum(amount)", SHARP),
    "difference": ("count(*) FILTER (WHERE age < 40) - count(*) FILTER (WHERE age > 50)", COARSE),
}
TOTALS_BY_COMMAND = {
    "mean": "avg(amount)",
    "deviation": "stddev_pop(amount)",
    "rate": "100.0 * count(*) FILTER (WHERE age < 30) / count(*)",
}
QUANTILES = {
    "median": "median(amount)",
    "continuous": "quantile_cont(amount, 0.9)",
    "discrete": "quantile_disc(amount, 0.25)",
    "largest": "max(amount)",
}
pytestmark = pytest.mark.timeout(7200 if DRAWS else 300)
EMPTY, ALLOWED = world(), (rules("gov.account", PERSON),)
by_command = pytest.mark.skipif(not DRAWS, reason="set LOUVER_INTERVAL_DRAWS to try the kinds that take long")


def is_sharp(found: Seen, steps: float) -> bool:
    """Whether it holds, and is not much wider than the middle 95 % of what was released."""
    return found.held >= 0.93 * found.draws and 0 < found.width <= 1.3 * found.ideal + steps


def steps_of(select: str) -> int:
    """A whole number's interval has whole ends: a few steps more at most."""
    return 4 if all(word not in select for word in ("/", "amount", "avg", "age)")) else 0


@pytest.mark.parametrize("name", [*ONE, *SEVERAL])
def test_what_is_a_number_a_sum_or_a_quotient_has_a_sharp_interval(name: str) -> None:
    select, draws = {**ONE, **SEVERAL}[name]
    found = seen(select, draws)
    assert found.draws >= draws
    assert is_sharp(found, steps_of(select)), found


@at_length_only
@pytest.mark.parametrize("name", CURVED)
def test_what_is_a_smooth_function_has_a_sharp_interval_too(name: str) -> None:
    found = seen(CURVED[name], MODEST)
    assert found.held >= 0.93 * found.draws, found
    assert 0 < found.width <= 1.3 * found.ideal, found


@by_command
@pytest.mark.parametrize("name", BY_COMMAND)
def test_so_have_kinds_that_are_computed_alike(name: str) -> None:
    assert is_sharp(seen(BY_COMMAND[name], SHARP), 0)


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_is_computed_otherwise_holds_at_least_as_often_and_is_wider(name: str) -> None:
    select, times = OTHERWISE[name]
    found = seen(select, WIDE)
    assert found.held >= 0.95 * found.draws, found
    assert 0 < found.width <= times * found.ideal, found


@pytest.mark.parametrize("name", TOTALS)
def test_totals_of_grouping_sets_have_the_interval_of_all_their_noise(name: str) -> None:
    select, draws = TOTALS[name]
    assert is_sharp(found := seen(select, draws, totals=True), steps_of(select)), found


def test_so_have_totals_of_products() -> None:
    found = seen(CURVED["product"], MODEST, totals=True)
    assert is_sharp(found, 0), found


@by_command
@pytest.mark.parametrize("name", TOTALS_BY_COMMAND)
def test_so_have_totals_that_are_computed(name: str) -> None:
    assert is_sharp(seen(TOTALS_BY_COMMAND[name], SHARP, totals=True), 0)


@pytest.mark.parametrize("name", QUANTILES)
def test_quantiles_hold_and_are_as_wide_as_their_noise_and_bins(name: str) -> None:
    """There are 16 bins for so many groups, of 6.25 each: an interval holds whole ones, and a neighbouring value."""
    found = seen(QUANTILES[name], WIDE)
    assert found.held >= 0.95 * found.draws, found
    assert 0 < found.width <= 1.3 * found.ideal + 3 * 6.25, found


@pytest.mark.parametrize("select", ["count(*)", "sum(amount)", "avg(amount)"])
@pytest.mark.parametrize("rho", [Fraction(1, denominator) for denominator in (4_000, 16_000, 40_000)], ids=str)
def test_of_a_group_that_a_threshold_lists_or_not_something_wrong_is_said_in_five_of_a_hundred(
    select: str, rho: Fraction
) -> None:
    """Groups of 600, with noise that lists nearly all, some and few of them. Of a group that is hardly ever listed,
    which needs a high draw, the interval is then often too high: what holds is that of any one group something wrong
    is said in 5 of 100 answers at most."""
    found = listed(select, MODEST, rho)
    assert found.missed <= 0.065 * found.draws, found


@pytest.mark.parametrize("rho", [Fraction(1, 4), Fraction(8)], ids=str)
def test_with_little_noise_they_hold_as_well(rho: Fraction) -> None:
    """Its steps are seen then: what is combined falls back on the intervals of its parts."""
    found = seen(SEVERAL["rate"][0], COARSE, rho=rho)
    assert found.held >= 0.93 * found.draws, found


def test_the_centre_of_nought_and_one_lies_between_them() -> None:
    """So that one person moves the sum of a share by a half, and its noise is half of what a whole one would need."""
    share = planned(EMPTY, "SELECT avg(CASE WHEN age < 30 THEN 1 ELSE 0 END) AS x FROM gov.account", ALLOWED)
    count = planned(EMPTY, "SELECT count(*), count(*) FILTER (WHERE age < 30) FROM gov.account", ALLOWED)
    (mean,), (counted,) = share.cores, count.cores
    assert mean.private is not None
    assert counted.private is not None
    of = {one.name: one.scale for one in mean.private.noisy}
    (measure,) = mean.private.measures
    assert measure.digits == 1
    assert of[measure.total] / 10 == counted.private.noisy[0].scale / 2
