"""Officers are told of every mistake at once, with its line and column and in our own words."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.policy_questions import LIBRARY, library

from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.policy.load import load_library, read_policy_text

PLATFORM = """\
kind: platform
id: platform
version: "1"
expires: 2030-12-31
purposes: {RESEARCH: research}
groups: {banks: {title: banks}}
own_data_budget: {queries_per_day: 10, predicates_per_day: 10}
"""

POLICY = """\
kind: policy
id: taxation
version: "1"
owner: 市税务局
title: tax
grants:
  - id: grades
    to: {groups: [banks]}
    verbs: [analyse]
    purposes: [RESEARCH]
    valid: {from: 2026-01-01, until: 2026-12-31}
    table: gov.tax_credit
    columns:
      grade: [group_key, filter]
      score: {aggregate: {functions: [sum, avg]}}
    treatment: threshold
    budget: {queries_per_day: 10, predicates_per_day: 10}
"""


def _problems(tmp_path: Path, text: str, platform: str = PLATFORM) -> list[str]:
    (tmp_path / "platform.yaml").write_text(platform, encoding="utf-8")
    (tmp_path / "tax.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PolicyRefused) as refused:
        load_library([tmp_path])
    return [str(problem) for problem in refused.value.problems]


def test_the_library_of_the_demo_city_loads() -> None:
    assert {policy.owner for policy in library().policies} >= {"市税务局", "市公安局", "市人社局"}


def test_short_and_detailed_rights_mean_what_they_say(tmp_path: Path) -> None:
    (found,), wrong = read_policy_text("tax.yaml", POLICY)
    assert not wrong
    rights = found.document.grants[0].rights  # type: ignore[union-attr]  # the text above is a policy
    assert rights["grade"].group_key is not None
    assert rights["grade"].aggregate is None
    assert rights["score"].aggregate is not None
    assert rights["score"].aggregate.functions == ("sum", "avg")
    assert not rights["score"].join_key


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("treatment: threshold", "treatment: open", "tax.yaml:16:5", "one of the allowed words"),
        ("    treatment: threshold\n", "", "tax.yaml:", "treatment is missing"),
        ("verbs: [analyse]", "verbs: []", "tax.yaml:9:5", "must not be empty"),
        ("grade: [group_key, filter]", "grade: [see]", "tax.yaml:14:", "one of the allowed words"),
        ("    table: gov.tax_credit", "    tabel: gov.tax_credit", "tax.yaml:12:5", "not a key of this document"),
        ("table: gov.tax_credit", "table: tax_credit", "tax.yaml:12:5", "form this key needs"),
        ("to: {groups: [banks]}", "to: {}", "tax.yaml:8:5", "names nobody"),
        ("until: 2026-12-31", "until: 2025-12-31", "tax.yaml:11:5", "contradicts itself"),
        ("queries_per_day: 10", "queries_per_day: 0", "tax.yaml:17:", "too small"),
        ("queries_per_day: 10", "queries_per_day: ten", "tax.yaml:17:", "written in digits"),
        ("purposes: [RESEARCH]", "purposes: [FISHING]", "tax.yaml:10:16", "unknown purpose FISHING"),
        ("groups: [banks]", "groups: [clubs]", "tax.yaml:8:19", "unknown group clubs"),
        ("grade: [group_key, filter]", "grade: []", "tax.yaml:14:", "granted nothing"),
        ("grade: [group_key, filter]", "religion: [filter]", "tax.yaml:14:7", "can never be granted"),
        ("functions: [sum, avg]", "functions: [max]", "tax.yaml:15:7", "max return stored values"),
        (
            "treatment: threshold",
            "treatment: threshold\n    threshold: {enterprise: 2}",
            "tax.yaml:17:17",
            "below the floor of 3",
        ),
        (
            "treatment: threshold",
            "treatment: threshold\n    threshold: {dominance_percent: 95}",
            "tax.yaml:17:",
            "above the floor of 90",
        ),
        ("treatment: threshold", "treatment: threshold\n    threshold: {p_percent: 1}", "tax.yaml:17:", "floor of 5"),
        (
            "treatment: threshold",
            "treatment: threshold\n    threshold:\n      dominance: [{n: 1, k: 70}, {n: 2, k: 96}]",
            "tax.yaml:18:41",
            "k of n = 2 is above the floor of 95",
        ),
        (
            "treatment: threshold",
            "treatment: threshold\n    threshold:\n      dominance: [{n: 1, k: 91}]",
            "tax.yaml:18:26",
            "above the floor of 90",
        ),
        (
            "treatment: threshold",
            "treatment: threshold\n    threshold:\n      pq: [{p: 4, q: 90}]",
            "tax.yaml:18:13",
            "below the floor of 5 / 100",
        ),
        (
            "treatment: threshold",
            "treatment: threshold\n    threshold:\n      pq: [{p: 60, q: 50}]",
            "tax.yaml:18:",
            "contradicts itself",
        ),
        (
            "treatment: threshold",
            "treatment: threshold\n    threshold:\n      dominance: [{n: 3, k: 80}]",
            "tax.yaml:18:",
            "too large",
        ),
        (
            "treatment: threshold",
            "treatment: threshold\n    threshold:\n      class_disclosure: off",
            "tax.yaml:18:7",
            "one of the allowed words",
        ),
        ("queries_per_day: 10", "queries_per_day: 200000", "tax.yaml:17:", "above the floor of 100000"),
        ("title: tax", "title: &t tax", "tax.yaml:5:", "anchors"),
    ],
)
def test_a_mistake_has_its_place_and_reason(tmp_path: Path, old: str, new: str, place: str, says: str) -> None:
    assert old in POLICY
    text = "\n".join(_problems(tmp_path, POLICY.replace(old, new, 1)))
    # A removed key has no line of its own; the place is that of its document or grant.
    assert place in text or "missing" in says
    assert says in text


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = POLICY.replace("treatment: threshold", "treatment: open").replace("id: grades", "id: ''")
    assert len(_problems(tmp_path, text)) == 2


def test_no_message_quotes_the_value_it_refuses(tmp_path: Path) -> None:
    text = "\n".join(_problems(tmp_path, POLICY.replace("treatment: threshold", "treatment: sesame")))
    assert "sesame" not in text


def test_there_is_exactly_one_platform_document(tmp_path: Path) -> None:
    assert any("exactly one" in problem for problem in _problems(tmp_path, POLICY, platform=POLICY))


def test_ids_are_unique(tmp_path: Path) -> None:
    text = POLICY + POLICY[POLICY.index("  - id: grades") :]
    assert any("grades is used twice" in problem for problem in _problems(tmp_path, text))
    assert any("taxation is used twice" in problem for problem in _problems(tmp_path, POLICY + "---\n" + POLICY))


def test_the_library_has_one_file_per_owner() -> None:
    owners = [policy.owner for policy in library().policies]
    assert len(owners) == len(set(owners)) == len(list(LIBRARY.glob("*.yaml"))) - 1
