"""Certificates and keys for a development installation: an authority, the server, and one client per institution.

A production installation brings certificates of its own authority; the registry is the same. P-256 keys, because
gRPC's TLS takes no Ed25519 certificates. Identity is one URI name `urn:louver:institution:<id>` (SPIFFE's habit),
never the common name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

URN = "urn:louver:institution:"
AUDITOR_URN = "urn:louver:auditor:"
OFFICER_URN = "urn:louver:officer:"
ADMINISTRATOR_URN = "urn:louver:administrator:"


@dataclass(frozen=True)
class Issued:
    """A certificate with its private key, both PEM."""

    certificate: bytes
    key: bytes

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the DER certificate, hex."""
        return x509.load_pem_x509_certificate(self.certificate).fingerprint(hashes.SHA256()).hex()

    @property
    def ends(self) -> datetime:
        """Until when the certificate is valid, in UTC."""
        return x509.load_pem_x509_certificate(self.certificate).not_valid_after_utc

    def write(self, folder: Path, name: str) -> None:
        """Writes `<name>.pem` and `<name>.key`, the key readable by its owner only."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.pem").write_bytes(self.certificate)
        write_secret(folder / f"{name}.key", self.key)


def write_secret(path: Path, content: bytes) -> None:
    """Writes a new file that only its owner can read, from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


class Authority:
    """A private certificate authority."""

    def __init__(self, issued: Issued) -> None:
        self.issued = issued
        self._certificate = x509.load_pem_x509_certificate(issued.certificate)
        key = serialization.load_pem_private_key(issued.key, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the authority's key is not an elliptic-curve key")
        self._key = key

    @classmethod
    def create(cls, now: datetime, days: int = 3650) -> Authority:
        """A new self-signed authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _named("Louver development authority")
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(Issued(certificate.public_bytes(serialization.Encoding.PEM), _pem(key)))

    def _issue(
        self,
        common_name: str,
        names: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        begins: datetime,
        days: int,
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certified(common_name, names, key.public_key(), usage, begins, days)
        return Issued(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))

    def _certified(
        self,
        common_name: str,
        names: Sequence[x509.GeneralName],
        public_key: ec.EllipticCurvePublicKey,
        usage: x509.ObjectIdentifier,
        begins: datetime,
        days: int,
    ) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(_named(common_name))
            .issuer_name(self._certificate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins - timedelta(minutes=5))
            .not_valid_after(begins + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def server(self, host: str, now: datetime, days: int = 825) -> Issued:
        """A certificate for the service at `host` (a name or an address), also valid for localhost."""
        names: list[x509.GeneralName] = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
        return self._issue("louver sandbox", names, ExtendedKeyUsageOID.SERVER_AUTH, now, days)

    def client(self, institution: str, now: datetime, days: int = 90) -> Issued:
        """A certificate by which an institution is known; short-lived, because gRPC knows no revocation list."""
        names = [x509.UniformResourceIdentifier(URN + institution)]
        return self._issue(institution, names, ExtendedKeyUsageOID.CLIENT_AUTH, now, days)

    def officer(self, name: str, now: datetime, days: int = 90) -> Issued:
        """A certificate by which a policy officer is known; no question is ever answered to it."""
        names = [x509.UniformResourceIdentifier(OFFICER_URN + name)]
        return self._issue(name, names, ExtendedKeyUsageOID.CLIENT_AUTH, now, days)

    def auditor(self, name: str, now: datetime, days: int = 90) -> Issued:
        """A certificate by which an auditor of the log is known; no question is ever answered to it."""
        names = [x509.UniformResourceIdentifier(AUDITOR_URN + name)]
        return self._issue(name, names, ExtendedKeyUsageOID.CLIENT_AUTH, now, days)

    def administrator(self, name: str, now: datetime, days: int = 90) -> Issued:
        """A certificate by which an administrator is known; no question is ever answered to it."""
        names = [x509.UniformResourceIdentifier(ADMINISTRATOR_URN + name)]
        return self._issue(name, names, ExtendedKeyUsageOID.CLIENT_AUTH, now, days)

    def requested(
        self, institution: str, public_key: ec.EllipticCurvePublicKey, now: datetime, days: int = 90
    ) -> bytes:
        """A certificate (PEM) for an institution's own next key, which only it holds."""
        names = [x509.UniformResourceIdentifier(URN + institution)]
        certificate = self._certified(institution, names, public_key, ExtendedKeyUsageOID.CLIENT_AUTH, now, days)
        return certificate.public_bytes(serialization.Encoding.PEM)
