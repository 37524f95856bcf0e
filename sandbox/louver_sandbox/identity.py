"""Who asks: from a client certificate to a `Subject`, through the registry of institutions.

An institution is known by one URI name in its certificate *and* by the certificate's SHA-256 fingerprint standing in
the registry (SECURITY 2.8). The registry file is looked at on every call, so that striking out a fingerprint takes
effect at once, on open connections too. Common names and request metadata never count.
"""

from __future__ import annotations

import re
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from louver.signing import are_tokens_signed_by, is_match_signed_by, is_registered_by, is_signed_by
from louver.v1 import matching_pb2 as matching_pb
from louver.v1 import sandbox_pb2 as pb
from louver.v1 import tokens_pb2 as tokens_pb
from louver_sandbox.pki import AUDITOR_URN, OFFICER_URN, URN
from louver_sandbox.refusals import auditing, drafting
from louver_sandbox.refusals import identity as refusals
from louver_sandbox.stages import InstitutionType, Subject

INSTITUTION = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
LONGEST_LIFE = timedelta(hours=1)


class RegistryRefused(Exception):
    """The registry of institutions cannot be used; the text says which entry and why."""


@dataclass(frozen=True, slots=True)
class Institution:
    """One registered institution and the fingerprints of its live certificates (hex SHA-256)."""

    id: str
    type: InstitutionType
    title: str
    groups: frozenset[str]
    fingerprints: frozenset[str]


def _institution(name: str, body: object) -> Institution:
    if not INSTITUTION.match(name) or not isinstance(body, dict):
        raise RegistryRefused(f"institution {name!r}: not a name of lower-case letters, digits and _, with a table")
    unknown = set(body) - {"type", "title", "groups", "fingerprints"}
    if unknown:
        raise RegistryRefused(f"institution {name}: unknown key {sorted(unknown)[0]}")
    fingerprints = body.get("fingerprints", [])
    groups = body.get("groups", [])
    if not all(isinstance(item, str) and re.fullmatch(r"[0-9a-f]{64}", item) for item in fingerprints):
        raise RegistryRefused(f"institution {name}: a fingerprint is 64 hexadecimal digits")
    if body.get("type") not in set(InstitutionType) or not all(isinstance(group, str) for group in groups):
        raise RegistryRefused(f"institution {name}: type is one of {', '.join(InstitutionType)}; groups are names")
    return Institution(
        id=name,
        type=InstitutionType(body["type"]),
        title=str(body.get("title", name)),
        groups=frozenset(groups),
        fingerprints=frozenset(fingerprints),
    )


def parse_registry(text: str) -> Mapping[str, Institution]:
    """Institutions by id. Raises `RegistryRefused`."""
    try:
        body = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RegistryRefused(f"not TOML ({error})") from None
    if set(body) - {"institutions"}:
        raise RegistryRefused("the only table at the top is [institutions]")
    return {name: _institution(name, entry) for name, entry in body.get("institutions", {}).items()}


class Registry:
    """The registry file, read again whenever it changed. A file that cannot be read admits nobody."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._institutions: Mapping[str, Institution] = {}

    def institutions(self) -> Mapping[str, Institution]:
        """The institutions as the file says now."""
        with self._lock:
            try:
                status = self._path.stat()
                stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
                if stamp != self._stamp:
                    self._institutions = parse_registry(self._path.read_text(encoding="utf-8"))
                    self._stamp = stamp
            except (OSError, UnicodeDecodeError, RegistryRefused):
                self._institutions, self._stamp = {}, None
            return self._institutions

    def institution(self, name: str) -> Subject | None:
        """The institution of this id as what is done for it without a call of its own, None where none is
        registered."""
        found = self.institutions().get(name)
        return None if found is None else Subject(found.id, found.type, found.groups, "")

    def subject(self, certificate: x509.Certificate) -> Subject:
        """The registered institution of this certificate. Raises `Refused` LVR-0101, LVR-0102 or LVR-7x02."""
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        name = uri_name(certificate)
        if name.startswith(AUDITOR_URN):
            raise auditing.auditors_do_not_ask()
        if name.startswith(OFFICER_URN):
            raise drafting.officers_do_not_ask()
        if not name.startswith(URN):
            raise refusals.ambiguous_identity()
        institution = self.institutions().get(name.removeprefix(URN))
        if institution is None or fingerprint not in institution.fingerprints:
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
