"""The straight line in one process: real books on a real disk, the real judge, a real engine, and faults on demand.

Everything that a unit test of the line needs and no service: one government table of firms under thresholds, two
banks, a ledger and a log in a fresh SQLite file, and a worker that runs the planned statement in DuckDB here.
"""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import get_args

import pyarrow as pa
from sqlalchemy import text
from tests.support.audit_logs import SIGNER, SeededRandomness, SettableClock
from tests.support.catalogs import a_catalog, a_table
from tests.support.engines import lent_engine
from tests.support.policy_questions import BANK_A, bundle_of, grant_document, policy

from louver.errors import Refused
from louver_sandbox.algebra.expressions import Value
from louver_sandbox.audit.log import AuditLog
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.journal import Books
from louver_sandbox.obligations import PrivacyCharge
from louver_sandbox.pipeline import Call, Failed, Pipeline, Slot, judge
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.processes.pool import FailureKind
from louver_sandbox.release.complementary import Solve
from louver_sandbox.release.seals import Sealer
from louver_sandbox.stages import Facts, Plan, Request, Subject
from louver_sandbox.store import State
from louver_sandbox.suppression.pattern import choose
from louver_sandbox.suspensions import require_served

ORIGIN = "louver.example/log"
NOON = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
SECTIONS = "SELECT section, count(*) AS n, sum(amount) AS total FROM gov.firm GROUP BY section ORDER BY 1"
NARROWED = "SELECT count(*) AS n FROM gov.firm WHERE section = :section"
FORBIDDEN = "SELECT section FROM gov.firm"
QUERIES_PER_DAY = 3
FIRMS = 40


def firms() -> Catalog:
    """One government table: forty firms in sections A (thirty), B (eight) and C (two, too few to be shown)."""
    return a_catalog(a_table("gov.firm"))


def firm_policies(version: str = "1", totals: str = "keep-back", seal: str = "none") -> Bundle:
    """What the banks may do with it, three queries a day."""
    grant = grant_document(
        table="gov.firm",
        columns={"section": ["group_key", "filter", "order"], "amount": ["aggregate"]},
        threshold={"totals": totals, "seal": seal},
        budget={"queries_per_day": QUERIES_PER_DAY, "predicates_per_day": 10},
    )
    return bundle_of(policy(grant, owner="测试部门"), version=version)


def ask(
    sql: str = SECTIONS,
    request_id: str = "request-1",
    who: Subject = BANK_A,
    parameters: Mapping[str, Value] | None = None,
    purpose: str = "RESEARCH",
    seal: str = "",
) -> Request:
    """A question as it comes from the edge."""
    return Request(request_id, who, purpose, sql, parameters or {}, signature=b"signed", seal=seal)


def call(deadline_s: float = 10.0) -> Call:
    """A patient caller."""
    return Call(deadline_s, threading.Event(), lambda stage: None)


class EngineSlot:
    """A worker in this process: the planned statement over the forty firms. `fault` is raised instead, if given."""

    def __init__(self, fault: Exception | None = None, lie: bytes | None = None) -> None:
        self._fault = fault
        self._lie = lie

    def run(self, plan: Plan, call: Call) -> bytes:
        if self._fault is not None:
            raise self._fault
        return run_statement(plan) if self._lie is None else self._lie


def run_statement(plan: Plan) -> bytes:
    """What an honest worker replies."""
    with lent_engine() as engine:
        engine.execute("ATTACH ':memory:' AS s1")
        engine.execute(
            "CREATE TABLE s1.main.data AS SELECT i::UBIGINT AS record_key_enterprise_uscc, "
            "CASE WHEN i < 30 THEN 'A' WHEN i < 38 THEN 'B' ELSE 'C' END AS section, (100 + i)::BIGINT AS amount "
            f"FROM range({FIRMS}) AS firms(i)"
        )
        return b"".join(stream(engine.sql(core.statement).to_arrow_table()) for core in plan.cores)


def stream(table: pa.Table) -> bytes:
    """An Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


@dataclass
class Line:
    """A pipeline over fresh books. `slot`, `refusal`, `judge_fault`, `privacy` (what it costs), `solve`, `sealing_key`
    and `sealer` are what the next question meets."""

    books: Books
    clock: SettableClock
    path: Path
    bundle: Bundle = field(default_factory=firm_policies)
    slot: Slot = field(default_factory=EngineSlot)
    refusal: Refused | None = None
    judge_fault: Exception | None = None
    privacy: tuple[PrivacyCharge, ...] = ()
    solve: Solve = choose
    sealing_key: str = ""
    sealer: Sealer | None = None
    reserved: int = 0
    incidents: list[Exception] = field(default_factory=list)

    @property
    def pipeline(self) -> Pipeline:
        """The real one, with the checker's and the pool's places taken by what stands here."""
        return Pipeline(
            self._judge, self._reserve, self.books, self.clock, self._incident, self.solve, sealer=self.sealer
        )

    def _judge(self, request: Request, facts: Facts) -> Plan:
        if self.judge_fault is not None:
            raise self.judge_fault
        keyed = replace(facts, sealing_key=self.sealing_key)
        return replace(judge(request, firms(), self.bundle, keyed), privacy=self.privacy)

    @contextmanager
    def _reserve(self, institution: str, call: Call) -> Iterator[Slot]:
        if self.refusal is not None:
            raise self.refusal
        self.reserved += 1
        try:
            yield self.slot
        finally:
            self.reserved -= 1

    def _incident(self, error: Exception) -> str:
        self.incidents.append(error)
        return f"incident-{len(self.incidents)}"

    def kinds(self) -> list[str]:
        """The kinds of the log's entries, in order."""
        return [str(entry.fields["kind"]) for entry in self.books.log.entries(limit=1000)]

    def spent(self) -> int:
        """Queries the ledger has charged to anybody."""
        with self.books.state.reading() as tx:
            return int(tx.execute(text("SELECT count(*) FROM ledger WHERE kind = 'query'")).scalar_one())

    def answers(self) -> int:
        """Answers in the store."""
        with self.books.state.reading() as tx:
            return int(tx.execute(text("SELECT count(*) FROM answers")).scalar_one())

    @contextmanager
    def log_refuses(self, *kinds: str) -> Iterator[None]:
        """While it lasts, entries of these kinds cannot be written; everything else can."""
        named = ", ".join(f"'{kind}'" for kind in kinds)
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute(
                f"CREATE TRIGGER broken BEFORE INSERT ON entries WHEN NEW.kind IN ({named}) "
                "BEGIN SELECT RAISE(ABORT, 'broken by the test'); END"
            )
            try:
                yield
            finally:
                other.execute("DROP TRIGGER broken")

    @contextmanager
    def store_held(self) -> Iterator[None]:
        """While it lasts, another process holds the store and no write gets through."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                other.execute("ROLLBACK")


@cache
def fresh_books() -> bytes:
    """An empty state store; made once, because migrations take time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.db"
        State.open(path).close()
        return path.read_bytes()


@contextmanager
def line(folder: Path, place: Path | str = "") -> Iterator[Line]:
    """A line over fresh books in this folder, or at this place."""
    clock = SettableClock(NOON)
    path = folder / "state.db"
    if not isinstance(place, str) or not place:
        path.write_bytes(fresh_books())
        place = path
    with State.open(place, busy_timeout_s=0.05) as state:
        log = AuditLog(
            state, SIGNER, ORIGIN, clock=clock, randomness=SeededRandomness(), require_served=require_served
        )
        yield Line(Books(state, log), clock, path)


FAILURES: Mapping[str, Callable[[], Exception]] = {
    **{kind: partial(Failed, kind) for kind in get_args(FailureKind)},
    "internal": lambda: RuntimeError("with a value from the data: 91370200"),
}
"""How a worker can end, by the reason that the log keeps."""
