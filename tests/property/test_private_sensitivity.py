"""Whatever the rows are, leaving out one unit moves what the worker says by no more than the answer is charged for.

The exact numbers of two worlds that differ by a unit, and the planned noise, tell how far the answers can be told
apart. That may never be more than the charge. Worlds are random and hostile: values far beyond their bounds, persons
and firms with far more rows than declared, rows of nobody.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.private_worlds import (
    BOTH,
    DISTRICTS,
    ENTERPRISE,
    MONTHS,
    PERSON,
    USUAL,
    cells,
    charged,
    executed,
    loss,
    planned,
    rules,
    without,
    world,
)
from tests.support.relations import Row, World

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.stages import Plan

NAMES = ("p1", "p2", "p3", "p4")
FIRMS = ("f1", "f2")
AMOUNTS = st.sampled_from([None, Decimal("-999.99"), Decimal("0.01"), Decimal(50), Decimal("99.99"), Decimal(10**12)])
DISTRICT = st.sampled_from([*DISTRICTS, "nowhere", None])


def rows_of(most: int, **columns: st.SearchStrategy[object]) -> st.SearchStrategy[list[Row]]:
    return st.lists(st.fixed_dictionaries(columns), max_size=most)


PAY = rows_of(
    12,
    person_id=st.sampled_from(NAMES),
    uscc=st.sampled_from([*FIRMS, None]),
    district=DISTRICT,
    amount=AMOUNTS,
    month=st.integers(1, 3),
)
PERSONS = st.lists(
    st.fixed_dictionaries(
        {
            "person_id": st.sampled_from(NAMES),
            "sex": st.sampled_from([True, False, None]),
            "street": st.sampled_from(["s1", "s2", "s3", "s4", None]),
        }
    ),
    max_size=4,
    unique_by=lambda row: row["person_id"],
)
ESTATES = rows_of(
    10,
    owner=st.sampled_from(NAMES),
    kind=st.sampled_from(["P", "E", None]),
    district=DISTRICT,
    area=st.sampled_from([None, -1e300, -3.25, 0.0, 7.5, 1e300]),
)
LOANS = rows_of(6, id_no=st.sampled_from(NAMES), bad=st.sampled_from([True, False, None]))

ALONE = [
    "SELECT district, count(*), count(amount), sum(amount), avg(amount), count(DISTINCT person_id) FROM gov.pay "
    "GROUP BY district",
    "SELECT street, count(*) AS n, var_samp(amount) FROM gov.pay p JOIN gov.person USING (person_id) GROUP BY street",
    "SELECT sex, month, stddev_pop(amount), count(*) FILTER (WHERE amount > 10) FROM gov.pay "
    "JOIN gov.person USING (person_id) WHERE month IN (1, 2) GROUP BY sex, month",
    "SELECT l.bad, count(*), avg(p.amount) FROM bank_a.loan l JOIN gov.pay p ON p.person_id = l.id_no GROUP BY l.bad",
    "SELECT a.most > 50 AS rich, count(*), sum(a.rows) FROM (SELECT person_id, max(amount) AS most, count(*) AS rows "
    "FROM gov.pay GROUP BY person_id) a GROUP BY 1",
    "SELECT district, count(*), sum(area), avg(area), count(DISTINCT owner) FROM gov.estate GROUP BY district",
    "SELECT count(*), avg(amount * 2 - 5) FROM gov.pay WHERE district <> 'd2'",
    "SELECT district, month, grouping(district), count(*) FROM gov.pay WHERE month < 3 AND month > 0 GROUP BY CUBE(district, month)",
    "SELECT district, median(amount), quantile_disc(amount, 0.9), count(*) FROM gov.pay GROUP BY district",
    "SELECT median(area) FROM gov.estate WHERE district <> 'd3'",
    "SELECT street, min(amount), quantile_cont(amount, 0.25) FILTER (WHERE month = 1) FROM gov.pay "
    "JOIN gov.person USING (person_id) GROUP BY street",
    "SELECT median(m) FROM (SELECT person_id, district, max(amount) AS m FROM gov.pay GROUP BY person_id, district) x",
    "WITH d AS (SELECT district, avg(amount) AS a FROM gov.pay GROUP BY district), "
    "t AS (SELECT count(*) AS n FROM gov.pay) SELECT d.district, d.a, t.n FROM d CROSS JOIN t",
]
TOGETHER = [
    "SELECT district, count(*), sum(amount), avg(amount), var_pop(amount) FROM gov.pay GROUP BY district",
    "SELECT sex, count(amount) FROM gov.pay JOIN gov.person USING (person_id) GROUP BY sex",
    "SELECT count(*), sum(amount) FILTER (WHERE month = 1) FROM gov.pay",
]


def fewer(rows: list[Row]) -> list[Row]:
    """At most as many rows of a person as are declared, which publishing checks."""
    kept: dict[object, int] = {}
    found: list[Row] = []
    for row in rows:
        kept[row["person_id"]] = kept.get(row["person_id"], 0) + 1
        found += [row] if kept[row["person_id"]] <= MONTHS else []
    return found


@pytest.mark.parametrize("sql", ALONE)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pay=PAY, persons=PERSONS, estates=ESTATES, loans=LOANS, data=st.data())
def test_one_unit_moves_the_exact_numbers_by_what_is_charged(
    sql: str, pay: list[Row], persons: list[Row], estates: list[Row], loans: list[Row], data: st.DataObject
) -> None:
    allowed = (*(one for one in USUAL if one.dataset != "gov.pay"), rules("gov.pay", PERSON, rows=3), USUAL[2])
    whole = world(pay, persons, estates, loans)
    unit = data.draw(st.sampled_from([PERSON, ENTERPRISE])) if "estate" in sql else PERSON
    held(planned(whole, sql, allowed), whole, unit, data.draw(st.sampled_from(NAMES)))


@pytest.mark.parametrize("sql", TOGETHER)
@settings(max_examples=7, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pay=PAY, persons=PERSONS, data=st.data())
def test_persons_and_firms_at_once_are_each_protected_as_charged(
    sql: str, pay: list[Row], persons: list[Row], data: st.DataObject
) -> None:
    whole = world(fewer(pay), persons)
    made = planned(whole, sql, BOTH)
    assert {charge.terms.unit for charge in made.privacy} == {PERSON, ENTERPRISE}
    held(made, whole, PERSON, data.draw(st.sampled_from(NAMES)))
    held(made, whole, ENTERPRISE, data.draw(st.sampled_from(FIRMS)))


def held(made: Plan, whole: World, unit: UnitType, who: str) -> None:
    before, after = executed(whole, made), executed(without(whole, unit, who), made)
    assert loss(made, before, after) <= charged(made, unit).rho
    noisy = [core.private for core in made.cores if core.private and core.private.noisy]
    for core, ours, theirs in zip(noisy, cells(made, before), cells(made, after), strict=True):
        if core.domain is None:  # groups that are there because of one unit: they hold nobody else
            alone = [numbers for key, numbers in ours.items() if key not in theirs]
            units = [one.name for one in core.noisy].index(core.units)
            assert len(alone) <= 2
            assert all(numbers[units] <= 1 for numbers in alone)


HOSTILE: list[Row] = [
    {"person_id": "p1", "uscc": "f1", "district": DISTRICTS[n % 3], "amount": Decimal(10**9), "month": 1}
    for n in range(300)
]


def uncut(statement: str) -> str:
    """The statement with a hundred times as many rows wherever three count."""
    for part in ("least(count(*), 3)", " 3 - (", "> 3", "< 3"):
        assert part in statement
        statement = statement.replace(part, part.replace("3", "300"))
    return statement


def test_a_person_with_hundreds_of_rows_and_huge_values_moves_no_more_and_the_check_sees_a_broken_cut() -> None:
    whole = world([*HOSTILE, {"person_id": "p2", "uscc": "f1", "district": "d1", "amount": Decimal(10), "month": 1}])
    allowed = (rules("gov.pay", PERSON, rows=3), USUAL[2])
    made = planned(whole, "SELECT district, count(*), sum(amount) FROM gov.pay GROUP BY district", allowed)
    before, after = executed(whole, made), executed(without(whole, PERSON, "p1"), made)
    cost = charged(made, PERSON).rho
    assert Fraction(1, 10) * cost < loss(made, before, after) <= cost
    (core,) = made.cores
    broken = replace(made, cores=(replace(core, statement=uncut(core.statement)),))
    assert broken != made
    assert loss(made, executed(whole, broken), executed(without(whole, PERSON, "p1"), broken)) > cost


def test_a_histogram_moves_by_what_is_charged_and_the_check_sees_a_broken_cut() -> None:
    whole = world([*HOSTILE, {"person_id": "p2", "uscc": "f1", "district": "d1", "amount": Decimal(10), "month": 1}])
    allowed = (rules("gov.pay", PERSON, rows=3), USUAL[2])
    made = planned(whole, "SELECT median(amount) FROM gov.pay", allowed)
    before, after = executed(whole, made), executed(without(whole, PERSON, "p1"), made)
    cost = charged(made, PERSON).rho
    assert Fraction(99, 100) * cost < loss(made, before, after) <= cost, "all rows in one bin are the worst there is"
    (core,) = made.cores
    broken = replace(made, cores=(replace(core, statement=uncut(core.statement)),))
    assert broken != made
    assert loss(made, executed(whole, broken), executed(without(whole, PERSON, "p1"), broken)) > cost
