"""A version of a policy: who may sign it when, and what state it is in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from tests.support.policy_questions import TODAY, city_catalog, grant_document, platform, policy

from louver_sandbox.policy.approvals import APPROVAL_CONTEXT, HOUSE, Approval
from louver_sandbox.policy.bundle import BundleRefused, parse_bundle
from louver_sandbox.policy.lifecycle import (
    Standing,
    State,
    Version,
    assembled,
    drafted,
    parse_version,
    signed,
    verified,
    version_text,
)
from louver_sandbox.policy.model import Platform, Policy
from louver_sandbox.policy.officers import make_officer, sign

TAX = "市税务局"
PEOPLE = {
    name: make_officer(name, lambda count, seed=seed: bytes([seed]) * count, department)  # type: ignore[misc]
    for seed, (name, department) in enumerate([("wang", TAX), ("li", TAX), ("chen", HOUSE), ("lin", HOUSE)], 1)
}
OFFICERS = tuple(officer for officer, _ in PEOPLE.values())
LATER = TODAY + timedelta(days=30)
POLICY = policy(grant_document())


def version(
    document: Platform | Policy = POLICY, serial: int = 1, submitter: str = "wang", effective: date = TODAY
) -> Version:
    statement = drafted(document, serial, (effective, date(2026, 12, 31)), submitter, city_catalog())
    return Version(document, Approval(statement, ()), {"tests": {"taxation": 1}})


def by(one: Version, *names: str) -> Version:
    for name in names:
        mark = sign(APPROVAL_CONTEXT, one.statement.to_bytes(), name, PEOPLE[name][1])
        one = signed(one, mark, OFFICERS)
    return one


def standing(today: date = TODAY, active: Mapping[str, int] | None = None, **revoked: int) -> Standing:
    return Standing(active or {}, revoked, OFFICERS, today)


@pytest.mark.parametrize(
    ("one", "at", "state"),
    [
        (version(), standing(), State.DRAFT),
        (by(version(), "wang"), standing(), State.REVIEW),
        (by(version(), "wang", "li"), standing(), State.APPROVED),
        (by(version(effective=LATER), "wang", "li"), standing(), State.SCHEDULED),
        (by(version(effective=LATER), "wang", "li"), standing(LATER), State.APPROVED),
        (by(version(), "wang", "li"), standing(active={"taxation": 1}), State.ACTIVE),
        (by(version(), "wang", "li"), standing(active={"taxation": 2}), State.SUPERSEDED),
        (by(version(), "wang", "li"), standing(active={"taxation": 1}, taxation=1), State.REVOKED),
        (by(version(), "wang", "li"), standing(taxation=3), State.REVOKED),
        (by(version(serial=2), "wang", "li"), standing(taxation=1), State.APPROVED),
        (by(version(), "wang", "li"), standing(date(2027, 1, 1), {"taxation": 1}), State.EXPIRED),
    ],
)
def test_the_state_follows_from_signatures_what_is_in_force_and_the_day(
    one: Version, at: Standing, state: State
) -> None:
    assert at.state(one) is state


def test_an_officer_struck_out_of_the_list_has_approved_nothing_any_more() -> None:
    one = by(version(), "wang", "li")
    assert replace(standing(), officers=OFFICERS[1:]).state(one) is State.REVIEW


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("li",), "'wang', who submits it, signs first"),
        (("wang", "wang"), "'wang' has signed already"),
        (("wang", "chen"), "'chen' is no officer of 市税务局"),
    ],
)
def test_who_may_sign_and_in_which_order(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(BundleRefused, match=said):
        by(version(), *names)


def test_a_signature_of_another_version_is_not_filed() -> None:
    other = sign(APPROVAL_CONTEXT, version(serial=2).statement.to_bytes(), "wang", PEOPLE["wang"][1])
    with pytest.raises(BundleRefused, match="does not hold"):
        signed(version(), other, OFFICERS)


HOUSE_VERSION = by(version(platform(), submitter="chen"), "chen", "lin")


def test_the_bundle_is_of_the_latest_approved_and_effective_version_of_each_document() -> None:
    looser = policy(grant_document(columns={"grade": ["group_key"]}))
    versions = [
        HOUSE_VERSION,
        by(version(), "wang", "li"),
        by(version(looser, 2), "wang", "li"),
        by(version(looser, 3, effective=LATER), "wang", "li"),
        by(version(looser, 4), "wang"),
    ]
    content, approvals = assembled((), versions, standing())
    assert {item.statement.id: item.statement.serial for item in approvals} == {"platform": 1, "taxation": 2}
    assert verified(content, approvals, standing(), city_catalog()).policies == (looser,)
    again, later = assembled(
        zip((platform(), looser), (HOUSE_VERSION.approval, approvals[1]), strict=True), versions, standing(LATER)
    )
    assert [item.statement.serial for item in later] == [1, 3]
    assert parse_bundle(again).policies == (looser,)


def test_an_older_version_never_comes_back() -> None:
    versions = [HOUSE_VERSION, by(version(), "wang", "li")]
    newer = by(version(policy(grant_document(purposes=["MODEL_BUILD"])), 2), "wang", "li")
    at = standing(active={"platform": 1, "taxation": 2})
    current = ((platform(), HOUSE_VERSION.approval), (newer.document, newer.approval))
    _, approvals = assembled(current, versions, at)
    assert approvals[1].statement.serial == 2


def test_without_the_rules_of_the_house_there_is_no_bundle() -> None:
    with pytest.raises(BundleRefused, match="0 approved platform documents"):
        assembled((), [by(version(), "wang", "li")], standing())


def test_l4_is_seen_when_a_version_is_drafted() -> None:
    persons = policy(grant_document(table="gov.pop_person", columns={"person_id": ["aggregate"]}))
    assert version(persons).statement.four_eyes
    assert not version().statement.four_eyes
    view = policy(grant_document(table="gov.credit_natural_person", columns={"person_id": ["join_key"]}))
    assert not version(view).statement.four_eyes, "a view grants nothing of its own"


def test_a_version_survives_its_file() -> None:
    one = by(version(), "wang", "li")
    assert parse_version(version_text(one)) == one


def _spoilt(change: str) -> bytes:
    body: dict[str, Any] = json.loads(version_text(by(version(), "wang")))
    match change:
        case "document":
            body["document"] = body["document"].replace('"queries_per_day":100', '"queries_per_day":900')
        case "statement":
            body["approval"]["statement"]["id"] = "court"
        case "more":
            body["more"] = 1
        case "list":
            return b"[]"
        case "text":
            body["document"] = "[1]"
    return json.dumps(body).encode()


@pytest.mark.parametrize("change", ["document", "statement", "more", "list", "text"])
def test_a_file_that_speaks_of_another_document_is_refused(change: str) -> None:
    with pytest.raises(BundleRefused):
        parse_version(_spoilt(change))
