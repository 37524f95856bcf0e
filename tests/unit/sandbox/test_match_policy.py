"""Terms of matching: what no policy may say, what lint says of others, and how several grants meet."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from tests.support.matching import LIST, match_bundle, match_grant, terms
from tests.support.policy_questions import BANK_A, BANK_B, bundle_of, city_catalog, policy

from louver.errors import Refused
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.policy.bundle import bundle_content, parse_bundle
from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.policy.match_lint import findings
from louver_sandbox.policy.match_terms import MatchMode
from louver_sandbox.policy.matching import MatchAdmitted, MatchQuestion, decide_match, offered
from louver_sandbox.policy.model import Grant
from louver_sandbox.stages import Facts

TODAY = Facts(date(2026, 7, 1))


def decided(
    bundle: Any, mode: str = "hits", ids: int = 100, who: Any = BANK_A, purpose: str = "RESEARCH"
) -> MatchAdmitted:
    return decide_match(MatchQuestion(who, purpose, LIST, MatchMode(mode), ids), city_catalog(), bundle, TODAY)


def code(*args: Any, **more: Any) -> str:
    with pytest.raises(Refused) as caught:
        decided(*args, **more)
    return caught.value.code


@pytest.mark.parametrize(
    "threshold",
    [
        {"enterprise": 5},
        {"enterprise": 5, "noise": {"method": "cell-key"}},
        {"enterprise": 5, "noise": {"method": "cell-key", "rounding": {"mode": "base", "base": 5}}},
    ],
    ids=["no noise", "no rounding", "no noise of sums"],
)
def test_numbers_without_noise_and_rounding_are_below_the_floor(threshold: dict[str, Any]) -> None:
    with pytest.raises(PolicyRefused, match=r"matching\.modes"):
        match_bundle(threshold=threshold)
    assert decided(match_bundle(threshold=threshold, matching=terms(modes=["hits"]))).threshold is None


@pytest.mark.parametrize(
    "changed",
    [
        {"minimum_batch": 19},
        {"lists": {}},
        {"modes": []},
        {"lists": {"Black": "TRUE"}},
        {"ids_per_day": 10},
        {"ids_per_month": 999},
        {"unknown": 1},
    ],
)
def test_terms_that_are_none_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever of them it is
        Grant.model_validate(match_grant(matching=terms(**changed)))


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"matching": terms(until="list_code")}, ("matching", "until")),
        ({"matching": terms(ended="nothing")}, ("matching", "ended")),
        ({"verbs": ["query"]}, ("matching",)),
        ({"columns": {"list_code": ["output"]}}, ("columns",)),
        ({"columns": {"list_id": ["match"], "subject_id": ["match"]}}, ("columns",)),
        ({"matching": None}, ("columns", "subject_id")),
    ],
)
def test_lint_finds_terms_that_cannot_work(changed: dict[str, Any], where: tuple[str, ...]) -> None:
    table = next(table for name, table in city_catalog().tables.items() if str(name) == "gov.credit_list")
    assert [found.where for found in findings(Grant.model_validate(match_grant(**changed)), table)] == [where]
    assert list(findings(Grant.model_validate(match_grant()), table)) == []


def test_of_several_grants_the_strictest_terms_hold() -> None:
    wide = match_grant(id="wide")
    narrow = match_grant(id="narrow", matching=terms(minimum_batch=50, ids_per_day=100, modes=["hits", "count"]))
    bundle = bundle_of(policy(wide, narrow, owner="市发改委"))
    assert code(bundle, ids=49) == "LVR-5103"
    assert code(bundle, "sum") == "LVR-5102"
    charges = {item.charge.kind: item.charge.limit for item in decided(bundle).charges}
    assert charges["match_ids"] == 100


def test_persons_are_in_the_set_only_where_every_grant_names_a_statute() -> None:
    named, silent = match_grant(id="a", matching=terms(persons="a statute")), match_grant(id="b")
    assert decided(bundle_of(policy(named, owner="市发改委"))).spec.persons
    assert not decided(bundle_of(policy(named, silent, owner="市发改委"))).spec.persons


def test_denies_beat_the_right() -> None:
    deny = {
        "id": "d",
        "to": {"groups": ["banks"]},
        "table": "gov.credit_list",
        "columns": ["measures"],
        "reason": "no",
    }
    assert code(bundle_of(policy(match_grant(), owner="市发改委", denies=(deny,)))) == "LVR-2005"


def test_an_owner_grants_lists_of_its_own_tables_only() -> None:
    assert code(bundle_of(policy(match_grant(), owner="市公安局"))) == "LVR-5101"


def test_the_set_is_one_for_all_and_another_each_day() -> None:
    bundle = match_bundle()
    first = decided(bundle).spec
    assert first == decided(bundle, who=BANK_B, ids=200).spec
    question = MatchQuestion(BANK_A, "RESEARCH", LIST, MatchMode.HITS, 100)
    later = decide_match(question, city_catalog(), bundle, Facts(date(2026, 7, 2))).spec
    assert later.id != first.id


def test_policies_without_terms_keep_the_bytes_that_officers_have_signed() -> None:
    bundle = match_bundle(columns={"subject_id": ["match"]})
    plain = bundle_of(
        policy(
            match_grant(verbs=["query"], columns={"subject_id": ["join_key"]}, matching=None, treatment="authorised"),
            owner="市发改委",
        )
    )
    for one in (bundle, plain):
        content = bundle_content(one.platform, one.policies)
        assert parse_bundle(content).digest == one.digest
    written = plain.policies[0].grants[0].model_dump(mode="json")
    assert "matching" not in written


def test_persons_by_authorisation_need_a_list_with_persons_and_are_offered_as_such() -> None:
    table = next(table for name, table in city_catalog().tables.items() if str(name) == "gov.credit_list")
    grant = Grant.model_validate(match_grant(matching=terms(authorised=True)))
    assert list(findings(grant, table)) == []
    firms = replace(table, units=tuple(unit for unit in table.units if unit.type is not UnitType.PERSON))
    assert [found.where for found in findings(grant, firms)] == [("matching", "authorised")]
    both = [match_bundle(matching=terms(authorised=said)) for said in (True, False)]
    assert [offered(BANK_A, city_catalog(), bundle, TODAY.today)[0].persons for bundle in both] == [
        "authorisation",
        "",
    ]
    assert [decided(bundle).spec.authorised for bundle in both] == [True, False]
    assert decided(both[0]).spec.id != decided(both[1]).spec.id
