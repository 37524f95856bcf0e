"""Policy officers of a small city: keys at their own desks, certificates, and clients."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from tests.support.installation import Service

from louver import approving, policies
from louver_sandbox.demo.city import City
from louver_sandbox.operator.installation import TOOLS
from louver_sandbox.operator.officers import add_officer

TAX, POLICE = "市税务局", "市公安局"
OFFICERS = {"wang": TAX, "li": TAX, "zhou": TAX, "qian": POLICE, "sun": POLICE, "meng": POLICE}


@dataclass(frozen=True)
class Desk:
    """Where officers have their keys."""

    folder: Path

    def sign(self, name: str, file: bytes) -> dict[str, str]:
        """An officer's signature under a version."""
        key = approving.officers_key((self.folder / f"{name}.key").read_bytes(), None)
        return dict(approving.signature(approving.read_version(file).message, name, key))

    def revoke(self, name: str, policy: str, owner: str, serial: int) -> bytes:
        """A signed revocation."""
        key = approving.officers_key((self.folder / f"{name}.key").read_bytes(), None)
        said = {"id": policy, "officer": name, "owner": owner, "reason": "a leak", "serial": serial}
        return json.dumps(approving.revocation(said, key)).encode()


def appointed(city: City, folder: Path) -> Desk:
    """Officers of two departments with keys of their own and certificates."""
    folder.mkdir(exist_ok=True)
    rows = json.loads(city.settings.officers.read_bytes())
    for name, department in OFFICERS.items():
        pem, row = approving.new_key(name, department, os.urandom(32), None)
        (folder / f"{name}.key").write_bytes(pem)
        rows.append(dict(row))
    city.settings.officers.write_text(json.dumps(rows), encoding="utf-8")
    for name in OFFICERS:
        add_officer(city.settings, name, name, TOOLS)
    return Desk(folder)


def connect(served: Service, name: str) -> policies.PolicyClient:
    """An officer's client."""
    authority, key, certificate = served.files(name)
    return policies.connect(served.address, certificate=certificate, key=key, ca=authority, timeout=120.0)
