"""A bundle counts only when officers of each owner have approved exactly the documents in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.policy_questions import TODAY, city_catalog, grant_document, platform, policy

from louver_sandbox.obligations import Totals
from louver_sandbox.policy.approvals import (
    APPROVAL_CONTEXT,
    HOUSE,
    Approval,
    Statement,
    approvals_text,
    document_digest,
    owner_of,
    parse_approvals,
    verify_bundle,
)
from louver_sandbox.policy.bundle import Bundle, BundleRefused, bundle_content, parse_bundle
from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.policy.load import load_bundle, load_officers, write_bundle
from louver_sandbox.policy.model import Platform, Policy
from louver_sandbox.policy.officers import (
    EVERY_DEPARTMENT,
    Officer,
    make_officer,
    officers_text,
    parse_officers,
    sign,
)

TAX = "市税务局"


def _fixed(seed: int) -> Callable[[int], bytes]:
    return lambda count: bytes([seed]) * count


PEOPLE = {
    name: make_officer(name, _fixed(seed), department)
    for seed, (name, department) in enumerate(
        [("wang", TAX), ("li", TAX), ("zhao", TAX), ("chen", HOUSE), ("lin", HOUSE), ("qian", "市公安局")], start=1
    )
}
OFFICERS = tuple(officer for officer, _ in PEOPLE.values())
KEYS = {name: key for name, (_, key) in PEOPLE.items()}
TAX_POLICY = policy(grant_document())
L4_POLICY = policy(grant_document(table="gov.pop_person", columns={"person_id": ["aggregate"]}))
CONTENT = bundle_content(platform(), [TAX_POLICY])


def approval(
    document: Platform | Policy, *names: str, keys: dict[str, Ed25519PrivateKey] = KEYS, **said: Any
) -> Approval:
    """The named officers' approval of a document; the first one submits it."""
    statement = Statement.model_validate(
        {
            "document": document_digest(document),
            "id": document.id,
            "owner": owner_of(document),
            "serial": 1,
            "effective": "2026-07-01",
            "expires": "2026-12-31",
            "submitter": names[0] if names else "wang",
            "four_eyes": False,
            **said,
        }
    )
    return Approval(
        statement, tuple(sign(APPROVAL_CONTEXT, statement.to_bytes(), name, keys[name]) for name in names)
    )


HOUSE_APPROVED = approval(platform(), "chen", "lin")


def _refusal(
    approvals: Iterable[Approval], content: bytes = CONTENT, officers: tuple[Officer, ...] = OFFICERS
) -> str:
    with pytest.raises(BundleRefused) as refused:
        verify_bundle(content, tuple(approvals), officers, TODAY, city_catalog())
    return str(refused.value)


def test_two_officers_of_each_department_make_a_bundle_valid() -> None:
    bundle = verify_bundle(
        CONTENT, (HOUSE_APPROVED, approval(TAX_POLICY, "wang", "li")), OFFICERS, TODAY, city_catalog()
    )
    assert isinstance(bundle, Bundle)
    assert bundle.digest == parse_bundle(CONTENT).digest
    assert len(bundle.digest) == 64


def test_three_signatures_do_not_hurt() -> None:
    verify_bundle(
        CONTENT, (HOUSE_APPROVED, approval(TAX_POLICY, "wang", "li", "zhao")), OFFICERS, TODAY, city_catalog()
    )


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "taxation: 0 different officer keys of 市税务局"),
        (["wang"], "taxation: 1 different officer keys of 市税务局"),
        (["wang", "wang"], "signed with a key that has signed already"),
        (["wang", "chen"], "'chen' is no officer of 市税务局"),
        (["qian", "chen"], "'qian', who submitted it, has not signed it"),
    ],
)
def test_fewer_or_others_are_not_enough(names: list[str], said: str) -> None:
    assert said in _refusal((HOUSE_APPROVED, approval(TAX_POLICY, *names)))


def test_a_department_cannot_approve_the_rules_of_the_house() -> None:
    assert "platform: 0 different officer keys" in _refusal(
        (approval(platform(), "wang", "li"), approval(TAX_POLICY, "wang", "li"))
    )


def test_a_statement_cannot_say_that_another_department_owns_the_document() -> None:
    others = (replace(PEOPLE["qian"][0], name="sun"), PEOPLE["qian"][0])
    stolen = approval(TAX_POLICY, "chen", "lin", owner=HOUSE)
    assert "the approval is of platform, the document of 市税务局" in _refusal(
        (HOUSE_APPROVED, stolen), officers=(*OFFICERS, *others[:1])
    )


def test_officers_of_every_department_are_for_development() -> None:
    anybody = tuple(Officer(name, PEOPLE[name][0].public_key, EVERY_DEPARTMENT) for name in ("wang", "li"))
    approvals = (approval(platform(), "wang", "li"), approval(TAX_POLICY, "li", "wang"))
    verify_bundle(CONTENT, approvals, anybody, TODAY, city_catalog())


def test_l4_needs_two_officers_beside_the_one_who_submits_it() -> None:
    content = bundle_content(platform(), [L4_POLICY])

    def approved(*names: str, **said: Any) -> tuple[Approval, Approval]:
        return HOUSE_APPROVED, approval(L4_POLICY, *names, **said)

    assert "its approval does not say that four eyes saw it" in _refusal(approved("wang", "li", "zhao"), content)
    assert "1 officers other than the submitter" in _refusal(approved("wang", "li", four_eyes=True), content)
    verify_bundle(content, approved("wang", "li", "zhao", four_eyes=True), OFFICERS, TODAY, city_catalog())


def test_a_column_that_the_catalogue_does_not_know_counts_as_l4() -> None:
    strange = policy(grant_document(columns={"ghost": ["filter"]}))
    content = bundle_content(platform(), [strange])
    assert "four eyes" in _refusal((HOUSE_APPROVED, approval(strange, "wang", "li")), content)


def test_one_key_under_two_names_is_one_key() -> None:
    same = (*OFFICERS, Officer("wang-again", PEOPLE["wang"][0].public_key, TAX))
    twice = approval(TAX_POLICY, "wang", "wang-again", keys=KEYS | {"wang-again": KEYS["wang"]})
    assert "1 different officer keys" in _refusal((HOUSE_APPROVED, twice), officers=same)


def test_an_unknown_officer_does_not_count() -> None:
    twice = approval(TAX_POLICY, "wang", "mallory", keys=KEYS | {"mallory": KEYS["zhao"]})
    assert "'mallory' is not a trusted officer" in _refusal((HOUSE_APPROVED, twice))


def test_a_signature_by_another_key_does_not_hold() -> None:
    twice = approval(TAX_POLICY, "wang", "li", keys=KEYS | {"li": KEYS["zhao"]})
    assert "the signature of 'li' does not hold" in _refusal((HOUSE_APPROVED, twice))


@pytest.mark.parametrize("field", ["document", "serial", "effective", "expires", "submitter", "four_eyes"])
def test_any_altered_word_of_a_statement_breaks_its_signatures(field: str) -> None:
    good = approval(TAX_POLICY, "wang", "li")
    other: dict[str, Any] = {
        "document": "0" * 64,
        "serial": 2,
        "effective": date(2026, 6, 1),
        "expires": date(2027, 1, 1),
        "submitter": "li",
        "four_eyes": True,
    }
    altered = replace(good, statement=good.statement.model_copy(update={field: other[field]}))
    assert "the signature of 'wang' does not hold" in _refusal((HOUSE_APPROVED, altered))


def test_an_altered_document_has_no_approval() -> None:
    content = bundle_content(
        platform(), [policy(grant_document(budget={"queries_per_day": 101, "predicates_per_day": 10}))]
    )
    assert "the approval is of another document" in _refusal(
        (HOUSE_APPROVED, approval(TAX_POLICY, "wang", "li")), content
    )


def test_a_document_beside_the_approved_ones_is_not_let_in() -> None:
    other = policy(grant_document("c", table="gov.x"), name="other", owner="x")
    content = bundle_content(platform(), [TAX_POLICY, other])
    assert "other: 0 approvals" in _refusal((HOUSE_APPROVED, approval(TAX_POLICY, "wang", "li")), content)


def test_a_signature_of_something_else_does_not_count() -> None:
    good = approval(TAX_POLICY, "wang", "li")
    bare = replace(good.signatures[1], signature=KEYS["li"].sign(good.statement.to_bytes()))
    assert "does not hold" in _refusal((HOUSE_APPROVED, replace(good, signatures=(good.signatures[0], bare))))


def test_a_version_is_not_in_force_before_its_day() -> None:
    later = approval(TAX_POLICY, "wang", "li", effective="2026-07-02")
    assert "in force from 2026-07-02 on" in _refusal((HOUSE_APPROVED, later))


def test_two_approvals_of_one_document_are_one_too_many() -> None:
    one, two = approval(TAX_POLICY, "wang", "li"), approval(TAX_POLICY, "wang", "li", serial=2)
    assert "2 approvals; exactly one" in _refusal((HOUSE_APPROVED, one, two))


def test_an_expired_bundle_is_refused() -> None:
    house = platform(expires="2026-06-30")
    content = bundle_content(house, [TAX_POLICY])
    approvals = (
        approval(house, "chen", "lin", effective="2026-01-01"),
        approval(TAX_POLICY, "wang", "li", effective="2026-01-01"),
    )
    assert "expired on 2026-06-30" in _refusal(approvals, content)
    verify_bundle(content, approvals, OFFICERS, date(2026, 6, 30), city_catalog())


def test_officers_cannot_sign_away_a_floor() -> None:
    document = json.loads(CONTENT)
    document["policies"][0]["grants"][0]["threshold"]["enterprise"] = 1
    content = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert "below the floor" in _refusal((HOUSE_APPROVED, approval(TAX_POLICY, "wang", "li")), content)


def test_a_bundle_signed_before_totals_was_a_key_is_still_canonical() -> None:
    assert b"totals" not in CONTENT
    asking = bundle_content(platform(), [policy(grant_document(threshold={"totals": "complementary"}))])
    assert b'"totals":"complementary"' in asking
    (found,) = parse_bundle(asking).policies
    assert found.grants[0].threshold.totals is Totals.COMPLEMENTARY


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"format":"other"}', b"\xff", b"[" * 100_000, CONTENT + b" ", b'{"a":' * 50_000],
)
def test_other_bytes_are_not_a_bundle(content: bytes) -> None:
    with pytest.raises(BundleRefused):
        parse_bundle(content)


def test_the_order_of_documents_and_grants_does_not_change_the_bundle() -> None:
    one = policy(grant_document("a"), grant_document("b"))
    two = policy(grant_document("b"), grant_document("a"))
    other = policy(grant_document("c", table="gov.x"), name="other", owner="x")
    assert bundle_content(platform(), [one, other]) == bundle_content(platform(), [other, two])


def test_a_bundle_of_contradicting_documents_is_not_built() -> None:
    with pytest.raises(PolicyRefused, match="unknown purpose"):
        bundle_content(platform(), [policy(grant_document(purposes=["FISHING"]))])


def test_a_table_with_too_many_groups_is_not_built() -> None:
    names = [f"g{index}" for index in range(11)]
    many = platform(groups={name: {"title": name} for name in names})
    with pytest.raises(PolicyRefused, match="more than 10 groups"):
        bundle_content(many, [policy(grant_document(to={"groups": names}))])


APPROVED = (HOUSE_APPROVED, approval(TAX_POLICY, "wang", "li"))


def test_a_folder_round_trip(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle", CONTENT, APPROVED)
    (tmp_path / "officers.json").write_bytes(officers_text(OFFICERS))
    bundle = load_bundle(tmp_path / "bundle", load_officers(tmp_path / "officers.json"), TODAY, city_catalog())
    assert bundle == parse_bundle(CONTENT)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match=r"bundle\.json cannot be read"):
        load_bundle(tmp_path, OFFICERS, TODAY, city_catalog())


def test_approvals_and_officers_survive_their_text() -> None:
    assert parse_approvals(approvals_text(APPROVED)) == APPROVED
    assert parse_officers(officers_text(OFFICERS)) == OFFICERS


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[1]", b'[{"officer":"a"}]', b'[{"signatures":[],"statement":{}}]', b"[" * 100_000]
)
def test_malformed_approvals_are_refused(text: bytes) -> None:
    with pytest.raises(BundleRefused):
        parse_approvals(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[1]",
        b'[{"officer":"a","public_key":"AA=="}]',
        b'[{"officer":"","public_key":"AA==","department":"x"}]',
    ],
)
def test_malformed_officers_are_refused(text: bytes) -> None:
    with pytest.raises(BundleRefused):
        parse_officers(text)


def test_two_officers_of_one_name_are_refused() -> None:
    with pytest.raises(BundleRefused, match="same name"):
        parse_officers(officers_text((PEOPLE["wang"][0], Officer("wang", PEOPLE["li"][0].public_key))))
