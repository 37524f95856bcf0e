"""A way of grouping is one however it is written: by which draw rows are told, and what that costs (ADR 52)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.encrypted import SECRET, STRICT, asked, permit, some_lending
from tests.support.relations import readings

from louver_sandbox.encrypted_core import EncryptedPlan
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import PlanUnverified, verify

LENDING = some_lending(80)
GRADED = "FROM bank_a.loan l JOIN gov.tax_credit t ON t.uscc = l.id_no"
BASE = f"SELECT t.grade, sum(l.amount) AS s {GRADED} WHERE t.grade IN ('A', 'B') AND t.arrears GROUP BY 1"

SAME = [
    BASE,
    f"SELECT t.grade, sum(l.amount) AS s {GRADED} WHERE t.arrears AND t.grade IN ('B', 'A') GROUP BY 1",
    f"SELECT t.grade, sum(l.days) AS d, avg(l.amount) AS a, count(*) AS n {GRADED} "
    "WHERE t.arrears AND t.grade IN ('B', 'A') GROUP BY t.grade ORDER BY 1 DESC",
    f"SELECT t.grade, sum(l.amount) AS s {GRADED} WHERE NOT (NOT t.arrears OR t.grade NOT IN ('A', 'B')) GROUP BY 1",
    f"SELECT t.grade, sum(l.amount) AS s {GRADED} WHERE t.grade < 'C' AND t.arrears = TRUE AND t.grade IN ('A', 'B') "
    "GROUP BY 1",
    f"SELECT t.grade, sum(l.amount) AS s {GRADED} WHERE t.grade BETWEEN 'A' AND 'B' AND t.arrears "
    "AND t.grade IN ('A', 'B') GROUP BY 1",
    f"SELECT t.grade, sum(l.amount) AS s {GRADED} WHERE (t.grade = 'A' OR t.grade = 'B') AND t.arrears IS NOT FALSE "
    "AND t.grade IN ('A', 'B') GROUP BY 1",
    f"SELECT t.grade, sum(l.amount) AS s {GRADED} WHERE t.grade IN ('A', 'B') AND t.arrears "
    "AND (t.grade = 'C' OR t.grade <> 'C') AND CASE WHEN t.arrears THEN 7 ELSE 8 END < 8 GROUP BY 1",
    f"SELECT t.grade, sum(l.amount) AS s {GRADED} WHERE upper(t.grade) IN ('A', 'B') AND t.arrears "
    "AND t.grade IN ('A', 'B') AND length(t.grade) = 1 GROUP BY 1",
    "SELECT x.grade, sum(k.amount) AS s FROM (SELECT * FROM gov.tax_credit) x JOIN bank_a.loan k ON k.id_no = x.uscc "
    "WHERE x.grade IN ('A', 'B') AND x.arrears GROUP BY 1",
    "WITH x AS (SELECT uscc, grade AS g FROM gov.tax_credit WHERE arrears AND grade IN ('A', 'B')) "
    "SELECT x.g, sum(k.amount) AS s FROM bank_a.loan k JOIN x ON k.id_no = x.uscc GROUP BY 1",
    f"SELECT t.grade, sum(l.amount) AS s {GRADED} AND t.arrears WHERE t.grade IN ('A', 'B') GROUP BY 1",
]

OTHER = [
    BASE.replace("AND t.arrears", ""),
    BASE.replace("'A', 'B'", "'A', 'C'"),
    BASE.replace("AND t.arrears", "AND NOT t.arrears"),
    BASE.replace("AND t.arrears", "AND t.arrears AND l.branch = '东'"),
    BASE.replace("AND t.arrears", "AND t.arrears AND t.district = '南'"),
    f"SELECT t.arrears, sum(l.amount) AS s {GRADED} WHERE t.grade IN ('A', 'B') GROUP BY 1",
]


ALIKE = [
    ("NOT (t.district < '南')", "NOT coalesce(t.district < '南', FALSE)"),
    ("t.district <> '南'", "t.district IS DISTINCT FROM '南'"),
    ("NOT (l.branch = '东')", "l.branch IS DISTINCT FROM '东'"),
    ("l.id_no IN (SELECT max(k.id_no) FROM bank_a.loan k GROUP BY k.branch)",
     "l.id_no IN (SELECT max(k.id_no) FROM bank_a.loan k GROUP BY k.id_no)"),
    ("l.id_no IN (SELECT max(k.id_no) FROM bank_a.loan k GROUP BY length(k.id_no) % 7)",
     "l.id_no IN (SELECT max(k.id_no) FROM bank_a.loan k GROUP BY length(k.id_no) % 11)"),
]  # fmt: skip
"""Conditions that the history of questions reads as one, and that a row can tell apart."""


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_what_a_row_can_tell_apart_is_two_ways(one: str, other: str) -> None:
    """A second truth under a label that is paid for would be a draw for nothing, and as many as there are NULLs."""
    labels = {made(BASE.replace("AND t.arrears", f"AND {condition}")).label for condition in (one, other)}
    assert len(labels) == 2


def made(sql: str) -> EncryptedPlan:
    found = plan(permit(LENDING, sql, STRICT)).encrypted
    assert found is not None
    return found


@pytest.mark.parametrize("sql", SAME)
def test_a_way_that_is_written_otherwise_is_the_same_way(sql: str) -> None:
    assert made(sql).label == made(BASE).label


def test_ways_that_differ_are_drawn_apart() -> None:
    assert len({made(sql).label for sql in (BASE, *OTHER)}) == 1 + len(OTHER)


def test_groups_under_other_names_or_in_another_order_are_told_by_one_draw(tmp_path: Path) -> None:
    """With one draw and two numberings, whoever is in another group in both has not kept its own."""
    two = f"SELECT t.grade, t.arrears, sum(l.amount) AS s {GRADED} GROUP BY 1, 2"
    turned = f"SELECT t.arrears, t.grade, sum(l.amount) AS s {GRADED} GROUP BY 1, 2"
    named = (
        "SELECT CASE t.grade WHEN 'A' THEN 'z' WHEN 'B' THEN 'y' WHEN 'C' THEN 'x' WHEN 'D' THEN 'w' END AS g, "
        f"t.arrears, sum(l.amount) AS s {GRADED} GROUP BY 1, 2"
    )
    first, second = (asked(LENDING, permit(LENDING, sql, STRICT), tmp_path, None) for sql in (two, turned))
    assert {row[:2]: row[2] for row in first.opened.rows} == {row[1::-1]: row[2] for row in second.opened.rows}
    assert made(two).label == made(turned).label
    assert made(two).numbers != made(turned).numbers
    names = dict(zip("ABCD", "zyxw", strict=True))
    third = asked(LENDING, permit(LENDING, named, STRICT), tmp_path, None)
    assert made(named).label == made(two).label
    told = {(names[str(row[0])], row[1]): row[2] for row in first.opened.rows}
    assert told == {row[:2]: row[2] for row in third.opened.rows}


def test_other_terms_data_or_institution_are_another_draw() -> None:
    first = made(BASE)
    for rules in (replace(STRICT, epsilon=STRICT.epsilon / 2), replace(STRICT, rows=2)):
        other = plan(permit(LENDING, BASE, rules)).encrypted
        assert other is not None
        assert other.label != first.label
    for name in ("bank_a.loan", "gov.tax_credit"):
        permitted = permit(LENDING, BASE, STRICT)
        catalog = permitted.bound.catalog
        tables = {
            of: replace(table, data_version="another") if str(of) == name else table
            for of, table in catalog.tables.items()
        }
        bound = replace(permitted.bound, catalog=replace(catalog, tables=tables))
        anew = plan(replace(permitted, bound=bound)).encrypted
        assert anew is not None
        assert anew.label != first.label


def test_a_draw_costs_its_epsilon_once_for_all_purposes_and_all_institutions() -> None:
    planned = plan(permit(LENDING, BASE, replace(STRICT, labels=3, labels_of_all=7)))
    mine, everybody = [charge for charge in planned.charges if charge.kind.startswith("chance")]
    assert (mine.amount, mine.limit, mine.purpose, mine.everybody) == (4000, 12_000, "*", False)
    assert (everybody.amount, everybody.limit, everybody.purpose, everybody.everybody) == (4000, 28_000, "*", True)
    assert planned.encrypted is not None
    assert mine.key == everybody.key == planned.encrypted.label
    for broken in (
        replace(planned, charges=tuple(one for one in planned.charges if one is not everybody)),
        replace(planned, encrypted=replace(planned.encrypted, label="another")),
        replace(planned, encrypted=replace(planned.encrypted, numbers=(0, 0))),
    ):
        with pytest.raises(PlanUnverified):
            verify(broken, readings(broken))


def test_a_sum_over_all_rows_is_a_way_too(tmp_path: Path) -> None:
    found = asked(
        LENDING,
        permit(LENDING, f"SELECT sum(l.amount) AS s {GRADED} WHERE t.arrears", STRICT),
        tmp_path,
        None,
        SECRET,
    )
    assert len(found.opened.rows) == 1
