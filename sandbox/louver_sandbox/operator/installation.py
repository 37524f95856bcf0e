"""Making an installation: its folder, keys, certificates, registry, and the first signed bundle.

`init` makes a development installation that is complete: an authority of its own, a log key, a record key, a noise
secret, a model auditor and three policy officers who may sign for every department. Their private keys lie in
`secrets/` only because this is development; a production installation brings public keys alone.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.audit.head import Ed25519Signer
from louver_sandbox.pki import Authority, Issued, write_secret
from louver_sandbox.policy.approvals import (
    APPROVAL_CONTEXT,
    OFFICER_THRESHOLD,
    Approval,
    Statement,
    document_digest,
    owner_of,
)
from louver_sandbox.policy.bundle import BundleRefused, bundle_content
from louver_sandbox.policy.load import load_approvals, load_library, write_bundle
from louver_sandbox.policy.model import Platform, Policy
from louver_sandbox.policy.officers import make_officer, officers_text, sign
from louver_sandbox.premises import JOIN_FILE, MATCHING_FILE, NOISE_FILE, utc_now
from louver_sandbox.premises import InstallationRefused as InstallationRefused
from louver_sandbox.premises import Tools as Tools
from louver_sandbox.registered import INSTITUTION, Institution, Pin, parse_registry, registry_text
from louver_sandbox.registered import quoted as quoted
from louver_sandbox.settings import Settings, load
from louver_sandbox.stages import InstitutionType

DEVELOPMENT_OFFICERS = ("officer-one", "officer-two", "officer-three")
DEVELOPMENT_AUDITOR = "model-auditor"


TOOLS = Tools(clock=utc_now, randomness=secrets.token_bytes)
"""The operator's own clock and randomness."""


def create(home: Path, origin: str, host: str, port: int, tools: Tools) -> Settings:
    """A new, empty development installation. Raises `InstallationRefused` when the folder holds one."""
    if (home / "louver.toml").exists():
        raise InstallationRefused(f"{home} is an installation already; choose another folder")
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    for name in (
        "catalog",
        "data",
        "snapshots",
        "uploads",
        "spool",
        "run",
        "secrets",
        "pki",
        "bundle",
        "policies",
        "matching",
    ):
        (home / name).mkdir(exist_ok=True)
    for private in ("secrets", "spool", "run", "matching"):
        (home / private).chmod(0o700)
    now = tools.clock()
    authority = Authority.create(now)
    authority.issued.write(home / "secrets", "authority")
    (home / "pki" / "authority.pem").write_bytes(authority.issued.certificate)
    authority.server(host, now).write(home / "secrets", "server")
    seed = tools.randomness(32)
    write_secret(home / "secrets" / "log.seed", seed)
    (home / "log.pub").write_text(f"{Ed25519Signer.from_seed(origin, seed).verifier_key}\n")
    write_secret(home / "secrets" / "record.key", tools.randomness(32))
    write_secret(home / "secrets" / NOISE_FILE, tools.randomness(32))
    for seed_of in (MATCHING_FILE, JOIN_FILE):
        write_secret(home / "matching" / seed_of, tools.randomness(32))
    _make_officers(home, tools)
    _make_auditor(home, tools)
    (home / "institutions.toml").write_text("", encoding="utf-8")
    (home / "louver.toml").write_text(_toml(origin, host, port), encoding="utf-8")
    return load(home)


def _toml(origin: str, host: str, port: int) -> str:
    return (
        f'# Settings of this installation; docs/reference/configuration.md explains each.\norigin = "{origin}"\n'
        f'development = true\n\n[listen]\nhost = "{host}"\nport = {port}\n\n[limits]\n# workers = 3\n'
    )


def _make_officers(home: Path, tools: Tools) -> None:
    officers = []
    for name in DEVELOPMENT_OFFICERS:
        officer, key = make_officer(name, tools.randomness)
        officers.append(officer)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_secret(home / "secrets" / "officers" / f"{name}.key", pem)
    (home / "officers.json").write_bytes(officers_text(officers))


def _make_auditor(home: Path, tools: Tools) -> None:
    """One model auditor; in production the file brings public keys of others alone."""
    key = Ed25519PrivateKey.from_private_bytes(tools.randomness(32))
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_secret(home / "secrets" / "auditors" / f"{DEVELOPMENT_AUDITOR}.key", pem)
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    (home / "auditors.json").write_text(json.dumps({DEVELOPMENT_AUDITOR: public.hex()}) + "\n", encoding="utf-8")


def add_institution(
    settings: Settings, name: str, kind: InstitutionType, groups: Sequence[str], title: str, tools: Tools
) -> Issued:
    """Registers an institution and issues its certificate into `clients/`. Raises `InstallationRefused`."""
    if not INSTITUTION.match(name):
        raise InstallationRefused(f"{name!r}: an institution's id is lower-case letters, digits and _")
    if not all(map(str.isprintable, (title, *groups))):
        raise InstallationRefused("a title or group holds a character that cannot be printed")
    registered = dict(parse_registry(settings.institutions.read_text(encoding="utf-8")))
    if name in registered:
        raise InstallationRefused(f"{name} is registered already")
    secrets = settings.secrets
    authority = Authority(Issued((secrets / "authority.pem").read_bytes(), (secrets / "authority.key").read_bytes()))
    issued = authority.client(name, tools.clock())
    issued.write(settings.home / "clients", name)
    pin = Pin(issued.fingerprint, None, issued.ends)
    registered[name] = Institution(name, kind, title or name, frozenset(groups), (pin,))
    write_registry(settings.institutions, list(registered.values()))
    return issued


def revoke(settings: Settings, name: str) -> None:
    """Strikes out every certificate of an institution. Raises `InstallationRefused` when it is not registered."""
    registered = dict(parse_registry(settings.institutions.read_text(encoding="utf-8")))
    if name not in registered:
        raise InstallationRefused(f"{name} is not registered")
    registered[name] = replace(registered[name], pins=())
    write_registry(settings.institutions, list(registered.values()))


def replace_registry(path: Path, text: str, parse: Callable[[str], object]) -> None:
    """Writes a registry in one step, once `parse` has read it."""
    parse(text)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def write_registry(path: Path, institutions: Sequence[Institution]) -> None:
    """Writes the registry in one step, so that no reader ever sees half of it."""
    replace_registry(path, registry_text(institutions), parse_registry)


def officer_key(path: Path) -> Ed25519PrivateKey:
    """An officer's private key from its PEM file. Raises `InstallationRefused`."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        raise InstallationRefused(f"{path.name}: not an officer's key file") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InstallationRefused(f"{path.name}: not an Ed25519 key")
    return key


def activate(
    settings: Settings, policies: Sequence[Path], keys: Sequence[Path], logged: Mapping[str, int] | None = None
) -> str:
    """Builds a bundle from these policies, has each key approve each document, and puts it in force; its digest.

    The one-step way for development: the first key's owner counts as the submitter. `logged` are the versions that
    the log knows to have been in force. Raises `PolicyRefused` for
    policies that cannot be used. Whether the approvals suffice is decided by whoever loads the bundle.
    """
    library = load_library(list(policies))
    content = bundle_content(library.platform, library.policies)
    signing = [(path.stem, officer_key(path)) for path in keys]
    serials = {**(logged or {}), **{item.statement.id: item.statement.serial for item in _in_force(settings)}}
    today = utc_now().astimezone(SHANGHAI).date()

    def approved(document: Platform | Policy) -> Approval:
        statement = Statement(
            document=document_digest(document),
            id=document.id,
            owner=owner_of(document),
            serial=serials.get(document.id, 0) + 1,
            effective=today,
            expires=max(library.platform.expires, today),
            submitter=signing[0][0],
            four_eyes=len(signing) > OFFICER_THRESHOLD,
        )
        signed = tuple(sign(APPROVAL_CONTEXT, statement.to_bytes(), name, key) for name, key in signing)
        return Approval(statement, signed)

    approvals = [approved(library.platform), *map(approved, library.policies)]
    write_bundle(settings.bundle, content, approvals)
    return hashlib.sha256(content).hexdigest()


def _in_force(settings: Settings) -> tuple[Approval, ...]:
    """The approvals in the installation's bundle folder, none where there is no bundle."""
    try:
        return load_approvals(settings.bundle)
    except BundleRefused:
        return ()


def development_keys(settings: Settings) -> tuple[Path, ...]:
    """The private keys of the development officers."""
    return tuple(settings.secrets / "officers" / f"{name}.key" for name in DEVELOPMENT_OFFICERS)


def copy_declarations(source: Path, target: Path) -> None:
    """Copies YAML files from one folder into another."""
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.glob("*.yaml")):
        shutil.copyfile(file, target / file.name)
