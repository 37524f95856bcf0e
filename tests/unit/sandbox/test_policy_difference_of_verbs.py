"""A difference knows the terms of matching, of tokens and of scoring, and which way each of them goes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.matching import match_grant, numbers, terms
from tests.support.policy_questions import grant_document, platform, policy

from louver_sandbox.policy.difference.compare import compare
from louver_sandbox.policy.difference.offers import Documents


def told(old: dict[str, Any], new: dict[str, Any], owner: str = "市税务局") -> list[tuple[str, str]]:
    """Direction and subject of every change of a term."""
    before, after = (Documents(platform(), (policy(grant, owner=owner),)) for grant in (old, new))
    return [(item.direction.value, item.subject) for item in compare(before, after).changes]


def matching(**changes: Any) -> dict[str, Any]:
    return match_grant(matching=terms(**changes))


LIMITS = ["ids_per_day", "ids_per_month", "answers_per_month", "largest_amount"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"minimum_batch": 50}, [("stricter", "matching.minimum_batch")]),
        ({"ids_per_day": 999}, [("stricter", "matching.ids_per_day")]),
        ({"ids_per_month": 2001}, [("looser", "matching.ids_per_month")]),
        ({"answers_per_month": 6}, [("looser", "matching.answers_per_month")]),
        ({"largest_amount": 2_000_000}, [("looser", "matching.largest_amount")]),
        ({"modes": ["hits", "count"]}, [("stricter", "matching.modes.sum")]),
        ({"lists": {"black": "polarity = 'B'"}}, [("stricter", "matching.lists.red")]),
        ({"lists": {"black": "TRUE", "red": "polarity = 'R'"}}, [("unclear", "matching.lists.black")]),
        ({"until": None}, [("looser", "matching.until")]),
        ({"ended": None}, [("looser", "matching.ended")]),
        ({"persons": "a statute"}, [("looser", "matching.persons")]),
        ({"authorised": True}, [("looser", "matching.authorised")]),
        ({"numbers": numbers(each=3)}, [("looser", "matching.numbers.each")]),
        ({"numbers": numbers(each=1, allowance=7)},
         [("stricter", "matching.numbers.allowance"), ("stricter", "matching.numbers.each")]),
        ({"numbers": numbers() | {"window": "day"}}, [("looser", "matching.numbers.window")]),
        ({"numbers": numbers() | {"window": "lifetime"}}, [("stricter", "matching.numbers.window")]),
    ],
    ids=lambda item: " ".join(item) if isinstance(item, dict) else "",
)  # fmt: skip
def test_terms_of_matching(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert told(match_grant(), matching(**changes), "市发改委") == expected
    turned = {"looser": "stricter", "stricter": "looser", "unclear": "unclear"}
    back = [(turned[way], subject) for way, subject in expected]
    assert told(matching(**changes), match_grant(), "市发改委") == back


def test_a_budget_where_numbers_begin_to_leave_is_looser() -> None:
    silent = matching(modes=["hits"], numbers=None)
    found = told(silent, match_grant(), "市发改委")
    assert {way for way, subject in found if "modes" in subject or "numbers.e" in subject} == {"looser"}
    assert ("unclear", "matching.numbers.window") in found


def tokens(**changes: int) -> dict[str, Any]:
    return joined(tokens={"ids_per_day": 100, "ids_per_month": 200} | changes)


def joined(**more: Any) -> dict[str, Any]:
    return grant_document(columns={"uscc": {"join_key": True}, "grade": ["group_key"]}, **more)


def test_terms_of_tokens() -> None:
    assert told(tokens(), tokens(ids_per_day=150)) == [("looser", "tokens.ids_per_day")]
    assert told(tokens(), tokens(ids_per_month=150)) == [("stricter", "tokens.ids_per_month")]
    assert told(joined(), tokens()) == [("looser", f"tokens.ids_per_{each}") for each in ("day", "month")]


def scoring(**changes: Any) -> dict[str, Any]:
    more = {"auditors": ["one", "two"], "least_subjects": 2, "subjects_per_day": 100} | changes
    return grant_document(
        verbs=["score"], treatment="authorised", scoring=more, columns={"grade": ["score"], "uscc": ["join_key"]}
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"least_subjects": 1}, ("looser", "scoring.least_subjects")),
        ({"subjects_per_day": 99}, ("stricter", "scoring.subjects_per_day")),
        ({"models_per_quarter": 3}, ("looser", "scoring.models_per_quarter")),
        ({"auditors": ["one"]}, ("stricter", "scoring.auditors.two")),
        ({"models": ["bank_a/m"]}, ("stricter", "scoring.models")),
    ],
)
def test_terms_of_scoring(changes: dict[str, Any], expected: tuple[str, str]) -> None:
    assert told(scoring(), scoring(**changes)) == [expected]
