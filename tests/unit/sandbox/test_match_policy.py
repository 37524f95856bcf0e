"""Terms of matching: what no policy may say, what lint says of others, and how several grants meet."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from tests.support.matching import LIST, match_bundle, match_grant, numbers, terms
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
    bundle: Any,
    mode: str = "hits",
    ids: int = 100,
    who: Any = BANK_A,
    purpose: str = "RESEARCH",
    largest: int | None = None,
) -> MatchAdmitted:
    bound = (1 if mode == "sum" else 0) if largest is None else largest
    return decide_match(MatchQuestion(who, purpose, LIST, MatchMode(mode), ids, bound), city_catalog(), bundle, TODAY)


def code(*args: Any, **more: Any) -> str:
    with pytest.raises(Refused) as caught:
        decided(*args, **more)
    return caught.value.code


def test_numbers_without_a_budget_are_below_the_floor() -> None:
    for modes in (["hits", "count"], ["sum"]):
        with pytest.raises(PolicyRefused, match=r"matching\.modes"):
            match_bundle(matching=terms(modes=modes, numbers=None))
    assert decided(match_bundle(matching=terms(modes=["hits"], numbers=None))).number is None


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"largest_amount": 10**15, "numbers": numbers(each=0.01)}, r"matching\.numbers"),
        ({"numbers": numbers(each=9)}, "allowance|each"),
        ({"numbers": numbers(allowance=20.5)}, "epsilon|allowance"),
    ],
    ids=["noise beyond what is drawn exactly", "more than the allowance", "more than anybody may spend"],
)
def test_budgets_that_are_none_are_not_loaded(changed: dict[str, Any], where: str) -> None:
    with pytest.raises((PolicyRefused, ValueError), match=where):
        match_bundle(matching=terms(**changed))


def test_noise_follows_from_policy_and_declared_bound_alone() -> None:
    bundle = match_bundle()
    one, many = decided(bundle, "count", ids=20).number, decided(bundle, "count", ids=50_000).number
    assert one is not None
    assert one == many
    sums = [decided(bundle, "sum", largest=bound).number for bound in (1, 1000)]
    assert sums[0] is not None
    assert sums[1] is not None
    assert sums[0].noise == one.noise
    assert abs(float(sums[1].noise.scale / sums[0].noise.scale) - 1000) < 0.001
    for rules in (one, *sums):
        assert rules is not None
        assert rules.cost.within(decided(bundle, "count").losses[0].terms.most)


def test_of_several_budgets_the_least_of_each_holds() -> None:
    wide = match_grant(id="wide", matching=terms(numbers=numbers(each=3, allowance=4, lifetime=20)))
    narrow = match_grant(id="narrow", matching=terms(numbers=numbers(each=1, allowance=8, lifetime=8)))
    (loss,) = decided(bundle_of(policy(wide, narrow, owner="市发改委")), "count").losses
    alone = {
        name: decided(bundle_of(policy(grant, owner="市发改委")), "count").losses[0].terms
        for name, grant in (("wide", wide), ("narrow", narrow))
    }
    assert loss.terms.most == alone["narrow"].most
    assert loss.terms.allowance == alone["wide"].allowance
    assert loss.terms.lifetime == alone["narrow"].lifetime


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
