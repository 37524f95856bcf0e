"""How an institution's next certificate comes before the old one ends, without a moment in which none counts.

The institution sends a certificate request by its next key, signed under a certificate that counts (RFC 7030, 4.2.2);
an administrator compares the key with what the institution says by another way, and confirms. Then both certificates
count for a while. Whoever has stolen a certificate can ask for another: so a request is void as soon as the
certificate that it was signed under counts no more, and nothing counts that no administrator has confirmed.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    insert,
    select,
    update,
)

from louver.errors import Refused
from louver_sandbox.audit.entries import JSON
from louver_sandbox.identity import uri_name
from louver_sandbox.pki import URN
from louver_sandbox.refusals import registry as refuse
from louver_sandbox.stages import Subject
from louver_sandbox.store import State
from louver_sandbox.suspensions import Append

metadata = MetaData()

certificate_requests = Table(
    "certificate_requests",
    metadata,
    Column("id", Text, primary_key=True),
    Column("institution", Text, nullable=False),
    Column("signer", Text, nullable=False),
    Column("key_sha256", Text, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("requested", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("certificate", LargeBinary),
    Column("entry", BigInteger, nullable=False),
    Index("certificate_requests_by_institution", "institution", "entry"),
    Index("certificate_requests_by_state", "state", "entry"),
)
"""One request a row; ``signer`` is the fingerprint of the certificate that it was signed under."""

MOST_OPEN = 3
"""Requests of one institution that may wait at a time."""
MOST_LISTED = 50
LONGEST = 8192


class RenewalState(StrEnum):
    """What has become of a request."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Renewal:
    """A request for a certificate. ``key_sha256`` is of the next public key (SubjectPublicKeyInfo, DER), in hex;
    ``certificate`` PEM, once it is confirmed."""

    id: str
    institution: str
    signer: str
    key_sha256: str
    request: bytes
    requested: datetime
    state: RenewalState
    certificate: bytes
    entry: int


class Renewals:
    """Takes requests for certificates, and what administrators decide about them. ``identities`` makes ids."""

    def __init__(
        self,
        state: State,
        clock: Callable[[], datetime],
        append: Append,
        identities: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._state = state
        self._clock = clock
        self._append = append
        self._identities = identities

    def ask(self, subject: Subject, request: bytes, certificate: x509.Certificate) -> Renewal:
        """Takes a request that was signed under the caller's certificate. The same key again is the same request.

        Raises `Refused` LVR-7304 or LVR-7305."""
        key = next_key(request, subject.institution)
        if key == certificate.public_key():
            raise refuse.unfit_request("it is by the key that you have", "其密钥即现用密钥")
        digest = key_sha256(key)
        with self._state.transaction() as tx:
            waiting = [one for one in of_institution(tx, subject.institution) if one.state is RenewalState.OPEN]
            for one in waiting:
                if (one.key_sha256, one.signer) == (digest, subject.fingerprint):
                    return one
            if len([one for one in waiting if one.signer == subject.fingerprint]) >= MOST_OPEN:
                raise refuse.too_many_requests(MOST_OPEN)
            identity = self._identities()
            body: dict[str, JSON] = {
                "kind": "certificate_request",
                "institution": subject.institution,
                "certificate": subject.fingerprint,
                "step": "requested",
                "request": identity,
                "key_sha256": digest,
            }
            row = {
                "id": identity,
                "institution": subject.institution,
                "signer": subject.fingerprint,
                "key_sha256": digest,
                "request": request,
                "requested": self._clock().astimezone(UTC).isoformat(),
                "state": RenewalState.OPEN.value,
                "entry": self._append(tx, body, {}),
            }
            tx.execute(insert(certificate_requests).values(**row))
            return _found(tx, identity)

    def open(self, identity: str) -> Renewal:
        """One that waits. Raises `Refused` LVR-7308."""
        with self._state.reading() as tx:
            return _open(tx, identity)

    def waiting(self) -> tuple[Renewal, ...]:
        """All that wait, the oldest first."""
        query = select(certificate_requests).where(_c.state == RenewalState.OPEN.value).order_by(_c.entry)
        with self._state.reading() as tx:
            return tuple(map(_renewal, tx.execute(query)))

    def of(self, institution: str) -> tuple[Renewal, ...]:
        """An institution's own, the newest first."""
        with self._state.reading() as tx:
            return of_institution(tx, institution)

    def confirm(self, identity: str, certificate: bytes, by: str, pin: Callable[[], None]) -> Renewal:
        """Gives the institution its certificate (PEM). `pin` makes it count, as the last step: where it raises,
        nothing has changed. Raises `Refused` LVR-7304 or LVR-7308."""
        with self._state.transaction() as tx:
            found = _open(tx, identity)
            fingerprint = _issued_for(found, certificate)
            self._decided(tx, found, RenewalState.CONFIRMED, by, fingerprint=fingerprint)
            tx.execute(update(certificate_requests).where(_c.id == identity).values(certificate=certificate))
            pin()
            return _found(tx, identity)

    def reject(self, identity: str, by: str) -> Renewal:
        """Turns a request down. Raises `Refused` LVR-7308."""
        with self._state.transaction() as tx:
            found = _open(tx, identity)
            self._decided(tx, found, RenewalState.REJECTED, by)
            return _found(tx, identity)

    def _decided(self, tx: Connection, found: Renewal, state: RenewalState, by: str, **more: str) -> None:
        body: dict[str, JSON] = {
            "kind": "certificate_request",
            "institution": found.institution,
            "step": state.value,
            "request": found.id,
            "key_sha256": found.key_sha256,
            "by": by,
            **more,
        }
        self._append(tx, body, {})
        tx.execute(update(certificate_requests).where(_c.id == found.id).values(state=state.value))


def next_key(request: bytes, institution: str) -> ec.EllipticCurvePublicKey:
    """The key that a certificate request is for, which has signed it. Raises `Refused` LVR-7304."""
    if len(request) > LONGEST:
        raise refuse.unfit_request("it is too long", "内容过长")
    try:
        found = x509.load_der_x509_csr(request)
        key, signed = found.public_key(), found.is_signature_valid
        names = _names(found)
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise refuse.unfit_request("it is no PKCS #10 request", "不是 PKCS #10 证书申请") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1) or not signed:
        raise refuse.unfit_request("it is not signed by a P-256 key of its own", "未由其自身的 P-256 密钥签名")
    if names not in ([], [URN + institution]):
        raise refuse.unfit_request("it names somebody else", "其中的名称不是贵机构")
    return key


def _names(request: x509.CertificateSigningRequest) -> list[str]:
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]


def key_sha256(key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 in hex of a public key's SubjectPublicKeyInfo."""
    form = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(form).hexdigest()


def _issued_for(found: Renewal, content: bytes) -> str:
    """The fingerprint of a certificate that is for this request. Raises `Refused` LVR-7304."""
    from cryptography.hazmat.primitives import hashes

    try:
        certificate = x509.load_pem_x509_certificate(content)
        key, name = certificate.public_key(), uri_name(certificate)
    except (ValueError, Refused):
        raise refuse.unfit_request("the certificate cannot be read", "证书无法读取") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key_sha256(key) != found.key_sha256:
        raise refuse.unfit_request("the certificate is for another key", "证书对应的不是该密钥")
    if name != URN + found.institution:
        raise refuse.unfit_request("the certificate names somebody else", "证书中的名称不是该机构")
    return certificate.fingerprint(hashes.SHA256()).hex()


def of_institution(tx: Connection, institution: str) -> tuple[Renewal, ...]:
    """An institution's own, the newest first."""
    query = select(certificate_requests).where(_c.institution == institution).order_by(_c.entry.desc())
    return tuple(map(_renewal, tx.execute(query.limit(MOST_LISTED))))


def _open(tx: Connection, identity: str) -> Renewal:
    row = tx.execute(select(certificate_requests).where(_c.id == identity)).one_or_none()
    if row is None or row.state != RenewalState.OPEN.value:
        raise refuse.unknown_certificate_request()
    return _renewal(row)


def _found(tx: Connection, identity: str) -> Renewal:
    return _renewal(tx.execute(select(certificate_requests).where(_c.id == identity)).one())


def _renewal(row: Row[Any]) -> Renewal:
    return Renewal(
        id=row.id,
        institution=row.institution,
        signer=row.signer,
        key_sha256=row.key_sha256,
        request=bytes(row.request),
        requested=datetime.fromisoformat(row.requested),
        state=RenewalState(row.state),
        certificate=bytes(row.certificate or b""),
        entry=int(row.entry),
    )


_c = certificate_requests.c
