"""A difference between two sets of policies says for whom, where, and which way is looser."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.support.policy_questions import (
    AGENCY_C,
    BANK_A,
    BANK_B,
    CASES,
    STRANGER,
    bundle_of,
    city_bundle,
    city_catalog,
    deny_document,
    grant_document,
    platform,
    policy,
)

from louver_sandbox.policy.bundle import bundle_content, parse_bundle
from louver_sandbox.policy.difference.compare import Difference, compare
from louver_sandbox.policy.difference.directions import Direction
from louver_sandbox.policy.difference.offers import Documents
from louver_sandbox.policy.difference.told import as_json, as_lines
from louver_sandbox.policy.model import Policy
from louver_sandbox.policy.testing import load_cases, run_case

RIGHTS = grant_document()["columns"]


def documents(*grants: dict[str, Any], denies: tuple[dict[str, Any], ...] = (), **house: Any) -> Documents:
    return Documents(platform(**house), (policy(*grants, denies=denies),))


def difference(old: Documents, new: Documents) -> Difference:
    return compare(old, new)


def told(found: Difference) -> list[tuple[str, str, str, str]]:
    return [(item.direction.value, item.what, item.column, item.subject) for item in found.changes]


ONE = documents(grant_document())


def test_the_same_policies_differ_in_nothing_whatever_their_order_and_version() -> None:
    again = Documents(platform(version="2"), (policy(grant_document()).model_copy(update={"version": "9"}),))
    assert difference(ONE, again).nothing
    assert list(as_lines(difference(ONE, again))) == ["no difference"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"columns": {**RIGHTS, "score": ["aggregate"]}}, ("looser", "added", "score", "aggregate")),
        ({"columns": {"grade": RIGHTS["grade"]}}, ("stricter", "removed", "rating_year", "filter")),
        (
            {"columns": {**RIGHTS, "grade": {"filter": {"operators": ["="]}}}},
            ("stricter", "narrowed", "grade", "filter"),
        ),
        ({"treatment": "exact"}, ("looser", "widened", "grade", "filter")),
        ({"treatment": "dp"}, ("stricter", "narrowed", "grade", "filter")),
        ({"valid": {"from": "2026-01-01", "until": "2027-12-31"}}, ("looser", "widened", "grade", "filter")),
        ({"valid": {"from": "2026-03-01", "until": "2027-12-31"}}, ("unclear", "changed", "grade", "filter")),
        ({"purposes": ["RESEARCH", "MODEL_BUILD"]}, ("looser", "added", "grade", "filter")),
        ({"to": {"groups": ["banks", "agencies"]}}, ("looser", "added", "grade", "filter")),
        ({"row_filter": "grade = 'A'"}, ("stricter", "removed", "grade", "filter")),
        ({"threshold": {"enterprise": 4}}, ("looser", "changed", "", "threshold.enterprise")),
        ({"threshold": {"enterprise": 9}}, ("stricter", "changed", "", "threshold.enterprise")),
        ({"threshold": {"dominance_percent": 70}}, ("looser", "changed", "", "threshold.dominance_percent")),
        (
            {"threshold": {"dominance": [{"n": 2, "k": 85}]}},
            ("stricter", "changed", "", "threshold.dominance_of_two"),
        ),
        ({"threshold": {"p_percent": 20}}, ("stricter", "changed", "", "threshold.p_percent")),
        ({"threshold": {"totals": "complementary"}}, ("looser", "changed", "", "threshold.totals")),
        ({"threshold": {"totals": "known"}}, ("stricter", "changed", "", "threshold.totals")),
        ({"threshold": {"seal": "paillier"}}, ("stricter", "changed", "", "threshold.seal")),
        ({"threshold": {"remainder": False}}, ("stricter", "changed", "", "threshold.remainder")),
        ({"threshold": {"unit_sets": {}}}, ("stricter", "changed", "", "threshold.unit_sets.percent")),
        ({"threshold": {"noise": {"method": "cell-key"}}}, ("stricter", "changed", "", "threshold.noise")),
        ({"threshold": {"accepts_risk": "a pilot"}}, ("looser", "changed", "", "threshold.accepts_risk")),
        (
            {"budget": {"queries_per_day": 9, "predicates_per_day": 10}},
            ("stricter", "changed", "", "budget.queries_per_day"),
        ),
        (
            {"budget": {"queries_per_day": 100, "predicates_per_day": 10, "queries_in_all": 5}},
            ("stricter", "changed", "", "budget.queries_in_all"),
        ),
        ({"history": {"overlap": "refuse"}}, ("stricter", "changed", "", "history.overlap")),
        ({"history": {"window": "day"}}, ("looser", "changed", "", "history.window")),
    ],
    ids=str,
)
def test_each_change_of_a_grant_is_told_with_its_direction(
    changes: dict[str, Any], expected: tuple[str, str, str, str]
) -> None:
    found = difference(ONE, documents(grant_document(**changes)))
    assert expected in told(found)
    assert found.altered == ("taxation/g",)
    back = {Direction.LOOSER: "stricter", Direction.STRICTER: "looser", Direction.UNCLEAR: "unclear"}
    turned = told(difference(documents(grant_document(**changes)), ONE))
    assert {item[0] for item in turned if item[2:] == expected[2:]} == {back[Direction(expected[0])]}


def test_a_filter_that_lets_rights_unite_is_not_hidden_by_rights_on_every_row() -> None:
    """Old: `grade` on every row, `score` on some; together on none. New: both on some."""
    on_some = grant_document("some", row_filter="rating_year = 2025", columns={"score": ["aggregate"]})
    on_all = grant_document("all", columns={"grade": ["group_key"]})
    both = grant_document(
        "both", row_filter="rating_year = 2025", columns={"score": ["aggregate"], "grade": ["group_key"]}
    )
    assert ("looser", "added", "grade", "group_key") in told(
        difference(documents(on_some, on_all), documents(both, on_all))
    )


def test_a_deny_is_stricter_and_its_end_looser() -> None:
    denied = documents(grant_document(), denies=(deny_document(),))
    assert ("stricter", "removed", "grade", "filter") in told(difference(ONE, denied))
    assert ("looser", "added", "grade", "filter") in told(difference(denied, ONE))


def test_a_grant_that_gives_nothing_new_changes_nothing_but_the_list_of_rules() -> None:
    less = grant_document("less", columns={"grade": ["filter"]})
    found = difference(ONE, documents(grant_document(), less))
    assert found.changes == ()
    assert found.added == ("taxation/less",)


@pytest.mark.parametrize(
    ("house", "expected"),
    [
        ({"purposes": {"RESEARCH": "r", "MODEL_BUILD": "m", "DUTY": "d"}}, ("looser", "added", "", "purpose DUTY")),
        ({"expires": "2029-12-31"}, ("stricter", "changed", "", "expires")),
        (
            {"negative_list": [{"id": "no", "columns": ["grade"], "reason": "r", "reason_zh": "因"}]},
            ("stricter", "removed", "grade", "filter"),
        ),
        (
            {"own_data_budget": {"queries_per_day": 2000, "predicates_per_day": 1000}},
            ("looser", "changed", "", "own_data_budget.queries_per_day"),
        ),
        (
            {"groups": {"banks": {"title": "b", "members": ["bank_a"]}, "agencies": {"title": "agencies"}}},
            ("unclear", "changed", "", "group banks"),
        ),
    ],
    ids=str,
)
def test_changes_of_the_house_are_told(house: dict[str, Any], expected: tuple[str, str, str, str]) -> None:
    assert expected in told(difference(ONE, documents(grant_document(), **house)))


def test_equal_changes_are_told_once_for_all_purposes_and_requesters() -> None:
    both = grant_document(to={"groups": ["banks", "agencies"]}, purposes=["RESEARCH", "MODEL_BUILD"])
    more = both | {"columns": {**RIGHTS, "score": ["order"]}}
    (change,) = difference(documents(both), documents(more)).changes
    assert change.requesters == ("group agencies", "group banks")
    assert change.purposes == ("MODEL_BUILD", "RESEARCH")
    assert as_json(difference(documents(both), documents(more)))["summary"] == {
        "looser": 1,
        "stricter": 0,
        "unclear": 0,
    }


def test_types_of_institution_are_told_apart_where_rules_do() -> None:
    typed = documents(grant_document(to={"groups": ["banks"], "institution_types": ["bank"]}))
    (first, *_) = [item for item in difference(ONE, typed).changes if item.column == "grade"]
    assert set(first.requesters) == {"group banks of type credit_agency", "group banks of type department"}


PEOPLE = {item.institution: item for item in (BANK_A, BANK_B, AGENCY_C, STRANGER)}
ROWS = [row for row in load_cases([CASES]) if row.case.who in PEOPLE]
STRICTNESS = {"exact": 0, "threshold": 1}


def mutated(seed: int) -> tuple[Policy, ...]:
    """The city's policies with one random change of one grant."""
    chance = random.Random(seed)
    policies = list(city_bundle().policies)
    index = chance.choice([i for i, item in enumerate(policies) if item.grants])
    grants = list(policies[index].grants)
    place = chance.randrange(len(grants))
    grant = grants[place]
    columns = dict(grant.columns)
    column = chance.choice(sorted(columns))
    match chance.choice(["column", "purpose", "grant", "right", "treatment", "rows"]):
        case "column" if len(columns) > 1:
            del columns[column]
            grants[place] = grant.model_copy(update={"columns": columns})
        case "purpose":
            grants[place] = grant.model_copy(update={"purposes": ("MARKETING",)})
        case "right":
            columns[column] = grant.rights[column].model_copy(update={"join_key": True, "group_key": None})
            grants[place] = grant.model_copy(update={"columns": columns})
        case "treatment":
            other = chance.choice([item for item in type(grant.treatment) if item is not grant.treatment])
            grants[place] = grant.model_copy(update={"treatment": other})
        case "rows":
            grants[place] = grant.model_copy(update={"row_filter": None if grant.row_filter else "1 = 0"})
        case _:
            del grants[place]
    policies[index] = policies[index].model_copy(update={"grants": tuple(grants)})
    return tuple(Policy.model_validate(item.model_dump(by_alias=True)) for item in policies)


@pytest.mark.parametrize("seed", range(2))
def test_no_verdict_moves_in_a_direction_the_difference_does_not_name(seed: int) -> None:
    old, policies = city_bundle(), mutated(seed)
    new = parse_bundle(bundle_content(old.platform, policies))
    found = compare(Documents(old.platform, old.policies), Documents(old.platform, policies), PEOPLE)
    assert not found.nothing
    for row in ROWS:
        before, after = (
            STRICTNESS.get(run_case(row, city_catalog(), bundle).outcome.verdict, 2) for bundle in (old, new)
        )
        if after < before:
            assert found.count(Direction.LOOSER) + found.count(Direction.UNCLEAR), row.case.case
        if after > before:
            assert found.count(Direction.STRICTER) + found.count(Direction.UNCLEAR), row.case.case


def test_a_bundle_is_compared_as_its_documents() -> None:
    bundle = bundle_of(policy(grant_document()))
    assert difference(ONE, Documents(bundle.platform, bundle.policies)).nothing
