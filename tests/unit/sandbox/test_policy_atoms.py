"""The atom rule as officers write it, and what a question over such a table may use."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from tests.support.atomic import COLUMNS, OWNER, SEVERAL_ROWS, firm, firm_bundle, firm_grant
from tests.support.catalogs import a_catalog, a_column, a_table
from tests.support.policy_questions import BANK_A, ROOT, TODAY, bundle_of, grant_document, policy

from louver.errors import Refused
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.atoms import AtomRules, MeasuredColumn
from louver_sandbox.catalog.model import LevelCondition, Table
from louver_sandbox.pipeline import judge
from louver_sandbox.policy.atoms import told
from louver_sandbox.policy.bundle import bundle_content, parse_bundle
from louver_sandbox.policy.documents import PolicyRefused, check_policy
from louver_sandbox.policy.lint import lint
from louver_sandbox.policy.load import Library, read_policy_text
from louver_sandbox.policy.permissions import permissions
from louver_sandbox.service.explaining import certain_notices
from louver_sandbox.stages import Facts, Plan, Request

YAML = """\
kind: policy
id: taxation
version: "1"
owner: 测试部门
title: firms
grants:
  - id: firms
    to: {groups: [banks]}
    verbs: [analyse]
    purposes: [RESEARCH]
    valid: {from: 2026-01-01, until: 2026-12-31}
    table: gov.firm
    columns:
      district: [group_key, filter]
      amount: [aggregate]
    treatment: threshold
    atoms:
      - {column: district, merge: [{prefix: 4}, {groups: {310101: core, 310104: core, 320100: outside}}]}
      - {column: founded, by: year}
    budget: {queries_per_day: 10, predicates_per_day: 10}
"""


def plan(sql: str, table: Table | None = None, *grants: dict[str, Any]) -> Plan:
    bundle = firm_bundle(*(grants or (firm_grant(),)))
    return judge(Request("r", BANK_A, "RESEARCH", sql), a_catalog(table or firm(), OTHER), bundle, Facts(TODAY))


OTHER = a_table("gov.other")


def problems(*grants: dict[str, Any]) -> str:
    with pytest.raises(PolicyRefused) as refused:
        firm_bundle(*grants)
    return str(refused.value)


# what officers write


def test_dimensions_keep_their_order_through_a_signed_bundle() -> None:
    ((loaded,), wrong) = read_policy_text("firms.yaml", YAML)
    assert wrong == ()
    (grant,) = loaded.document.grants  # type: ignore[union-attr]  # a policy
    bundle = bundle_of(loaded.document)  # type: ignore[arg-type]  # a policy
    ((again,),) = [item.grants for item in bundle.policies]
    assert again == grant
    assert [item.column for item in again.atoms or ()] == ["district", "founded"]
    rules = bundle.rulebook.atoms(firm())
    assert rules is not None
    assert rules.measures == (MeasuredColumn(column="amount", summed=True),)


def test_a_bundle_without_atoms_is_the_same_bytes_as_before_there_were_any() -> None:
    content = bundle_content(bundle_of().platform, [policy(grant_document())])
    assert b"atoms" not in content
    assert parse_bundle(content).rulebook.atoms(firm()) is None


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("amount: [aggregate]", "amount: [aggregate, filter]", "15:7", "amount is no dimension: filter is wider"),
        ("amount: [aggregate]", "amount: [join_key, order]", "15:7", "join_key, order is wider"),
        ("amount: [aggregate]", "amount: {aggregate: {functions: [var_samp]}}", "15:7", "var_samp is wider"),
        ("[group_key, filter]", "[group_key, output]", "14:7", "district is a dimension: output is wider"),
        ("treatment: threshold", "treatment: exact", "17:5", "atoms need treatment threshold"),
        (
            "    columns:",
            "    row_filter: amount > 1\n    columns:",
            "13:5",
            "atoms and row_filter exclude each other",
        ),
        ("by: year}", "by: year}\n      - {column: founded, by: month}", "20:10", "founded is a dimension twice"),
    ],
)
def test_what_the_rule_cannot_hold_with_is_refused_at_its_place(old: str, new: str, place: str, says: str) -> None:
    ((loaded,), wrong) = read_policy_text("firms.yaml", YAML.replace(old, new))
    assert wrong == ()
    found = [loaded.problem(item) for item in check_policy(bundle_of().platform, loaded.document)]  # type: ignore[arg-type]
    assert [f"{item.line}:{item.column}" for item in found if says in item.message] == [place], found


def test_the_example_of_the_manual_is_valid() -> None:
    manual = (ROOT / "docs" / "reference" / "atoms.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", manual, re.DOTALL)
    head, budget = YAML.split("    columns:")[0], YAML.splitlines()[-1]
    ((loaded,), wrong) = read_policy_text("atoms.md", f"{head}{example}{budget}\n")
    assert wrong == ()
    assert list(check_policy(bundle_of().platform, loaded.document)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "spoiled",
    [
        "{column: founded, by: year, width: 3}",
        "{column: founded, by: decade}",
        "{column: staff, edges: [5, 3]}",
        "{column: district, merge: [{prefix: 2, groups: {A: B}}]}",
        "{column: district, merge: [{groups: {}}]}",
        "{column: district, size: 3}",
    ],
)
def test_a_dimension_that_contradicts_itself_is_refused_at_its_line(spoiled: str) -> None:
    _, (wrong,) = read_policy_text("firms.yaml", YAML.replace("{column: founded, by: year}", spoiled))
    assert wrong.line == 19


def test_all_grants_of_a_table_declare_the_same_atoms() -> None:
    other = firm_grant("other", dimensions=[{"column": "district"}])
    assert "other has other ones" in problems(firm_grant(), other)
    assert "free has no ones" in problems(firm_grant(), firm_grant("free", dimensions=None))
    assert "shown has no ones" in problems(firm_grant(), firm_grant("shown", dimensions=None, treatment="exact"))
    matched = firm_grant("matched", dimensions=None, verbs=["match"])
    noisy = firm_grant("noisy", dimensions=None, treatment="dp")
    assert firm_bundle(firm_grant(), matched, noisy).rulebook.atoms(firm()) is not None


def test_a_table_with_atoms_has_no_budget_and_its_copy_may() -> None:
    loss = {"epsilon": "1", "delta": "0.0000001"}
    whole = {"enterprise": {"lifetime": loss, "allowance": loss, "most": loss, "each": loss}}
    noisy = firm_grant("noisy", dimensions=None, treatment="dp", privacy=whole)
    told = problems(firm_grant(), noisy)
    assert "what one subject changes in recoded rows has no bound" in told
    assert "copy_of: gov.firm" in told
    copied = firm_bundle(firm_grant(), {**noisy, "table": "gov.firm_copy"})
    assert copied.rulebook.atoms(firm()) is not None
    assert copied.rulebook.atoms(replace(firm(), name=TableName("gov", "firm_copy"))) is None


def test_the_strictest_thresholds_of_all_grants_make_the_one_partition() -> None:
    strict = firm_grant("strict", threshold={"person": 20, "dominance_percent": 40}, purposes=["MODEL_BUILD"])
    (grants,) = {item.atoms for item in firm_bundle(firm_grant(), strict).grant_sets(a_catalog(firm()))}
    assert isinstance(grants, AtomRules)
    assert (grants.person, grants.enterprise, grants.dominance_percent, grants.p_percent) == (20, 5, 40, 10)


@pytest.mark.parametrize(
    ("dimension", "columns", "says"),
    [
        ({"column": "nothing"}, {}, "unknown column"),
        ({"column": "uscc"}, {}, "tells subjects apart"),
        ({"column": "staff", "by": "year"}, {}, "do not fit type integer"),
        ({"column": "district"}, {"arrears": ["aggregate"]}, "arrears is a flag"),
        ({"column": "district"}, {"uscc": ["aggregate"]}, "uscc is a unit with several rows"),
    ],
)
def test_lint_holds_dimensions_against_the_catalogue(
    dimension: dict[str, Any], columns: dict[str, Any], says: str
) -> None:
    grant = firm_grant(dimensions=[dimension], columns={"staff": ["aggregate"]} | columns)
    written = policy(grant, owner=OWNER)
    (loaded,), _ = read_policy_text("firms.yaml", YAML)
    library = Library(bundle_of().platform, (written,), (replace(loaded, document=written),))
    found = lint(library, a_catalog(firm(SEVERAL_ROWS)), date(2026, 6, 1))
    assert any(says in str(item) for item in found), found


# what a question may use


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) AS n FROM gov.firm",
        "SELECT district, founded, sum(amount) AS s, avg(staff) AS m, count(amount) AS c FROM gov.firm GROUP BY ALL",
        "SELECT count(DISTINCT uscc) AS n FROM gov.firm WHERE district LIKE '31%' AND founded >= DATE '2020-01-01'",
        "SELECT sum(amount) FILTER (WHERE section = 'A') AS a FROM gov.firm",
        "SELECT sum(CASE WHEN section = 'A' THEN amount END) AS a FROM gov.firm",
        "SELECT district FROM gov.firm GROUP BY 1 HAVING sum(amount) > 1000 ORDER BY sum(amount) DESC",
        "SELECT sum(s) AS s FROM (SELECT section, sum(amount) AS s FROM gov.firm GROUP BY section)",
        "SELECT a.district, count(*) AS n FROM gov.firm a JOIN gov.firm b ON a.district = b.district GROUP BY 1",
        "SELECT sum(amount) / count(*) * 100 AS x FROM gov.firm",
    ],
)
def test_dimensions_select_and_group_and_other_columns_are_added_up(sql: str) -> None:
    made = plan(sql)
    assert made.threshold is not None
    assert made.threshold.recoded
    assert "RECODED" in [notice.code for notice in certain_notices(made)]


@pytest.mark.parametrize(
    ("sql", "column"),
    [
        ("SELECT count(*) AS n FROM gov.firm WHERE staff > 12", 42),
        ("SELECT staff, count(*) AS n FROM gov.firm GROUP BY staff", 52),
        ("SELECT count(*) FILTER (WHERE amount > 3) AS n FROM gov.firm", 31),
        ("SELECT sum(CASE WHEN amount > 3 THEN 1 END) AS n FROM gov.firm", 22),
        ("SELECT count(*) AS n FROM gov.firm WHERE amount > (SELECT avg(amount) FROM gov.firm)", 42),
        ("SELECT count(*) AS n FROM gov.firm a JOIN gov.firm b ON a.uscc = b.uscc", 57),
        ("SELECT count(*) AS n FROM gov.firm a JOIN gov.firm b ON a.district = b.district AND a.staff < b.staff", 85),
        ("SELECT count(*) AS n FROM gov.firm WHERE staff IN (SELECT staff FROM gov.firm)", None),
        ("SELECT sum(m) AS s FROM (SELECT uscc, sum(staff) AS m FROM gov.firm GROUP BY uscc)", 78),
        ("SELECT count(*) AS n FROM (SELECT staff + 1 AS more FROM gov.firm) WHERE more > 3", 74),
    ],
)
def test_no_other_column_selects_groups_or_joins(sql: str, column: int | None) -> None:
    with pytest.raises(Refused) as refused:
        plan(sql)
    assert refused.value.code == "LVR-2108"
    assert "founded by year, section, district" in refused.value.hint
    assert "dp" in refused.value.hint
    assert refused.value.column == column


@pytest.mark.parametrize(
    "measure",
    [
        "sum(staff * amount)",
        "sum(staff + amount)",
        "sum(coalesce(amount, 0))",
        "sum(sqrt(staff))",
        "var_samp(staff)",
        "corr(staff, amount)",
        "sum(CAST(CAST(staff AS BOOLEAN) AND CAST(amount AS BOOLEAN) AS INTEGER))",
        "avg(CAST(arrears AS INTEGER))",
        "count(arrears)",
    ],
)
def test_what_does_not_follow_from_atoms_is_no_measure(measure: str) -> None:
    with pytest.raises(Refused, match="LVR-2109"):
        plan(f"SELECT {measure} AS x FROM gov.firm", None, firm_grant(), GRANTED_AS_MATCH)


GRANTED_AS_MATCH = firm_grant("seen", dimensions=None, verbs=["match"], columns={"arrears": ["aggregate"]})
"""So that the caller sees the column."""


def test_counting_firms_with_several_rows_is_no_value_of_atoms() -> None:
    with pytest.raises(Refused, match="LVR-2109"):
        plan("SELECT count(DISTINCT uscc) AS n FROM gov.firm", firm(SEVERAL_ROWS))


def test_a_condition_proves_nothing_where_values_are_those_of_a_neighbour() -> None:
    """A column that is L4, and L3 in one section only, stays L4: rows of other sections may be counted there."""
    secret = replace(a_column("amount", COLUMNS[5].type, level=4), when=(LevelCondition("section = 'A'", 3),))
    table = replace(firm(), columns=tuple(secret if item.name == "amount" else item for item in COLUMNS))
    sql = "SELECT sum(amount) AS s FROM gov.firm WHERE section = 'A'"
    assert plan(sql, table, firm_grant(dimensions=None)).threshold is not None
    with pytest.raises(Refused, match="LVR-2105"):
        plan(sql, table)


def test_other_tables_are_asked_as_before() -> None:
    free = grant_document("free", table="gov.other", columns={"amount": ["filter", "aggregate"]})
    made = plan("SELECT count(*) AS n FROM gov.other WHERE amount > 3", None, firm_grant(), free)
    assert made.threshold is not None
    assert not made.threshold.recoded


def test_the_catalogue_says_what_a_column_is_for() -> None:
    rules = firm_bundle(firm_grant()).rulebook.atoms(firm())
    assert told(rules, "founded") == "dimension, by year, small groups are merged into neighbours"
    assert told(rules, "district") == "dimension, small groups are merged into neighbours"
    assert told(rules, "amount") == "no dimension: only inside count, sum and avg"
    assert told(None, "amount") == ""


def test_the_catalogue_offers_no_milder_level_by_a_condition() -> None:
    secret = replace(a_column("amount", COLUMNS[5].type, level=4), when=(LevelCondition("section = 'A'", 3),))
    table = replace(firm(), columns=tuple(secret if item.name == "amount" else item for item in COLUMNS))
    offered = {}
    for name, grant in (("free", firm_grant(dimensions=None)), ("atoms", firm_grant())):
        bundle = firm_bundle(grant)
        covering = bundle.rulebook.covering(table, BANK_A)
        offered[name] = permissions(table, covering, ["RESEARCH"], TODAY).get("amount", ())
    assert [item.rows for item in offered["free"]] == ["section = 'A'"]
    assert offered["atoms"] == ()
