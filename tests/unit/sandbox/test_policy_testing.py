"""A decision table that fails says where, what was expected and what decided."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.policy_questions import city_bundle, city_catalog

from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.policy.testing import load_cases, report, run_cases

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
        ("sql: SELECT count(*) AS n FROM gov.ent_registry, ", "", "either query or sql"),
        ("purpose: RESEARCH, ", "", "needs a purpose"),
        ("expect: exact", "expect: maybe", "not as a case file needs it"),
        ("kind: cases", "kind: dice", "not as a case file needs it"),
    ],
)
def test_a_malformed_table_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(PolicyRefused, match=says):
        load_cases(_write(tmp_path, SUBJECTS + CASES.replace(old, new, 1)))
