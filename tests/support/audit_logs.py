"""Small audit logs on real disks, with a clock that can be set and randomness that repeats."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from louver_sandbox.audit import JSON, AuditLog, Ed25519Signer, Entry
from louver_sandbox.store import State
from louver_sandbox.store.clock import Randomness

ORIGIN = "louver.example/log"
SIGNER = Ed25519Signer.from_seed(ORIGIN, hashlib.sha256(b"the log's key, for tests only").digest())
MALLORY = Ed25519Signer.from_seed(ORIGIN, hashlib.sha256(b"another key under the same name").digest())
KEY = str(SIGNER.verifier_key)
SQL = "SELECT district, COUNT(*) FROM gov.pop_person GROUP BY district"


@dataclass
class SettableClock:
    """A clock that moves a second at every look, and anywhere when told."""

    now: datetime = datetime(2026, 7, 1, 2, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class SeededRandomness:
    """The same bytes every time, so that a failing test can be repeated."""

    def __init__(self, seed: bytes = b"seed") -> None:
        self._seed, self._count = seed, 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(self._seed + b"%d" % self._count).digest(size)


def open_log(
    state: State, signer: Ed25519Signer = SIGNER, randomness: Randomness | None = None, origin: str = ORIGIN
) -> AuditLog:
    return AuditLog(state, signer, origin, clock=SettableClock(), randomness=randomness or SeededRandomness())


def answer(log: AuditLog, number: int, institution: str = "bank-a", sql: str = SQL) -> Entry:
    """What one answered question leaves in the log: an admission and an outcome. Returns the outcome."""
    request = {"request_id": f"request-{number}", "institution": institution}
    with log.state.transaction() as tx:
        admission = log.append(tx, {"kind": "admission", **request}, {"sql": sql})
    with log.state.transaction() as tx:
        body: dict[str, JSON] = {
            "kind": "outcome",
            **request,
            "admission": admission.index,
            "result_digest": digest(number),
        }
        return log.append(tx, body, repeated=admission.commitments)


def digest(number: int) -> str:
    return "sha256:" + hashlib.sha256(b"result %d" % number).hexdigest()


@contextmanager
def behind_the_back(path: Path) -> Iterator[sqlite3.Connection]:
    """The database in the hands of someone with access to the file, who first removes the triggers."""
    with closing(sqlite3.connect(path)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        connection.commit()
