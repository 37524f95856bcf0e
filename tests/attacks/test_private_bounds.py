"""Attacks on how one subject is bounded: each was more than its charge, or an exact bit, before it was mended."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from tests.support.private_worlds import (
    BOTH,
    ENTERPRISE,
    PERSON,
    answered,
    cells,
    charged,
    executed,
    loss,
    planned,
    rules,
    without,
    world,
)
from tests.support.relations import Row, World, column, enterprise, person, table
from tests.support.seeded_noise import SeededSampler, Silent

from louver.errors import Refused
from louver_sandbox.algebra.types import INTEGER, Kind, TableName, Type
from louver_sandbox.catalog.model import SpaceKind, Table, UnitType
from louver_sandbox.mechanisms.noise import DiscreteGaussian
from louver_sandbox.release.release import release

MONTHLY: list[Row] = [
    {"person_id": "p1", "uscc": f"f{n}", "district": "d1", "amount": Decimal(50), "month": n} for n in range(4)
]


def told_apart(whole: World, sql: str, unit: UnitType, who: str, allowed: tuple[object, ...]) -> Fraction:
    """By what part of the charge the answers of two worlds can be told apart."""
    made = planned(whole, sql, allowed)  # type: ignore[arg-type]
    return loss(made, executed(whole, made), executed(without(whole, unit, who), made)) / charged(made, unit).rho


@pytest.mark.parametrize(
    "grouped",
    ["person_id, uscc, ROLLUP (month)", "GROUPING SETS ((person_id, uscc), (person_id, uscc, month))"],
)
def test_totals_below_a_total_do_not_give_a_person_more_rows_than_are_declared(grouped: str) -> None:
    """Each row was in two groups of the subquery: a person counted twice, for four times the charged rho."""
    sql = f"SELECT count(*) FROM (SELECT person_id, uscc, month, count(*) AS n FROM gov.pay GROUP BY {grouped}) b"
    assert 0 < told_apart(world(MONTHLY), sql, PERSON, "p1", BOTH) <= 1


ONE_EACH = (rules("gov.estate", PERSON, rows=1, groups=1), rules("gov.estate", ENTERPRISE, rows=1, groups=1))


def estates(kind: str, *districts: str) -> list[Row]:
    return [{"owner": "same", "kind": kind, "district": one, "area": 1.0} for one in districts for _ in range(2)]


@pytest.mark.parametrize("theirs", [("d1",), ("d2",), ("d3",), ("d1", "d2")])
def test_a_person_and_a_firm_of_one_name_share_no_group_of_a_subquery(theirs: tuple[str, ...]) -> None:
    """Groups with rows of both were nobody's; taking out one brought back the other's, in another cell."""
    sql = (
        "SELECT district, sum(n) AS n FROM (SELECT owner, district, count(*) AS n FROM gov.estate "
        "GROUP BY owner, district) b GROUP BY district"
    )
    whole = world(estates=[*estates("P", "d1", "d2", "d3"), *estates("E", *theirs)])
    for unit in (PERSON, ENTERPRISE):
        assert 0 < told_apart(whole, sql, unit, "same", ONE_EACH) <= 1


def test_nor_do_they_where_groups_are_ranked() -> None:
    """The histogram read the groups of both, which were nobody's."""
    sql = (
        "SELECT district, median(total) AS m, count(*) AS n FROM (SELECT owner, district, sum(area) AS total "
        "FROM gov.estate GROUP BY owner, district) b GROUP BY district"
    )
    whole = world(estates=[*estates("P", "d1", "d2", "d3"), *estates("E", "d2")])
    for unit in (PERSON, ENTERPRISE):
        assert 0 < told_apart(whole, sql, unit, "same", ONE_EACH) <= 1


def test_a_group_that_a_unit_has_no_rows_left_for_is_not_there() -> None:
    """It could be listed by a high draw, at a delta that nobody was charged."""
    rows: list[Row] = [{"person_id": "p1", "district": f"x{n}", "amount": Decimal(1), "month": n} for n in range(9)]
    sql = "SELECT month, count(*) AS n FROM gov.pay GROUP BY month"
    allowed = (rules("gov.pay", PERSON, rows=2, groups=6), rules("gov.pay", ENTERPRISE, exempt="not asked"))
    whole = world(rows)
    made = planned(whole, sql, allowed)
    (found,) = cells(made, executed(whole, made))
    (core,) = (one.private for one in made.cores if one.private is not None)
    place = [one.name for one in core.noisy].index(core.units)
    noise = DiscreteGaussian(core.noisy[place].scale)
    assert len(found) == 2
    assert sum(noise.tail(core.tau - numbers[place]) for numbers in found.values()) <= charged(made, PERSON).delta


def with_numbers(values: list[float]) -> World:
    """Persons with an account each, and a table of the bank's that gives each a number."""
    names = [f"p{n}" for n, _ in enumerate(values)]
    accounts: list[Row] = [{"person_id": name, "district": "d1", "amount": Decimal(1), "age": 1} for name in names]
    base = world(accounts=accounts)
    own = table("bank_a.own", [column("id_no"), column("x", Type(Kind.DOUBLE))], space=SpaceKind.INSTITUTION)
    numbered: list[Row] = [{"id_no": name, "x": value} for name, value in zip(names, values, strict=True)]
    return World((*base.tables, own), {**base.rows, own.name: numbered})


OF_NUMBERS = "SELECT o.x, count(*) AS n FROM bank_a.own o JOIN gov.account a ON a.person_id = o.id_no GROUP BY o.x"
ONE = (rules("gov.account", PERSON, rho=Fraction(1, 2), rows=1),)


@pytest.mark.parametrize(
    "values", [[-0.0] + [0.0] * 40, [0.0] + [-0.0] * 40, [-0.0] * 41], ids=["first", "others", "all"]
)
def test_which_zero_is_shown_does_not_tell_whose_row_came_first(values: list[float]) -> None:
    (row,) = answered(with_numbers(values), OF_NUMBERS, SeededSampler(1), ONE).rows
    assert str(row[0]) == "0.0"


def test_groups_that_are_read_alike_are_one_group_and_no_failure() -> None:
    """Infinity, NaN and NULL are all read as NULL. That two of them were there made the answer fail: an exact bit."""
    whole = with_numbers([float("inf")] * 20 + [float("-inf")] * 20 + [float("nan")] * 20)
    made = planned(whole, OF_NUMBERS, ONE)
    assert release(executed(whole, made), sampler=Silent()).rows == ((None, 60),)


def test_two_datasets_whose_deltas_are_far_apart_are_answered_together() -> None:
    """The answer tells epsilon at the lesser delta, which listing the other's groups had spent: charged, and failed."""
    sql = (
        "WITH a AS (SELECT age, count(*) AS n FROM gov.account GROUP BY age), "
        "b AS (SELECT month, count(*) AS m FROM gov.pay GROUP BY month) SELECT a.n, b.m FROM a JOIN b ON a.age = b.month"
    )
    accounts: list[Row] = [{"person_id": f"p{n}", "amount": Decimal(1), "age": 1} for n in range(90)]
    pay: list[Row] = [{"person_id": f"p{n}", "amount": Decimal(1), "month": 1} for n in range(90)]
    allowed = (
        rules("gov.account", PERSON, delta=Fraction(1, 10**4)),
        rules("gov.pay", PERSON, delta=Fraction(1, 10**9)),
        rules("gov.pay", ENTERPRISE, exempt="not asked"),
    )
    found = answered(world(accounts=accounts, pay=pay), sql, SeededSampler(1), allowed)
    assert len(found.rows) == 1
    assert sum(notice.code == "PRIVACY_LOSS" for notice in found.notices) == 2


PAID_BY = (rules("gov.pay", PERSON), rules("gov.pay", ENTERPRISE, rows=50))
"""Both kinds of unit at once: persons are bounded by what has been checked of their rows."""


def joined(key: Type, values: list[object], *, unique: bool) -> World:
    """One row of pay with a double in it, and an upload of so many keys."""
    number = column("x", Type(Kind.DOUBLE), bounds=(Decimal(0), Decimal(10)))
    pay = table(
        "gov.pay",
        [column("person_id", nullable=False), column("uscc"), number],
        [person(rows_per_unit=1), enterprise()],
    )
    own = table("bank_a.own", [replace(column("id", key), unique=unique)], space=SpaceKind.INSTITUTION)
    paid: list[Row] = [{"person_id": "p1", "uscc": "f1", "x": float(2**53)}]
    return World((pay, own), {pay.name: paid, own.name: [{"id": value} for value in values]})


def test_different_whole_numbers_that_are_one_double_do_not_multiply_a_row() -> None:
    """`unique` is of the upload's own values: 2^53 and 2^53 + 1 are two of them and equal the same double."""
    whole = joined(INTEGER, [2**53, 2**53 + 1], unique=True)
    with pytest.raises(Refused, match="LVR-2352") as refused:
        planned(whole, "SELECT count(*) FROM gov.pay p JOIN bank_a.own o ON o.id = p.x", PAID_BY)
    assert refused.value.details["missing"] == "unique of bank_a.own"


def test_an_upload_that_repeats_a_key_does_not_multiply_a_row_of_two_units() -> None:
    """What an upload holds is counted when it is taken, and its content is its name: no other is ever read for it."""
    whole = world(MONTHLY, loans=[{"id_no": "f1"}, {"id_no": "f1"}])
    sql = "SELECT count(*) FROM gov.pay p JOIN bank_a.loan l ON l.id_no = p.uscc"
    with pytest.raises(Refused, match="LVR-2352"):
        planned(whole, sql, BOTH)
    once = with_unique(world(MONTHLY, loans=[{"id_no": "f1"}]), "bank_a.loan", "id_no")
    made = planned(once, sql, BOTH)
    ((count,),) = executed(once, made).rows[0]
    assert count == 1
    (upload,) = (one for one in made.sources if one.table.schema == "bank_a")
    assert upload.snapshot == "v-bank_a.loan", "the version that was counted is the one that runs"


def with_unique(of: World, name: str, key: str) -> World:
    """The world whose table says that a column repeats nothing."""
    tables = tuple(
        one
        if str(one.name) != name
        else replace(one, columns=tuple(replace(item, unique=item.name == key) for item in one.columns))
        for one in of.tables
    )
    return World(tables, of.rows)


def test_what_is_served_is_what_was_checked_for_the_rows_that_the_plan_relies_on() -> None:
    """The name of a snapshot is made of the declarations that publishing has checked: with others it is another one."""
    sql = "SELECT count(*) FROM gov.pay"
    whole = world(MONTHLY)
    places = [one if str(one.name) != "gov.pay" else fewer_rows(one, 3) for one in whole.tables]
    ((source,), (other,)) = (planned(one, sql, BOTH).sources for one in (whole, World(tuple(places), whole.rows)))
    assert source.table == other.table
    assert source.snapshot != other.snapshot


def fewer_rows(of: Table, rows: int) -> Table:
    """The table as if each person had at most so many rows."""
    return replace(of, units=tuple(replace(unit, rows_per_unit=unit.rows_per_unit and rows) for unit in of.units))


def with_a_copy() -> World:
    """The accounts once more, under another name, declared a copy as the catalogue demands of one source."""
    whole = world(accounts=[{"person_id": "p1", "district": "d1", "amount": Decimal(1), "age": 1}])
    account = whole.tables[0]
    copy = replace(account, name=TableName("gov", "account_again"), copy_of=account.name)
    return World((*whole.tables, copy), {**whole.rows, copy.name: whole.rows[account.name]})


COPIES = (
    rules("gov.account", PERSON),
    replace(rules("gov.account_again", PERSON, rho=Fraction(1, 2)), groups=1),
)


def test_a_copy_of_a_table_spends_what_the_table_has() -> None:
    """Each name had a lifetime of its own."""
    whole = with_a_copy()
    charges = [
        planned(whole, f"SELECT count(*) FROM {name}", COPIES).privacy
        for name in ("gov.account", "gov.account_again")
    ]
    assert [[charge.dataset for charge in found] for found in charges] == [["gov.account"], ["gov.account"]]


def with_a_view() -> World:
    """The accounts of adults under another name."""
    whole = world(accounts=[{"person_id": "p1", "district": "d1", "amount": Decimal(1), "age": 30}])
    text = "SELECT person_id AS who, district AS place, amount FROM gov.account WHERE age > 17"
    by_name = {one.name: one for one in whole.tables[0].columns}
    columns = replace(by_name["person_id"], name="who"), replace(by_name["district"], name="place"), by_name["amount"]
    view = replace(whole.tables[0], name=TableName("gov", "adult"), columns=columns, units=(), view=text)
    return World((*whole.tables, view), whole.rows)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM gov.account",
        "SELECT count(*) FROM gov.account AS other",
        "SELECT count(*) FROM gov.adult",
        "SELECT place, sum(amount) FROM gov.adult a GROUP BY place",
        "WITH mine AS (SELECT * FROM gov.adult) SELECT count(DISTINCT who) FROM mine",
        "SELECT count(*) FROM (SELECT amount FROM gov.account) AS disguised WHERE amount > 3",
    ],
    ids=["itself", "an alias", "a view", "a view's groups", "a query's name for a view", "a subquery"],
)
def test_whatever_name_data_are_asked_under_their_own_budget_pays(sql: str) -> None:
    (charge,) = planned(with_a_view(), sql, (rules("gov.account", PERSON),)).privacy
    assert charge.dataset == "gov.account"
    assert charge.cost.rho > 0


def test_a_table_and_its_copy_in_one_question_are_one_charge_by_the_strictest_terms() -> None:
    whole = with_a_copy()
    joined = "SELECT count(*) FROM gov.account a JOIN gov.account_again b USING (person_id)"
    beside = (
        "WITH a AS (SELECT count(*) AS n FROM gov.account), b AS (SELECT count(*) AS m FROM gov.account_again) "
        "SELECT a.n, b.m FROM a CROSS JOIN b"
    )
    for sql in (joined, beside):
        made = planned(whole, sql, COPIES)
        (charge,) = made.privacy
        (strict,) = (one.terms for one in COPIES if one.dataset == "gov.account")
        assert charge.dataset == "gov.account"
        assert charge.terms == strict
        assert 0 < charge.cost.rho <= COPIES[0].each.rho
        assert loss(made, executed(whole, made), executed(without(whole, PERSON, "p1"), made)) <= charge.cost.rho
