"""What an installation's files give a process that runs on them: catalogue, bundle, books, secrets, isolation."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.audit import seeds
from louver_sandbox.audit.entries import JSON
from louver_sandbox.audit.log import AuditLog
from louver_sandbox.catalog.load import catalog_of, load_catalog, with_record_key
from louver_sandbox.catalog.model import Catalog, SpaceKind
from louver_sandbox.checker import Judgement
from louver_sandbox.journal import Books
from louver_sandbox.matching import process as matcher
from louver_sandbox.mechanisms.opendp_sampler import OpenDpSampler
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.load import load_bundle, load_officers
from louver_sandbox.policy.model import Grant
from louver_sandbox.policy.terms import ContractTerms, StrictTerms
from louver_sandbox.privacy.refused import PrivacyRefused, Reason
from louver_sandbox.processes.isolation.levels import Isolation, Level
from louver_sandbox.processes.zygote import isolation_here
from louver_sandbox.publishing.record_keys import read_key
from louver_sandbox.settings import Settings
from louver_sandbox.store import State
from louver_sandbox.suspensions import require_served


class InstallationRefused(Exception):
    """What was asked cannot be done to this installation; the text says why and what to do."""


@dataclass(frozen=True)
class Tools:
    """Time and randomness, as arguments."""

    clock: Callable[[], datetime]
    randomness: Callable[[int], bytes]


RECORD_EPOCH = "record.epoch"
"""The file that says by its fingerprint which record key the snapshots in use are made with, after the first."""
NOISE_FILE = "noise.key"
"""The file in `secrets/` with the releaser's secret of cell keys."""
MATCHING_FILE = matcher.KEY_FILE
"""The file in `matching/` with the seed of the keys that lists are matched by."""
JOIN_FILE = matcher.JOIN_FILE
"""The file in `matching/` with the seed of the keys that tokens are made with."""


def utc_now() -> datetime:
    """The present, with its time zone."""
    return datetime.now().astimezone()


def registered_catalog(settings: Settings) -> Catalog:
    """What is declared, but for institutions' own tables, which they upload. Raises `CatalogRefused`."""
    declared = load_catalog([settings.catalog], settings.data)
    registered = [table for table in declared.tables.values() if table.space is not SpaceKind.INSTITUTION]
    return with_record_key(catalog_of(registered), record_epoch(settings), settings.data)


def record_epoch(settings: Settings) -> str | None:
    """The fingerprint of the record key that published snapshots are made with; None for the first one. The key
    itself is the publisher's alone."""
    try:
        return (settings.home / RECORD_EPOCH).read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None


def load_judgement(settings: Settings, now: datetime) -> Judgement:
    """Reads and verifies both. Raises `CatalogRefused` or `BundleRefused`."""
    catalog = registered_catalog(settings)
    today = now.astimezone(SHANGHAI).date()
    return Judgement(catalog, load_bundle(settings.bundle, load_officers(settings.officers), today, catalog))


def noise_secret(settings: Settings, bundle: Bundle) -> bytes | None:
    """The releaser's secret, None where there is none and no policy asks for noise.

    Raises:
        KeyRefused: a policy asks for noise and there is no secret, or it is not a private file of 32 bytes.
    """
    path = settings.secrets / NOISE_FILE
    return read_key(path, "noise secret") if path.exists() or asks_for_noise(bundle) else None


def asks_for_noise(bundle: Bundle) -> bool:
    """Whether any grant of the bundle does."""
    terms = [grant.threshold for policy in bundle.policies for grant in policy.grants]
    return any(one.noise != "none" or isinstance(one.encrypted, StrictTerms) for one in terms)


def sampler_of(bundle: Bundle) -> Sampler | None:
    """The source of noise for differential privacy, where a policy in force has a budget and it is installed.

    Without one every such question is refused before it is charged (LVR-3106).
    """
    grants = [grant for policy in bundle.policies for grant in policy.grants]
    if not any(_draws(grant) for grant in grants):
        return None
    try:
        return OpenDpSampler()
    except PrivacyRefused as missing:
        if missing.reason is not Reason.SAMPLER_MISSING:
            raise
        return None


def _draws(grant: Grant) -> bool:
    """Whether an answer by this grant may need a draw."""
    matches = grant.matching is not None and grant.matching.numbers is not None
    return matches or grant.privacy is not None or isinstance(grant.threshold.encrypted, ContractTerms)


def noise_fingerprint(secret: bytes) -> str:
    """What the log calls a noise secret; it tells nothing of 32 random bytes."""
    return hashlib.sha256(b"louver noise secret\0" + secret).hexdigest()[:32]


def open_books(
    settings: Settings, state: State, clock: Callable[[], datetime], isolation: Level | None = None
) -> Books:
    """The ledger, the log and the answers over an open state store. A service tells the log its isolation.

    Raises `LogKeyMissing` where the log has gone over to a key that is not in `secrets/`.
    """
    log = AuditLog(
        state,
        seeds.read(settings.secrets / seeds.SEED, settings.origin),
        settings.origin,
        clock=clock,
        randomness=secrets.token_bytes,
        marks=_marks(settings, isolation),
        require_served=require_served,
        find=seeds.finder(settings.secrets, settings.origin),
    )
    return Books(state, log)


def _marks(settings: Settings, isolation: Level | None) -> dict[str, JSON]:
    """What every entry says of the installation that wrote it."""
    level: dict[str, JSON] = {} if isolation is None else {"isolation": isolation.title}
    return level | ({"development": True} if settings.development else {})


def isolation_of(settings: Settings) -> Isolation:
    """What this host gives.

    Raises:
        TooLittleIsolation: less than the settings accept, and this is no development installation.
    """
    found = isolation_here()
    if not settings.development:
        found.demand(Level.named(settings.isolation.least))
    return found
