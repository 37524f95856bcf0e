"""Law 10: a statement that is not what was planned never leaves the checker."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.relations import firms, question, readings

from louver_sandbox.engines.shape import TableName
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import PlanUnverified, form, verify
from louver_sandbox.stages import Plan


@pytest.fixture(scope="module")
def made() -> Plan:
    return plan(
        question(firms(), "SELECT district, sum(revenue) AS r FROM gov.tax WHERE staff > 1 GROUP BY district")
    )


def test_the_planned_statement_passes(made: Plan) -> None:
    verify(made, readings(made))


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
    (core,) = made.cores
    changed = replace(made, cores=(replace(core, statement=core.statement.replace(part, instead)),))
    assert changed != made
    with pytest.raises(PlanUnverified):
        verify(changed, readings(made))


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
    (reading,) = readings(made)
    shape = replace(reading, **difference)  # type: ignore[arg-type]  # one field at a time
    with pytest.raises(PlanUnverified):
        verify(made, (shape,))


def test_plain_constants_do_not_matter_to_reading_and_others_do() -> None:
    text = """SELECT CAST('A 1.5-%' AS VARCHAR) AS "it's" FROM "s1"."main"."data" AS "t'1" WHERE x = CAST('2025' AS BIGINT)"""
    assert form(text) == text.replace("A 1.5-%", "").replace("2025", "")
    for hostile in ("it''s", "a--b", "/* x */", "\\", "$$", "a;b", "\u200b", 'say "x"', "a\nb"):
        assert hostile in form(f"SELECT CAST('{hostile}' AS VARCHAR)"), (
            "what could mislead a parser is read each time"
        )


@pytest.mark.parametrize("obligation", ["threshold", "unit_groups", "measures", "sources", "protection", "cores"])
def test_a_plan_without_an_obligation_is_found(made: Plan, obligation: str) -> None:
    (core,) = made.cores
    (addend,) = core.measures[0].addends
    bare = replace(addend, total=replace(addend.total, contributors=()))
    measure = replace(core.measures[0], addends=(bare,))
    weaker = {
        "threshold": replace(made, threshold=None),
        "unit_groups": replace(made, cores=(replace(core, unit_groups=()),)),
        "measures": replace(made, cores=(replace(core, measures=(measure,)),)),
        "sources": replace(made, sources=()),
        "protection": replace(made, cores=(replace(core, protected=False),)),
        "cores": replace(made, cores=()),
    }
    with pytest.raises(PlanUnverified):
        verify(weaker[obligation], readings(made))
