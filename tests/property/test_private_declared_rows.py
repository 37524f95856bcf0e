"""Fewer cells and fewer rows that a question leaves a unit make less noise, and still move nothing beyond the charge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.attacks.test_private_bounds import with_unique
from tests.property.test_private_sensitivity import FIRMS, NAMES, PAY, PERSONS, fewer, held
from tests.support.private_worlds import (
    BOTH,
    ENTERPRISE,
    PERSON,
    USUAL,
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
from louver_sandbox.mechanisms.noise import DiscreteGaussian, Sensitivity
from louver_sandbox.private_core import PrivateRules

WIDE = (rules("gov.pay", PERSON, groups=4), USUAL[2])
TOTAL = "SELECT count(DISTINCT person_id) FROM gov.pay"


def once_a_month(of: World) -> World:
    """Persons have one row a month at most, as is then declared."""
    tables = tuple(
        replace(one, units=(replace(one.units[0], once_per=("month",)), *one.units[1:]))
        if str(one.name) == "gov.pay"
        else one
        for one in of.tables
    )
    return World(
        tables, {name: first_of_month(rows) if str(name) == "gov.pay" else rows for name, rows in of.rows.items()}
    )


def first_of_month(rows: Sequence[Row]) -> list[Row]:
    return list({(row["person_id"], row["month"]): row for row in reversed(rows)}.values())


def paid_for(of: World, sql: str, allowed: tuple[PrivateRules, ...]) -> Fraction:
    """How much one person may move the only number, by its noise and what is charged: the root's square."""
    made = planned(of, sql, allowed)
    (core,) = made.cores
    assert core.private is not None
    (number,) = core.private.noisy
    return charged(made, PERSON).rho / DiscreteGaussian(number.scale).cost(Sensitivity(1)).rho


@pytest.mark.parametrize(
    ("sql", "cells"),
    [
        (TOTAL, 1),
        (f"{TOTAL} WHERE district = 'd1' GROUP BY district", 1),
        (f"{TOTAL} WHERE district IN ('d1', 'd3') GROUP BY district", 2),
        (f"{TOTAL} GROUP BY district, month > 1", 4),
        (f"{TOTAL} GROUP BY month", 4),
    ],
    ids=["a total", "one group", "two groups", "more groups than count", "groups that a threshold lists"],
)
def test_a_unit_counts_in_no_more_cells_than_a_question_has(sql: str, cells: int) -> None:
    made = planned(world(), sql, WIDE)
    (core,) = made.cores
    assert core.private is not None
    noise = DiscreteGaussian(core.private.noisy[0].scale)
    assert charged(made, PERSON).rho == noise.cost(Sensitivity(1, cells)).rho


SUM = "SELECT sum(amount) FROM gov.pay p"


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        (f"{SUM} WHERE month = 1", 1),
        (f"{SUM} WHERE 2 = month AND district <> 'd1'", 1),
        (f"{SUM} WHERE month IN (1, 3, NULL)", 2),
        (f"{SUM} WHERE month IN (1, 2, 3) AND month IN (2, 3, 4)", 2),
        (f"{SUM} WHERE month IN (1, 2, 3, 4, 5, 6)", 4),
        (f"{SUM} JOIN gov.person USING (person_id) WHERE month = 1", 1),
        (f"{SUM.replace('gov.pay', '(SELECT person_id, uscc, amount FROM gov.pay WHERE month = 2)')}", 1),
        (f"{SUM} WHERE month >= 1 AND month <= 1", 4),
        (f"{SUM} WHERE month = 1 OR district = 'd1'", 4),
        (f"{SUM} WHERE NOT month = 1", 4),
        (f"{SUM} WHERE month + 0 = 1", 4),
        (f"{SUM.replace('amount', 'CASE WHEN month = 1 THEN amount END')}", 4),
        (f"{SUM.replace('(amount)', '(amount) FILTER (WHERE month = 1)')}", 4),
    ],
)
def test_rows_are_counted_by_the_values_that_a_question_demands_and_by_nothing_less(sql: str, rows: int) -> None:
    allowed = (rules("gov.pay", PERSON), USUAL[2], USUAL[3])
    whole = paid_for(world(), sql, allowed)
    assert paid_for(once_a_month(world()), sql, allowed) == whole * Fraction(rows, 4) ** 2


EACH = "(SELECT person_id, sum(amount) AS paid FROM gov.pay GROUP BY person_id) a"
CHAINED = (
    f"SELECT count(*) FROM bank_a.loan l JOIN bank_a.loan k ON k.id_no = l.id_no JOIN {EACH} ON a.person_id = l.id_no"
)
"""Whose loans they are is known by a first join: one loan for one person, one more loan for that."""


def chained(loans: Sequence[Row], *, unique: bool) -> World:
    """Persons with four rows each beside loans; `unique` says that no two loans are one person's."""
    pay: list[Row] = [
        {"person_id": f"p{n % 3}", "uscc": "f1", "district": "d1", "amount": Decimal(9), "month": n // 3 + 1}
        for n in range(12)
    ]
    return with_unique(world(pay, loans=loans), "bank_a.loan", "id_no" if unique else "")


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        (CHAINED, 1),
        (CHAINED.replace("gov.pay", "gov.pay WHERE month = 1"), 1),
        (CHAINED.replace("k.id_no = l.id_no", "k.mark = l.mark"), 4),
        (CHAINED.replace("a.person_id = l.id_no", "a.person_id = k.id_no"), 1),
        (
            f"SELECT count(*) FROM {EACH} JOIN bank_a.loan l ON l.mark < a.paid JOIN bank_a.loan k ON k.id_no = l.id_no",
            4,
        ),
        (
            f"SELECT count(*) FROM {EACH} JOIN (SELECT l.id_no AS one, k.id_no AS other, k.mark FROM bank_a.loan l "
            "JOIN bank_a.loan k ON k.id_no = l.id_no) j ON j.one = j.other AND j.mark < a.paid",
            4,
        ),
        (
            f"SELECT count(*) FROM {EACH} JOIN (SELECT l.id_no AS one FROM bank_a.loan l "
            "JOIN bank_a.loan k ON k.id_no = l.id_no) j ON j.one = a.person_id",
            1,
        ),
    ],
    ids=[
        "chain",
        "of one month",
        "by a mark",
        "by the other",
        "a range",
        "by each other alone",
        "a chain beside it",
    ],
)
def test_joins_multiply_nothing_where_each_finds_one_partner_for_the_last(sql: str, rows: int) -> None:
    allowed = (rules("gov.pay", PERSON, rows=4), USUAL[2])
    loans: list[Row] = [{"id_no": f"p{n}", "mark": 1} for n in range(3)]
    whole = paid_for(chained(loans, unique=False), sql, allowed)
    of = chained(loans, unique=True)
    assert paid_for(of, sql, allowed) == whole * Fraction(rows, 4) ** 2
    made = planned(of, sql, allowed)
    held(made, of, PERSON, "p1")


ASKED = (
    "SELECT count(*), sum(amount), avg(amount) FROM gov.pay WHERE month = 1",
    "SELECT district, count(*), sum(amount) FROM gov.pay WHERE month IN (1, 3) GROUP BY district",
    "SELECT median(amount) FROM gov.pay JOIN gov.person USING (person_id) WHERE month = 2",
)


@pytest.mark.parametrize("together", [False, True])
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(sql=st.sampled_from((*ASKED, TOTAL)), pay=PAY, persons=PERSONS, data=st.data())
def test_one_unit_moves_no_more_than_is_charged(
    together: bool, sql: str, pay: list[Row], persons: list[Row], data: st.DataObject
) -> None:
    of = once_a_month(world(fewer(first_of_month(pay)), persons))
    if together and sql == TOTAL:
        return
    made = planned(of, sql, BOTH if together else (*WIDE, USUAL[3]))
    units: list[tuple[UnitType, tuple[str, ...]]] = [(PERSON, NAMES), *([(ENTERPRISE, FIRMS)] if together else [])]
    for unit, names in units:
        held(made, of, unit, data.draw(st.sampled_from(names)))


def test_the_check_sees_rows_that_are_not_as_declared_which_publishing_refuses() -> None:
    pay: list[Row] = [
        {"person_id": "p1", "uscc": f"f{n}", "district": "d1", "amount": Decimal(100), "month": 1} for n in range(4)
    ]
    told = world(pay)
    broken = World(once_a_month(told).tables, told.rows)
    for of, holds in ((told, True), (once_a_month(told), True), (broken, False)):
        made = planned(of, "SELECT count(*), sum(amount) FROM gov.pay WHERE month = 1", BOTH)
        moved = loss(made, executed(of, made), executed(without(of, PERSON, "p1"), made))
        assert moved > 0
        assert (moved <= charged(made, PERSON).rho) is holds
    made = planned(broken, "SELECT count(*), sum(amount) FROM gov.pay WHERE month = 1", (*WIDE, USUAL[3]))
    moved = loss(made, executed(broken, made), executed(without(broken, PERSON, "p1"), made))
    assert 0 < moved <= charged(made, PERSON).rho, "rows of one kind of unit are cut off, whatever is declared"
