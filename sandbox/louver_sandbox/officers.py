"""Who may work on policies: from a client certificate to an officer, through a registry of its own.

As with auditors, a certificate carries one name and each registry knows names of its own kind only. The certificate
says who calls; what they may sign follows from their row in `officers.json`, which this registry names. One row has
one certificate's owner: two ids for one signer would let one person approve as two. The file is looked at on every
call, and one that cannot be read admits nobody.
"""

from __future__ import annotations

import re
import threading
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from louver_sandbox.auditors import Auditors
from louver_sandbox.identity import INSTITUTION, Registry, RegistryRefused, uri_name
from louver_sandbox.pki import OFFICER_URN
from louver_sandbox.refusals import drafting as refuse
from louver_sandbox.refusals import identity as refusals


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who may work on policies: the name by which they sign (`officers.json`), and the fingerprints of live
    certificates (hex SHA-256)."""

    id: str
    signs_as: str
    fingerprints: frozenset[str]


def parse_callers(text: str) -> Mapping[str, Caller]:
    """Officers with certificates by id. Raises `RegistryRefused`."""
    try:
        body = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise RegistryRefused(f"not TOML ({error})") from None
    if set(body) - {"officers"}:
        raise RegistryRefused("the only table at the top is [officers]")
    found = {name: _caller(name, entry) for name, entry in body.get("officers", {}).items()}
    signing = Counter(item.signs_as for item in found.values())
    prints = Counter(print_ for item in found.values() for print_ in item.fingerprints)
    if twice := [name for name, count in (*signing.items(), *prints.items()) if count > 1]:
        raise RegistryRefused(f"{twice[0]} stands with two officers; everybody signs as one and calls as one")
    return found


def _caller(name: str, body: object) -> Caller:
    if not INSTITUTION.match(name) or not isinstance(body, dict):
        raise RegistryRefused(f"officer {name!r}: not a name of lower-case letters, digits and _, with a table")
    if unknown := set(body) - {"signs_as", "fingerprints"}:
        raise RegistryRefused(f"officer {name}: unknown key {sorted(unknown)[0]}")
    signs_as, fingerprints = body.get("signs_as"), body.get("fingerprints", [])
    if not isinstance(signs_as, str) or not signs_as:
        raise RegistryRefused(f"officer {name}: signs_as is a name in officers.json")
    if not all(isinstance(item, str) and re.fullmatch(r"[0-9a-f]{64}", item) for item in fingerprints):
        raise RegistryRefused(f"officer {name}: a fingerprint is 64 hexadecimal digits")
    return Caller(name, signs_as, frozenset(fingerprints))


class Callers:
    """The registry file, read again whenever it changed."""

    def __init__(self, path: Path, institutions: Registry, auditors: Auditors) -> None:
        self._path = path
        self._institutions = institutions
        self._auditors = auditors
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._callers: Mapping[str, Caller] = {}

    def registered(self) -> Mapping[str, Caller]:
        """The officers as the file says now; without one there are none."""
        with self._lock:
            try:
                status = self._path.stat()
                stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
                if stamp != self._stamp:
                    self._callers = parse_callers(self._path.read_text(encoding="utf-8"))
                    self._stamp = stamp
            except (OSError, UnicodeDecodeError, RegistryRefused):
                self._callers, self._stamp = {}, None
            return self._callers

    def officer(self, certificate: x509.Certificate) -> Caller:
        """The officer of this certificate. Raises `Refused` LVR-0101, LVR-0102 or LVR-7201."""
        name = uri_name(certificate)
        if not name.startswith(OFFICER_URN):
            raise refuse.not_an_officer()
        known = self.registered().get(name.removeprefix(OFFICER_URN))
        if known is None or certificate.fingerprint(hashes.SHA256()).hex() not in known.fingerprints:
            raise refusals.unknown_certificate()
        if known.id in self._institutions.institutions() or known.id in self._auditors.registered():
            raise refuse.not_an_officer()
        return known
