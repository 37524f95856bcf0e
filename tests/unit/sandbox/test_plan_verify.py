"""Law 10: a statement that is not what was planned never leaves the checker."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pytest
from tests.support.relations import firms, question

from louver_sandbox.engines.duckdb import DuckDbEngine
from louver_sandbox.engines.shape import Shape, TableName
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import PlanUnverified, form, verify
from louver_sandbox.stages import Plan


@pytest.fixture(scope="module")
def made() -> Plan:
    return plan(
        question(firms(), "SELECT district, sum(revenue) AS r FROM gov.tax WHERE staff > 1 GROUP BY district")
    )


def parsed(statement: str) -> Shape:
    with duckdb.connect() as connection:
        return DuckDbEngine(connection).parse(statement)


def test_the_planned_statement_passes(made: Plan) -> None:
    verify(made, parsed(made.statement))


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        ('"s1"."main"."data"', '"s2"."main"."data"'),
        ('"s1"."main"."data"', '"s1"."main"."other"'),
        (" WHERE ", " WHERE -- "),
        ("sum(", "/* sum */ sum("),
        ('"c"."u1" < 5', '"c"."u1" < 4'),
        ("SELECT TRY_CAST(1 AS", "SELECT TRY_CAST(2 AS"),
        ("WITH ", "WITH \u200b"),
        (" FROM ", " , (SELECT max(x) FROM secret) AS z FROM "),
    ],
)
def test_a_statement_changed_after_planning_is_found(made: Plan, part: str, instead: str) -> None:
    changed = replace(made, statement=made.statement.replace(part, instead))
    assert changed.statement != made.statement
    with pytest.raises(PlanUnverified):
        verify(changed, parsed(made.statement))


@pytest.mark.parametrize(
    "difference",
    [
        {"tables": (TableName("s1", "main", "data"), TableName("s1", "main", "data"))},
        {"tables": (TableName("", "", "secret"),)},
        {"functions": frozenset({"read_csv"})},
        {"columns": frozenset({("t1", "name")})},
        {"kind": "delete"},
    ],
)
def test_an_engine_that_reads_something_else_is_believed(made: Plan, difference: dict[str, object]) -> None:
    shape = replace(parsed(made.statement), **difference)  # type: ignore[arg-type]  # one field at a time
    with pytest.raises(PlanUnverified):
        verify(made, shape)


def test_plain_constants_do_not_matter_to_reading_and_others_do() -> None:
    text = """SELECT CAST('A 1.5-%' AS VARCHAR) AS "it's" FROM "s1"."main"."data" AS "t'1" WHERE x = CAST('2025' AS BIGINT)"""
    assert form(text) == text.replace("A 1.5-%", "").replace("2025", "")
    for hostile in ("it''s", "a--b", "/* x */", "\\", "$$", "a;b", "\u200b", 'say "x"', "a\nb"):
        assert hostile in form(f"SELECT CAST('{hostile}' AS VARCHAR)"), (
            "what could mislead a parser is read each time"
        )


@pytest.mark.parametrize("obligation", ["threshold", "unit_groups", "measures", "sources"])
def test_a_plan_without_an_obligation_is_found(made: Plan, obligation: str) -> None:
    measure = replace(made.measures[0], contributors=())
    weaker = {
        "threshold": replace(made, threshold=None),
        "unit_groups": replace(made, unit_groups=()),
        "measures": replace(made, measures=(measure,)),
        "sources": replace(made, sources=()),
    }
    with pytest.raises(PlanUnverified):
        verify(weaker[obligation], parsed(made.statement))
