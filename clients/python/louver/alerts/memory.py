"""The follower's file (SQLite): how far it is, what patterns remember, which alerts there are, who has been told.

What a batch of entries changes is one transaction, so a follower that is killed goes on where it stood: no entry is
evaluated twice or left out, and no alert is made twice.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from louver.failures import Misused

VERSION: Final = 1
CACHED: Final = 20_000
"""What is remembered under so many names is kept in memory, and more only in the file."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS position (
  id INTEGER PRIMARY KEY CHECK (id = 1), origin TEXT NOT NULL, size INTEGER NOT NULL, frontier TEXT NOT NULL,
  checkpoint TEXT NOT NULL, proven INTEGER NOT NULL, looked TEXT NOT NULL, key BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS remembered (
  rule TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, expires REAL NOT NULL, PRIMARY KEY (rule, name));
CREATE INDEX IF NOT EXISTS remembered_by_expiry ON remembered (expires);
CREATE TABLE IF NOT EXISTS alerts (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, rule TEXT NOT NULL, severity TEXT NOT NULL,
  time TEXT NOT NULL, last INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS alerts_by_rule ON alerts (rule, number);
CREATE INDEX IF NOT EXISTS alerts_by_last ON alerts (last);
CREATE TABLE IF NOT EXISTS told (output TEXT PRIMARY KEY, number INTEGER NOT NULL, failures INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Alert:
    """What a rule has found: entries, and of whom. ``count`` is of entries, of which ``entries`` are the newest.

    ``first`` and ``last`` are times of the log (RFC 3339); ``wording`` is the rule's digest.
    """

    id: str
    rule: str
    wording: str
    severity: str
    title: str
    title_zh: str
    origin: str
    about: dict[str, str]
    first: str
    last: str
    count: int
    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """How far a follower is: ``size`` entries are evaluated, whose tree is ``frontier``; ``proven`` of them lie under
    ``checkpoint``, a head that the log has signed. ``looked`` is when it last asked (RFC 3339)."""

    origin: str
    size: int
    frontier: tuple[tuple[int, bytes], ...]
    checkpoint: str
    proven: int
    looked: str
    key: bytes


class Memory:
    """A follower's file. One follower writes it; others may read it meanwhile."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._known: dict[tuple[str, str], Any] = {}
        self._changed: dict[tuple[str, str], tuple[Any, float]] = {}

    @classmethod
    def open(cls, path: Path) -> Memory:
        """The file, made where there is none, for its owner only. Raises ``Misused``."""
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            return cls._opened(sqlite3.connect(path, timeout=10, isolation_level=None), path)
        except (OSError, sqlite3.Error):
            raise Misused(f"{path} is no follower's file that can be written") from None

    @classmethod
    def passing(cls) -> Memory:
        """One that is nowhere kept, for tests of rules."""
        path = Path(":memory:")
        return cls._opened(sqlite3.connect(path, isolation_level=None), path)

    @classmethod
    def reading(cls, path: Path) -> Memory:
        """The file of another's follower. Raises ``Misused``."""
        try:
            made = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10, isolation_level=None)
            if made.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                raise Misused(f"{path} is no follower's file of this version")
        except sqlite3.Error:
            raise Misused(f"{path} is no follower's file") from None
        return cls(made)

    @classmethod
    def _opened(cls, db: sqlite3.Connection, path: Path) -> Memory:
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, VERSION):
            raise Misused(f"{path} is of version {found}, and this program reads version {VERSION}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(_TABLES)
        db.execute(f"PRAGMA user_version = {VERSION}")
        return cls(db)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is done in here is on the disk at its end, or not at all."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._write_remembered()
            self._db.execute("COMMIT")
        except BaseException:
            self._known.clear()
            self._changed.clear()
            self._db.execute("ROLLBACK")
            raise

    # How far

    def position(self) -> Position | None:
        """None before the first entry."""
        row = self._db.execute(
            "SELECT origin, size, frontier, checkpoint, proven, looked, key FROM position"
        ).fetchone()
        if row is None:
            return None
        frontier = tuple((int(level), bytes.fromhex(value)) for level, value in json.loads(row[2]))
        return Position(row[0], row[1], frontier, row[3], row[4], row[5], bytes(row[6]))

    def begin(self, origin: str) -> Position:
        """The position at the log's beginning, kept."""
        made = Position(origin, 0, (), "", 0, "", secrets.token_bytes(32))
        self.keep(made)
        return made

    def keep(self, position: Position) -> None:
        """Inside a transaction: the new position."""
        frontier = json.dumps([[level, value.hex()] for level, value in position.frontier])
        self._db.execute(
            "INSERT OR REPLACE INTO position VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
            (position.origin, position.size, frontier, position.checkpoint, position.proven, position.looked,
             position.key),
        )  # fmt: skip

    # What patterns remember

    def recall(self, rule: str, name: str) -> Any:
        """What a rule remembers under a name, None for nothing."""
        at = (rule, name)
        if at not in self._known:
            row = self._db.execute(
                "SELECT value FROM remembered WHERE rule = ? AND name = ?", (rule, name)
            ).fetchone()
            self._known[at] = None if row is None else json.loads(row[0])
        return self._known[at]

    def remember(self, rule: str, name: str, value: Any, expires: float) -> None:
        """Keeps a value of JSON until a time of the log (POSIX seconds)."""
        self._known[rule, name] = value
        self._changed[rule, name] = (value, expires)

    def _write_remembered(self) -> None:
        rows = [(*at, json.dumps(value), expires) for at, (value, expires) in self._changed.items()]
        self._db.executemany("INSERT OR REPLACE INTO remembered VALUES (?, ?, ?, ?)", rows)
        self._changed.clear()
        if len(self._known) > CACHED:
            self._known.clear()

    def forget(self, now: float) -> None:
        """Inside a transaction: what has expired by a time of the log is gone."""
        self._db.execute("DELETE FROM remembered WHERE expires < ?", (now,))

    # Alerts

    def add(self, alert: Alert) -> None:
        """Inside a transaction; an alert that is there already stays as it is."""
        body = json.dumps(asdict(alert), ensure_ascii=False)
        last = max(alert.entries, default=-1)
        row = (alert.id, alert.rule, alert.severity, alert.last, last, body)
        self._db.execute(
            "INSERT OR IGNORE INTO alerts (id, rule, severity, time, last, body) VALUES (?, ?, ?, ?, ?, ?)", row
        )

    def alerts(
        self, limit: int, before: int | None = None, rule: str = "", severity: str = ""
    ) -> list[tuple[int, Alert]]:
        """The newest, numbered; those before a number."""
        rows = self._db.execute(
            "SELECT number, body FROM alerts WHERE number < ? AND (? = '' OR rule = ?) AND (? = '' OR severity = ?) "
            "ORDER BY number DESC LIMIT ?",
            (before if before is not None else 2**62, rule, rule, severity, severity, limit),
        )
        return [(number, _alert(body)) for number, body in rows]

    def counts(self) -> list[tuple[str, str, int]]:
        """Rules, their severities and how many alerts there are of each, the most first."""
        rows = self._db.execute(
            "SELECT rule, severity, count(*) FROM alerts GROUP BY rule, severity ORDER BY 3 DESC, 1, 2"
        )
        return [(rule, severity, count) for rule, severity, count in rows]

    # Who has been told

    def untold(self, output: str, proven: int, limit: int = 100) -> list[tuple[int, Alert]]:
        """The oldest alerts that an output has not been told of and whose entries lie under a signed head."""
        rows = self._db.execute(
            "SELECT number, body FROM alerts WHERE number > coalesce((SELECT number FROM told WHERE output = ?), 0) "
            "AND last < ? ORDER BY number LIMIT ?",
            (output, proven, limit),
        )
        return [(number, _alert(body)) for number, body in rows]

    def told(self, output: str, number: int) -> None:
        """An output has taken everything up to this number."""
        self._db.execute("INSERT OR REPLACE INTO told VALUES (?, ?, 0)", (output, number))

    def failed(self, output: str) -> int:
        """An output has not taken an alert; how often running."""
        self._db.execute(
            "INSERT INTO told VALUES (?, 0, 1) ON CONFLICT (output) DO UPDATE SET failures = failures + 1", (output,)
        )
        row = self._db.execute("SELECT failures FROM told WHERE output = ?", (output,)).fetchone()
        return int(row[0])

    def outputs(self) -> Sequence[tuple[str, int, int]]:
        """Every output's name, how many alerts it still has to be told of, and its failures running."""
        rows = self._db.execute(
            "SELECT output, (SELECT count(*) FROM alerts WHERE alerts.number > told.number), failures FROM told "
            "ORDER BY output"
        )
        return [(name, waiting, failures) for name, waiting, failures in rows]


def _alert(body: str) -> Alert:
    said = json.loads(body)
    return Alert(**{**said, "entries": tuple(said["entries"])})
