"""Requests for certificates: by a new key that has signed them, for the caller's own name, under a live certificate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from tests.support.line import line

from louver import certificates
from louver.errors import Refused, Unproven
from louver.failures import Misused
from louver.signing import sign_renewal
from louver.v1 import registry_pb2 as pb
from louver_sandbox import journal
from louver_sandbox.identity import check_renewal
from louver_sandbox.pki import URN, Authority, Issued
from louver_sandbox.renewals import LONGEST, MOST_OPEN, Renewals, RenewalState, key_sha256, next_key
from louver_sandbox.stages import InstitutionType, Subject

NOW = datetime(2026, 7, 1, tzinfo=UTC)
AUTHORITY = Authority.create(NOW)
HELD = AUTHORITY.client("bank_a", NOW)
BANK_A = Subject("bank_a", InstitutionType.BANK, frozenset(), HELD.fingerprint)


def parsed(issued: Issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.certificate)


def private(issued: Issued) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(issued.key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, *names: str, form: Encoding = Encoding.DER) -> bytes:
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    if names:
        uris = [x509.UniformResourceIdentifier(name) for name in names]
        made = made.add_extension(x509.SubjectAlternativeName(uris), critical=False)
    return made.sign(key, hashes.SHA256()).public_bytes(form)


def code(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.code


FRESH = certificates.new_key()
HOSTILE = {
    "nothing": b"",
    "noise": b"\x30\x82" + b"\xff" * 40,
    "too long": request(FRESH) + b"\0" * LONGEST,
    "another form": request(FRESH, form=Encoding.PEM),
    "another curve": request(ec.generate_private_key(ec.SECP384R1())),
    "another kind of key": request(rsa.generate_private_key(65537, 2048)),
    "another's name": request(FRESH, URN + "bank_b"),
    "two names": request(FRESH, URN + "bank_a", URN + "bank_b"),
    "an auditor's name": request(FRESH, "urn:louver:auditor:bank_a"),
    "a signature of nobody": request(FRESH)[:-4] + b"\1\2\3\4",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_request_of_the_callers_is_refused(what: str) -> None:
    assert code(lambda: next_key(HOSTILE[what], "bank_a")) == "LVR-7304"


def test_a_request_with_the_callers_name_or_none_is_for_its_key() -> None:
    for names in ((), (URN + "bank_a",)):
        assert next_key(request(FRESH, *names), "bank_a") == FRESH.public_key()


@pytest.mark.parametrize("wrong", ["another's signature", "another request", "over", "too far ahead"])
def test_only_the_present_certificate_asks_and_not_for_long(wrong: str) -> None:
    message = pb.RequestCertificateRequest(request=request(FRESH), expires=(NOW + timedelta(minutes=5)).isoformat())
    message.signature = sign_renewal(message, private(HELD))
    check_renewal(message, parsed(HELD), NOW)
    match wrong:
        case "another's signature":
            message.signature = sign_renewal(message, FRESH)
        case "another request":
            message.request = request(certificates.new_key())
        case "over":
            message.expires = (NOW - timedelta(seconds=1)).isoformat()
            message.signature = sign_renewal(message, private(HELD))
        case _:
            message.expires = (NOW + timedelta(hours=2)).isoformat()
            message.signature = sign_renewal(message, private(HELD))
    assert code(lambda: check_renewal(message, parsed(HELD), NOW)) in ("LVR-0103", "LVR-0104")


def test_requests_are_few_the_same_once_and_decided_once(tmp_path: Path) -> None:
    with line(tmp_path) as made:
        act = Renewals(made.books.state, made.clock, partial(journal.appended, made.books))
        keys = [certificates.new_key() for _ in range(MOST_OPEN)]
        asked = [act.ask(BANK_A, request(key), parsed(HELD)) for key in keys]
        assert act.ask(BANK_A, request(keys[0], URN + "bank_a"), parsed(HELD)).id == asked[0].id
        assert code(lambda: act.ask(BANK_A, request(FRESH), parsed(HELD))) == "LVR-7305"
        assert code(lambda: act.ask(BANK_A, request(private(HELD)), parsed(HELD))) == "LVR-7304", "no new key"
        good = AUTHORITY.requested("bank_a", keys[0].public_key(), NOW)
        for bad in (HELD.certificate, AUTHORITY.requested("bank_b", keys[0].public_key(), NOW), b"nothing"):
            assert code(lambda bad=bad: act.confirm(asked[0].id, bad, "zhou", lambda: None)) == "LVR-7304"  # type: ignore[misc]

        def full() -> None:
            raise OSError("no space")

        with pytest.raises(OSError, match="no space"):
            act.confirm(asked[0].id, good, "zhou", full)
        assert act.open(asked[0].id).certificate == b"", "what could not be pinned is not confirmed"
        done = act.confirm(asked[0].id, good, "zhou", lambda: None)
        assert (done.state, done.certificate) == (RenewalState.CONFIRMED, good)
        assert code(lambda: act.confirm(asked[0].id, good, "zhou", lambda: None)) == "LVR-7308"
        assert act.reject(asked[1].id, "zhou").state is RenewalState.REJECTED
        assert [one.id for one in act.waiting()] == [asked[2].id]
        steps = [entry.fields["step"] for entry in made.books.log.entries(kind="certificate_request", limit=10)]
        assert steps == ["requested"] * MOST_OPEN + ["confirmed", "rejected"]


def test_a_bank_takes_no_certificate_that_is_not_for_its_key_and_name() -> None:
    digest = key_sha256(FRESH.public_key())
    assert certificates.key_sha256(FRESH.public_key()) == digest
    good = AUTHORITY.requested("bank_a", FRESH.public_key(), NOW)

    def told(content: bytes, state: str = "confirmed") -> bytes | None:
        known = certificates.CertificateRequest("1", digest, "", state, content)
        return certificates.fetched([known], FRESH, "bank_a")

    assert told(good) == good
    assert told(b"", "open") is None
    assert certificates.fetched([], FRESH, "bank_a") is None
    for bad in (HELD.certificate, AUTHORITY.requested("bank_b", FRESH.public_key(), NOW), b"nothing"):
        with pytest.raises(Unproven):
            told(bad)
    for state in ("rejected", "void"):
        with pytest.raises(Misused, match=state):
            told(b"", state)
