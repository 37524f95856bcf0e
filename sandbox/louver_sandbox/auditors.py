"""Who may read the log: from a client certificate to an `Auditor`, through a registry of its own.

The roles are exclusive by construction: a certificate carries one name, an institution's or an auditor's, and each
registry knows names of its own kind only. An id that is registered as an institution is no auditor's. The file is
looked at on every call, like the registry of institutions, and one that cannot be read admits nobody.
"""

from __future__ import annotations

import re
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from louver.errors import Unproven
from louver.transparency.cosignature import WitnessKey
from louver_sandbox.identity import INSTITUTION, Registry, RegistryRefused, uri_name
from louver_sandbox.pki import AUDITOR_URN
from louver_sandbox.refusals import auditing
from louver_sandbox.refusals import identity as refusals


@dataclass(frozen=True, slots=True)
class Auditor:
    """Somebody who may read the log: fingerprints of live certificates (hex SHA-256), and the public keys by which
    its witness cosigns checkpoints."""

    id: str
    title: str
    fingerprints: frozenset[str]
    witnesses: tuple[WitnessKey, ...] = ()


def parse_auditors(text: str) -> Mapping[str, Auditor]:
    """Auditors by id. Raises `RegistryRefused`."""
    try:
        body = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise RegistryRefused(f"not TOML ({error})") from None
    if set(body) - {"auditors"}:
        raise RegistryRefused("the only table at the top is [auditors]")
    return {name: _auditor(name, entry) for name, entry in body.get("auditors", {}).items()}


def _auditor(name: str, body: object) -> Auditor:
    if not INSTITUTION.match(name) or not isinstance(body, dict):
        raise RegistryRefused(f"auditor {name!r}: not a name of lower-case letters, digits and _, with a table")
    if unknown := set(body) - {"title", "fingerprints", "witnesses"}:
        raise RegistryRefused(f"auditor {name}: unknown key {sorted(unknown)[0]}")
    fingerprints, witnesses = body.get("fingerprints", []), body.get("witnesses", [])
    if not all(isinstance(item, str) and re.fullmatch(r"[0-9a-f]{64}", item) for item in fingerprints):
        raise RegistryRefused(f"auditor {name}: a fingerprint is 64 hexadecimal digits")
    try:
        keys = tuple(WitnessKey.parse(str(item)) for item in witnesses)
    except Unproven as unproven:
        raise RegistryRefused(f"auditor {name}: {unproven.message}") from None
    return Auditor(name, str(body.get("title", name)), frozenset(fingerprints), keys)


class Auditors:
    """The registry file, read again whenever it changed."""

    def __init__(self, path: Path, institutions: Registry) -> None:
        self._path = path
        self._institutions = institutions
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._auditors: Mapping[str, Auditor] = {}

    def registered(self) -> Mapping[str, Auditor]:
        """The auditors as the file says now; without one there are none."""
        with self._lock:
            try:
                status = self._path.stat()
                stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
                if stamp != self._stamp:
                    self._auditors = parse_auditors(self._path.read_text(encoding="utf-8"))
                    self._stamp = stamp
            except (OSError, UnicodeDecodeError, RegistryRefused):
                self._auditors, self._stamp = {}, None
            return self._auditors

    def auditor(self, certificate: x509.Certificate) -> Auditor:
        """The auditor of this certificate. Raises `Refused` LVR-0101, LVR-0102 or LVR-7101."""
        name = uri_name(certificate)
        if not name.startswith(AUDITOR_URN):
            raise auditing.not_an_auditor()
        known = self.registered().get(name.removeprefix(AUDITOR_URN))
        if known is None or certificate.fingerprint(hashes.SHA256()).hex() not in known.fingerprints:
            raise refusals.unknown_certificate()
        if known.id in self._institutions.institutions():
            raise auditing.not_an_auditor()
        return known
