"""Certificates: one institution each, for one use, by our authority, and private keys that stay private."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from louver_sandbox.pki import URN, Authority, Issued, write_secret

NOW = datetime(2026, 7, 1, tzinfo=UTC)
AUTHORITY = Authority.create(NOW)


def parsed(issued: Issued) -> x509.Certificate:
    """The certificate."""
    return x509.load_pem_x509_certificate(issued.certificate)


def test_a_client_certificate_carries_one_institution_and_nothing_else() -> None:
    certificate = parsed(AUTHORITY.client("bank_a", NOW))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier(URN + "bank_a")]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(usage.value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca


def test_a_client_certificate_is_short_lived() -> None:
    certificate = parsed(AUTHORITY.client("bank_a", NOW))
    assert certificate.not_valid_before_utc <= NOW
    assert certificate.not_valid_after_utc == NOW + timedelta(days=90)


def test_what_the_authority_issues_is_signed_by_it() -> None:
    for issued in (AUTHORITY.client("bank_a", NOW), AUTHORITY.server("127.0.0.1", NOW)):
        parsed(issued).verify_directly_issued_by(parsed(AUTHORITY.issued))
    with pytest.raises(InvalidSignature):
        parsed(Authority.create(NOW).client("bank_a", NOW)).verify_directly_issued_by(parsed(AUTHORITY.issued))


@pytest.mark.parametrize("host", ["sandbox.example", "10.1.2.3"])
def test_the_server_is_known_by_its_host_and_as_localhost(host: str) -> None:
    certificate = parsed(AUTHORITY.server(host, NOW))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    known = {str(item.value) for item in names}
    assert {host, "localhost", "127.0.0.1"} <= known
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_keys_are_p256_and_never_the_same() -> None:
    one, two = AUTHORITY.client("bank_a", NOW), AUTHORITY.client("bank_a", NOW)
    key = parsed(one).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert one.key != two.key
    assert one.fingerprint != two.fingerprint


def test_a_private_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    AUTHORITY.client("bank_a", NOW).write(tmp_path, "bank_a")
    assert stat.S_IMODE((tmp_path / "bank_a.key").stat().st_mode) == 0o600


def test_a_secret_replaces_a_file_that_others_could_read(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o644)
    write_secret(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_authority_can_be_loaded_from_its_files(tmp_path: Path) -> None:
    AUTHORITY.issued.write(tmp_path, "authority")
    again = Authority(Issued((tmp_path / "authority.pem").read_bytes(), (tmp_path / "authority.key").read_bytes()))
    parsed(again.client("bank_a", NOW)).verify_directly_issued_by(parsed(AUTHORITY.issued))
