"""Who administers the platform: from a client certificate to an administrator, through a registry of its own.

Administrators say which institutions are served. They ask nothing, allow nothing and review nothing (三权分立): a
certificate carries one name, and each registry knows names of its own kind only. The file is looked at on every call,
and one that cannot be read admits nobody.
"""

from __future__ import annotations

import threading
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from louver_sandbox.auditors import Auditors
from louver_sandbox.identity import Registry, uri_name
from louver_sandbox.officers import Callers
from louver_sandbox.pki import ADMINISTRATOR_URN
from louver_sandbox.refusals import identity as refusals
from louver_sandbox.refusals import registry as refuse
from louver_sandbox.registered import FINGERPRINT, INSTITUTION, RegistryRefused


@dataclass(frozen=True, slots=True)
class Administrator:
    """Somebody who may say which institutions are served, and fingerprints of live certificates (hex SHA-256)."""

    id: str
    fingerprints: frozenset[str]


def parse_administrators(text: str) -> Mapping[str, Administrator]:
    """Administrators by id. Raises `RegistryRefused`."""
    try:
        body = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a ValueError
        raise RegistryRefused(f"not TOML ({error})") from None
    if set(body) - {"administrators"} or not isinstance(body.get("administrators", {}), dict):
        raise RegistryRefused("the only table at the top is [administrators]")
    found = {name: _administrator(name, entry) for name, entry in body.get("administrators", {}).items()}
    prints = Counter(print_ for item in found.values() for print_ in item.fingerprints)
    if twice := [print_ for print_, count in prints.items() if count > 1]:
        raise RegistryRefused(f"{twice[0]} stands with two administrators; nobody agrees with themselves")
    return found


def _administrator(name: str, body: object) -> Administrator:
    if not INSTITUTION.match(name) or not isinstance(body, dict):
        raise RegistryRefused(f"administrator {name!r}: not a name of lower-case letters, digits and _, with a table")
    if unknown := set(body) - {"fingerprints"}:
        raise RegistryRefused(f"administrator {name}: unknown key {sorted(unknown)[0]}")
    fingerprints = body.get("fingerprints", [])
    sound = isinstance(fingerprints, list) and all(
        isinstance(one, str) and FINGERPRINT.match(one) for one in fingerprints
    )
    if not sound:
        raise RegistryRefused(f"administrator {name}: a fingerprint is 64 hexadecimal digits")
    return Administrator(name, frozenset(fingerprints))


class Administrators:
    """The registry file, read again whenever it changed."""

    def __init__(self, path: Path, institutions: Registry, auditors: Auditors, officers: Callers) -> None:
        self._path = path
        self._institutions = institutions
        self._auditors = auditors
        self._officers = officers
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._administrators: Mapping[str, Administrator] = {}

    def registered(self) -> Mapping[str, Administrator]:
        """The administrators as the file says now; without one there are none."""
        with self._lock:
            try:
                status = self._path.stat()
                stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
                if stamp != self._stamp:
                    self._administrators = parse_administrators(self._path.read_text(encoding="utf-8"))
                    self._stamp = stamp
            except (OSError, UnicodeDecodeError, RegistryRefused):
                self._administrators, self._stamp = {}, None
            return self._administrators

    def administrator(self, certificate: x509.Certificate) -> Administrator:
        """The administrator of this certificate. Raises `Refused` LVR-0101, LVR-0102 or LVR-7302."""
        name = uri_name(certificate)
        if not name.startswith(ADMINISTRATOR_URN):
            raise refuse.not_an_administrator()
        known = self.registered().get(name.removeprefix(ADMINISTRATOR_URN))
        if known is None or certificate.fingerprint(hashes.SHA256()).hex() not in known.fingerprints:
            raise refusals.unknown_certificate()
        others = (self._institutions.institutions(), self._auditors.registered(), self._officers.registered())
        if any(known.id in names for names in others):
            raise refuse.not_an_administrator()
        return known
