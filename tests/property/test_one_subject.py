"""What a template tells of one subject does not change with anybody else's rows, whatever its statement says."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import cast

import pytest
from tests.support.relations import (
    BANK,
    Row,
    World,
    admitted,
    column,
    enterprise,
    reply_to,
    snapshots,
    table,
)
from tests.support.relations import committed as committed_

from louver_sandbox.algebra.one_subject import about, needs_subject
from louver_sandbox.algebra.relations import Project, scans
from louver_sandbox.algebra.types import INTEGER, TableName
from louver_sandbox.lookups import NOBODY
from louver_sandbox.plan.plan import plan
from louver_sandbox.release.decode import decode
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.parse import parse
from louver_sandbox.stages import Request

SELF = "91370200MA3ITSELF0"
OTHERS = ("91370200MA3OTHER01", "91370200MA3OTHER02", "91370200MA3OTHER03")
FIRM = table("gov.firm", [column("uscc", nullable=False), column("kind", level=1)], [enterprise()])
BILL = table(
    "gov.bill", [column("uscc", nullable=False), column("month", INTEGER), column("kwh", INTEGER)], [enterprise()]
)
KIND = table("gov.kind", [column("kind", level=1), column("title", level=1)])
TABLES = (FIRM, BILL, KIND)
UNITS = {TableName("gov", "firm"): "uscc", TableName("gov", "bill"): "uscc"}

STATEMENTS = (
    "SELECT f.kind, b.kwh FROM gov.firm f LEFT JOIN gov.bill b ON b.uscc = f.uscc",
    "SELECT b.month, c.kwh FROM gov.bill b JOIN gov.bill c ON b.month = c.month AND b.uscc <> c.uscc",
    "SELECT f.kind, b.kwh FROM gov.firm f FULL JOIN gov.bill b ON b.uscc = f.uscc",
    "SELECT k.title FROM gov.firm f JOIN gov.kind k ON k.kind = f.kind",
    "SELECT f.kind FROM gov.firm f WHERE EXISTS (SELECT 1 FROM gov.bill b WHERE b.kwh > 3)",
    "SELECT f.kind FROM gov.firm f WHERE f.uscc NOT IN (SELECT b.uscc FROM gov.bill b)",
    "SELECT f.kind, (SELECT max(b.kwh) FROM gov.bill b) AS most FROM gov.firm f",
    "SELECT f.kind, (SELECT count(*) FROM gov.bill b) AS bills FROM gov.firm f",
    "SELECT uscc, kwh FROM gov.bill UNION ALL SELECT kind, 0 FROM gov.firm",
    "SELECT uscc, month FROM gov.bill EXCEPT SELECT kind, 1 FROM gov.firm",
    "SELECT month, sum(kwh) AS s, count(*) AS n FROM gov.bill GROUP BY month",
    "SELECT kwh, rank() OVER (ORDER BY kwh DESC) AS place, sum(kwh) OVER () AS everybody FROM gov.bill",
    "SELECT kwh FROM gov.bill QUALIFY row_number() OVER (ORDER BY kwh DESC) <= 2",
    "WITH most AS (SELECT max(kwh) AS m FROM gov.bill) SELECT f.kind, m FROM gov.firm f CROSS JOIN most",
    "SELECT DISTINCT b.kwh FROM gov.bill b, gov.bill c WHERE b.month = c.month",
    "SELECT kwh FROM gov.bill ORDER BY kwh DESC LIMIT 1 OFFSET 1",
)

WITHOUT = (
    "SELECT count(*) AS n FROM gov.bill",
    "SELECT k.title, f.kind FROM gov.kind k LEFT JOIN gov.firm f ON f.kind = k.kind",
    "SELECT k.title FROM gov.kind k WHERE NOT EXISTS (SELECT 1 FROM gov.firm f WHERE f.kind = k.kind)",
    "SELECT kind FROM gov.firm UNION SELECT kind FROM gov.kind",
    "SELECT month, sum(kwh) AS s FROM gov.bill GROUP BY ROLLUP (month)",
    "SELECT k.title, b.uscc FROM gov.kind k FULL JOIN gov.firm b ON b.kind = k.kind",
)
"""Statements that have a row whoever is asked about."""


def relation_of(sql: str) -> tuple[Project, dict[int, str]]:
    world = World(TABLES, {})
    bound = bind(parse(Request("r", BANK, "P", sql)), world.catalog, about_one=True)
    relation = cast(Project, bound.relation)
    return relation, {scan.id: UNITS[scan.table] for scan in scans(relation) if scan.table in UNITS}


def told(world: World, sql: str, *subjects: str) -> list[list[tuple[object, ...]]]:
    """What the engine says of each subject, in some order."""
    relation, units = relation_of(sql)
    bound = bind(parse(Request("r", BANK, "P", sql)), world.catalog, about_one=True)
    plans = [
        plan(admitted(world, about(relation, units, subject), bound.columns, protected=frozenset()))
        for subject in subjects
    ]
    with snapshots(world, plans[0]) as connection:
        found = [decode(reply_to(connection, made), committed_(made)).rows[0] for made in plans]
    return [sorted(rows, key=repr) for rows in found]


def world_of(firms: Sequence[Row], bills: Sequence[Row]) -> World:
    kinds: list[Row] = [{"kind": "a", "title": "A"}, {"kind": "c", "title": "C"}]
    return World(TABLES, {FIRM.name: firms, BILL.name: bills, KIND.name: kinds})


def bills_of(draw: random.Random, uscc: str) -> list[Row]:
    return [{"uscc": uscc, "month": draw.randint(1, 3), "kwh": draw.randint(0, 9)} for _ in range(draw.randint(0, 4))]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("sql", STATEMENTS)
def test_nobody_elses_rows_change_what_is_told(sql: str, seed: int) -> None:
    draw = random.Random(seed)
    own: list[Row] = [{"uscc": SELF, "kind": "a"}]
    mine = bills_of(draw, SELF)
    theirs: list[Row] = [{"uscc": uscc, "kind": draw.choice("abc")} for uscc in OTHERS]
    bills = [row for uscc in OTHERS for row in bills_of(draw, uscc)]
    alone, among = world_of(own, mine), world_of([*own, *theirs], [*mine, *bills])
    of_self, of_nobody = told(among, sql, SELF, NOBODY)
    assert of_self == told(alone, sql, SELF)[0]
    assert of_nobody == []


@pytest.mark.parametrize("sql", STATEMENTS)
def test_these_statements_have_rows_only_where_the_subject_has(sql: str) -> None:
    relation, units = relation_of(sql)
    assert needs_subject(relation, units)


@pytest.mark.parametrize("sql", WITHOUT)
def test_a_statement_that_has_rows_without_its_subject_is_known(sql: str) -> None:
    relation, units = relation_of(sql)
    assert not needs_subject(relation, units)
    world = world_of([{"uscc": SELF, "kind": "a"}], [{"uscc": SELF, "month": 2, "kwh": 1}])
    assert told(world, sql, NOBODY) != [[]], "the check turns away what needs to be"
