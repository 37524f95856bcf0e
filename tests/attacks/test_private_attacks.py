"""Attacks on answers under differential privacy, through plan and release on what a worker would say.

Differencing: ask with and without one person, as often as one likes; what is learnt never exceeds what was charged.
The same audit accuses a cut that does not cut and a number that leaves without noise, so it would see them.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from tests.support.privacy_audit import least_epsilon
from tests.support.private_worlds import PERSON, charged, executed, loss, planned, rules, without, world
from tests.support.relations import Row, World, committed
from tests.support.seeded_noise import SeededSampler

from louver.errors import Refused
from louver_sandbox.privacy.conversion import epsilon_of
from louver_sandbox.release.release import release
from louver_sandbox.stages import Execution, Plan, Release

DRAWS = 2_000
DRAWS_OF_QUANTILES = 500
DELTA = Fraction(1, 100)
RHO = (rules("gov.account", PERSON, rho=Fraction(1, 2)),)


def crowd() -> list[Row]:
    return [
        {"person_id": f"p{n}", "district": "d1", "amount": Decimal(40 + n % 20), "age": 30 + n % 9} for n in range(60)
    ]


TARGET: Row = {"person_id": "target", "district": "d1", "amount": Decimal(10**6), "age": 99}
WITH = world(accounts=[*crowd(), TARGET])
WITHOUT = without(WITH, PERSON, "target")


def numbers(execution: Execution, seed: int) -> list[int]:
    """What an observer of many worlds sees."""
    found = []
    for draw in range(DRAWS):
        ((value,),) = release(execution, sampler=SeededSampler(seed * DRAWS + draw)).rows
        found.append(int(value))  # type: ignore[arg-type]
    return found


def proven(made: Plan) -> float:
    """A bound on epsilon that the draws prove, for the one person that the worlds differ by."""
    return least_epsilon(numbers(executed(WITHOUT, made), 1), numbers(executed(WITH, made), 2), float(DELTA))


def test_whether_one_person_is_there_is_not_told_beyond_what_is_charged() -> None:
    made = planned(WITH, "SELECT sum(amount) AS s FROM gov.account", RHO)
    (core,) = made.cores
    cost = float(epsilon_of(charged(made, PERSON), DELTA))
    assert 0.05 * cost < proven(made) <= cost
    unclipped = core.statement.replace("CAST('100.00' AS", "CAST('99999.00' AS").replace("'10000'", "'99999999'")
    assert unclipped != core.statement
    assert proven(replace(made, cores=(replace(core, statement=unclipped),))) > cost
    assert core.private is not None
    silent = tuple(replace(one, scale=Fraction(1, 64)) for one in core.private.noisy)
    bare = replace(core, private=replace(core.private, noisy=silent))
    assert proven(replace(made, cores=(bare,))) > cost


@pytest.mark.parametrize(
    "pair",
    [
        ("SELECT count(*) FROM gov.account", "SELECT count(*) FROM gov.account WHERE age <> 99"),
        ("SELECT sum(amount) FROM gov.account", "SELECT sum(amount) FROM gov.account WHERE age < 99"),
    ],
)
def test_differencing_two_questions_costs_both_and_learns_no_more_than_both(pair: tuple[str, str]) -> None:
    plans = [planned(WITH, sql, RHO) for sql in pair]
    learnt = sum((loss(made, executed(WITH, made), executed(WITHOUT, made)) for made in plans), Fraction(0))
    paid = sum((charged(made, PERSON).rho for made in plans), Fraction(0))
    assert 0 < learnt <= paid / 2, "only the question that the person is in can tell"


def test_the_group_of_one_person_is_hardly_ever_listed() -> None:
    made = planned(WITH, "SELECT age, count(*) AS n FROM gov.account GROUP BY age", RHO)
    execution = executed(WITH, made)
    seen = sum(any(row[0] == 99 for row in release(execution, sampler=SeededSampler(n)).rows) for n in range(500))
    assert seen == 0
    assert charged(made, PERSON).delta > 0


def test_own_rows_repeat_nobody_beyond_the_rows_that_count() -> None:
    """The bank uploads one person two hundred times to have their value two hundred times."""
    repeated = world(accounts=WITH.rows[WITH.tables[0].name], loans=[{"id_no": "target", "bad": True}] * 200)
    sql = "SELECT sum(a.amount) FROM bank_a.loan l JOIN gov.account a ON a.person_id = l.id_no"
    with pytest.raises(Refused, match="LVR-2352"):
        planned(repeated, sql, RHO)
    made = planned(repeated, sql, (rules("gov.account", PERSON, rows=2),))
    before, after = executed(repeated, made), executed(without(repeated, PERSON, "target"), made)
    assert 0 < loss(made, before, after) <= charged(made, PERSON).rho
    ((total,),) = before.rows[0]
    assert total == 2 * 100 * 100, "two rows of 100.00 in fen"


def test_whether_one_person_is_there_is_not_told_by_a_quantile_beyond_what_is_charged() -> None:
    """A crowd of four and one far above them; the ends of the interval are looked at as well as the value."""
    few = world(accounts=[*crowd()[:4], TARGET])
    small = (rules("gov.account", PERSON, rho=Fraction(1, 8)),)
    made = planned(few, "SELECT quantile_disc(floor(amount / 5)::INT, 0.9) AS q FROM gov.account", small)
    (core,) = made.cores
    assert core.private is not None
    cost = float(epsilon_of(charged(made, PERSON), DELTA))
    silent = replace(core.private.ranks[0], scale=Fraction(1, 64))
    bare = replace(made, cores=(replace(core, private=replace(core.private, ranks=(silent,))),))
    worlds = (without(few, PERSON, "target"), few)
    assert seen_of(made, worlds) <= cost
    assert seen_of(bare, worlds) > cost


def seen_of(made: Plan, worlds: tuple[World, World]) -> float:
    """What the quantile and the ends of its interval prove, each by itself."""
    draws: list[list[tuple[int, ...]]] = []
    for place, of in enumerate(worlds):
        execution = Execution(committed(made), executed(of, made).rows)
        found = [release(execution, sampler=SeededSampler(place * DRAWS + n)) for n in range(DRAWS_OF_QUANTILES)]
        draws.append([tuple(int(text) for text in told(one)) for one in found])
    columns = [list(zip(*of, strict=True)) for of in draws]
    assert len(set(draws[0] + draws[1])) > 1, "noise or the person must be seen at all"
    return max(least_epsilon(one, other, float(DELTA)) for one, other in zip(*columns, strict=True))


def told(found: Release) -> tuple[str, str, str]:
    ((value,),), (accuracy,) = found.rows, found.accuracy
    return str(value), accuracy.low[0], accuracy.high[0]
