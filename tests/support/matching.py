"""A house with one list and the line of its matches, in one process; the requester's side is the client's own code."""

from __future__ import annotations

import hashlib
import secrets
import tempfile
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tests.support.audit_logs import SettableClock, open_log
from tests.support.policy_questions import BANK_A, DEMO_CATALOG, bundle_of, policy
from tests.support.seeded_noise import SeededSampler

from louver.matching import oprf
from louver.matching.asking import Batch, _tokens
from louver.matching.sets import MatchSet, Row
from louver_sandbox import journal
from louver_sandbox.annals import logged_set
from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.journal import Books
from louver_sandbox.match_commit import Asked, Paid
from louver_sandbox.match_line import Judging, MatchLine
from louver_sandbox.matching import build_main
from louver_sandbox.matching.building import build
from louver_sandbox.matching.editions import Editions
from louver_sandbox.matching.process import Matcher
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.match_terms import MatchMode
from louver_sandbox.policy.matching import MatchQuestion
from louver_sandbox.publishing.record_keys import create_key, read_key
from louver_sandbox.settings import Settings
from louver_sandbox.stages import Subject
from louver_sandbox.store import State

LIST = "gov.credit_list/black"
NOON = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
FAR = date(2030, 1, 1)


@dataclass(frozen=True)
class Listed:
    """A row of the list."""

    subject: str
    subject_class: str = "E"
    polarity: str = "B"
    valid_to: date | None = FAR
    repaired_on: date | None = None
    list_code: str = "TAX_MAJOR"
    listed_on: date = date(2025, 1, 2)


def firm(number: int) -> str:
    """A made-up id."""
    return f"91370200MA{number:07d}X"


def write_list(world: Path, rows: Sequence[Listed]) -> None:
    """The table's file, as its declaration wants it."""
    folder = world / "gov.credit_list"
    folder.mkdir(parents=True, exist_ok=True)
    count = len(rows)
    content = pa.table(
        {
            "list_id": pa.array([str(n) for n in range(count)]),
            "list_code": pa.array([row.list_code for row in rows]),
            "polarity": pa.array([row.polarity for row in rows]),
            "subject_class": pa.array([row.subject_class for row in rows]),
            "subject_id": pa.array([row.subject for row in rows]),
            "source_dept": pa.array(["d"] * count),
            "listed_on": pa.array([row.listed_on for row in rows]),
            "valid_to": pa.array([row.valid_to for row in rows], pa.date32()),
            "repaired_on": pa.array([row.repaired_on for row in rows], pa.date32()),
            "measures": pa.array([["2.01", "2.04"]] * count),
        }
    )
    pq.write_table(content, folder / "part.parquet")


def terms(**changes: Any) -> dict[str, Any]:
    """Terms of matching as plain data."""
    return {
        "lists": {"black": "polarity = 'B'", "red": "polarity = 'R'"},
        "modes": ["hits", "count", "sum"],
        "until": "valid_to",
        "ended": "repaired_on",
        "minimum_batch": 20,
        "ids_per_day": 1000,
        "ids_per_month": 2000,
        "answers_per_month": 5,
        "largest_amount": 1_000_000,
        "numbers": numbers(),
    } | changes


def numbers(each: float = 2, allowance: float = 8, lifetime: float = 20) -> dict[str, Any]:
    """A budget of privacy loss for numbers, by its epsilons."""
    return {
        name: {"epsilon": str(epsilon), "delta": "0.000001"}
        for name, epsilon in (("each", each), ("allowance", allowance), ("lifetime", lifetime))
    }


def match_grant(**changes: Any) -> dict[str, Any]:
    """A grant of the list as plain data; `matching` among the changes."""
    return {
        "id": "m",
        "to": {"groups": ["banks"]},
        "verbs": ["match"],
        "purposes": ["RESEARCH"],
        "valid": {"from": "2026-01-01", "until": "2026-12-31"},
        "table": "gov.credit_list",
        "columns": {
            "subject_id": ["match"],
            "list_code": ["output"],
            "listed_on": ["output"],
            "measures": ["output"],
        },
        "treatment": "matched",
        "matching": terms(),
        "budget": {"queries_per_day": 50, "predicates_per_day": 50},
    } | changes


def match_bundle(**changes: Any) -> Bundle:
    return bundle_of(policy(match_grant(**changes), owner="市发改委"))


class InProcess:
    """In place of a matcher's process: what it would answer."""

    def __init__(self, seed: bytes | None, folder: Path) -> None:
        self._matcher = Matcher(seed, lambda name: (folder / "sets" / name).read_bytes())
        self.asked: list[bytes] = []

    def ask(self, request: bytes, reply_cap: int) -> bytes:
        self.asked.append(request)
        reply = self._matcher.answer(request)
        assert len(reply) <= reply_cap
        return reply

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *reason: object) -> None:
        return None


class Pool:
    """Gives out sessions of this process."""

    def __init__(self, seed: bytes | None, folder: Path) -> None:
        self._seed, self._folder = seed, folder
        self.sessions: list[InProcess] = []

    def open(self, seconds: float, cancelled: threading.Event) -> InProcess:
        self.sessions.append(InProcess(self._seed, self._folder))
        return self.sessions[-1]


def built_here(catalog: Catalog, job: build_main.Job) -> str:
    """The set builder without its process, and with a catalogue that is read already."""
    built = build(catalog, job.spec, read_key(job.seed))
    build_main._install(job.inside, built.inside)
    build_main._install(job.personal, built.personal)
    build_main._install(job.given, built.given)
    return hashlib.sha256(built.given).hexdigest()


@cache
def migrated() -> bytes:
    """An empty state store as a file: making one takes longer than a match."""
    with tempfile.TemporaryDirectory() as folder:
        State.open(Path(folder) / "state.db").close()
        return (Path(folder) / "state.db").read_bytes()


@dataclass
class Matched:
    """What came of a match: hits by id, or a number."""

    set: MatchSet | None = None
    hits: dict[str, tuple[Row, ...]] = field(default_factory=dict)
    number: int | None = None
    receipt: bytes = b""
    personal: bytes = b""


@dataclass
class House:
    """One installation. `ask` is a whole match of an honest client."""

    settings: Settings
    books: Books
    clock: SettableClock
    catalog: Catalog
    bundle: Bundle
    line: MatchLine
    pool: Pool
    seed: bytes
    incidents: list[Exception]

    def asked(
        self, content: bytes, ids: int, mode: str, *, list_: str = LIST, who: Subject = BANK_A,
        public: bytes = b"", request_id: str = "", purpose: str = "RESEARCH", authorisations: Sequence[str] = (),
        largest: int | None = None,
    ) -> Asked:  # fmt: skip
        bound = (1_000_000 if mode == "sum" else 0) if largest is None else largest
        question = MatchQuestion(who, purpose, list_, MatchMode(mode), ids, bound)
        digest = hashlib.sha256(content).digest()
        return Asked(request_id or str(uuid.uuid4()), question, digest, public, b"", tuple(authorisations))

    def ask(
        self, ids: Iterable[str], mode: str = "hits", *, amounts: Sequence[int] | None = None, list_: str = LIST,
        who: Subject = BANK_A, request_id: str = "", purpose: str = "RESEARCH", authorisations: Sequence[str] = (),
        seed: bytes = b"", largest: int | None = None,
    ) -> Matched:  # fmt: skip
        """Raises `Refused` and `Fault` as the service would. `seed` makes the key of modes count and sum."""
        batch = Batch.of(ids, amounts)
        if mode == "hits":
            blinded = oprf.blind(batch.values)
            asked = self.asked(
                blinded.elements, len(blinded), mode, list_=list_, who=who, request_id=request_id, purpose=purpose,
                authorisations=authorisations,
            )  # fmt: skip
            return self.hits(asked, batch, blinded)
        evaluator = oprf.Evaluator.of(seed or secrets.token_bytes(32))
        content = _tokens(evaluator, batch)
        asked = self.asked(
            content, len(batch.values), mode, list_=list_, who=who, public=evaluator.public, purpose=purpose,
            request_id=request_id, authorisations=authorisations, largest=largest,
        )  # fmt: skip
        return self.number(asked, content, evaluator)

    def paid(self, asked: Asked, content: bytes) -> tuple[Paid, Any, bytes]:
        """Everything up to the charge: the paid match, its session and the public key of hits."""
        admitted = self.line.decide(asked)
        self.line.check_batch(asked, content)
        session: Any = self.line.open(asked, 60, threading.Event())
        edition, public = self.line.prepare(asked, admitted, content, session)
        return self.line.commit(asked, admitted, edition), session, public

    def hits(self, asked: Asked, batch: Batch, blinded: oprf.Blinded) -> Matched:
        paid, session, public = self.paid(asked, blinded.elements)
        edition = paid.edition
        evaluated, personal, receipt = self.line.hits(paid, blinded.elements, session)
        found = MatchSet(edition.path.read_bytes())
        assert found.digest == edition.digest
        tokens = oprf.finalize(blinded, evaluated, public)
        persons = found.opened(personal, tokens)
        rows = {
            id_: found.rows(token) + persons.get(token, ()) for id_, token in zip(batch.written, tokens, strict=True)
        }
        return Matched(found, {id_: said for id_, said in rows.items() if said}, None, receipt, personal)

    def blinded(self, paid: Paid, session: Any) -> bytes:
        """The list's subjects, blinded."""
        return b"".join(self.line.elements(paid, self.line.blinded(paid, session), session))

    def number(self, asked: Asked, content: bytes, evaluator: oprf.Evaluator) -> Matched:
        paid, session, _ = self.paid(asked, content)
        evaluated = evaluator.evaluate(self.blinded(paid, session))
        number, receipt = self.line.number(paid, evaluated, session)
        return Matched(number=number, receipt=receipt)

    def entries(self, kind: str | None = None) -> list[dict[str, Any]]:
        return [dict(entry.fields) for entry in self.books.log.entries(0, 1000, kind=kind)]


@contextmanager
def house(
    folder: Path,
    rows: Sequence[Listed],
    *,
    seed: bytes | None = bytes(range(32)),
    bundle: Bundle | None = None,
    noise: int = 20261122,
) -> Iterator[House]:
    """A house whose list has these rows; `noise` is the seed of its draws, which are OpenDP's elsewhere."""
    settings = Settings(folder)
    write_list(settings.data, rows)
    settings.catalog.mkdir()
    for name in ("gov.credit_list.yaml",):
        (settings.catalog / name).write_bytes((DEMO_CATALOG / name).read_bytes())
    catalog = load_catalog([settings.catalog], settings.data)
    for private in (settings.matching, settings.secrets):
        private.mkdir(mode=0o700)
    if seed is not None:
        create_key(settings.matching / "oprf.key", randomness=lambda size: seed[:size])
    clock, bundle = SettableClock(NOON), bundle or match_bundle()
    incidents: list[Exception] = []

    def incident(error: Exception) -> str:
        incidents.append(error)
        return "incident"

    (folder / "state.db").write_bytes(migrated())
    (folder / "state.db").chmod(0o600)
    with State.open(folder / "state.db") as state:
        log = open_log(state)
        books = Books(state, log)
        pool: Any = Pool(seed, settings.matching)
        editions = Editions(
            settings, partial(journal.note, books), partial(logged_set, books), partial(built_here, catalog)
        )
        judging = Judging(catalog, bundle, lambda policies, now: None)
        line = MatchLine(judging, books, clock, incident, editions, lambda: pool, SeededSampler(noise))
        yield House(settings, books, clock, catalog, bundle, line, pool, seed or b"", incidents)


def tomorrow(house_: House, days: int = 1) -> None:
    """Moves the house's clock."""
    house_.clock.now += timedelta(days=days)
