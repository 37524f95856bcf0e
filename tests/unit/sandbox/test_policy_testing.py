"""A decision table that fails says where, what was expected and what decided."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.policy_questions import LIBRARY, city_bundle, city_catalog, library

from louver_sandbox.policy.bundle import bundle_content, parse_bundle
from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.policy.load import Library, load_library
from louver_sandbox.policy.testing import load_cases, own_cases, report, run_cases, untested

SUBJECTS = """\
kind: subjects
subjects:
  bank_a: {type: bank, groups: [banks]}
---
"""
CASES = """\
kind: cases
today: 2026-07-01
cases:
  - {case: counting firms, who: bank_a, purpose: RESEARCH, sql: SELECT count(*) AS n FROM gov.ent_registry, expect: exact}
  - {case: counting returns, who: bank_a, purpose: RESEARCH, sql: SELECT count(*) AS n FROM gov.tax_quarter, expect: exact}
"""


def _write(tmp_path: Path, text: str) -> list[Path]:
    (tmp_path / "table.yaml").write_text(text, encoding="utf-8")
    return [tmp_path]


def test_a_report_shows_expected_and_got(tmp_path: Path) -> None:
    results = run_cases(load_cases(_write(tmp_path, SUBJECTS + CASES)), city_catalog(), city_bundle())
    assert report(results).splitlines() == [
        "FAIL  table.yaml:9: counting returns (bank_a, RESEARCH)",
        "        expected exact",
        "        got      threshold by taxation/quarterly-returns",
        "1 of 2 cases as expected",
    ]


def test_the_rule_is_part_of_the_expectation(tmp_path: Path) -> None:
    text = (SUBJECTS + CASES).replace("expect: exact}", "expect: exact, rule: market-regulation/other}", 1)
    first, _ = run_cases(load_cases(_write(tmp_path, text)), city_catalog(), city_bundle())
    assert not first.passed
    assert "expected exact by market-regulation/other" in str(first)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("who: bank_a, purpose", "who: bank_z, purpose", "bank_z is not a subject"),
        ("sql: SELECT count(*) AS n FROM gov.ent_registry", "query: Z99", "there is no query Z99"),
        ("sql: SELECT count(*) AS n FROM gov.ent_registry, ", "", "one of query, sql, match, score and template"),
        ("purpose: RESEARCH, ", "", "needs a purpose"),
        ("expect: exact", "expect: maybe", "not as a case file needs it"),
        ("kind: cases", "kind: dice", "not as a case file needs it"),
    ],
)
def test_a_malformed_table_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(PolicyRefused, match=says):
        load_cases(_write(tmp_path, SUBJECTS + CASES.replace(old, new, 1)))


OWN = """
tests:
  today: 2026-07-01
  subjects: {bank_x: {type: bank, groups: [banks]}}
  cases:
    - {case: grades, who: bank_x, purpose: RESEARCH, sql: SELECT grade FROM gov.tax_credit, expect: LVR-2101}
    - {case: years, who: bank_x, purpose: RESEARCH, expect: threshold, rule: credit-grades,
       sql: "SELECT rating_year, count(*) AS n FROM gov.tax_credit GROUP BY 1"}
"""


def _own_library(tmp_path: Path, tests: str) -> Library:
    taxation = (LIBRARY / "taxation.yaml").read_text(encoding="utf-8").partition("\ntests:")[0]
    (tmp_path / "taxation.yaml").write_text(taxation + tests, encoding="utf-8")
    (tmp_path / "platform.yaml").write_text((LIBRARY / "platform.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return load_library([tmp_path])


def test_tests_that_live_with_a_policy_are_run_with_their_place_and_rule(tmp_path: Path) -> None:
    loaded = _own_library(tmp_path, OWN)
    placed = own_cases(loaded)
    assert [case.case.rule for case in placed] == [None, "taxation/credit-grades"]
    bundle = parse_bundle(bundle_content(loaded.platform, loaded.policies))
    results = run_cases(placed, city_catalog(), bundle)
    assert report(results) == "2 of 2 cases as expected"
    wrong = own_cases(_own_library(tmp_path, OWN.replace("LVR-2101", "exact")))
    assert f"FAIL  taxation.yaml:{placed[0].line}: grades (bank_x, RESEARCH)" in report(
        run_cases(wrong, city_catalog(), bundle)
    )


def test_a_test_by_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyRefused, match="bank_y is not a subject"):
        own_cases(_own_library(tmp_path, OWN.replace("who: bank_x", "who: bank_y", 1)))


def test_tests_are_signed_with_their_policy_and_their_absence_changes_no_older_bundle(tmp_path: Path) -> None:
    bare, tested = _own_library(tmp_path, "\n"), _own_library(tmp_path, OWN)
    assert b'"tests"' not in bundle_content(bare.platform, bare.policies)
    content = bundle_content(tested.platform, tested.policies)
    assert parse_bundle(content).policies[0].tests == tested.policies[0].tests
    assert bundle_content(tested.platform, parse_bundle(content).policies) == content


def test_a_policy_without_tests_of_its_own_is_untested(tmp_path: Path) -> None:
    assert untested(_own_library(tmp_path, "\n").policies) == ("taxation",)
    assert untested(_own_library(tmp_path, OWN).policies) == ()


def test_every_policy_of_the_library_is_tested_and_as_its_tests_say() -> None:
    cases = own_cases(library())
    assert untested(library().policies) == ()
    results = run_cases(cases, city_catalog(), city_bundle())
    assert all(result.passed for result in results), report(results)
