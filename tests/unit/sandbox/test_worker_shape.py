"""The engine's own parser as second opinion: one SELECT of known parts, and its names exactly."""

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from louver_sandbox.engines.duckdb import DuckDbEngine, open_hardened
from louver_sandbox.engines.duckdb_tree import read_statement
from louver_sandbox.engines.shape import ShapeRefused, TableName


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDbEngine]:
    with open_hardened() as connection:
        yield DuckDbEngine(connection)


CANONICAL = """
WITH "c1" AS (
  SELECT "t1"."g" AS "a1", TRY_CAST("t1"."v" AS DECIMAL(38, 4)) AS "a2"
  FROM "s1"."main"."data" AS "t1"
  WHERE "t1"."d" >= CAST('2026-01-01' AS DATE) AND "t1"."g" IN ('x', 'y') AND NOT "t1"."v" IS NULL
)
SELECT "c1"."a1" AS "a1", COUNT(*) FILTER (WHERE "c1"."a2" > 0) AS "n", SUM("c1"."a2") AS "s",
       COUNT(DISTINCT "t2"."u") AS "u", CASE WHEN COUNT(*) > 1 THEN 1 ELSE NULL END AS "k"
FROM "c1" LEFT JOIN "s2"."main"."data" AS "t2" ON "c1"."a1" = "t2"."g"
  INNER JOIN "s1"."main"."data" AS "t3" ON "t3"."g" = "t2"."g"
GROUP BY "c1"."a1" HAVING COUNT(*) >= 10 ORDER BY "c1"."a1" NULLS LAST LIMIT 100
"""


def test_a_canonical_statement_is_read_with_all_its_names(engine: DuckDbEngine) -> None:
    shape = engine.parse(CANONICAL)
    assert shape.kind == "select"
    first, second = TableName("s1", "main", "data"), TableName("s2", "main", "data")
    assert shape.tables == (first, first, second)
    assert ("t1", "g") in shape.columns
    assert ("c1", "a2") in shape.columns
    assert len(shape.columns) == 8
    assert shape.functions == {"count_star", "count", "sum"}


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("WITH a AS (SELECT x FROM a) SELECT x FROM a", ["a"]),
        ("WITH a AS (SELECT 1 AS x), b AS (SELECT x FROM a) SELECT x FROM b, a", []),
        ("WITH a AS (SELECT x FROM b), b AS (SELECT 1 AS x) SELECT x FROM a", ["b"]),
        ('WITH A AS (SELECT 1 AS x) SELECT x FROM "a"', []),
        ("SELECT x FROM (WITH a AS (SELECT 1 AS x) SELECT x FROM a) AS q, a", ["a"]),
        ("SELECT (SELECT max(x) FROM secret) FROM t WHERE EXISTS (SELECT 1 FROM u)", ["secret", "t", "u"]),
        ("SELECT x FROM t UNION ALL SELECT x FROM u UNION ALL SELECT x FROM t", ["t", "t", "u"]),
    ],
)
def test_a_cte_hides_a_table_only_where_it_is_in_sight(engine: DuckDbEngine, sql: str, tables: list[str]) -> None:
    assert [table.name for table in engine.parse(sql).tables] == tables


def test_what_the_engine_reads_where_a_naive_parser_sees_one_odd_name(engine: DuckDbEngine) -> None:
    # SECURITY 2.1, D4: to DuckDB the zero-width space separates words.
    shape = engine.parse("select count(*), (select a\u200bfrom\u200bsecret) from pub")
    assert [table.name for table in shape.tables] == ["pub", "secret"]


def test_syntax_that_hides_a_call_is_named_as_the_engine_names_it(engine: DuckDbEngine) -> None:
    shape = engine.parse("SELECT extract(year FROM d), d - INTERVAL 3 MONTH, a || b FROM t")
    assert shape.functions == {"date_part", "to_months", "trunc"}
    assert engine.parse("SELECT a!, a ~ 'x' FROM t").functions == {"factorial", "regexp_matches"}


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("", "statement"),
        ("SELEC 1", "syntax"),
        ("SELECT 1; SELECT 2", "statement"),
        ("INSERT INTO t VALUES (1)", "statement"),
        ("COPY (SELECT 1) TO 'x'", "statement"),
        ("ATTACH 'x'", "statement"),
        ("SET threads = 1", "statement"),
        ("PRAGMA version", "statement"),
        ("EXPLAIN SELECT 1", "statement"),
        ("CREATE TABLE t AS SELECT 1", "statement"),
        ("WITH z AS (DELETE FROM t RETURNING a) SELECT a FROM z", "node"),
        ("WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM r) SELECT a FROM r", "node"),
        ("SUMMARIZE t", "node"),
        ("DESCRIBE t", "node"),
        ("SELECT a FROM (SHOW TABLES) AS q", "node"),
        ("SELECT * FROM t", "node"),
        ("SELECT columns('a') FROM t", "node"),
        ("SELECT a FROM read_csv('x')", "node"),
        ("SELECT a FROM range(10) AS q", "node"),
        ("SELECT a FROM t AS q (b, c)", "node"),
        ("SELECT a FROM t JOIN u USING (a)", "node"),
        ("SELECT a FROM t NATURAL JOIN u", "node"),
        ("SELECT a FROM t POSITIONAL JOIN u", "node"),
        ("SELECT a FROM t ASOF JOIN u ON t.a >= u.a", "node"),
        ("SELECT a FROM t RIGHT JOIN u ON t.a = u.a", "node"),
        ("SELECT a FROM t UNION SELECT a FROM u", "node"),
        ("SELECT a FROM t INTERSECT SELECT a FROM u", "node"),
        ("SELECT a FROM t EXCEPT ALL SELECT a FROM u", "node"),
        ("SELECT sum(a) OVER (ORDER BY a ROWS 1 PRECEDING) FROM t", "node"),
        ("SELECT sum(a) FILTER (WHERE a > 1) OVER () FROM t", "node"),
        ("SELECT a FROM t TABLESAMPLE 10%", "node"),
        ("SELECT a FROM t LIMIT 10%", "node"),
        ("SELECT a, count(*) FROM t GROUP BY ALL", "node"),
        ("SELECT a FROM t QUALIFY row_number() OVER () = 1", "node"),
        ("SELECT DISTINCT ON (a) a FROM t", "node"),
        ("SELECT #1 FROM t", "node"),
        ("SELECT ? FROM t", "node"),
        ("SELECT $1 FROM t", "node"),
        ("SELECT list_transform(a, lambda x: x + 1) FROM t", "node"),
        ("SELECT a[1] FROM t", "node"),
        ("SELECT a COLLATE nocase FROM t", "node"),
        ("SELECT x'41'", "node"),
        ("SELECT @a FROM t", "node"),
        ("SELECT a ** 2 FROM t", "node"),
        ("SELECT other.sum(a) FROM t", "node"),
        ("SELECT CAST(a AS other.type) FROM t", "node"),
        ("PIVOT t ON a USING sum(b)", "statement"),
    ],
)
def test_everything_else_is_refused(engine: DuckDbEngine, sql: str, reason: str) -> None:
    with pytest.raises(ShapeRefused) as refused:
        engine.parse(sql)
    assert refused.value.reason == reason


def test_a_refusal_carries_no_text_of_the_statement(engine: DuckDbEngine) -> None:
    for sql in ("SELECT canary canary canary", "SELECT a FROM canary('canary')", "SELECT $canary"):
        with pytest.raises(ShapeRefused) as refused:
            engine.parse(sql)
        assert "canary" not in f"{refused.value} {refused.value.node}".lower()


def test_depth_is_refused_and_not_suffered(engine: DuckDbEngine) -> None:
    for sql in (
        "SELECT " + "(" * 700 + "1" + ")" * 700,
        "SELECT " + "+".join(["1"] * 3000),
        "SELECT a FROM " + "(SELECT a FROM " * 600 + "t" + ") AS q" * 600,
    ):
        with pytest.raises(ShapeRefused):
            engine.parse(sql)
    assert engine.parse("SELECT 1").tables == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["error", "statements", "node", "type", "class", "cte_map", "map", "x"]), inner
        )
    ),
    max_leaves=15,
)


@given(json_values)
@settings(max_examples=200, deadline=None)
def test_a_tree_that_is_not_understood_is_refused_and_never_raises_otherwise(tree: object) -> None:
    with pytest.raises(ShapeRefused):
        read_statement(tree)


def test_any_text_is_a_shape_or_a_refusal(engine: DuckDbEngine) -> None:
    @given(st.text(max_size=60))
    @settings(max_examples=100, deadline=None)
    def holds(text: str) -> None:
        with contextlib.suppress(ShapeRefused):
            assert engine.parse(text).kind == "select"

    holds()
