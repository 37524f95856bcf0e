"""A complete small installation over the synthetic city: world, keys, institutions, policies, snapshots."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import louver
import louver_sandbox
from louver_sandbox.demo.world import generate
from louver_sandbox.operator.installation import (
    Tools,
    activate,
    add_institution,
    copy_declarations,
    create,
    development_keys,
)
from louver_sandbox.operator.publishing import publish_all
from louver_sandbox.operator.tidying import tidied_delivery
from louver_sandbox.settings import Settings
from louver_sandbox.stages import InstitutionType

ORIGIN = "louver.dev/demo"
INSTITUTIONS = (
    ("bank_a", InstitutionType.BANK, ("banks",), "Bank A"),
    ("bank_b", InstitutionType.BANK, ("banks",), "Bank B"),
    ("agency_c", InstitutionType.CREDIT_AGENCY, ("credit_agencies",), "Credit agency C"),
)
DECLARATIONS = Path(__file__).parent / "catalog"


def policy_library() -> Path:
    """The demo policies: beside the package when installed, in the repository's `policies/` otherwise."""
    packaged = Path(louver_sandbox.__file__).parent / "demo" / "policies"
    return packaged if packaged.exists() else Path(louver_sandbox.__file__).parents[2] / "policies" / "library"


@dataclass(frozen=True)
class City:
    """The installation and where its world lies."""

    settings: Settings
    world: Path

    def connect(
        self, address: str, institution: str, purpose: str | None = None, timeout: float = 60.0
    ) -> louver.Client:
        """A client of the institution, with the log's key."""
        clients = self.settings.home / "clients"
        return louver.connect(
            address,
            certificate=clients / f"{institution}.pem",
            key=clients / f"{institution}.key",
            ca=self.settings.pki / "authority.pem",
            log_key=self.log_key,
            purpose=purpose,
            timeout=timeout,
            keys=clients / f"{institution}-keys",
            key_passphrase="demonstration",  # noqa: S106 - nobody lives in this city
        )

    @property
    def log_key(self) -> str:
        """The public key that signs the log, without those before it."""
        return (self.settings.home / "log.pub").read_text(encoding="utf-8").partition("\n")[0].strip()


def build(
    home: Path, persons: int, tools: Tools, say: Callable[[str], None], seed: int = 1, dirt: float = 0.0
) -> City:
    """Makes the installation; `say` hears what is being done. With `dirt` the departments deliver damaged data
    (below `delivered`), which are tidied before they are registered."""
    settings = create(home, ORIGIN, "127.0.0.1", 0, tools)
    say(f"a city of {persons} made-up persons, their firms and 24 months of records")
    delivered = home / "delivered" if dirt else settings.data
    generate(persons=persons, seed=seed, dirt=dirt, out=delivered)
    say("a catalogue, three institutions and policies signed by their officers")
    for file in sorted(DECLARATIONS.glob("*.yaml")):
        if not file.name.startswith("bank_a."):
            shutil.copyfile(file, settings.catalog / file.name)
    if dirt:
        for _, tidied in tidied_delivery(settings, delivered):
            say(f"{tidied.kept} rows tidied, {sum(tidied.set_aside.values())} set aside")
        for own in delivered.glob("bank_a.*"):
            shutil.copytree(own, settings.data / own.name)
    for name, kind, groups, title in INSTITUTIONS:
        add_institution(settings, name, kind, groups, title, tools)
    copy_declarations(policy_library(), settings.home / "policies")
    activate(settings, [settings.home / "policies"], development_keys(settings))
    published = list(publish_all(settings, tools))
    size = sum(item.bytes for item in published) / 1024 / 1024
    say(f"{len(published)} snapshots of exactly what the policies grant ({size:.0f} MiB)")
    return City(settings, settings.data)
