"""Quantiles under differential privacy, from question to answer: bins, bounds, costs, intervals and what is refused."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.private_worlds import (
    BOTH,
    DISTRICTS,
    ENTERPRISE,
    MONEY,
    MONTHS,
    PERSON,
    USUAL,
    answered,
    asked,
    charged,
    executed,
    loss,
    planned,
    rules,
    without,
    world,
)
from tests.support.quantile_runs import runs
from tests.support.relations import Row, World, lit, question, readings, run
from tests.support.seeded_noise import SeededSampler, Silent

from louver.errors import Refused
from louver_sandbox import codec
from louver_sandbox.algebra.expressions import Call, Expression, Literal, Value
from louver_sandbox.algebra.types import INTEGER
from louver_sandbox.engines.oracle import answer
from louver_sandbox.mechanisms.grid import grid, joined, segments
from louver_sandbox.mechanisms.noise import DiscreteGaussian
from louver_sandbox.mechanisms.release import Bounds
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.private.measures import Number
from louver_sandbox.plan.private.quantiles import MOST_DRAWN, bin_of
from louver_sandbox.plan.verify import PlanUnverified, verify
from louver_sandbox.private_core import PrivateRanks, PrivateRules
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.losses import predicted, private_notices
from louver_sandbox.release.release import release
from louver_sandbox.sql.functions import evaluate_call
from louver_sandbox.stages import Execution, Plan

RICH = (rules("gov.account", PERSON, rho=Fraction(1, 2)),)
ROWS: list[Row] = [
    {"person_id": f"p{n}", "district": DISTRICTS[n % 2], "amount": Decimal(n * 37 % 1000) / 10, "age": 20 + n % 50}
    for n in range(400)
]
WHOLE = world(accounts=ROWS)
EMPTY = world()


def ranks_of(made: Plan) -> tuple[PrivateRanks, ...]:
    return made.cores[0].private.ranks if made.cores[0].private else ()


def quiet(sql: str, whole: World = WHOLE, allowed: Sequence[PrivateRules] = RICH) -> list[tuple[object, ...]]:
    """The answer without noise."""
    return list(release(executed(whole, planned(whole, sql, allowed)), sampler=Silent()).rows)


# -- bins


BOUNDS = st.tuples(st.integers(-(10**12), 10**12), st.integers(1, 10**12)).map(
    lambda at: Bounds(at[0], at[0] + at[1])
)


@settings(max_examples=60, deadline=None)
@given(bounds=BOUNDS, most=st.sampled_from([16, 64, 256, 1024]), data=st.data())
def test_every_value_between_the_bounds_has_one_bin_and_the_worker_finds_it(
    bounds: Bounds, most: int, data: st.DataObject
) -> None:
    bins = grid(bounds, most)
    assert bins.number <= most
    assert (bins.edges[0], bins.edges[-1]) == (bounds.low, bounds.high + 1)
    assert joined(segments(bins)) == bins
    digits = data.draw(st.sampled_from([0, 2]))
    ranking = Number("ranks", lit(0), bounds.low, bounds.high, digits=digits)
    units = data.draw(st.integers(bounds.low - 10**13, bounds.high + 10**13))
    place = evaluated(bin_of(constant(units, digits), ranking, segments(bins)))
    assert place == bisect_right(bins.edges, bounds.clipped(units)) - 1


def constant(units: int, digits: int) -> Literal:
    return Literal(Decimal(units).scaleb(-digits), MONEY) if digits else Literal(units, INTEGER)


def evaluated(expression: Expression) -> Value:
    if isinstance(expression, Literal):
        return expression.value
    assert isinstance(expression, Call)
    return evaluate_call(expression.function, [evaluated(part) for part in expression.arguments], expression.type)


def test_bins_are_round_and_as_fine_as_bounds_allow() -> None:
    assert grid(Bounds(0, 52), 1024).edges == tuple(range(54))
    assert segments(grid(Bounds(2_000, 25_000), 1024)) == ((2_000, 50, 460), (25_000, 1, 1))
    for start, step, _ in segments(grid(Bounds(0, 2_000_000_000), 1024)):
        assert step <= max(100_000, start) // 10
    around = grid(Bounds(-500, 499), 64).edges[1:-1]
    assert around == tuple(-edge for edge in reversed(around))


# -- what a worker counts


def test_without_noise_quantiles_are_those_of_the_oracle_to_one_bin() -> None:
    sql = (
        "SELECT district, median(amount), quantile_cont(amount, 0.9), percentile_disc(0.25) WITHIN GROUP (ORDER BY "
        "amount), median(amount) FILTER (WHERE age < 40), count(*) FROM gov.account GROUP BY district ORDER BY 1"
    )
    exact = answer(asked(WHOLE, sql).bound.relation, WHOLE.rows)  # type: ignore[arg-type]  # rows of plain values
    found = {row[0]: row[1:] for row in quiet(sql)}
    assert len(exact) == 2
    for district, *values in exact:
        assert found[district][-1] == values[-1]
        for ours, theirs in zip(found[district], values, strict=True):
            assert float(ours) == pytest.approx(float(theirs), abs=0.21)  # type: ignore[arg-type]  # widest bin, and a neighbour


def test_values_beyond_their_bounds_count_as_the_bound_and_absent_ones_not_at_all() -> None:
    rows: list[Row] = [{"person_id": f"p{n}", "amount": Decimal(n - 50) * 10} for n in range(101)]
    rows += [{"person_id": f"q{n}", "amount": None} for n in range(60)]
    assert quiet("SELECT quantile_disc(amount, 0.4) FROM gov.account", world(accounts=rows)) == [(Decimal("0.00"),)]
    assert quiet("SELECT quantile_disc(amount, 0.7) FROM gov.account", world(accounts=rows)) == [(Decimal("100.00"),)]


def test_a_person_counts_with_bounded_rows_over_all_bins_and_groups() -> None:
    many: list[Row] = [
        {"person_id": "p1", "district": DISTRICTS[n % 3], "amount": Decimal(n % 90), "month": 1} for n in range(300)
    ]
    whole = world([*many, {"person_id": "p2", "district": "d1", "amount": Decimal(5), "month": 1}])
    made = planned(
        whole,
        "SELECT district, median(amount) FROM gov.pay GROUP BY district",
        (rules("gov.pay", PERSON, rows=3), USUAL[2]),
    )
    (rows,) = executed(whole, made).rows
    assert sum(int(str(row[-1])) for row in rows) == 3 + 1
    (of,) = ranks_of(made)
    assert joined(of.segments).sensitivity(3).largest == 3


def test_what_one_person_is_worth_inside_is_ranked_like_any_value() -> None:
    rows: list[Row] = [
        {"person_id": f"p{n}", "district": "d1", "amount": Decimal(n + month), "month": month}
        for n in range(61)
        for month in range(3)
    ]
    sql = "SELECT median(m) FROM (SELECT person_id, median(amount) AS m FROM gov.pay GROUP BY person_id) x"
    assert quiet(sql, world(rows), USUAL) == [(pytest.approx(31, abs=0.3),)]


def test_over_own_data_quantiles_are_exact() -> None:
    own = world(loans=[{"id_no": f"p{n}", "bad": n % 3 == 0} for n in range(10)])
    asked_for = question(
        own, "SELECT median(bad::INT), quantile_disc(bad::INT, 0.7) FILTER (WHERE bad) FROM bank_a.loan"
    )
    assert run(own, asked_for).release.rows == ((0.0, 1),)
    assert answer(asked_for.bound.relation, own.rows) == ((0.0, 1),)  # type: ignore[arg-type]  # rows of plain values


# -- what it costs and what is said of it


SAME = "SELECT district, avg(amount), median(amount) AS m, quantile_disc(amount, 0.9), max(amount), count(*) FROM gov.account GROUP BY 1"


def test_all_quantiles_of_one_value_share_a_histogram_and_a_charge() -> None:
    made = planned(WHOLE, SAME, RICH)
    assert [core.ranks_of for core in made.cores] == [None, made.cores[0].core_id]
    assert len(ranks_of(made)) == 1
    two = planned(WHOLE, "SELECT median(amount), median(amount) FILTER (WHERE age < 40) FROM gov.account", RICH)
    assert len(ranks_of(two)) == len(two.cores) == 2
    for plans in (made, two):
        (charge,) = plans.privacy
        assert Fraction(999, 1000) / 2 < charge.cost.rho <= Fraction(1, 2)
        assert plan(asked(WHOLE, SAME, RICH)) == plan(asked(WHOLE, SAME, RICH))
    assert codec.decode(codec.encode(made), Plan) == made


def test_a_lone_median_has_the_whole_of_what_a_question_may_cost() -> None:
    made = planned(WHOLE, "SELECT median(amount) FROM gov.account", RICH)
    (of,) = ranks_of(made)
    bins = joined(of.segments)
    assert len(made.cores) == 1
    assert DiscreteGaussian(of.scale).cost(bins.sensitivity()).rho == made.privacy[0].cost.rho


def test_the_error_is_told_beforehand_in_rank_and_what_is_said_is_what_is_said_with_the_answer() -> None:
    made = planned(WHOLE, SAME, RICH)
    found = release(executed(WHOLE, made), sampler=SeededSampler(1))
    assert [replace(one, low=(), high=()) for one in found.accuracy] == list(predicted(made))
    median = next(one for one in found.accuracy if one.column == "m")
    assert median.kind == "quantile"
    assert median.message.startswith("the quantile at 0.5: within ±")
    assert "rows in rank at 95 %, in steps of 0.01 to 0.20" in median.message
    assert "名次误差" in median.message_zh
    codes = {notice.code for notice in private_notices(made)}
    assert "EXTREMES_AS_QUANTILES" in codes
    assert codes <= {notice.code for notice in found.notices}


def test_listed_groups_have_quantiles_the_largest_first_and_a_notice_says_how_many() -> None:
    made = planned(WHOLE, "SELECT district, age, median(amount) AS m FROM gov.account GROUP BY district, age", RICH)
    assert made.cores[0].private
    few = replace(made.cores[0].private, ranks=(replace(ranks_of(made)[0], most=2),), tau=3)
    cut = replace(made, cores=(replace(made.cores[0], private=few), *made.cores[1:]))
    execution = executed(WHOLE, made)
    rows = release(Execution(replace(execution.committed, plan=cut), execution.rows), sampler=SeededSampler(2)).rows
    assert len(rows) > 20
    assert sum(row[2] is not None for row in rows) == 2
    assert any(
        notice.code == "QUANTILES_LIMITED" and str(MOST_DRAWN // 85) in notice.message
        for notice in private_notices(made)
    )


# -- intervals


def test_totals_are_read_off_the_sums_of_their_parts_and_their_intervals_hold() -> None:
    sql = (
        "SELECT district, grouping(district) AS g, median(floor(amount)::INT) AS m FROM gov.account "
        "GROUP BY ROLLUP(district)"
    )
    made = planned(WHOLE, sql, RICH)
    execution = executed(WHOLE, made)
    middle = sorted(int(Decimal(str(row["amount"]))) for row in ROWS)[199:201]
    true = sum(middle) / 2
    total = next(row[2] for row in release(execution, sampler=Silent()).rows if row[1] == 1)
    assert total == pytest.approx(true, abs=1)
    held = 0
    for seed in range(40):
        found = release(execution, sampler=SeededSampler(seed))
        place = next(n for n, row in enumerate(found.rows) if row[1] == 1)
        (one,) = found.accuracy
        held += float(one.low[place]) <= true <= float(one.high[place])
    assert held >= 34


def test_a_group_without_values_says_that_it_can_be_anything() -> None:
    (one,) = release(
        executed(EMPTY, planned(EMPTY, "SELECT median(amount) FROM gov.account", RICH)), sampler=SeededSampler(1)
    ).accuracy
    assert (float(one.low[0]), float(one.high[0])) == (0, 100)


def test_intervals_of_scattered_values_hold_and_are_hardly_wider_than_they_must() -> None:
    draw = Random(5)
    values = sorted(min(9_999, int(draw.lognormvariate(6.5, 0.8))) for _ in range(5_000))
    found = runs(values, Bounds(0, 9_999), Fraction(9, 10), 120)
    assert min(found.held, found.close) >= 0.93 * 120
    assert found.steps > 1, "bins hold several values"
    assert found.width <= 1.3 * found.ideal + 2 * found.steps


# -- refused, and not sent


REFUSED = {
    "SELECT median(age) FROM gov.account": "LVR-2354",
    "SELECT max(district) FROM gov.account": "LVR-2350",
    "SELECT amount > 0 AS z, amount > 1 AS a, amount > 2 AS b, amount > 3 AS c, floor(amount)::INT AS d, median(amount) FROM gov.account GROUP BY ALL": "LVR-2361",
}


@pytest.mark.parametrize(("sql", "code"), REFUSED.items(), ids=REFUSED.values())
def test_what_cannot_be_ranked_is_refused(sql: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        planned(EMPTY, sql)
    assert refused.value.code == code
    assert refused.value.message_zh


# -- persons and enterprises at once

OF_BOTH = ("median(amount)", "avg(amount), quantile_disc(amount, 0.9), min(amount)")


def hostile(seed: int) -> list[Row]:
    """Persons in as many rows as declared, most of them with one employer, at a few places far apart."""
    random = Random(seed)
    rows: list[Row] = []
    for n in range(random.choice((3, 12, 30))):
        for month in range(MONTHS):
            of = random.choice((0, 0, 0, 1, n))
            amount = Decimal(random.choice((0, 1, 50, 99, random.randrange(100))))
            district = random.choice((*DISTRICTS, None))
            found: Row = {
                "person_id": f"p{n}",
                "uscc": f"e{of}",
                "district": district,
                "amount": amount,
                "month": month,
            }
            rows.append(found if random.random() < 0.95 else {**found, "uscc": None})
    return rows


@pytest.mark.parametrize("keys", ["", "district"])
def test_no_person_and_no_enterprise_moves_a_histogram_by_more_than_it_is_charged(keys: str) -> None:
    largest = dict.fromkeys((PERSON, ENTERPRISE), Fraction(0))
    for seed in range(12):
        whole = world(hostile(seed))
        select = f"{keys}, " if keys else ""
        made = planned(
            whole, f"SELECT {select}{OF_BOTH[seed % 2]} FROM gov.pay" + f" GROUP BY {keys}" * bool(keys), BOTH
        )
        full = executed(whole, made)
        for unit, who in ((PERSON, "p0"), (PERSON, "p2"), (ENTERPRISE, "e0"), (ENTERPRISE, "e1")):
            lost = loss(made, full, executed(without(whole, unit, who), made)) / charged(made, unit).rho
            largest[unit] = max(largest[unit], lost)
    assert 0 < largest[PERSON] <= 1
    assert 0 < largest[ENTERPRISE] <= 1


def test_one_row_moves_two_bins_and_that_is_charged_for() -> None:
    """An employer whose rows are all in the bin that its order takes last, and a person whose rows come first: where
    each of the person's rows counts, one of the others falls out. By its own rows alone the charge would be too low."""
    worst = Fraction(0)
    for first in range(0, 100, 7):
        others = [f"q{n}" for n in range(9)]
        rows: list[Row] = [
            {"person_id": who, "uscc": "e", "district": "d1", "amount": Decimal(99), "month": 1} for who in others
        ]
        rows += [
            {"person_id": "p", "uscc": "e", "district": "d1", "amount": Decimal(first), "month": month}
            for month in range(MONTHS)
        ]
        whole = world(rows)
        made = planned(whole, "SELECT median(amount) FROM gov.pay", BOTH)
        (core,) = made.cores
        assert core.private is not None
        (ranks,) = core.private.ranks
        moved = loss(made, executed(whole, made), executed(without(whole, PERSON, "p"), made))
        levels = joined(ranks.segments).levels
        by_own_rows = Fraction(MONTHS**2 * levels) / (2 * ranks.scale**2)
        assert moved <= charged(made, PERSON).rho
        worst = max(worst, moved / by_own_rows)
    assert worst > 1


def test_quantiles_of_two_kinds_are_those_of_the_rows_that_count() -> None:
    rows: list[Row] = [
        {"person_id": f"p{n}", "uscc": f"e{n // 6}", "district": "d1", "amount": Decimal(n % 100), "month": 1}
        for n in range(300)
    ]
    found = answered(world(rows), "SELECT median(amount), quantile_disc(amount, 0.9) FROM gov.pay", Silent(), BOTH)
    ((median, ninth),) = found.rows
    assert abs(float(str(median)) - 49.5) < 1
    assert abs(float(str(ninth)) - 89) < 1
    crowded: list[Row] = [{**row, "uscc": "e0"} for row in rows]
    made = planned(world(crowded), "SELECT median(amount) FROM gov.pay", BOTH)
    counted = sum(int(str(row[-1])) for row in executed(world(crowded), made).rows[0])
    assert counted == 6, "of an employer as many rows as its policy says"


def test_a_histogram_without_its_noise_or_core_is_not_sent() -> None:
    made = planned(EMPTY, "SELECT avg(amount), median(amount) FROM gov.account")
    main, histogram = made.cores
    assert main.private
    wrong = [
        (replace(main, private=replace(main.private, ranks=())), histogram),
        (main, replace(histogram, ranks_of=999)),
        (
            main,
            replace(histogram, statement=histogram.statement.replace(' ANTI JOIN "over" ', ' SEMI JOIN "over" ')),
        ),
        (main, replace(histogram, unit_groups=())),
    ]
    for cores in wrong:
        with pytest.raises(PlanUnverified):
            verify(replace(made, cores=cores), readings(made))
    verify(made, readings(made))


def test_a_worker_that_lies_about_bins_is_a_fault() -> None:
    made = planned(WHOLE, "SELECT median(amount) FROM gov.account", RICH)
    execution = executed(WHOLE, made)
    (rows,) = execution.rows
    for lie in ((*rows, rows[0]), ((-1, 5),), ((10**6, 5),), ((None, 5),), ((0, "many"),)):
        with pytest.raises(WorkerLied):
            release(Execution(execution.committed, (lie,)), sampler=SeededSampler(1))
