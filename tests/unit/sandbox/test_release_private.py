"""An answer under differential privacy: which cells leave, what stands beside them, and how often it is true."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from tests.support.private_worlds import DISTRICTS, ENTERPRISE, PERSON, executed, planned, rules, world
from tests.support.relations import Row
from tests.support.seeded_noise import SeededSampler, Silent

from louver.errors import Refused
from louver_sandbox import codec
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.losses import predicted, private_notices
from louver_sandbox.release.private import NoNoise
from louver_sandbox.release.release import release
from louver_sandbox.stages import Execution, Plan

RUNS = 1_000


def accounts(number: int, **more: object) -> list[Row]:
    """Persons with amounts from 0 to 99 and ages from 20 to 69, by turns in two of the three districts."""
    return [
        {
            "person_id": f"p{n}",
            "district": DISTRICTS[n % 2],
            "amount": Decimal(n * 37 % 100),
            "age": 20 + n % 50,
            **more,
        }
        for n in range(number)
    ]


ALL = (rules("gov.account", PERSON, rho=Fraction(1, 2)),)
WHOLE = world(accounts=accounts(400))


def made(sql: str, whole: object = WHOLE) -> tuple[Plan, Execution]:
    assert whole is WHOLE
    found = planned(WHOLE, sql, ALL)
    return found, executed(WHOLE, found)


def test_without_noise_the_answer_would_be_the_exact_one() -> None:
    _, execution = made(
        "SELECT district, count(*) AS n, sum(amount) AS s, avg(amount) AS a, stddev_pop(amount) AS d, "
        "count(*) FILTER (WHERE age < 30) AS young FROM gov.account GROUP BY district ORDER BY district"
    )
    found = release(execution, sampler=Silent())
    of = [[n * 37 % 100 for n in range(400) if n % 2 == place] for place in range(2)]
    for row, values in zip(found.rows, of, strict=False):
        mean = Fraction(sum(values), len(values))
        spread = Fraction(sum((value - mean) ** 2 for value in values)) / len(values)
        assert row[1:3] == (200, sum(values))
        assert row[3:5] == pytest.approx((float(mean), float(spread) ** 0.5))
    assert [row[5] for row in found.rows] == [40, 40, 0, 0]


def test_every_declared_group_leaves_also_one_that_nobody_is_in() -> None:
    _, execution = made("SELECT district, count(*) AS n FROM gov.account GROUP BY district")
    found = release(execution, sampler=SeededSampler(1))
    assert {row[0] for row in found.rows} == {*DISTRICTS, None}
    numbers = {row[0]: row[1] for row in found.rows}
    assert numbers["d3"] != 0 or numbers[None] != 0


def test_groups_that_only_rows_name_are_listed_from_a_threshold_on() -> None:
    plan, execution = made("SELECT age, count(*) AS n FROM gov.account GROUP BY age")
    (core,) = plan.cores
    assert core.private is not None
    assert core.private.domain is None
    assert core.private.tau > 5
    listed = release(execution, sampler=SeededSampler(3)).rows
    assert all(isinstance(row[1], int) and row[1] >= core.private.tau for row in listed)
    assert 0 < len(release(execution, sampler=Silent()).rows) + len(listed) <= 100
    assert "GROUPS_LISTED" in {notice.code for notice in private_notices(plan)}


def test_order_limit_and_having_are_computed_from_noisy_numbers_and_keep_their_intervals() -> None:
    _, execution = made(
        "SELECT district AS d, n, 2 * n AS twice FROM (SELECT district, count(*) AS n FROM gov.account "
        "GROUP BY district) x WHERE n > 20 ORDER BY n DESC LIMIT 1"
    )
    found = release(execution, sampler=SeededSampler(1))
    ((_, number, twice),) = found.rows
    count, computed = found.accuracy
    assert twice == 2 * number  # type: ignore[operator]
    assert (count.column, computed.column, computed.kind) == ("n", "twice", "computed")
    assert int(count.low[0]) <= number <= int(count.high[0])  # type: ignore[operator]
    assert (int(computed.low[0]), int(computed.high[0])) == (2 * int(count.low[0]), 2 * int(count.high[0]))


COVERED = {
    "SELECT sum(amount) AS x FROM gov.account": sum(n * 37 % 100 for n in range(400)),
    "SELECT avg(amount) AS x FROM gov.account": 49.5,
    "SELECT stddev_pop(amount) AS x FROM gov.account": 28.86607,
    "SELECT 100.0 * count(*) FILTER (WHERE age < 30) / count(*) AS x FROM gov.account": 20,
}


@pytest.mark.parametrize(("sql", "true"), COVERED.items(), ids=[sql.split()[1].split("(")[0] for sql in COVERED])
def test_intervals_hold_the_true_number_in_95_of_100_answers(sql: str, true: float) -> None:
    _, execution = made(sql)
    held, widths = 0, []
    for seed in range(RUNS):
        (accuracy,) = release(execution, sampler=SeededSampler(seed)).accuracy
        low, high = float(accuracy.low[0]), float(accuracy.high[0])
        held += low - 1e-4 <= true <= high + 1e-4
        widths.append(high - low)
    assert held >= 0.935 * RUNS
    assert min(widths) > 0


def test_what_is_computed_from_what_noise_has_ordered_has_no_interval() -> None:
    _, execution = made(
        "SELECT district, rank() OVER (ORDER BY count(*)) AS r, count(*) + 0 * rank() OVER (ORDER BY count(*)) AS m "
        "FROM gov.account GROUP BY district"
    )
    assert [one.low for one in release(execution, sampler=SeededSampler(1)).accuracy] == [(), ()]


def test_a_ratio_has_no_interval_where_its_divisor_may_be_nothing() -> None:
    _, execution = made("SELECT district, sum(amount) / count(*) AS q FROM gov.account GROUP BY district ORDER BY 1")
    (found,) = release(execution, sampler=SeededSampler(1)).accuracy
    assert [bool(low) for low in found.low] == [bool(high) for high in found.high] == [True, True, False, False]
    assert "95 %" in found.message


def test_what_is_said_beforehand_is_what_is_said_with_the_answer() -> None:
    plan, execution = made("SELECT district, count(*) AS n, avg(amount) FROM gov.account GROUP BY district")
    found = release(execution, sampler=SeededSampler(1))
    assert [replace(one, low=(), high=()) for one in found.accuracy] == list(predicted(plan))
    assert set(private_notices(plan)) <= set(found.notices)
    loss = next(notice for notice in found.notices if notice.code == "PRIVACY_LOSS")
    assert loss.rule == "gov.account/person"
    assert "epsilon" in loss.message


def test_noise_needs_a_source() -> None:
    _, execution = made("SELECT count(*) FROM gov.account")
    with pytest.raises(NoNoise):
        release(execution)


def test_a_worker_that_lies_is_a_fault() -> None:
    _, execution = made("SELECT district, count(*) AS n FROM gov.account GROUP BY district")
    ((first, *rest),) = execution.rows
    lies: list[tuple[tuple[object, ...], ...]] = [
        (first, first, *rest),
        ((first[0], "many"), *rest),
        ((first[0], None), *rest),
        (first[:1], *rest),
    ]
    for lie in lies:
        with pytest.raises(WorkerLied):
            release(Execution(execution.committed, (lie,)), sampler=SeededSampler(1))


def test_a_plan_crosses_processes_as_it_is() -> None:
    plan, _ = made("SELECT district, count(*) AS n, var_samp(amount) FROM gov.account GROUP BY district")
    assert codec.decode(codec.encode(plan), Plan) == plan
    assert date(2026, 6, 30) not in {value for core in plan.cores if core.private for value in core.private.measures}


ROLLED_UP = (
    "SELECT district, age // 10 AS decade, grouping(district, decade) AS level, count(*) AS n, avg(amount) AS a "
    "FROM gov.account WHERE age BETWEEN 20 AND 69 GROUP BY ROLLUP(district, decade)"
)


def test_totals_are_the_sums_of_their_noisy_parts() -> None:
    plan, execution = made(ROLLED_UP)
    exact = {row[:3]: row[3] for row in release(execution, sampler=Silent()).rows}
    assert exact[None, None, 3] == 400
    assert exact["d1", None, 1] == 200
    found = {row[:3]: row[3] for row in release(execution, sampler=SeededSampler(5)).rows}
    assert found.keys() == exact.keys()
    parts = [number for (_, _, level), number in found.items() if level == 0]
    assert found[None, None, 3] == sum(parts)  # type: ignore[arg-type]
    assert parts != [number for (_, _, level), number in exact.items() if level == 0]
    counted = next(one for one in predicted(plan) if one.column == "n")
    assert (counted.below, counted.message.endswith("more in totals")) == ("", True)


def test_intervals_of_totals_hold_as_often() -> None:
    _, execution = made(ROLLED_UP.replace(", avg(amount) AS a", ""))
    held = 0
    for seed in range(RUNS // 4):
        found = release(execution, sampler=SeededSampler(seed))
        place = next(n for n, row in enumerate(found.rows) if row[2] == 3)
        count = next(one for one in found.accuracy if one.column == "n")
        held += int(count.low[place]) <= 400 <= int(count.high[place])
    assert held >= 0.93 * RUNS / 4


def test_units_in_several_cells_are_not_added_up() -> None:
    several = (rules("gov.pay", PERSON, groups=2), rules("gov.pay", ENTERPRISE, exempt="a test"))
    sql = "SELECT district, count(DISTINCT person_id) FROM gov.pay GROUP BY ROLLUP(district)"
    with pytest.raises(Refused, match="LVR-2303"):
        planned(WHOLE, sql, several)
    assert planned(WHOLE, sql, (replace(several[0], groups=1), several[1])).privacy
