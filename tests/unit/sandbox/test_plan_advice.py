"""What a refusal of the plan says names the side, the column and the way out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.relations import Row, World, column, firms, question, returns, run, table

from louver.errors import Refused
from louver_sandbox.algebra.relations import scans
from louver_sandbox.algebra.types import INTEGER, TableName

PRICES = table(
    "gov.price",
    [replace(column("district", nullable=False), unique=True), column("section"), column("zone")],
)
"""A public table: one row for each district, several for each section."""

CAPITAL = table(
    "gov.capital",
    [replace(column("uscc", nullable=False), unique=True), column("capital", INTEGER, level=1)],
)
"""A public number of each firm."""

PROTECTED = (TableName("gov", "tax"), TableName("gov", "registry"))


def city() -> World:
    rows = returns("A", 20)
    world = firms(rows, [{"id_no": "A1", "balance": 1, "bad": False, "branch": "x"}])
    capital: list[Row] = [{"uscc": row["uscc"], "capital": 5} for row in rows]
    more: dict[TableName, list[Row]] = {PRICES.name: [], CAPITAL.name: capital}
    return World((*world.tables, PRICES, CAPITAL), {**world.rows, **more})


def protected(world: World, sql: str) -> frozenset[int]:
    return frozenset(scan.id for scan in scans(question(world, sql).bound.relation) if scan.table in PROTECTED)


def refused(sql: str) -> Refused:
    world = city()
    with pytest.raises(Refused) as caught:
        run(world, question(world, sql, protected=protected(world, sql)))
    return caught.value


def test_a_side_with_several_rows_is_named_with_the_column_it_is_joined_on() -> None:
    found = refused("SELECT count(*) FROM gov.tax t JOIN gov.price p ON p.zone = t.district")
    assert found.code == "LVR-2309"
    assert "gov.price is joined on zone, where its rows repeat" in found.message
    assert "gov.price 按 zone 连接" in found.message_zh
    assert found.hint.startswith("join it on district, or ")
    assert "JOIN (SELECT zone, ... FROM gov.price GROUP BY zone) d ON d.zone = ..." in found.hint
    assert found.hint_zh.startswith("请按 district 连接，或")


def test_a_side_that_no_equality_holds_is_told_apart() -> None:
    found = refused(
        "SELECT count(*) FROM gov.tax t JOIN gov.price p ON substr(p.zone, 1, 1) = t.district AND p.zone < t.uscc"
    )
    assert found.code == "LVR-2309"
    assert found.message.startswith("no equality says which one row of gov.price")


def test_columns_of_several_subjects_are_named() -> None:
    pairs = "FROM gov.tax a JOIN gov.tax b ON b.score = a.score"
    own = f"{pairs} JOIN bank_a.loan n ON n.id_no = a.uscc JOIN bank_a.loan m ON m.id_no = b.uscc"
    found = refused(f"SELECT count(*) {own} WHERE n.branch = m.branch")
    assert found.code == "LVR-2309"
    assert "loan.branch" in found.message
    assert "you know those of bank_a.loan" in found.message


def test_a_product_that_is_none_is_named() -> None:
    found = refused("SELECT sum(staff * staff) FROM gov.tax")
    assert found.code == "LVR-2310"
    assert found.hint.startswith("staff * staff is no product of different amounts")
    assert found.hint_zh.startswith("staff * staff 不是")


@pytest.mark.parametrize("asked", ["corr(t.revenue, c.capital)", "sum(c.capital)", "avg(t.revenue * c.capital)"])
def test_a_public_number_in_a_protected_statistic_is_named_with_what_would_work(asked: str) -> None:
    found = refused(f"SELECT {asked} FROM gov.tax t JOIN gov.capital c ON c.uscc = t.uscc")
    assert found.code == "LVR-2310"
    assert found.hint.startswith("capital is public")
    assert "FILTER (WHERE capital >= 100)" in found.hint
    assert found.hint_zh.startswith("capital 为公开列")


def test_what_is_advised_for_a_public_number_is_answered() -> None:
    world = city()
    band = "CASE WHEN c.capital < 100 THEN 'small' ELSE 'large' END"
    sql = f"SELECT {band}, avg(t.revenue) FROM gov.tax t JOIN gov.capital c ON c.uscc = t.uscc GROUP BY 1"
    assert len(run(world, question(world, sql, protected=protected(world, sql))).release.rows) == 1
