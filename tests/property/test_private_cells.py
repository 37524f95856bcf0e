"""Where a unit has few rows in a cell, cells bound what it moves, and nothing it does moves more than is charged.

A person paid once a month has one row in each of k public months: moving each by one is moving the root of k, where k
rows in one cell would move k (ADR 50).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.test_private_declared_rows import once_a_month
from tests.property.test_private_sensitivity import FIRMS, NAMES, PAY, PERSONS, fewer, held
from tests.support.private_worlds import (
    BOTH,
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

from louver_sandbox.mechanisms.noise import DiscreteGaussian, Sensitivity
from louver_sandbox.plan.private.bounding import Bounded
from louver_sandbox.private_core import PrivateRules
from louver_sandbox.stages import Plan

ALL_MONTHS = "WHERE month IN (1, 2, 3, 4)"
HALF = "CASE WHEN month > 2 THEN 2 ELSE 1 END"


def allowed(groups: int = 4, rows: int | None = None) -> tuple[PrivateRules, ...]:
    return (rules("gov.pay", PERSON, groups=groups, rows=rows), USUAL[2], USUAL[3])


def squared(made: Plan) -> Fraction:
    """The square of what one person moves the only number by, in the most that a row adds."""
    (core,) = made.cores
    assert core.private is not None
    (number,) = core.private.noisy
    return charged(made, PERSON).rho / DiscreteGaussian(number.scale).cost(Sensitivity(1)).rho


def loosely(of: World) -> World:
    """The declarations of `once_a_month` over rows that do not keep them, as publishing would refuse."""
    return World(once_a_month(of).tables, of.rows)


@pytest.mark.parametrize(
    ("sql", "rows", "cells"),
    [
        (f"SELECT month, count(*) FROM gov.pay {ALL_MONTHS} GROUP BY month", 1, 4),
        ("SELECT month, count(*) FROM gov.pay WHERE month IN (1, 3) GROUP BY month", 1, 2),
        (f"SELECT month AS m, district, count(*) FROM gov.pay {ALL_MONTHS} GROUP BY ALL", 1, 4),
        (f"SELECT month, district, count(*) FROM gov.pay {ALL_MONTHS} GROUP BY CUBE(month, district)", 1, 4),
        (f"SELECT m, count(*) FROM (SELECT month AS m FROM gov.pay {ALL_MONTHS}) x GROUP BY m", 1, 4),
        (f"SELECT month, sex, count(*) FROM gov.pay JOIN gov.person USING (person_id) {ALL_MONTHS} GROUP BY 1, 2", 1, 4),
        (f"SELECT month + 0 AS m, count(*) FROM gov.pay {ALL_MONTHS} GROUP BY m", 4, 1),
        (f"SELECT {HALF} AS half, count(*) FROM gov.pay {ALL_MONTHS} GROUP BY 1", 4, 1),
        ("SELECT district, count(*) FROM gov.pay GROUP BY district", 4, 1),
        (f"SELECT count(*) FROM gov.pay {ALL_MONTHS}", 4, 1),
    ],
    ids=[
        "months", "two months", "months and districts", "with totals", "renamed", "joined", "computed", "halves",
        "districts", "no groups",
    ],
)  # fmt: skip
def test_one_row_in_each_of_k_cells_is_charged_the_root_of_k(sql: str, rows: int, cells: int) -> None:
    assert squared(planned(once_a_month(world()), sql, allowed())) == rows**2 * cells
    assert squared(planned(world(), sql, allowed())) == MONTHS**2, "nothing is declared of a month"


def test_a_few_rows_in_each_cell_are_charged_the_root_of_them_all_times_them() -> None:
    sql = f"SELECT month, count(*) FROM gov.pay {ALL_MONTHS} AND district IN ('d1', 'd2') GROUP BY month"
    of = once_a_month(world())
    twice = replace(
        of.tables[1], units=(replace(of.tables[1].units[0], once_per=("month", "district")), of.tables[1].units[1])
    )
    of = World((of.tables[0], twice, *of.tables[2:]), of.rows)
    assert squared(planned(of, sql, allowed())) == 2 * MONTHS


@pytest.mark.parametrize("public", [None, 1, 2, 3, 4])
def test_no_way_to_lay_rows_into_cells_has_a_larger_sum_of_squares_than_is_charged(public: int | None) -> None:
    """By trying them all: `rows` rows, so many in a cell at most, over the cells that can leave."""
    for rows in range(1, 7):
        for most in range(1, rows + 1):
            limits = Bounded((), rows, 1, in_cell=most, public=public)
            ways = product(range(most + 1), repeat=rows if public is None else public)
            worst = max(sum(n * n for n in way) for way in ways if sum(way) <= rows)
            charged = limits.of_sums(PERSON, 7, None).squared_l2
            assert 49 * worst <= charged <= 49 * rows**2
            assert charged == 49 * worst or rows % most or (public is not None and public * most > rows)


@pytest.mark.parametrize(
    ("groups", "rows", "square", "ordered"),
    [(4, None, 4, False), (4, 3, 4, False), (4, 2, 4, False), (4, 1, 1, True)],
)
def test_more_rows_than_policy_lets_count_do_where_cells_bound_them_as_well(
    groups: int, rows: int | None, square: int, ordered: bool
) -> None:
    sql = f"SELECT month, count(amount) FROM gov.pay {ALL_MONTHS} GROUP BY month"
    made = planned(once_a_month(world()), sql, allowed(groups, rows))
    assert squared(made) == square
    assert (' ANTI JOIN "over" ' in made.cores[0].statement) is ordered


def test_subjects_count_in_no_more_cells_than_policy_says_however_few_rows_they_have_there() -> None:
    sql = f"SELECT month, count(DISTINCT person_id) FROM gov.pay {ALL_MONTHS} GROUP BY month"
    for groups, ordered in ((2, True), (4, False)):
        made = planned(once_a_month(world()), sql, allowed(groups))
        assert squared(made) == groups
        assert (' ANTI JOIN "over" ' in made.cores[0].statement) is ordered


def test_a_key_that_an_inner_total_leaves_out_bounds_nothing() -> None:
    inner = "SELECT person_id, month, district, max(amount) AS most FROM gov.pay GROUP BY {}"
    sql = "SELECT month, count(*) FROM ({}) x WHERE month IN (1, 2, 3, 4) GROUP BY month"
    plain = sql.format(inner.format("person_id, month, district"))
    totals = sql.format(inner.format("GROUPING SETS ((person_id, month, district), (person_id, district))"))
    assert squared(planned(once_a_month(world()), plain, allowed())) == 4
    assert squared(planned(once_a_month(world()), totals, allowed())) >= MONTHS**2


ASKED = (
    f"SELECT month, count(*), sum(amount), avg(amount) FROM gov.pay {ALL_MONTHS} GROUP BY month",
    f"SELECT month, district, count(amount), var_pop(amount) FROM gov.pay {ALL_MONTHS} GROUP BY month, district",
    "SELECT month, count(*), sum(amount) FROM gov.pay GROUP BY month",
    f"SELECT month, count(DISTINCT person_id), sum(amount) FROM gov.pay {ALL_MONTHS} GROUP BY month",
    f"SELECT month, district, sum(amount) FROM gov.pay {ALL_MONTHS} GROUP BY ROLLUP(month, district)",
    f"SELECT month, median(amount), count(*) FROM gov.pay {ALL_MONTHS} GROUP BY month",
    f"SELECT sex, month, sum(amount * 2) FROM gov.pay JOIN gov.person USING (person_id) {ALL_MONTHS} GROUP BY 1, 2",
)


@pytest.mark.parametrize("sql", ASKED)
@settings(max_examples=6, deadline=None)
@given(
    pay=PAY,
    persons=PERSONS,
    rows=st.sampled_from([None, 1, 2, 3]),
    groups=st.integers(1, 4),
    who=st.sampled_from(NAMES),
)
def test_a_person_moves_no_more_than_is_charged_whether_rows_keep_what_is_declared_or_not(
    sql: str, pay: list[Row], persons: list[Row], rows: int | None, groups: int, who: str
) -> None:
    for of in (once_a_month(world(fewer(pay), persons)), loosely(world(pay, persons))):
        made = planned(of, sql, allowed(groups, rows))
        before, after = executed(of, made), executed(without(of, PERSON, who), made)
        assert loss(made, before, after) <= charged(made, PERSON).rho


@pytest.mark.parametrize("sql", [ASKED[0], ASKED[1], ASKED[4]])
@settings(max_examples=6, deadline=None)
@given(pay=PAY, persons=PERSONS, data=st.data())
def test_persons_and_firms_at_once_are_protected_as_charged_by_what_publishing_has_checked(
    sql: str, pay: list[Row], persons: list[Row], data: st.DataObject
) -> None:
    of = once_a_month(world(fewer(pay), persons))
    made = planned(of, sql, BOTH)
    held(made, of, PERSON, data.draw(st.sampled_from(NAMES)))
    held(made, of, ENTERPRISE, data.draw(st.sampled_from(FIRMS)))


@settings(max_examples=25, deadline=None)
@given(
    pay=PAY,
    sql=st.sampled_from([*ASKED[:5], "SELECT district, count(*), sum(amount) FROM gov.pay GROUP BY district"]),
)
def test_what_the_worker_says_of_all_is_the_sum_of_what_it_says_of_each_person_alone(
    pay: list[Row], sql: str
) -> None:
    """So no unit's choice depends on another, and cutting in a cell first changes no total of what is left."""
    of = loosely(world(pay))
    made = planned(of, sql, allowed(2, 2))
    (whole,) = cells(made, executed(of, made))
    summed: dict[tuple[object, ...], tuple[int, ...]] = {}
    for who in NAMES:
        (alone,) = cells(made, executed(_only(of, who), made))
        for key, numbers in alone.items():
            before = summed.get(key, (0,) * len(numbers))
            summed[key] = tuple(one + other for one, other in zip(before, numbers, strict=True))
    assert whole == summed


def _only(of: World, who: str) -> World:
    return World(of.tables, {name: _theirs(rows, who) for name, rows in of.rows.items()})


def _theirs(rows: Sequence[Row], who: str) -> list[Row]:
    return [row for row in rows if row.get("person_id") == who]


EVERY_MONTH: list[Row] = [
    {"person_id": "p1", "uscc": "f1", "district": "d1", "amount": Decimal(100), "month": 1 + n % MONTHS}
    for n in range(40)
]


def test_the_charge_is_reached_and_a_broken_cut_is_seen() -> None:
    of = loosely(world(EVERY_MONTH))
    made = planned(of, f"SELECT month, sum(amount) FROM gov.pay {ALL_MONTHS} GROUP BY month", allowed())
    before, after = executed(of, made), executed(without(of, PERSON, "p1"), made)
    cost = charged(made, PERSON).rho
    assert Fraction(999, 1000) * cost < loss(made, before, after) <= cost, "a full value in every month is the worst"
    (core,) = made.cores
    text = core.statement.replace("'100.00'", "'1000.00'")
    broken = replace(made, cores=(replace(core, statement=text),))
    assert text != core.statement
    assert loss(made, executed(of, broken), executed(without(of, PERSON, "p1"), broken)) > cost
