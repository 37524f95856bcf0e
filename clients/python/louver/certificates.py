"""The certificates by which an institution is known, and how it comes to its next one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from louver.errors import Unproven
from louver.failures import Misused
from louver.settings import Settings
from louver.signing import sign_renewal
from louver.tls import institution_of
from louver.v1 import registry_pb2 as pb

_LIFE = timedelta(minutes=5)
_URN = "urn:louver:institution:"


@dataclass(frozen=True, slots=True)
class PinnedCertificate:
    """A certificate of yours that the platform knows: its SHA-256, from and until when it counts (RFC 3339, empty
    where its own dates alone count), whether you call with it; ``state`` is live, waiting, ending or over."""

    fingerprint: str
    not_before: str
    not_after: str
    calling: bool
    state: str


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """A request for your next certificate. ``key_sha256`` is what you read to the administrator; ``state`` is open,
    confirmed, rejected or void; ``certificate`` is PEM, once it is confirmed."""

    id: str
    key_sha256: str
    requested: str
    state: str
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Certificates:
    """What the platform knows of you, and what you have asked for, the newest first."""

    pinned: tuple[PinnedCertificate, ...]
    requests: tuple[CertificateRequest, ...]


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key for the next certificate (P-256)."""
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as PEM, in clear: for a file that its owner alone reads."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def key_sha256(key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 in hex of a public key (SubjectPublicKeyInfo, DER)."""
    form = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(form).hexdigest()


def ordered(settings: Settings, key: ec.EllipticCurvePrivateKey) -> pb.RequestCertificateRequest:
    """The signed message that asks for a certificate for this key (PKCS #10, RFC 2986). Raises ``Misused``."""
    present = settings.credentials
    name = institution_of(present.certificate)
    if key.public_key() == present.signing_key.public_key():
        raise Misused("the next certificate is for another key", "louver certificate rotate makes one")
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(_URN + name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    message = pb.RequestCertificateRequest(
        request=made.public_bytes(serialization.Encoding.DER),
        expires=(settings.around.clock() + _LIFE).isoformat(timespec="seconds"),
    )
    message.signature = sign_renewal(message, present.signing_key)
    return message


def certificates(message: pb.ListCertificatesResponse) -> Certificates:
    """What the platform knows, from the wire."""
    pinned = tuple(
        PinnedCertificate(one.fingerprint, one.not_before, one.not_after, one.calling, one.state)
        for one in message.certificates
    )
    return Certificates(pinned, tuple(map(request, message.requests)))


def request(message: pb.CertificateRequest) -> CertificateRequest:
    """A request from the wire."""
    return CertificateRequest(message.id, message.key_sha256, message.requested, message.state, message.certificate)


def fetched(known: Iterable[CertificateRequest], key: ec.EllipticCurvePrivateKey, institution: str) -> bytes | None:
    """The certificate (PEM) that was confirmed for this key, None where none is yet.

    Raises ``Unproven`` for one that is not for this key or names somebody else, ``Misused`` where the request for it
    will not be confirmed any more.
    """
    wanted = key_sha256(key.public_key())
    mine = [one for one in known if one.key_sha256 == wanted]
    for one in mine:
        if one.state == "confirmed":
            return _checked(one.certificate, key, institution)
    if mine and all(one.state in ("rejected", "void") for one in mine):
        raise Misused(f"the request for this key is {mine[0].state}", "louver certificate rotate makes another")
    return None


def _checked(content: bytes, key: ec.EllipticCurvePrivateKey, institution: str) -> bytes:
    try:
        found = x509.load_pem_x509_certificate(content)
        right = found.public_key() == key.public_key() and institution_of(found) == institution
    except (ValueError, Misused):
        right = False
    if not right:
        raise Unproven("the certificate is not for this key", content)
    return content
