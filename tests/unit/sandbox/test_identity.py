"""Who asks: a certificate counts only while its fingerprint stands in the registry, and only for one institution."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from louver import signing
from louver.errors import Refused
from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.identity import Registry, RegistryRefused, check_signature, parse_registry
from louver_sandbox.pki import URN, Authority, Issued

NOW = datetime(2026, 7, 1, tzinfo=UTC)
AUTHORITY = Authority.create(NOW)
BANK_A = AUTHORITY.client("bank_a", NOW)


def certificate(issued: Issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.certificate)


def registry(folder: Path, *fingerprints: str, name: str = "bank_a") -> Registry:
    """A registry file with one bank."""
    quoted = ", ".join(f'"{item}"' for item in fingerprints)
    text = f'[institutions.{name}]\ntype = "bank"\ngroups = ["banks"]\nfingerprints = [{quoted}]\n'
    (folder / "institutions.toml").write_text(text, encoding="utf-8")
    return Registry(folder / "institutions.toml")


def code(registry: Registry, certificate: x509.Certificate) -> str:
    """The refusal that this certificate meets."""
    with pytest.raises(Refused) as caught:
        registry.subject(certificate)
    return caught.value.code


def named(names: Sequence[x509.GeneralName] | None, common_name: str = "bank_a") -> x509.Certificate:
    """A self-made certificate with these alternative names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    if names is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256())


def test_a_registered_certificate_is_its_institution(tmp_path: Path) -> None:
    subject = registry(tmp_path, BANK_A.fingerprint).subject(certificate(BANK_A))
    assert (subject.institution, subject.type.value, set(subject.groups)) == ("bank_a", "bank", {"banks"})
    assert subject.fingerprint == BANK_A.fingerprint


def test_a_name_without_its_fingerprint_is_nobody(tmp_path: Path) -> None:
    assert code(registry(tmp_path, BANK_A.fingerprint), certificate(AUTHORITY.client("bank_a", NOW))) == "LVR-0101"


def test_a_fingerprint_under_another_name_is_nobody(tmp_path: Path) -> None:
    assert code(registry(tmp_path, BANK_A.fingerprint, name="bank_b"), certificate(BANK_A)) == "LVR-0101"


URI = x509.UniformResourceIdentifier


@pytest.mark.parametrize(
    "names",
    [
        None,
        [URI(URN + "bank_a"), URI(URN + "bank_b")],
        [URI(URN + "bank_a"), x509.DNSName("bank-a.example")],
        [URI("urn:other:bank_a")],
        [x509.DNSName("bank_a")],
    ],
    ids=["none", "two institutions", "a host too", "another scheme", "a host only"],
)
def test_a_certificate_speaks_of_exactly_one_institution(
    tmp_path: Path, names: Sequence[x509.GeneralName] | None
) -> None:
    made = named(names)
    assert code(registry(tmp_path, made.fingerprint(hashes.SHA256()).hex()), made) == "LVR-0102"


def test_a_certificate_whose_names_cannot_be_read_is_nobody(tmp_path: Path) -> None:
    """Found by fuzzing: it was a fault, and an incident for the operator."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bank_a")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, NOW, NOW + timedelta(days=1))
    unreadable = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x02\x86\x09")
    made = builder.add_extension(unreadable, critical=False).sign(key, hashes.SHA256())
    made = x509.load_der_x509_certificate(made.public_bytes(Encoding.DER))
    assert code(registry(tmp_path, made.fingerprint(hashes.SHA256()).hex()), made) == "LVR-0102"


def test_the_common_name_never_counts(tmp_path: Path) -> None:
    made = named([URI(URN + "bank_b")], common_name="bank_a")
    assert code(registry(tmp_path, made.fingerprint(hashes.SHA256()).hex()), made) == "LVR-0101"


def test_striking_out_a_fingerprint_takes_effect_at_once(tmp_path: Path) -> None:
    known = registry(tmp_path, BANK_A.fingerprint)
    known.subject(certificate(BANK_A))
    registry(tmp_path)
    assert code(known, certificate(BANK_A)) == "LVR-0101"
    registry(tmp_path, BANK_A.fingerprint)
    assert known.subject(certificate(BANK_A)).institution == "bank_a"


def damaged(path: Path, damage: str) -> None:
    match damage:
        case "not TOML":
            path.write_text("[institutions.bank_a", encoding="utf-8")
        case "not text":
            path.write_bytes(b"\xff\xfe")
        case "another bank's mistake":
            path.write_text("[institutions.bank_b]\ntype = 'shop'\n", encoding="utf-8")
        case _:
            path.write_text(path.read_text(encoding="utf-8") + "admin = true\n", encoding="utf-8")


DAMAGES = ["not TOML", "not text", "unknown key", "another bank's mistake"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_registry_that_is_not_of_its_form_is_refused_whole_and_the_former_counts(
    tmp_path: Path, damage: str
) -> None:
    known, path = registry(tmp_path, BANK_A.fingerprint), tmp_path / "institutions.toml"
    known.subject(certificate(BANK_A))
    assert known.problem() == ""
    damaged(path, damage)
    assert known.subject(certificate(BANK_A)).institution == "bank_a"
    assert "goes on counting" in known.problem()
    registry(tmp_path)
    assert (code(known, certificate(BANK_A)), known.problem()) == ("LVR-0101", "")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_registry_that_never_was_of_its_form_admits_nobody(tmp_path: Path, damage: str) -> None:
    known = registry(tmp_path, BANK_A.fingerprint)
    damaged(tmp_path / "institutions.toml", damage)
    assert code(known, certificate(BANK_A)) == "LVR-0101"
    assert known.problem()


def test_a_registry_that_is_gone_admits_nobody(tmp_path: Path) -> None:
    known = registry(tmp_path, BANK_A.fingerprint)
    known.subject(certificate(BANK_A))
    (tmp_path / "institutions.toml").unlink()
    assert code(known, certificate(BANK_A)) == "LVR-0101"
    assert "cannot be read" in known.problem()


def test_a_file_replaced_within_the_same_second_is_noticed(tmp_path: Path) -> None:
    known = registry(tmp_path, BANK_A.fingerprint)
    known.subject(certificate(BANK_A))
    path = tmp_path / "institutions.toml"
    before = path.stat()
    fresh = tmp_path / "fresh"
    fresh.write_text(path.read_text(encoding="utf-8").replace(BANK_A.fingerprint, "0" * 64), encoding="utf-8")
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh.replace(path)
    assert code(known, certificate(BANK_A)) == "LVR-0101"


@pytest.mark.parametrize(
    "text",
    [
        "[institutions.Bank]\ntype = 'bank'",
        "[institutions.'a b']\ntype = 'bank'",
        "[institutions.a]\ntype = 'shop'",
        "[institutions.a]",
        "[institutions.a]\ntype = 'bank'\nfingerprints = ['abc']",
        "[institutions.a]\ntype = 'bank'\ngroups = [1]",
        "[institutions]\na = 1",
        "other = 1",
    ],
)
def test_an_entry_that_is_not_right_is_refused(text: str) -> None:
    with pytest.raises(RegistryRefused):
        parse_registry(text)


def question(expires: str, issued: Issued = BANK_A) -> pb.Question:
    """A signed question."""
    made = pb.Question(request_id="r", purpose="RESEARCH", sql="SELECT 1", expires=expires)
    key = load_pem_private_key(issued.key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    made.signature = signing.sign(made, key)
    return made


def refused_signature(made: pb.Question) -> str:
    with pytest.raises(Refused) as caught:
        check_signature(made, certificate(BANK_A), NOW)
    return caught.value.code


def test_a_question_signed_by_the_certificates_key_passes() -> None:
    check_signature(question((NOW + timedelta(minutes=5)).isoformat()), certificate(BANK_A), NOW)


@pytest.mark.parametrize("field", ["request_id", "purpose", "sql", "expires", "signature", "parameters"])
def test_a_question_changed_on_its_way_does_not(field: str) -> None:
    made = question((NOW + timedelta(minutes=5)).isoformat())
    match field:
        case "signature":
            made.signature = made.signature[:-1] + bytes([made.signature[-1] ^ 1])
        case "parameters":
            made.parameters["a"].integer = 1
        case _:
            setattr(made, field, getattr(made, field) + "0")
    assert refused_signature(made) == "LVR-0103"


def test_another_institutions_signature_does_not() -> None:
    other = AUTHORITY.client("bank_b", NOW)
    assert refused_signature(question((NOW + timedelta(minutes=5)).isoformat(), other)) == "LVR-0103"


@pytest.mark.parametrize(
    ("expires", "code"),
    [
        ((NOW - timedelta(seconds=1)).isoformat(), "LVR-0104"),
        ((NOW + timedelta(hours=1, seconds=1)).isoformat(), "LVR-0104"),
        ("2026-07-01T00:05:00", "LVR-0105"),
        ("soon", "LVR-0105"),
        ("", "LVR-0105"),
    ],
)
def test_a_question_lives_for_an_hour_at_most(expires: str, code: str) -> None:
    assert refused_signature(question(expires)) == code
