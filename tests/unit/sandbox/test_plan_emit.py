"""The SQL that runs is ours alone: canonical, quoted, typed, and read alike by three parsers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import duckdb
import pytest
from tests.support.relations import call, firms, lit, named, question, ref

from louver_sandbox.algebra.expressions import Interval, SortKey, Value
from louver_sandbox.algebra.relations import Filter, Limit, Project, Scan, Sort
from louver_sandbox.algebra.types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    INTERVAL,
    NULL,
    TEXT,
    TableName,
    Type,
    decimal,
)
from louver_sandbox.engines.duckdb import DuckDbEngine, open_hardened
from louver_sandbox.plan.emit import emit, emit_expression, literal, quote
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import read_engine, read_sqlglot, read_tokens

TAX = Scan(1, TableName("gov", "tax"), ("district", "revenue"))
PUBLIC: frozenset[int] = frozenset()


def test_a_block_is_one_select_with_generated_names() -> None:
    tree = Project(2, Filter(TAX, call("=", ref(1, "district"), lit("市南区"))), (named("区", ref(1, "district")),))
    assert emit(tree, lambda scan: "s1") == (
        'SELECT "t1"."district" AS "c1" FROM "s1"."main"."data" AS "t1" '
        'WHERE ("t1"."district" = CAST(\'市南区\' AS VARCHAR))'
    )


def test_under_a_limit_every_column_breaks_ties() -> None:
    tree = Project(2, Limit(Sort(TAX, (SortKey(ref(1, "revenue"), True),)), 3), (named("d", ref(1, "district")),))
    assert emit(tree, lambda scan: "s1").endswith(
        'ORDER BY "t1"."revenue" DESC NULLS LAST, "t1"."district" ASC NULLS LAST LIMIT 3'
    )


def fetched(statement: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        return connection.execute(statement).fetchall()


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (None, NULL),
        (True, BOOLEAN),
        (-(2**63), INTEGER),
        (2**80, INTEGER),
        (Decimal("-0.05"), decimal(2)),
        (Decimal("12345678901234567890.12"), decimal(2)),
        (1e300, DOUBLE),
        ("it's -- not /* a comment */ \" here", TEXT),
        (date(2025, 1, 31), DATE),
    ],
)
def test_a_literal_comes_back_as_itself(value: Value, type_: Type) -> None:
    assert fetched(f"SELECT {literal(value, type_)}") == [(value,)]


def test_an_interval_is_months_and_days() -> None:
    shifted = f"SELECT CAST(DATE '2025-01-31' + {literal(Interval(1, 2), INTERVAL)} AS DATE)"
    assert fetched(shifted) == [(date(2025, 3, 2),)]


def test_identifiers_cannot_leave_their_quotes() -> None:
    assert quote('a" FROM secret --') == '"a"" FROM secret --"'
    assert emit_expression(ref(1, "x"), lambda column: quote(column.name)) == '"x"'


QUESTIONS = [
    "SELECT * FROM gov.tax",
    "SELECT DISTINCT district FROM gov.tax ORDER BY 1 LIMIT 2 OFFSET 1",
    "SELECT district, count(*) FILTER (WHERE arrears) n, avg(staff) FROM gov.tax GROUP BY ALL HAVING count(*) > 1",
    "SELECT r.section, sum(t.revenue) FROM gov.tax t LEFT JOIN gov.registry r USING (uscc) GROUP BY r.section",
    "SELECT a.n, count(*) FROM (SELECT uscc, count(*) n FROM gov.tax GROUP BY uscc) a GROUP BY a.n",
    "SELECT CASE WHEN staff > 1 THEN 'x' ELSE coalesce(district, '-') END, staff / 2, staff // 2 FROM gov.tax",
    "SELECT count(DISTINCT district), sum(score), 1 FROM gov.tax",
    "SELECT x.uscc FROM gov.tax x JOIN gov.tax y ON y.uscc = x.uscc JOIN gov.registry z ON x.uscc = z.uscc",
    "SELECT 1 FROM gov.tax ORDER BY count(*)",
    "SELECT b.id_no FROM loan b WHERE b.branch LIKE 'a%' OR b.branch IN ('b', 'c') OR b.bad IS NULL",
]


@pytest.mark.parametrize("sql", QUESTIONS)
def test_three_readers_agree_on_every_statement(sql: str) -> None:
    statement = plan(question(firms(), sql, protected=PUBLIC)).cores[0].statement
    ours = read_tokens(statement)
    glot = read_sqlglot(statement)
    with duckdb.connect() as connection:
        assert read_engine(DuckDbEngine(connection).parse(statement)) == ours
    assert (glot.tables, glot.columns) == (ours.tables, ours.columns)


@pytest.mark.parametrize("sql", QUESTIONS)
def test_equal_questions_have_equal_statements(sql: str) -> None:
    spaced = sql.replace(" FROM ", "\n  FROM /* the same */ ").replace(" AS ", " as ")
    statement = plan(question(firms(), sql, protected=PUBLIC)).cores[0].statement
    assert plan(question(firms(), spaced, protected=PUBLIC)).cores[0].statement == statement


def _abs_of_abs(depth: int) -> str:
    inner = "abs(revenue)"
    for _ in range(depth):
        inner = f"abs({inner}) + abs(revenue)"
    return inner


@pytest.mark.parametrize(
    "condition",
    [
        " + ".join(["staff"] * 60) + " > 1",
        "- " * 60 + "staff > 1",
        _abs_of_abs(28) + " > 1",
        "concat(" + ", ".join(["district"] * 1000) + ") = 'x'",
    ],
)
def test_the_deepest_admitted_expressions_are_read_by_the_engine(condition: str) -> None:
    """Each of ours becomes several of the engine's, whose own limit must not turn a legal question into a fault."""
    statement = plan(question(firms(), f"SELECT count(*) FROM gov.tax WHERE {condition}")).cores[0].statement
    with open_hardened() as connection:
        assert read_engine(DuckDbEngine(connection).parse(statement)) == read_tokens(statement)
