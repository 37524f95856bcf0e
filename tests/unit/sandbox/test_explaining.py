"""A dry run says how each column will leave, what it is held to, and what is sure to be said; the answer keeps to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.relations import Ran, firms, question, returns, run

from louver_sandbox.algebra.relations import scans
from louver_sandbox.algebra.types import TableName
from louver_sandbox.commit import Preview
from louver_sandbox.obligations import Totals
from louver_sandbox.release import notices
from louver_sandbox.service import convert, explaining, rules_told

PROTECTED = (TableName("gov", "tax"), TableName("gov", "registry"))


def asked(sql: str) -> Ran:
    rows = returns("A", 20, quarters=2) + returns("B", 12) + returns("C", 2)
    loans = [
        {"id_no": row["uscc"], "balance": 1, "bad": place % 2 == 0, "branch": "x"}
        for place, row in enumerate(returns("A", 20) + returns("B", 12) + returns("Z", 20))
    ]
    world = firms(rows, loans)
    found = scans(question(world, sql).bound.relation)
    protected = frozenset(scan.id for scan in found if scan.table in PROTECTED)
    return run(world, question(world, sql, protected=protected))


def kinds(sql: str) -> list[str]:
    return [outcome.kind for outcome in explaining.outcomes(asked(sql).plan)]


def test_each_column_is_told_by_what_it_is() -> None:
    sql = (
        "SELECT district, count(*), count(arrears), count(DISTINCT uscc), sum(revenue), avg(revenue), "
        "stddev_samp(revenue), sum(revenue) / count(*), rank() OVER (ORDER BY sum(revenue)), 1 "
        "FROM gov.tax GROUP BY district"
    )
    expected = ["key", "count", "count", "units", "sum", "average", "statistic", "computed", "computed", "computed"]
    assert kinds(sql) == expected


def test_names_in_between_do_not_hide_what_a_column_is() -> None:
    sql = (
        "WITH a AS (SELECT district AS d, sum(revenue) AS s FROM gov.tax GROUP BY district), b AS (SELECT s AS x, d FROM a) "
        "SELECT d, x, x + 1 AS more FROM b ORDER BY 1"
    )
    assert kinds(sql) == ["key", "sum", "computed"]


def test_own_data_leave_as_they_are() -> None:
    outcomes = explaining.outcomes(asked("SELECT branch, sum(balance) FROM bank_a.loan GROUP BY branch").plan)
    assert {outcome.kind for outcome in outcomes} == {"exact"}


def test_a_sum_says_how_many_terms_are_judged() -> None:
    (outcome,) = explaining.outcomes(asked("SELECT sum(revenue * 2 + staff) FROM gov.tax").plan)
    assert "term by term (2 terms)" in outcome.told[0]
    assert "共 2 项" in outcome.told[1]


def test_a_sum_of_conditions_is_told_as_the_count_it_is() -> None:
    (outcome,) = explaining.outcomes(asked("SELECT sum(arrears::INT) FROM gov.tax").plan)
    assert outcome.kind == "sum"
    assert outcome.told[0].startswith("number of rows with a property")


def rules(sql: str) -> dict[str, tuple[int, str]]:
    return {rule.rule: (rule.count, rule.message) for rule in rules_told.rules(asked(sql).plan)}


def test_rules_carry_their_numbers_and_only_those_that_can_apply_are_told() -> None:
    counts = rules("SELECT district, count(*) FROM gov.tax GROUP BY district")
    assert counts["units"] == (5, "every group needs at least 5 enterprises")
    assert not {"dominance", "p-percent", "contributors", "own-knowledge", "outer-join"} & counts.keys()
    sums = rules("SELECT sum(revenue) FROM gov.tax")
    assert (sums["dominance"][0], sums["p-percent"][0]) == (60, 10)
    assert "5 enterprises" in sums["contributors"][1]
    assert "remainder" not in sums
    assert "remainder" in counts


def test_own_labels_and_totals_beside_parts_have_rules_of_their_own() -> None:
    own = rules("SELECT sum(l.bad::INT) FROM gov.tax t JOIN bank_a.loan l ON l.id_no = t.uscc")
    assert "own-knowledge" in own
    sets = rules("SELECT district, sum(revenue) FROM gov.tax GROUP BY ROLLUP (district)")
    assert "difference" in sets
    assert "remainder" not in sets


def test_classes_are_told_where_own_tables_take_part() -> None:
    joined = "FROM gov.tax t JOIN bank_a.loan l ON l.id_no = t.uscc"
    told = rules(f"SELECT t.district, count(*) {joined} WHERE t.arrears GROUP BY 1")
    assert told["class-disclosure"][0] == 5
    assert "differ on each key that is an attribute of theirs and on WHERE alone" in told["class-disclosure"][1]
    assert "remainder" not in told
    assert "class-disclosure" not in rules(f"SELECT l.branch, count(*) {joined} GROUP BY 1")
    assert "class-disclosure" not in rules("SELECT district, count(*) FROM gov.tax GROUP BY 1")


LEFT_JOIN = "FROM bank_a.loan l LEFT JOIN gov.tax t ON t.uscc = l.id_no"


def test_the_empty_side_of_a_left_join_is_explained_and_stays_empty() -> None:
    """Half of the bank's subjects file no returns: no group and no count tells which half."""
    assert (
        "a group in which no row has a partner is never shown"
        in rules(f"SELECT count(*) {LEFT_JOIN}")["outer-join"][1]
    )
    groups = asked(f"SELECT t.district, count(*) {LEFT_JOIN} GROUP BY 1").release.rows
    assert [row[0] for row in groups] == ["A", "B"], "the group without a district has no subject and is not there"
    ((rows, count, average, total),) = asked(
        f"SELECT count(*), count(t.uscc), avg(t.revenue), sum(t.revenue) {LEFT_JOIN}"
    ).release.rows
    assert rows == 72
    assert (count, average) == (None, None)
    assert total == 520
    assert "outer-join" not in rules("SELECT count(*) FROM bank_a.loan l JOIN gov.tax t ON t.uscc = l.id_no")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT district, sum(revenue) FROM gov.tax GROUP BY district",
        "SELECT sum(revenue) FROM gov.tax",
        "SELECT district, sum(revenue) FROM gov.tax GROUP BY ROLLUP (district)",
        "SELECT sum(n) FROM (SELECT district, count(*) AS n FROM gov.tax GROUP BY district)",
        "SELECT district, rank() OVER (ORDER BY count(*)) FROM gov.tax GROUP BY district",
        "SELECT count(*) FROM gov.tax WHERE revenue > (SELECT avg(revenue) FROM gov.tax)",
        "SELECT branch, count(*) FROM bank_a.loan GROUP BY branch",
    ],
)
def test_what_is_sure_to_be_said_is_said(sql: str) -> None:
    ran = asked(sql)
    foretold = {notice.code for notice in explaining.certain_notices(ran.plan)}
    said = ran.codes().keys()
    either = {notices.CELLS_UNTOLD, notices.CELLS_WITHHELD}
    assert foretold - either <= said
    assert not foretold & either or said & either, "a grouped answer says one of the two"
    assert notices.CELLS_UNTOLD in foretold or notices.CELLS_UNTOLD not in said
    fixed = {notices.OVER_RELEASED, notices.OVER_JUDGED}
    assert foretold & fixed == said & fixed


def test_the_message_of_a_dry_run_is_in_both_languages() -> None:
    ran = asked("SELECT district, avg(revenue) FROM gov.tax GROUP BY district HAVING count(*) > 3")
    made = convert.explanation(ran.plan, "SELECT 1", Preview(False, (), (), ()))
    said = [(item.message, item.message_zh) for item in made.outcomes]
    said += [(item.message, item.message_zh) for item in (*made.rules, *made.notices)]
    assert len(said) >= 6
    assert all(english and chinese and english != chinese for english, chinese in said)
    assert [outcome.name for outcome in made.outcomes] == ["district", "avg(revenue)"]
    assert '"released1"' in made.shape
    assert made.shape.startswith("SELECT ")


def test_it_is_told_that_further_parts_are_withheld_where_the_policy_keeps_totals() -> None:
    sql = "SELECT district, count(*) FROM gov.tax GROUP BY ROLLUP (district)"
    made = asked(sql).plan
    assert made.threshold is not None
    keeping = replace(made, threshold=replace(made.threshold, totals=Totals.COMPLEMENTARY))
    assert "complementary" not in {notice.rule for notice in rules_told.rules(made)}
    assert "complementary" in {notice.rule for notice in rules_told.rules(keeping)}
    assert explaining.certain_notices(keeping) == explaining.certain_notices(made)
