"""Whether an installation can serve: everything that would stop it, or make it answer wrongly, found beforehand."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from cryptography import x509

from louver.errors import Unproven
from louver.transparency.succession import LogKey
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.administrators import parse_administrators
from louver_sandbox.audit import seeds
from louver_sandbox.audit.stored import LogDamaged
from louver_sandbox.auditors import parse_auditors
from louver_sandbox.catalog.positions import CatalogRefused
from louver_sandbox.catalog.snapshots import snapshot_id
from louver_sandbox.checker import Judgement
from louver_sandbox.officers import parse_callers
from louver_sandbox.policy.bundle import BundleRefused
from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.policy.load import load_officers
from louver_sandbox.policy.officers import EVERY_DEPARTMENT
from louver_sandbox.policy.revocations import latest, parse_revocations
from louver_sandbox.premises import NOISE_FILE, isolation_of, load_judgement, noise_secret, open_books
from louver_sandbox.processes.isolation.levels import Level, TooLittleIsolation
from louver_sandbox.publishing.record_keys import KeyRefused
from louver_sandbox.recount import anchor
from louver_sandbox.registered import RegistryRefused, ending, parse_registry
from louver_sandbox.settings import Settings
from louver_sandbox.store import State, StoreError

SECRETS = ("log.seed", "record.key", "server.key")
SOON = timedelta(days=14)
LOOPBACK = frozenset(["127.0.0.1", "::1", "localhost"])


def problems(settings: Settings, now: datetime) -> Iterator[str]:
    """Every problem, each with the file it is about and what to do."""
    yield from _secrets(settings)
    yield from _isolation(settings)
    yield from _telemetry(settings)
    yield from _certificates(settings, now)
    yield from _registry(settings)
    yield from _books(settings, now)
    yield from _revocations(settings)
    try:
        judgement = load_judgement(settings, now)
    except CatalogRefused as refused:
        yield from map(str, refused.problems)
    except PolicyRefused as refused:
        yield from map(str, refused.problems)
    except BundleRefused as refused:
        for reason in refused.reasons:
            yield f"bundle: {reason}; `louver-sandbox policy activate` puts one in force"
    else:
        yield from _noise(settings, judgement)
        yield from _snapshots(settings, judgement, now)


def warnings(settings: Settings, now: datetime) -> Iterator[str]:
    """What does not stop an installation without problems, yet wants somebody's attention."""
    for path in _certificate_files(settings):
        ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
        if ends - now < SOON:
            yield f"{path.name}: ends on {ends.date()}; renew it"
    if settings.telemetry.port and settings.telemetry.host not in LOOPBACK:
        yield "telemetry.host: not this machine's own; whoever reaches the port sees the service's figures"
    missing = isolation_of(settings).missing_for(Level.named(settings.isolation.least))
    if missing:
        yield f"isolation: served as development only; missing: {', '.join(missing)}"
    for officer in () if settings.development else load_officers(settings.officers):
        if officer.department == EVERY_DEPARTMENT:
            yield f"officers.json: {officer.name} may sign for every department; that is for development"
    registered = parse_registry(settings.institutions.read_text(encoding="utf-8"))
    for name, pin in ending(registered.values(), now):
        yield f"institutions.toml: the last certificate of {name} ends at {pin.not_after}; it has no next one"
    if not registered:
        yield "institutions.toml: empty; `louver-sandbox institution add` registers one"


def _isolation(settings: Settings) -> Iterator[str]:
    try:
        isolation_of(settings)
    except TooLittleIsolation as refused:
        yield str(refused)


def _telemetry(settings: Settings) -> Iterator[str]:
    wanted = settings.telemetry.port or settings.telemetry.otlp
    if wanted and find_spec("prometheus_client") is None:
        yield 'telemetry: its library is missing; `pip install "louver[telemetry]"`, or set port = 0 and otlp = ""'


def _certificate_files(settings: Settings) -> tuple[Path, ...]:
    return settings.secrets / "server.pem", settings.pki / "authority.pem"


def _secrets(settings: Settings) -> Iterator[str]:
    for name in SECRETS:
        path = settings.secrets / name
        if not path.is_file():
            yield f"secrets/{name}: missing"
        elif stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield f"secrets/{name}: readable by others; chmod 600"
    seed, public = settings.secrets / "log.seed", settings.home / "log.pub"
    if seed.is_file() and public.is_file():
        content = seed.read_bytes()
        if len(content) != 32:
            yield "secrets/log.seed: not 32 bytes"
        elif not _fits(settings, public.read_text(encoding="utf-8")):
            yield "log.pub: not the public key of secrets/log.seed under this origin; banks could verify nothing"


def _fits(settings: Settings, public: str) -> bool:
    """Whether a public key is that of the secret that signs, or of its successor while it takes its place."""
    try:
        key = LogKey.parse(public).pinned
    except Unproven:
        return False
    return seeds.finder(settings.secrets, settings.origin)(key) is not None


def _certificates(settings: Settings, now: datetime) -> Iterator[str]:
    for path in _certificate_files(settings):
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError):
            yield f"{path.name}: not a readable certificate"
            continue
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            yield f"{path.name}: not valid today"


def _registry(settings: Settings) -> Iterator[str]:
    try:
        parse_registry(settings.institutions.read_text(encoding="utf-8"))
    except FileNotFoundError:
        yield "institutions.toml: missing; nobody can ask"
    except (RegistryRefused, OSError, UnicodeDecodeError) as refused:
        yield f"institutions.toml: {refused}; nobody can ask"
    try:
        if settings.log_auditors.exists():
            parse_auditors(settings.log_auditors.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RegistryRefused) as refused:
        yield f"log-auditors.toml: {refused}; no auditor can look"
    try:
        if settings.officers_certificates.exists():
            parse_callers(settings.officers_certificates.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RegistryRefused) as refused:
        yield f"policy-officers.toml: {refused}; no officer can call"
    try:
        if settings.administrators.exists():
            parse_administrators(settings.administrators.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RegistryRefused) as refused:
        yield f"administrators.toml: {refused}; no administrator can suspend an institution over the wire"


def _books(settings: Settings, now: datetime) -> Iterator[str]:
    """A store that was put back from before what it has proved."""
    is_new = settings.state == settings.state_file and not settings.state_file.is_file()
    if is_new or not (settings.secrets / "log.seed").is_file():
        return
    name = "store.url" if settings.store.url else settings.state_file.name
    try:
        with State.open(settings.state) as state:
            behind = anchor.problem(open_books(settings, state, lambda: now), settings.anchors)
    except (LogDamaged, StoreError, ValueError, Unproven) as damaged:
        yield f"{name}: {damaged}"
    else:
        if behind is not None:
            yield f"{name}: {behind}"


def _revocations(settings: Settings) -> Iterator[str]:
    if not settings.revocations.exists():
        return
    try:
        latest(parse_revocations(settings.revocations.read_bytes()), load_officers(settings.officers))
    except (BundleRefused, OSError) as refused:
        yield f"revocations.json: {refused}; every question about other people's data is refused"


def _noise(settings: Settings, judgement: Judgement) -> Iterator[str]:
    """A secret that is missing where policies ask for noise, or that others may read."""
    try:
        noise_secret(settings, judgement.bundle)
    except KeyRefused as refused:
        yield f"secrets/{NOISE_FILE}: {refused}; `louver-sandbox noise rotate` makes one where there is none"


def _snapshots(settings: Settings, judgement: Judgement, now: datetime) -> Iterator[str]:
    for grant in judgement.bundle.grant_sets(judgement.catalog, now.astimezone(SHANGHAI).date()):
        table = judgement.catalog.tables[grant.table]
        name = snapshot_id(table, grant.columns, grant.row_filter, grant.atoms)
        if not (settings.snapshots / f"{name}.duckdb").is_file():
            yield f"snapshots: none of {grant.table} as it is granted now; run `louver-sandbox publish`"
