"""Generated queries over generated worlds: the same meaning everywhere, no column without a right, nothing unsafe leaves.

`python -m tests.support.generated --count 100000 --jobs 2` is the same at length.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import duckdb
import pytest
from tests.support.generated import Judge, Tally, agree, judge_world, within
from tests.support.generated_world import engine, world
from tests.support.naive_rights import used_without_right

from louver_sandbox.engines.duckdb import DuckDbEngine

WORLDS, QUERIES = 10, 20


@pytest.fixture(scope="module")
def judged() -> Tally:
    whole = Tally()
    for number in range(WORLDS):
        whole.add(judge_world(2026, number, QUERIES))
    return whole


def test_a_generated_query_is_answered_or_refused_and_every_check_holds(judged: Tally) -> None:
    assert judged.failures == []
    assert judged.careful == []


def test_the_checks_are_not_empty(judged: Tally) -> None:
    assert judged.verdicts["admitted threshold"] > 0.1 * WORLDS * QUERIES
    assert judged.checks["statement == oracle"] > 0.9 * WORLDS * QUERIES
    assert judged.checks["caller's text == oracle"] > 0.5 * WORLDS * QUERIES
    assert judged.checks["released == naive (threshold)"] > 0.9 * judged.verdicts["admitted threshold"]
    assert judged.checks["released rows"] > 0
    assert judged.checks["rights"] > 0


@pytest.mark.parametrize(
    ("number", "sql", "verdict"),
    [
        # Conditions that meet at a bound.
        (
            30,
            "SELECT sum(CASE WHEN q.s >= 1 THEN q.c ELSE 0 END) AS a, sum(CASE WHEN q.s < 1 THEN q.c ELSE 0 END) AS b "
            "FROM (SELECT f.uscc AS u, sum(f.staff) AS s, count(*) AS c FROM gov.firm AS f GROUP BY f.uscc) AS q",
            "admitted threshold",
        ),
        # Rows beside groups of which few may be known.
        (
            48,
            "SELECT q.d AS a, count(*) AS b FROM gov.tax AS t LEFT JOIN gov.citizen AS c USING (person_id) LEFT JOIN "
            "(SELECT r.district AS d, sum(r.amount) AS s FROM gov.tax AS l LEFT JOIN gov.tax AS r USING (person_id) "
            "WHERE l.kind < 'A' GROUP BY r.district) AS q ON t.district = q.d GROUP BY q.d",
            "admitted threshold",
        ),
        # A missing side that is seen through a union.
        (
            200,
            "SELECT q.n + 2 AS a, sum(q.n) AS b, count(q.n) AS c FROM (SELECT f.district AS d, t.n AS n "
            "FROM gov.tax AS t RIGHT JOIN gov.firm AS f ON t.uscc = f.uscc UNION ALL SELECT l.district AS e, r.n AS m "
            "FROM gov.tax AS l LEFT JOIN gov.tax AS r USING (person_id)) AS q GROUP BY q.n + 2",
            "admitted threshold",
        ),
        # What DuckDB's optimizer makes an internal error of.
        (
            133,
            "WITH c AS (SELECT t.amount AS a, t.kind AS k FROM gov.tax AS t WHERE t.district IN ('west', '市南')) "
            "SELECT count(*) AS n FROM (SELECT l.k AS k, sum(CASE WHEN r.a <= 4 THEN r.a ELSE 0 END) AS s FROM c AS l "
            "JOIN c AS r ON l.k = r.k AND l.a - 4 <= 4 WHERE r.k NOT IN ('é', 'A') GROUP BY l.k) AS g "
            "FULL JOIN c AS f ON g.k = f.k WHERE g.s NOT IN (SELECT t.amount FROM gov.tax AS t WHERE t.late IS NULL) "
            "AND f.k IS NOT NULL",
            "LVR-2312",
        ),
        # What DuckDB's optimizer makes one subquery of.
        (
            1,
            "SELECT l.a AS x, r.n AS y FROM (SELECT avg(t.n) AS a FROM gov.tax AS t LEFT JOIN gov.tax AS o "
            "ON t.person_id = o.person_id AND t.late = FALSE WHERE o.district IS NULL) AS l CROSS JOIN "
            "(SELECT count(*) FILTER (WHERE o.n <= 1) AS n FROM gov.tax AS t LEFT JOIN gov.tax AS o "
            "ON t.person_id = o.person_id AND t.late = FALSE WHERE o.district IS NULL) AS r",
            "admitted threshold",
        ),
        # GROUPING() tells of no rows.
        (
            42,
            "SELECT t.district AS a, sum(t.n) AS b, grouping(t.district) AS c FROM gov.tax AS t GROUP BY ROLLUP "
            "(t.district) UNION ALL SELECT t.district AS d, count(*) AS e, count(*) AS f FROM gov.tax AS t "
            "GROUP BY t.district",
            "admitted threshold",
        ),
        # Counts of what always, never or only with a column has a value.
        (42, "SELECT count(coalesce(t.kind, 'zz')) AS a, count(NOT t.late) AS b FROM gov.tax AS t", "admitted threshold"),
        (42, "SELECT count(CASE WHEN 7 + 0 <= 0 THEN 1 END) AS a FROM gov.tax AS t", "admitted threshold"),
        # A sum over a subject's rows is there where a constant stands for what is missing.
        (
            4,
            "SELECT q.s AS a, avg(q.s) AS b FROM (SELECT f.uscc AS u, sum(coalesce(f.staff, 0)) AS s FROM gov.firm AS f "
            "GROUP BY f.uscc) AS q GROUP BY q.s",
            "admitted threshold",
        ),
        # A join that DuckDB leaves out, below an outer join that still wants its columns.
        (
            4,
            "WITH q AS (SELECT t.uscc AS u, count(*) AS n FROM gov.tax AS t GROUP BY t.uscc) SELECT x.n AS k, sum(z.n) AS a "
            "FROM q AS x FULL JOIN q AS y ON x.u = y.u RIGHT JOIN q AS z ON y.u = z.u AND x.n >= 2 GROUP BY x.n",
            "LVR-2304",
        ),
        # The same question twice.
        (
            3,
            "SELECT t.late AS a, sum(t.n) AS b, count(*) AS c FROM gov.tax AS t GROUP BY GROUPING SETS ((t.late), ()) "
            "UNION ALL SELECT t.late AS a, sum(t.n) AS b, count(*) AS c FROM gov.tax AS t "
            "GROUP BY GROUPING SETS ((t.late), ())",
            "admitted threshold",
        ),
    ],
)  # fmt: skip
def test_what_was_once_judged_in_two_ways_is_judged_in_one(number: int, sql: str, verdict: str) -> None:
    made = world(Random(f"31:{number}"))
    with engine(made) as connection, duckdb.connect() as second:
        assert Judge(made, connection, DuckDbEngine(second)).verdict(sql, Counter()) == verdict


@pytest.mark.parametrize(
    ("left", "is_within"),
    [
        ([], True),
        ([(None, 7)], True),
        ([(None, None), (1, 7)], True),
        ([(1, None), (1, 8)], True),
        ([(1, 7), (1, 7)], False),
        ([(None, None), (None, None), (None, None)], False),
        ([(2, 7)], False),
    ],
)
def test_too_careful_is_only_what_takes_away(left: list[tuple[object, ...]], is_within: bool) -> None:
    assert within(left, [(1, 7), (1, 8)]) is is_within


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ([("a", 26.578125)], [("a", 26.578125000000004)], True),
        ([("a", 26.578125), ("a", 1)], [("a", 1.0), ("a", 26.578125000000004)], True),
        ([("a", 26.5781)], [("a", 26.5782)], False),
        ([("26.57812",)], [("26.57813",)], False),
        ([("a", 1), ("a", 1)], [("a", 1)], False),
        ([("a", 1)], [("a", 1, 2)], False),
        ([("a", None)], [("a", 0)], False),
    ],
)
def test_rows_agree_up_to_seven_digits(
    one: list[tuple[object, ...]], other: list[tuple[object, ...]], is_same: bool
) -> None:
    assert agree(one, other) is agree(other, one) is is_same


@pytest.mark.parametrize(
    ("queries", "careful", "failed", "fails"),
    [(1000, 1, 0, False), (1000, 2, 0, True), (3000, 3, 0, False), (3000, 4, 0, True), (10, 0, 1, True)],
)
def test_a_failure_fails_and_so_do_many_too_careful_answers(
    queries: int, careful: int, failed: int, fails: bool
) -> None:
    tally = Tally(Counter({"admitted threshold": queries}), failures=["x"] * failed, careful=["x"] * careful)
    assert tally.fails is fails


RIGHTS = {
    "gov.tax": {"uscc": frozenset({"join_key"}), "n": frozenset({"filter"}), "kind": frozenset({"group_key"})},
    "gov.firm": {"uscc": frozenset({"join_key"}), "section": frozenset({"group_key"})},
}


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT count(*) AS c FROM gov.tax AS t WHERE t.n > 1", []),
        ("SELECT count(*) AS c FROM gov.tax AS t WHERE t.kind = 'a'", ["gov.tax.kind without filter"]),
        (
            "SELECT sum(t.n) AS c FROM gov.tax AS t JOIN gov.firm AS f USING (uscc) GROUP BY f.section ORDER BY 1",
            ["gov.tax.n without aggregate"],
        ),
        (
            "SELECT t.kind AS c, count(*) AS n FROM gov.tax AS t GROUP BY t.kind ORDER BY 1",
            ["gov.tax.kind without order"],
        ),
        (
            "SELECT count(*) AS c FROM gov.tax AS t WHERE t.uscc IN (SELECT f.uscc FROM gov.firm AS f "
            "WHERE f.section = 'a')",
            ["gov.firm.section without filter"],
        ),
        (
            "SELECT count(*) AS c FROM gov.tax AS t WHERE EXISTS (SELECT 1 FROM gov.firm AS f "
            "WHERE f.uscc = t.uscc AND f.section < t.kind)",
            ["gov.firm.section without filter", "gov.tax.kind without filter"],
        ),
        (
            "WITH q AS (SELECT t.kind AS k, sum(t.n) AS s FROM gov.tax AS t GROUP BY t.kind) "
            "SELECT q.k AS a, q.s AS b FROM q AS q",
            ["gov.tax.n without aggregate"],
        ),
        ("SELECT t.kind AS c FROM gov.tax AS t", ["gov.tax.kind without output"]),
        ("SELECT count(*) AS c FROM gov.tax AS t WHERE t.n > (SELECT avg(i.n) FROM gov.tax AS i)",
         ["gov.tax.n without aggregate"]),
        ("SELECT q.s AS a, q.c AS b FROM (SELECT p.m AS c, sum(CASE WHEN p.m <= p.k THEN p.c ELSE 0 END) AS s FROM "
         "(SELECT t.n AS m, t.kind AS k, count(*) AS c FROM gov.tax AS t GROUP BY t.n, t.kind) AS p GROUP BY p.m) AS q "
         "ORDER BY 1", ["gov.tax.kind without filter", "gov.tax.n without group_key"]),
    ],
)  # fmt: skip
def test_the_naive_reader_of_rights_finds_what_is_missing(sql: str, found: list[str]) -> None:
    assert used_without_right(sql, RIGHTS) == found
