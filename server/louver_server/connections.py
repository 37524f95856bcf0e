"""The sandbox as the console meets it: through clients, one for each profile, opened when first needed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography import x509

from louver.administration import AdministrationClient
from louver.audit import AuditClient
from louver.client import Client
from louver.failures import Misused
from louver.policies import PolicyClient
from louver.profiles import read_config
from louver.settings import Settings, settle
from louver.transparency import LogKey, TreeHead
from louver_server.accounts.model import Role

_NEEDED: Final = ("target", "certificate", "key", "ca", "log_key")
AUDITOR_URN: Final = "urn:louver:auditor:"
OFFICER_URN: Final = "urn:louver:officer:"
ADMINISTRATOR_URN: Final = "urn:louver:administrator:"
_TAKEN: Final = (*_NEEDED, "purpose", "dialect", "keys")


class Connections:
    """One client for each profile, shared by all who act with it."""

    def __init__(self, profiles: Mapping[str, Mapping[str, object]]) -> None:
        self._profiles = profiles
        self._open: dict[str, Client] = {}
        self._logs: dict[str, AuditClient] = {}
        self._offices: dict[str, PolicyClient] = {}
        self._administrations: dict[str, AdministrationClient] = {}
        self._lock = threading.Lock()

    @classmethod
    def of_file(cls, path: Path) -> Connections:
        """Those of a file of profiles. Raises `Misused` for one that is not of its form, or where a profile has no
        log key: the console shows nothing that it cannot verify."""
        _, profiles = read_config(path)
        for name, profile in profiles.items():
            missing = [field for field in _NEEDED if not profile.get(field)]
            if missing:
                raise Misused(f"profile {name} of {path.name} does not set {', '.join(missing)}")
        return cls(profiles)

    @property
    def names(self) -> list[str]:
        """The profiles there are."""
        return sorted(self._profiles)

    def of(self, profile: str) -> Client:
        """The client of a profile. Raises `Misused` where there is no such profile, or it cannot be right."""
        with self._lock:
            if profile not in self._open:
                self._open[profile] = Client(_settled(self._known(profile)))
            return self._open[profile]

    def log_of(self, profile: str) -> AuditClient:
        """The log, as the auditor of a profile reads it. Raises `Misused` as `of` does."""
        with self._lock:
            if profile not in self._logs:
                self._logs[profile] = AuditClient(_settled(self._known(profile)))
            return self._logs[profile]

    def office_of(self, profile: str) -> PolicyClient:
        """The policies, as the officer of a profile works on them. Raises `Misused` as `of` does."""
        with self._lock:
            if profile not in self._offices:
                self._offices[profile] = PolicyClient(_settled(self._known(profile)))
            return self._offices[profile]

    def administration_of(self, profile: str) -> AdministrationClient:
        """The registry, as the administrator of a profile works on it. Raises `Misused` as `of` does."""
        with self._lock:
            if profile not in self._administrations:
                self._administrations[profile] = AdministrationClient(_settled(self._known(profile)))
            return self._administrations[profile]

    def head(self, profile: str) -> TreeHead:
        """The log's newest head, verified, whether the profile is an institution's or an auditor's. Raises
        `louver.Error`."""
        if not self.is_auditor(profile):
            return self.of(profile).head()
        client = self.log_of(profile)
        return client.checkpoint().verify(LogKey.parse(client.settings.log_key))

    def ask(self, profile: str) -> None:
        """Asks the sandbox for what the profile may see at any time: the log's head, verified, or to an officer, who
        reads no log, what is in force, to an administrator who is registered. Raises `louver.Error`."""
        names = self._names(profile)
        if any(name.startswith(OFFICER_URN) for name in names):
            self.office_of(profile).status()
        elif any(name.startswith(ADMINISTRATOR_URN) for name in names):
            self.administration_of(profile).institutions()
        else:
            self.head(profile)

    def fits(self, role: Role, profile: str) -> bool:
        """Whether people of a role act with such a profile: auditors with an auditor's certificate, officers with an
        officer's of their own, administrators with none or an administrator's, analysts with an institution's. Raises
        `Misused` where its certificate cannot be read."""
        if profile not in self._profiles:
            return role is Role.ADMINISTRATOR and not profile
        names = self._names(profile)
        kinds = {Role.AUDITOR: AUDITOR_URN, Role.OFFICER: OFFICER_URN, Role.ADMINISTRATOR: ADMINISTRATOR_URN}
        found = [kind for kind, urn in kinds.items() if any(name.startswith(urn) for name in names)]
        return found == ([role] if role in kinds else [])

    def administrator_of(self, profile: str) -> str:
        """The administrator of a profile as the sandbox names who proposes and agrees; nothing where it is nobody's.
        Raises `Misused`."""
        found = (name.removeprefix(ADMINISTRATOR_URN) for name in self._names(profile) if ADMINISTRATOR_URN in name)
        return next((f"administrator:{one}" for one in found), "")

    def is_auditor(self, profile: str) -> bool:
        """Whether the profile's certificate is an auditor's. Raises `Misused`."""
        return any(name.startswith(AUDITOR_URN) for name in self._names(profile))

    def _names(self, profile: str) -> list[str]:
        try:
            read = x509.load_pem_x509_certificate(Path(str(self._known(profile)["certificate"])).read_bytes())
            names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (OSError, ValueError, x509.ExtensionNotFound):
            raise Misused(f"the certificate of profile {profile} cannot be read") from None
        return list(map(str, names.get_values_for_type(x509.UniformResourceIdentifier)))

    def _known(self, profile: str) -> Mapping[str, object]:
        if profile not in self._profiles:
            raise Misused(f"the console has no profile {profile!r}", "an administrator adds it to its profiles")
        return self._profiles[profile]

    def close(self) -> None:
        """Ends all connections."""
        with self._lock:
            opened = (self._open, self._logs, self._offices, self._administrations)
            for client in (client for clients in opened for client in clients.values()):
                client.close()
            self._open.clear()
            self._logs.clear()
            self._offices.clear()
            self._administrations.clear()


def _settled(profile: Mapping[str, object]) -> Settings:
    texts = {name: str(profile[name]) for name in _TAKEN if profile.get(name)}
    timeout = profile.get("timeout")
    return settle(
        texts["target"],
        certificate=texts["certificate"],
        key=texts["key"],
        ca=texts["ca"],
        log_key=texts["log_key"],
        purpose=texts.get("purpose"),
        dialect=texts.get("dialect"),
        keys=texts.get("keys"),
        timeout=None if timeout is None else float(str(timeout)),
        verify=True,
    )
