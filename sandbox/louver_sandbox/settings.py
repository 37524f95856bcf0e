"""The settings of one installation: one frozen value, read once from `louver.toml` and checked.

Paths are relative to the folder that holds the file. An unknown key, a wrong type or a figure out of range is refused
with its name, and every figure has a default that runs on one machine.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote


class SettingsRefused(Exception):
    """The configuration cannot be used; `problems` says which keys and why."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the gRPC service answers. Port 0 lets the system choose."""

    host: str = "127.0.0.1"
    port: int = 50551


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query, one institution and the service may use at most."""

    workers: int = 3
    checkers: int = 2
    queue: int = 64
    per_institution: int = 16
    threads_per_worker: int = 2
    memory_mib: int = 1024
    query_seconds: int = 60
    check_seconds: int = 2
    solve_seconds: int = 20
    solver_memory_mib: int = 1024
    result_rows: int = 100_000
    result_mib: int = 16
    upload_mib: int = 512
    upload_rows: int = 20_000_000
    own_tables_mib: int = 4096
    audit_days: int = 30
    unfinished_uploads: int = 256
    unfinished_mib: int = 8192
    upload_seconds: int = 900
    concurrent_calls: int = 512
    sealing_keys: int = 24
    sealed_cells: int = 1_000
    randomisers: int = 512
    scorers: int = 2
    score_seconds: int = 60


@dataclass(frozen=True, slots=True)
class Isolation:
    """How well processes that see strangers' texts or data must be confined; below `least` nothing is served."""

    least: str = "default"


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What the operator watches. `port` of /metrics and /healthz, 0 for none; `otlp` is host:port of a collector."""

    host: str = "127.0.0.1"
    port: int = 0
    otlp: str = ""
    messages: str = "text"


MESSAGES = ("text", "json")
_OTLP = re.compile(r"[A-Za-z0-9.\[\]:-]+:\d{1,5}\Z")


@dataclass(frozen=True, slots=True)
class Store:
    """Where ledger, log and released answers are: a PostgreSQL URL, or empty for a file in the installation."""

    url: str = ""


@dataclass(frozen=True, slots=True)
class Retention:
    """For how many days entries of a kind keep what they say; 0 is for ever."""

    admission: int = 0
    outcome: int = 0
    aborted: int = 0
    refusal: int = 0
    explain: int = 0
    audit_look: int = 0


LEAST_DAYS = 183
"""How long any entry is kept at least (网络安全法: six months)."""

LEAST_LEVELS = ("default", "hardened")
"""What `isolation.least` may be. Less is no setting: only development goes without."""

MINIMA = dict.fromkeys((item.name for item in fields(Limits)), 1)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator can set. `home` is the folder of `louver.toml`."""

    home: Path
    origin: str = "louver.dev/sandbox"
    listen: Listen = field(default_factory=Listen)
    limits: Limits = field(default_factory=Limits)
    isolation: Isolation = field(default_factory=Isolation)
    store: Store = field(default_factory=Store)
    development: bool = False
    telemetry: Telemetry = field(default_factory=Telemetry)
    retention: Retention = field(default_factory=Retention)

    @property
    def state(self) -> Path | str:
        """Where ledger, log and released answers are: a file, or the URL of a PostgreSQL database.

        Its password stands in `secrets/pgpass`, as libpq writes such files.
        """
        if not self.store.url:
            return self.state_file
        joined = "&" if "?" in self.store.url else "?"
        return f"{self.store.url}{joined}passfile={quote(str(self.secrets / 'pgpass'), safe='')}"

    @property
    def state_file(self) -> Path:
        """The SQLite file of ledger, log and released answers, where they are in one."""
        return self.home / "state.db"

    @property
    def catalog(self) -> Path:
        """The folder of catalogue declarations."""
        return self.home / "catalog"

    @property
    def data(self) -> Path:
        """The folder the catalogue's source paths are relative to."""
        return self.home / "data"

    @property
    def bundle(self) -> Path:
        """The active, signed policy bundle."""
        return self.home / "bundle"

    @property
    def snapshots(self) -> Path:
        """The published, immutable snapshots."""
        return self.home / "snapshots"

    @property
    def uploads(self) -> Path:
        """The institutions' own tables, a folder each."""
        return self.home / "uploads"

    @property
    def spool(self) -> Path:
        """Uploads on their way in."""
        return self.home / "spool"

    @property
    def run(self) -> Path:
        """What the service hands to the processes it starts."""
        return self.home / "run"

    @property
    def secrets(self) -> Path:
        """Keys: the log's signing key, the record key, the noise secret, the server's TLS key."""
        return self.home / "secrets"

    @property
    def matching(self) -> Path:
        """The key of private matching and the sets made with it; only matchers and the set builder read them."""
        return self.home / "matching"

    @property
    def score_tables(self) -> Path:
        """Tables of registered models, which scorers read; made anew where they are not there."""
        return self.home / "score-tables"

    @property
    def pki(self) -> Path:
        """Certificates: the authority that banks are known by, and the server's own."""
        return self.home / "pki"

    @property
    def anchors(self) -> Path:
        """Checkpoints that the log must extend: the service's own, and what others bring."""
        return self.home / "anchors"

    @property
    def institutions(self) -> Path:
        """The registry of institutions and their certificate fingerprints."""
        return self.home / "institutions.toml"

    @property
    def log_auditors(self) -> Path:
        """The registry of those who may read the log, their certificate fingerprints and their witnesses' keys."""
        return self.home / "log-auditors.toml"

    @property
    def officers_certificates(self) -> Path:
        """The registry of officers who work over gRPC, and their certificate fingerprints."""
        return self.home / "policy-officers.toml"

    @property
    def administrators(self) -> Path:
        """The registry of those who say which institutions are served, and their certificate fingerprints."""
        return self.home / "administrators.toml"

    @property
    def officers(self) -> Path:
        """The public keys of the policy officers."""
        return self.home / "officers.json"

    @property
    def auditors(self) -> Path:
        """The public keys of the model auditors."""
        return self.home / "auditors.json"

    @property
    def revocations(self) -> Path:
        """The signed revocations of policies."""
        return self.home / "revocations.json"

    @property
    def requests(self) -> Path:
        """Versions of policy documents on their way into force, and all former ones."""
        return self.home / "requests"


def _section(cls: type[Any], body: Any, where: str, problems: list[str]) -> Any:
    """An instance of a settings dataclass from a TOML table, noting every problem."""
    if not isinstance(body, dict):
        problems.append(f"{where}: a table is expected")
        return cls()
    known = {item.name: item for item in fields(cls)}
    values: dict[str, Any] = {}
    for key, value in body.items():
        name = f"{where}.{key}".lstrip(".")
        if key not in known or key == "home":
            problems.append(f"{name}: no such setting")
            continue
        default = getattr(cls(), key)
        if is_dataclass(default):
            values[key] = _section(type(default), value, name, problems)
        elif type(value) is not type(default):
            problems.append(f"{name}: {type(default).__name__} is expected")
        elif isinstance(value, int) and cls is Limits and value < MINIMA[key]:
            problems.append(f"{name}: at least {MINIMA[key]}")
        elif cls is Retention and value != 0 and value < LEAST_DAYS:
            problems.append(f"{name}: 0, or at least {LEAST_DAYS}")
        elif key == "port" and not 0 <= value <= 65535:
            problems.append(f"{name}: 0 to 65535")
        elif key == "least" and value not in LEAST_LEVELS:
            problems.append(f"{name}: one of {', '.join(LEAST_LEVELS)}")
        elif key == "messages" and value not in MESSAGES:
            problems.append(f"{name}: one of {', '.join(MESSAGES)}")
        elif key == "otlp" and value and not _OTLP.match(value):
            problems.append(f"{name}: host:port of a collector")
        else:
            values[key] = value
    return cls(**values)


@dataclass(frozen=True, slots=True)
class _File:
    """The top level of `louver.toml`."""

    origin: str = "louver.dev/sandbox"
    listen: Listen = field(default_factory=Listen)
    limits: Limits = field(default_factory=Limits)
    isolation: Isolation = field(default_factory=Isolation)
    store: Store = field(default_factory=Store)
    development: bool = False
    telemetry: Telemetry = field(default_factory=Telemetry)
    retention: Retention = field(default_factory=Retention)


def load(home: Path) -> Settings:
    """The settings of the installation in this folder. Raises `SettingsRefused`."""
    path = home / "louver.toml"
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsRefused((f"{path.name}: no such file in {home}; `louver-sandbox init` makes one",)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsRefused((f"{path.name}: not TOML ({error})",)) from None
    problems: list[str] = []
    parsed = _section(_File, body, "", problems)
    if problems:
        raise SettingsRefused(tuple(problems))
    named = {item.name: getattr(parsed, item.name) for item in fields(_File)}
    return Settings(home.resolve(), **named)


def pairs(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every setting by its name in the file, with its value in force as TOML writes it."""
    for item in fields(_File):
        value = getattr(settings, item.name)
        if is_dataclass(value):
            yield from ((f"{item.name}.{part.name}", _toml(getattr(value, part.name))) for part in fields(value))
        else:
            yield item.name, _toml(value)


def _toml(value: bool | int | str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
