"""Lint shows an officer the rules that cannot work and those that do more than they seem."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from tests.support.policy_questions import LIBRARY, TODAY, city_catalog, library

from louver_sandbox.policy.lint import lint
from louver_sandbox.policy.load import load_library

TAXATION = (LIBRARY / "taxation.yaml").read_text(encoding="utf-8").partition("tests:\n")[0]
PLATFORM = (LIBRARY / "platform.yaml").read_text(encoding="utf-8")

SHADOWED = """\
  - id: less
    to: {groups: [banks]}
    verbs: [analyse]
    purposes: [RESEARCH]
    valid: {from: 2026-02-01, until: 2027-12-31}
    table: gov.tax_credit
    columns: {grade: {filter: {operators: ["="]}}}
    treatment: threshold
    budget: {queries_per_day: 1, predicates_per_day: 1}
"""
DENIED = """\
denies:
  - id: no-returns
    to: {groups: [banks]}
    table: gov.tax_quarter
    reason: under review
"""


def _findings(tmp_path: Path, taxation: str = TAXATION, platform: str = PLATFORM, today: date = TODAY) -> str:
    (tmp_path / "taxation.yaml").write_text(taxation, encoding="utf-8")
    (tmp_path / "platform.yaml").write_text(platform, encoding="utf-8")
    return "\n".join(str(problem) for problem in lint(load_library([tmp_path]), city_catalog(), today))


def test_the_library_of_the_demo_city_is_clean() -> None:
    found = lint(library(), city_catalog(), TODAY)
    assert [str(item) for item in found if item.severity.fails] == []
    assert {item.code for item in found} <= {"budget-without-window"}


def test_expired_grants_are_told(tmp_path: Path) -> None:
    assert "taxation.yaml:11:31: the grant expired on 2030-12-31" in _findings(tmp_path, today=date(2031, 1, 1))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("table: gov.tax_quarter", "table: gov.tax_quarters", "unknown table gov.tax_quarters"),
        ("invoice_cnt:", "invoice_count:", "unknown column gov.tax_quarter.invoice_count"),
        ("owner: 市税务局", "owner: 市公安局", "belongs to 市税务局: this grant never counts"),
        ("row_filter: grade = 'A'", "row_filter: colour = 'A'", "not a predicate over gov.tax_credit"),
        ("zero_declared: [group_key,", "zero_declared: [output, group_key,", "output is wider than its level"),
        ("table: gov.tax_quarter", "table: plat.authorization", "never counts"),
    ],
)
def test_rules_that_cannot_work_are_told(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in TAXATION
    assert says in _findings(tmp_path, TAXATION.replace(old, new))


def test_a_grant_that_another_contains_is_shadowed(tmp_path: Path) -> None:
    assert "shadowed by taxation/credit-grades" in _findings(tmp_path, TAXATION + SHADOWED)
    assert "shadowed" not in _findings(tmp_path, TAXATION + SHADOWED.replace("2027-12-31", "2031-12-31"))
    assert "shadowed" not in _findings(tmp_path, TAXATION + SHADOWED.replace("groups: [banks]", "institutions: [x]"))


def test_a_grant_that_a_deny_empties_is_unreachable(tmp_path: Path) -> None:
    assert _findings(tmp_path, TAXATION + DENIED).count("unreachable") == 2
    assert "unreachable" not in _findings(tmp_path, TAXATION + DENIED.replace("[banks]", "[credit_agencies]"))


def test_a_deny_of_nothing_is_told(tmp_path: Path) -> None:
    text = TAXATION + DENIED.replace("reason:", "columns: [ghost]\n    reason:")
    assert "unknown column gov.tax_quarter.ghost" in _findings(tmp_path, text)


def test_requester_rules_about_nothing_are_told(tmp_path: Path) -> None:
    text = PLATFORM.replace("gov.ss_person_month: [base_amt]", "gov.ss_person_month: [ghost]")
    assert "unknown column gov.ss_person_month.ghost" in _findings(tmp_path, platform=text)
    text = PLATFORM.replace("owner_class = 'E'", "colour = 'E'")
    assert "not a predicate over gov.re_property" in _findings(tmp_path, platform=text)


def test_l4_columns_under_threshold_are_told(tmp_path: Path) -> None:
    security = (LIBRARY / "public-security.yaml").read_text(encoding="utf-8")
    (tmp_path / "security.yaml").write_text(
        security.replace("person_id: {aggregate: {functions: [count]}}", "person_id: [join_key]"), encoding="utf-8"
    )
    assert "person_id is L4: under threshold only counting it is answered" in _findings(tmp_path)
