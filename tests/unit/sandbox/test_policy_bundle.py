"""A bundle counts only when two different trusted officers signed exactly these bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.policy_questions import TODAY, grant_document, platform, policy

from louver_sandbox.obligations import Totals
from louver_sandbox.policy.bundle import (
    Bundle,
    BundleRefused,
    Officer,
    Signature,
    bundle_content,
    make_officer,
    officers_text,
    parse_bundle,
    parse_officers,
    parse_signatures,
    sign_bundle,
    signatures_text,
    verify_bundle,
)
from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.policy.load import load_bundle, load_officers, write_bundle


def _fixed(seed: int) -> Callable[[int], bytes]:
    return lambda count: bytes([seed]) * count


WANG, WANG_KEY = make_officer("wang", _fixed(1))
LI, LI_KEY = make_officer("li", _fixed(2))
ZHAO, ZHAO_KEY = make_officer("zhao", _fixed(3))
OFFICERS = (WANG, LI, ZHAO)
CONTENT = bundle_content(platform(), [policy(grant_document())])


def _signed(*keys: tuple[str, Ed25519PrivateKey], content: bytes = CONTENT) -> tuple[Signature, ...]:
    return tuple(sign_bundle(content, name, key) for name, key in keys)


BOTH = _signed(("wang", WANG_KEY), ("li", LI_KEY))


def _refusal(content: bytes, signatures: tuple[Signature, ...], officers: tuple[Officer, ...] = OFFICERS) -> str:
    with pytest.raises(BundleRefused) as refused:
        verify_bundle(content, signatures, officers, TODAY)
    return str(refused.value)


def test_two_officers_make_a_bundle_valid() -> None:
    bundle = verify_bundle(CONTENT, BOTH, OFFICERS, TODAY)
    assert isinstance(bundle, Bundle)
    assert bundle.digest == parse_bundle(CONTENT).digest
    assert len(bundle.digest) == 64


def test_a_bundle_signed_before_totals_was_a_key_is_still_canonical() -> None:
    assert b"totals" not in CONTENT
    asking = bundle_content(platform(), [policy(grant_document(threshold={"totals": "complementary"}))])
    assert b'"totals":"complementary"' in asking
    (found,) = parse_bundle(asking).policies
    assert found.grants[0].threshold.totals is Totals.COMPLEMENTARY


def test_three_signatures_do_not_hurt() -> None:
    verify_bundle(CONTENT, (*BOTH, *_signed(("zhao", ZHAO_KEY))), OFFICERS, TODAY)


def test_one_officer_is_not_enough() -> None:
    assert "1 different officer keys" in _refusal(CONTENT, BOTH[:1])


def test_no_signature_is_not_enough() -> None:
    assert "0 different officer keys" in _refusal(CONTENT, ())


def test_one_officer_signing_twice_is_one_officer() -> None:
    assert "has signed already" in _refusal(CONTENT, (BOTH[0], BOTH[0]))


def test_one_key_under_two_names_is_one_key() -> None:
    same = (WANG, Officer("wang-again", WANG.public_key))
    signatures = _signed(("wang", WANG_KEY), ("wang-again", WANG_KEY))
    assert "1 different officer keys" in _refusal(CONTENT, signatures, same)


def test_an_unknown_officer_does_not_count() -> None:
    signatures = (BOTH[0], *_signed(("mallory", ZHAO_KEY)))
    assert "'mallory' is not a trusted officer" in _refusal(CONTENT, signatures)


def test_a_signature_by_another_key_does_not_hold() -> None:
    signatures = (BOTH[0], *_signed(("li", ZHAO_KEY)))
    assert "the signature of 'li' does not hold" in _refusal(CONTENT, signatures)


@pytest.mark.parametrize("position", range(0, len(CONTENT), len(CONTENT) // 7))
def test_any_altered_byte_breaks_it(position: int) -> None:
    altered = CONTENT[:position] + bytes([CONTENT[position] ^ 1]) + CONTENT[position + 1 :]
    assert "does not hold" in _refusal(altered, BOTH)


def test_a_signature_of_something_else_does_not_count() -> None:
    bare = Signature("li", LI_KEY.sign(CONTENT))
    assert "does not hold" in _refusal(CONTENT, (BOTH[0], bare))


def test_an_expired_bundle_is_refused() -> None:
    content = bundle_content(platform(expires="2026-06-30"), [policy(grant_document())])
    signatures = _signed(("wang", WANG_KEY), ("li", LI_KEY), content=content)
    assert "expired on 2026-06-30" in _refusal(content, signatures)
    verify_bundle(content, signatures, OFFICERS, date(2026, 6, 30))


def test_officers_cannot_sign_away_a_floor() -> None:
    document = json.loads(CONTENT)
    document["policies"][0]["grants"][0]["threshold"]["enterprise"] = 1
    content = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    signatures = _signed(("wang", WANG_KEY), ("li", LI_KEY), content=content)
    assert "below the floor" in _refusal(content, signatures)


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


def test_a_folder_round_trip(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle", CONTENT, BOTH)
    (tmp_path / "officers.json").write_bytes(officers_text(OFFICERS))
    bundle = load_bundle(tmp_path / "bundle", load_officers(tmp_path / "officers.json"), TODAY)
    assert bundle == parse_bundle(CONTENT)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match=r"bundle\.json cannot be read"):
        load_bundle(tmp_path, OFFICERS, TODAY)


def test_signatures_and_officers_survive_their_text() -> None:
    assert parse_signatures(signatures_text(BOTH)) == BOTH
    assert parse_officers(officers_text(OFFICERS)) == OFFICERS


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b'[{"officer":"a"}]', b'[{"officer":"a","signature":"*"}]'])
def test_malformed_signatures_are_refused(text: bytes) -> None:
    with pytest.raises(BundleRefused):
        parse_signatures(text)


def test_two_officers_of_one_name_are_refused() -> None:
    with pytest.raises(BundleRefused, match="same name"):
        parse_officers(officers_text((WANG, Officer("wang", LI.public_key))))
