"""A house that makes tokens, in one process: the line of evaluations, keys, tables of published ids, and an engine."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from tests.support.audit_logs import ORIGIN, SettableClock, open_log
from tests.support.matching import NOON, migrated
from tests.support.policy_questions import BANK_A, bundle_of, city_catalog, grant_document, policy

from louver.encoding import encode
from louver.matching import oprf
from louver.tokens.columns import with_tokens
from louver_sandbox import journal
from louver_sandbox.annals import former_tokens, logged_tokens
from louver_sandbox.journal import Books
from louver_sandbox.match_line import Judging
from louver_sandbox.matching.process import JOIN_FILE, KEY_FILE, Matcher
from louver_sandbox.matching.token_main import Job, build, decode_job
from louver_sandbox.matching.tokens import JoinKeys, TokenTables
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.tokens import TokenQuestion
from louver_sandbox.publishing.record_keys import create_key
from louver_sandbox.settings import Settings
from louver_sandbox.stages import Subject
from louver_sandbox.store import State
from louver_sandbox.token_line import Asked, Evaluated, TokenLine
from louver_sandbox.uploads.ingest import Job as Ingesting
from louver_sandbox.uploads.ingest import Taken, ingest

Row = Mapping[str, object]


TERMS: dict[str, Any] = {
    "columns": {"uscc": {"join_key": True}, "grade": ["group_key"]},
    "tokens": {"ids_per_day": 1000, "ids_per_month": 2000},
}
"""Of a grant of grades to banks: they may have tokens for what they join by."""


@cache
def token_bundle() -> Bundle:
    """A policy with such a grant."""
    return bundle_of(policy(grant_document(**TERMS)))


class Pool:
    """Gives out matchers of this process, which read the seeds as they are now."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.asked: list[bytes] = []

    def open(self, seconds: float, cancelled: threading.Event) -> Pool:
        seeds = [
            path.read_bytes() if path.exists() else None for path in map(self._folder.joinpath, (KEY_FILE, JOIN_FILE))
        ]
        self._matcher = Matcher(seeds[0], lambda name: b"", seeds[1])
        return self

    def ask(self, request: bytes, reply_cap: int) -> bytes:
        self.asked.append(request[:1])
        reply = self._matcher.answer(request)
        assert len(reply) <= reply_cap
        return reply

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *reason: object) -> None:
        return None


@dataclass
class House:
    """One installation that makes tokens."""

    settings: Settings
    books: Books
    clock: SettableClock
    line: TokenLine
    pool: Pool
    keys: JoinKeys
    tables: TokenTables
    built: list[Job]
    incidents: list[Exception]
    skipped: Mapping[str, int] = field(default_factory=dict)

    def asked(self, content: bytes, ids: int, element: str, who: Subject = BANK_A, request_id: str = "") -> Asked:
        digest = hashlib.sha256(content).digest()
        return Asked(request_id or str(uuid.uuid4()), TokenQuestion(who, element, ids), digest, b"")

    def answer(self, asked: Asked, content: bytes) -> Evaluated:
        """Raises `Refused` and `Fault` as the service would."""
        return self.line.answer(asked, self.line.decide(asked), content, 60, threading.Event())

    def evaluate(self, element: str, values: Sequence[bytes], who: Subject = BANK_A) -> tuple[list[bytes], str]:
        """What an honest client does."""
        blinded = oprf.blind(values)
        made = self.answer(self.asked(blinded.elements, len(values), element, who), blinded.elements)
        return oprf.finalize(blinded, made.content, made.paid.public_key), made.paid.public_key.hex()

    def upload(self, rows: object, columns: Mapping[str, str], who: Subject = BANK_A) -> bytes:
        """What the institution's client sends."""
        with encode(rows) as clear:
            made = with_tokens(clear, columns, partial(self.evaluate, who=who))
        self.skipped = dict(made.skipped)
        with made.content as content:
            content.seek(0)
            return content.read()

    def taken(self, content: bytes, who: Subject = BANK_A) -> Taken:
        """What the ingesting child makes of it. Raises `UploadRefused`."""
        spool = self.settings.home / "spool.arrow"
        spool.write_bytes(content)
        return ingest(Ingesting(spool, self.settings.uploads / who.institution))

    def entries(self, kind: str | None = None) -> list[dict[str, Any]]:
        return [dict(entry.fields) for entry in self.books.log.entries(0, 1000, kind=kind)]


@contextmanager
def house(folder: Path, bundle: Bundle | None = None) -> Iterator[House]:
    """A house with keys and no snapshots."""
    settings = Settings(folder, origin=ORIGIN)
    for private in (settings.matching, settings.snapshots, settings.uploads):
        private.mkdir(mode=0o700)
    create_key(settings.matching / KEY_FILE, randomness=lambda size: bytes(range(size)))
    create_key(settings.matching / JOIN_FILE, randomness=lambda size: bytes(range(100, 100 + size)))
    incidents: list[Exception] = []
    built: list[Job] = []

    def incident(error: Exception) -> str:
        incidents.append(error)
        return "incident"

    def built_here(job: Any) -> str:
        built.append(job)
        return build(decode_job(job.encode()))

    (folder / "state.db").write_bytes(migrated())
    (folder / "state.db").chmod(0o600)
    clock = SettableClock(NOON)
    with State.open(folder / "state.db") as state:
        books = Books(state, open_log(state))
        pool: Any = Pool(settings.matching)
        keys = JoinKeys(settings, lambda: pool)
        tables = TokenTables(
            settings,
            keys,
            lambda name, who: settings.snapshots / f"{name}.duckdb",
            partial(journal.note, books),
            partial(logged_tokens, books),
            incident,
            built_here,
            partial(former_tokens, books),
        )
        judging = Judging(city_catalog(), bundle or token_bundle(), lambda policies, now: None)
        line = TokenLine(judging, books, clock, incident, lambda: pool)
        yield House(settings, books, clock, line, pool, keys, tables, built, incidents)


def publish(house_: House, name: str, rows: Iterable[Row]) -> None:
    """A snapshot of these rows."""
    table = pa.Table.from_pylist(list(rows))
    with duckdb.connect(str(house_.settings.snapshots / f"{name}.duckdb")) as connection:
        connection.register("rows", table)
        connection.execute("CREATE TABLE main.data AS FROM rows")
