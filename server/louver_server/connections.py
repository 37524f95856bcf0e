"""The sandbox as the console meets it: through clients, one for each profile, opened when first needed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import louver
from louver.client import Client
from louver.failures import Misused
from louver.profiles import read_config

_NEEDED: Final = ("target", "certificate", "key", "ca", "log_key")
_TAKEN: Final = (*_NEEDED, "purpose", "dialect", "keys")


class Connections:
    """One client for each profile, shared by all who act with it."""

    def __init__(self, profiles: Mapping[str, Mapping[str, object]]) -> None:
        self._profiles = profiles
        self._open: dict[str, Client] = {}
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
                if profile not in self._profiles:
                    raise Misused(
                        f"the console has no profile {profile!r}", "an administrator adds it to its profiles"
                    )
                self._open[profile] = _connected(self._profiles[profile])
            return self._open[profile]

    def close(self) -> None:
        """Ends all connections."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()


def _connected(profile: Mapping[str, object]) -> Client:
    texts = {name: str(profile[name]) for name in _TAKEN if profile.get(name)}
    timeout = profile.get("timeout")
    return louver.connect(
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
