"""Rules of dominance and (p,q) of several grants come to the strictest of each kind, and none makes another looser."""

from __future__ import annotations

import pytest
from tests.support.policy_questions import grant_document

from louver_sandbox.obligations import ClassDisclosure
from louver_sandbox.policy.model import Grant
from louver_sandbox.policy.shares import Shares, strictest, strictest_classes, written
from louver_sandbox.policy.terms import ThresholdTerms

BOTH = {"dominance": [{"n": 2, "k": 85}, {"n": 1, "k": 50}, {"n": 2, "k": 80}], "pq": [{"p": 10, "q": 50}]}


def shares(**terms: object) -> Shares:
    return written(ThresholdTerms.model_validate(terms))


def test_what_a_policy_does_not_write_is_as_it_was() -> None:
    assert shares() == Shares(60, None, 10, 100)
    signed_before = {"person", "enterprise", "dominance_percent", "p_percent", "remainder", "noise"}
    assert ThresholdTerms().model_dump().keys() == signed_before


def test_rules_of_one_grant_stand_together() -> None:
    assert shares(**BOTH) == Shares(50, 80, 10, 50)
    written_in_full = ThresholdTerms.model_validate(BOTH).model_dump(mode="json")
    assert ThresholdTerms.model_validate(written_in_full) == ThresholdTerms.model_validate(BOTH)


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ({}, BOTH, Shares(50, 80, 10, 50)),
        ({"p_percent": 30}, {"pq": [{"p": 10, "q": 50}]}, Shares(60, None, 30, 100)),
        ({"p_percent": 20}, {"pq": [{"p": 10, "q": 50}]}, Shares(60, None, 20, 100)),
        ({"p_percent": 15}, {"pq": [{"p": 10, "q": 50}]}, Shares(60, None, 10, 50)),
        ({"dominance": [{"n": 2, "k": 90}]}, {"dominance_percent": 70}, Shares(60, 90, 10, 100)),
    ],
)
def test_the_strictest_of_each_kind_holds_in_any_order(one: dict, other: dict, together: Shares) -> None:  # type: ignore[type-arg]
    given = [shares(**one), shares(**other)]
    assert strictest(given) == strictest(given[::-1]) == together


def test_classes_are_protected_everywhere_if_anybody_asks_for_it() -> None:
    assert strictest_classes([ClassDisclosure.OWN, ClassDisclosure.ALL]) is ClassDisclosure.ALL
    assert strictest_classes([ClassDisclosure.OWN]) is ClassDisclosure.OWN
    asked = Grant.model_validate(grant_document("g", threshold={"class_disclosure": "all"}))
    assert asked.threshold.class_disclosure is ClassDisclosure.ALL
