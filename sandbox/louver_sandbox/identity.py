"""Who asks: from a client certificate to a `Subject`, through the registry of institutions.

An institution is known by one URI name in its certificate *and* by the certificate's SHA-256 fingerprint standing in
the registry (SECURITY 2.8), from and until the moments it says. The registry file is looked at on every call, so
that striking out a fingerprint takes effect at once, on open connections too. Common names and request metadata
never count.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from louver.signing import (
    are_tokens_signed_by,
    is_match_signed_by,
    is_registered_by,
    is_renewal_signed_by,
    is_signed_by,
)
from louver.v1 import matching_pb2 as matching_pb
from louver.v1 import registry_pb2 as registry_pb
from louver.v1 import sandbox_pb2 as pb
from louver.v1 import tokens_pb2 as tokens_pb
from louver_sandbox.pki import ADMINISTRATOR_URN, AUDITOR_URN, OFFICER_URN, URN
from louver_sandbox.refusals import auditing, drafting, registry
from louver_sandbox.refusals import identity as refusals
from louver_sandbox.registered import INSTITUTION as INSTITUTION
from louver_sandbox.registered import Institution as Institution
from louver_sandbox.registered import RegistryRefused as RegistryRefused
from louver_sandbox.registered import parse_registry as parse_registry
from louver_sandbox.stages import Subject

LONGEST_LIFE = timedelta(hours=1)
Taken = Callable[[Mapping[str, Institution]], None]
"""Told of a registry before it counts; where it raises, the registry does not count."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Registry:
    """The registry file, read again whenever it changed.

    A file that is not of its form is refused whole, and what stood there before goes on counting: `problem` says so.
    One that is gone or cannot be read admits nobody. `taken` is told of a new registry before it counts.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime] = _utc_now, taken: Taken | None = None) -> None:
        self._path = path
        self._clock = clock
        self._taken = taken
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._institutions: Mapping[str, Institution] = {}
        self._problem = ""

    def institutions(self) -> Mapping[str, Institution]:
        """The institutions as the file says now. Raises what `taken` raises."""
        with self._lock:
            try:
                status = self._path.stat()
                stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
                if stamp != self._stamp:
                    self._read(self._path.read_bytes())
                    self._stamp = stamp
            except OSError:
                self._institutions, self._stamp = {}, None
                self._problem = f"{self._path.name} cannot be read; nobody is known"
            return self._institutions

    def _read(self, content: bytes) -> None:
        try:
            found = parse_registry(content.decode())
        except (UnicodeDecodeError, RegistryRefused) as refused:
            self._problem = f"{self._path.name}: {refused}; what it said before goes on counting"
            return
        if self._taken is not None:
            self._taken(found)
        self._institutions, self._problem = found, ""

    def problem(self) -> str:
        """What is wrong with the file as it is now; empty where nothing is."""
        self.institutions()
        return self._problem

    def institution(self, name: str) -> Subject | None:
        """The institution of this id as what is done for it without a call of its own, None where none is registered
        or none of its certificates holds now."""
        found, now = self.institutions().get(name), self._clock()
        if found is None or not any(pin.holds(now) for pin in found.pins):
            return None
        return Subject(found.id, found.type, found.groups, "")

    def subject(self, certificate: x509.Certificate) -> Subject:
        """The registered institution of this certificate. Raises `Refused` LVR-0101, LVR-0102 or LVR-7x02."""
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        name = uri_name(certificate)
        if name.startswith(AUDITOR_URN):
            raise auditing.auditors_do_not_ask()
        if name.startswith(OFFICER_URN):
            raise drafting.officers_do_not_ask()
        if name.startswith(ADMINISTRATOR_URN):
            raise registry.administrators_do_not_ask()
        if not name.startswith(URN):
            raise refusals.ambiguous_identity()
        institution = self.institutions().get(name.removeprefix(URN))
        if institution is None or not institution.knows(fingerprint, self._clock()):
            raise refusals.unknown_certificate()
        return Subject(institution.id, institution.type, institution.groups, fingerprint)


def uri_name(certificate: x509.Certificate) -> str:
    """The one name that the certificate's alternative names hold, a URI. Raises `Refused` LVR-0102."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        raise refusals.ambiguous_identity() from None
    if len(names) != 1:
        raise refusals.ambiguous_identity()
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        raise refusals.ambiguous_identity()
    return str(uris[0])


def check_signature(question: pb.Question, certificate: x509.Certificate, now: datetime) -> None:
    """Refuses a question that is not signed by the certificate's key or not of this hour."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not is_signed_by(question, key):
        raise refusals.bad_signature()
    check_moment(question.expires, now)


def check_moment(expires: str, now: datetime) -> None:
    """Refuses what a signature no longer stands for, or stands for too long."""
    if not now <= _moment(expires) <= now + LONGEST_LIFE:
        raise refusals.expired_question()


def check_match(question: matching_pb.MatchQuestion, certificate: x509.Certificate, now: datetime) -> None:
    """Refuses a match that is not signed by the certificate's key or not of this hour."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not is_match_signed_by(question, key):
        raise refusals.bad_signature()
    if not now <= _moment(question.expires) <= now + LONGEST_LIFE:
        raise refusals.expired_question()


def check_tokens(question: tokens_pb.TokenQuestion, certificate: x509.Certificate, now: datetime) -> None:
    """Refuses a question for tokens that is not signed by the certificate's key or not of this hour."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not are_tokens_signed_by(question, key):
        raise refusals.bad_signature()
    check_moment(question.expires, now)


def check_renewal(
    message: registry_pb.RequestCertificateRequest, certificate: x509.Certificate, now: datetime
) -> None:
    """Refuses a certificate request that is not signed under the caller's certificate, or not of this hour."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not is_renewal_signed_by(message, key):
        raise refusals.bad_signature()
    check_moment(message.expires, now)


def check_registration(message: pb.RegisterKeyRequest, certificate: x509.Certificate) -> datetime:
    """Refuses a Paillier key whose registration is not signed by the certificate's key; gives the key's end."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not is_registered_by(message, key):
        raise refusals.bad_signature()
    return _moment(message.expires)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise refusals.malformed_request("expires") from None
    if moment.tzinfo is None:
        raise refusals.malformed_request("expires")
    return moment
