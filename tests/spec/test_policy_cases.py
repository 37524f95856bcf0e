"""Every row of policies/cases is what the line decides: parse, visible, bind, decide over the demo city."""

from __future__ import annotations

import re

import pytest
from tests.support.policy_questions import CASES, ROOT, city_bundle, city_catalog
from tests.support.queries import QUERIES

from louver_sandbox.catalog.positions import read_documents
from louver_sandbox.policy.floors import below_floors
from louver_sandbox.policy.load import read_policy_text
from louver_sandbox.policy.model import Policy
from louver_sandbox.policy.terms import CellKeyTerms
from louver_sandbox.policy.testing import CASE_DOCUMENT, Cases, PlacedCase, load_cases, run_case

ROWS = load_cases([CASES])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.case.case} [{row.source}:{row.line}]")
def test_the_decision_is_as_the_table_says(row: PlacedCase) -> None:
    result = run_case(row, city_catalog(), city_bundle())
    assert result.passed, str(result)


def test_each_of_the_twenty_five_questions_has_a_row() -> None:
    assert len(QUERIES) == 25
    assert {row.case.query for row in ROWS if row.source == "questions.yaml"} == set(QUERIES)


def test_a_refusal_points_into_the_query_and_says_what_to_do() -> None:
    for row in ROWS:
        result = run_case(row, city_catalog(), city_bundle())
        if row.case.expect.startswith("LVR-2"):
            assert result.outcome.rules, row.case.case
            assert result.outcome.message, row.case.case


THRESHOLD = re.compile(r"    threshold:.*\n(?:      .*\n)*")
"""The terms of the manual's policy, on one line or several."""


def test_the_examples_of_the_officers_manual_are_valid() -> None:
    manual = (ROOT / "docs" / "reference" / "policies.md").read_text(encoding="utf-8")
    policy, private, dominance, noise, cap, risk, deny, table = re.findall(r"```yaml\n(.*?)```", manual, re.DOTALL)
    for terms in (dominance, cap, risk):
        (loaded,), problems = read_policy_text("manual", THRESHOLD.sub(terms, policy))
        assert problems == ()
        assert isinstance(loaded.document, Policy)
        assert tuple(below_floors(loaded.document)) == ()
    budgeted = re.sub(r"    treatment: .*\n", private, THRESHOLD.sub("", policy))
    (loaded,), problems = read_policy_text("manual", budgeted)
    assert problems == ()
    assert isinstance(loaded.document, Policy)
    assert tuple(below_floors(loaded.document)) == ()
    assert loaded.document.grants[0].privacy is not None
    noisy = THRESHOLD.sub(noise, policy)
    (loaded,), problems = read_policy_text("manual", noisy.replace("denies: []\n", deny))
    assert problems == ()
    assert isinstance(loaded.document, Policy)
    assert tuple(below_floors(loaded.document)) == ()
    assert isinstance(loaded.document.grants[0].threshold.noise, CellKeyTerms)
    (loaded,), problems = read_policy_text("manual", policy.replace("denies: []\n", deny))
    assert problems == ()
    assert isinstance(loaded.document, Policy)
    assert [grant.id for grant in loaded.document.grants] == ["credit-grades"]
    assert [rule.id for rule in loaded.document.denies] == ["no-names-in-models"]
    (node,), wrong = read_documents("manual", table)
    assert wrong == ()
    assert isinstance(CASE_DOCUMENT.validate_python(node.plain()), Cases)
