"""Generated queries over generated worlds: the same meaning everywhere, no column without a right, nothing unsafe leaves.

`python -m tests.support.generated --count 100000 --jobs 2` is the same at length.
"""

from __future__ import annotations

import pytest
from tests.support.generated import Tally, judge_world
from tests.support.naive_rights import used_without_right

WORLDS, QUERIES = 10, 20


@pytest.fixture(scope="module")
def judged() -> Tally:
    whole = Tally()
    for number in range(WORLDS):
        whole.add(judge_world(2026, number, QUERIES))
    return whole


def test_a_generated_query_is_answered_or_refused_and_every_check_holds(judged: Tally) -> None:
    assert judged.failures == []


def test_the_checks_are_not_empty(judged: Tally) -> None:
    assert judged.verdicts["admitted threshold"] > 0.1 * WORLDS * QUERIES
    assert judged.checks["statement == oracle"] > 0.9 * WORLDS * QUERIES
    assert judged.checks["caller's text == oracle"] > 0.5 * WORLDS * QUERIES
    assert judged.checks["released == naive (threshold)"] > 0.9 * judged.verdicts["admitted threshold"]
    assert judged.checks["released rows"] > 0
    assert judged.checks["rights"] > 0


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
    ],
)  # fmt: skip
def test_the_naive_reader_of_rights_finds_what_is_missing(sql: str, found: list[str]) -> None:
    assert used_without_right(sql, RIGHTS) == found
