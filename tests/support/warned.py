"""Warnings in one process: real books on a real disk, the real decision on the demo's policies, a real engine over a
few firms whose data a test may change from one version to the next, and faults on demand."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
from tests.support.audit_logs import SIGNER, SeededRandomness, SettableClock
from tests.support.line import NOON, ORIGIN, stream
from tests.support.policy_questions import city_bundle, city_catalog

from louver.errors import Refused
from louver.warnings import Notices, parse
from louver_sandbox import journal
from louver_sandbox.algebra.expressions import Value
from louver_sandbox.audit.log import AuditLog
from louver_sandbox.consents import Consent, Consents
from louver_sandbox.journal import Books
from louver_sandbox.pipeline import Call
from louver_sandbox.plan.warnings import judge_warnings
from louver_sandbox.stages import InstitutionType, Request, SourceRef, Subject
from louver_sandbox.store import State
from louver_sandbox.suspensions import Suspensions, require_served
from louver_sandbox.warning_plan import WarningCase, WarningPlan
from louver_sandbox.warnings.evaluation import Evaluation, Parts
from louver_sandbox.warnings.subscriptions import DIALECT, Subscriptions
from louver_sandbox.warnings.tables import Subscription
from louver_sandbox.warnings.telling import Telling

BANK = Subject("bank_a", InstitutionType.BANK, frozenset({"banks"}), "f" * 64)
RIVAL = Subject("bank_b", InstitutionType.BANK, frozenset({"banks"}), "e" * 64)
TEMPLATE, PURPOSE = "post-loan-warning@1", "POST_LOAN"
SCOPE = ("gov.tax_quarter", "gov.ss_ent_month", "gov.court_dishonest", "gov.utl_month")
DAY = NOON.date()
SETTLED = DAY + timedelta(days=100)
COLUMNS = {
    "gov.ent_registry": "uscc VARCHAR",
    "gov.tax_quarter": "uscc VARCHAR, quarter DATE, arrears_amt DECIMAL(38,2)",
    "gov.ss_ent_month": "uscc VARCHAR, pay_month DATE, headcount BIGINT",
    "gov.court_dishonest": "subject_id VARCHAR, removed_on DATE",
    "gov.utl_month": "subject_id VARCHAR, kind VARCHAR, bill_month DATE, usage_qty DECIMAL(38,2)",
}


def firm(number: int) -> str:
    """The number of a firm."""
    return f"91370299MA3TES{number:04d}"


@dataclass
class Warned:
    """The line of warnings. `rows` are the data, of which `version` is told apart; `meet` is called by the worker with
    each statement before it answers, and may answer in its place."""

    books: Books
    clock: SettableClock
    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: {table: [] for table in COLUMNS})
    version: int = 1
    meet: Callable[[str], bytes | None] = lambda statement: None
    statements: list[str] = field(default_factory=list)
    incidents: list[Exception] = field(default_factory=list)
    refusal: Refused | None = None
    may_be_told: Callable[[str, str, str], bool] = lambda institution, template, purpose: True
    batch: int = 1000

    def __post_init__(self) -> None:
        append = partial(journal.appended, self.books)
        self.consents = Consents(self.books.state, self.clock, append)
        self.subscriptions = Subscriptions(city_bundle, self.books, self.clock)
        self.telling = Telling(self.books, self.clock, lambda *asked: self.may_be_told(*asked))
        self.suspensions = Suspensions(self.books.state, self.clock, append)
        self.evaluation = self.restarted()

    def restarted(self) -> Evaluation:
        """The evaluation as it is after the service was started anew."""
        self.evaluation = Evaluation(
            Parts(self.books, self.clock, self._judge, self._reserve, self._who, self._incident), self.batch
        )
        return self.evaluation

    def consent(self, subject: str, grantee: Subject = BANK, **changes: Any) -> str:
        """The id of an authorisation that covers the warning, but for the changes."""
        made = Consent(
            "enterprise", subject, PURPOSE, SCOPE, DAY.isoformat(), SETTLED.isoformat(), "ab" * 32, False, False, 1
        )
        return self.consents.record(grantee, replace(made, **changes))[0]

    def subscribe(self, subject: str, authorisation: str, until: date = SETTLED, who: Subject = BANK) -> Subscription:
        """One subscription."""
        return self.subscriptions.subscribe([asked(subject, authorisation, until, who)])[0]

    def borrower(self, subject: str) -> Subscription:
        """A subscription that an authorisation covers."""
        return self.subscribe(subject, self.consent(subject))

    def told(self, after: str = "", who: Subject = BANK) -> Notices:
        """What is told now."""
        found = self.telling.tell(who.institution, after, 1000, "poll")
        notices = parse(found.document, found.receipt)
        notices.verify(str(SIGNER.verifier_key))
        return notices

    def kinds(self) -> list[str]:
        """The kinds of the log's entries, in order."""
        return [str(entry.fields["kind"]) for entry in self.books.log.entries(limit=1000)]

    def run_statement(self, sources: Sequence[SourceRef], statement: str, call: Call) -> bytes:
        """What an honest worker replies, or what `meet` does."""
        self.statements.append(statement)
        answered = self.meet(statement)
        return self.run(sources, statement) if answered is None else answered

    def run(self, sources: Sequence[SourceRef], statement: str) -> bytes:
        """The statement over the data as they are."""
        return self.run_all(sources, [statement])[0]

    def run_all(self, sources: Sequence[SourceRef], statements: Sequence[str]) -> list[bytes]:
        """The replies to several statements over the same data."""
        with duckdb.connect(config={"threads": 1}) as engine:
            for source in sources:
                engine.execute(f"ATTACH ':memory:' AS {source.alias}")
                engine.execute(f"CREATE TABLE {source.alias}.main.data ({COLUMNS[str(source.table)]})")
                if found := self.rows[str(source.table)]:
                    marks = ", ".join("?" for _ in found[0])
                    engine.executemany(f"INSERT INTO {source.alias}.main.data VALUES ({marks})", found)
            return [stream(engine.sql(statement).to_arrow_table()) for statement in statements]

    def _judge(self, case: WarningCase) -> WarningPlan:
        if self.refusal is not None:
            raise self.refusal
        return self.of_version(judge_warnings(case, city_catalog(), city_bundle())[0])

    def of_version(self, plan: WarningPlan) -> WarningPlan:
        """The plan on this version of the data."""
        sources = tuple(replace(one, snapshot=f"{one.snapshot}{self.version}") for one in plan.sources)
        return replace(plan, sources=sources)

    @contextmanager
    def _reserve(self, institution: str, call: Call) -> Iterator[Warned]:
        yield self

    def _who(self, institution: str) -> Subject | None:
        known = {one.institution: replace(one, fingerprint="") for one in (BANK, RIVAL)}
        return known.get(institution)

    def _incident(self, error: Exception) -> str:
        self.incidents.append(error)
        return f"incident-{len(self.incidents)}"


def asked(subject: str, authorisation: str, until: date = SETTLED, who: Subject = BANK) -> Request:
    """A subscription as it comes from the edge."""
    given: dict[str, Value] = {"subject": subject, "authorisation": authorisation, "until": until}
    return Request(str(uuid.uuid4()), who, PURPOSE, TEMPLATE, given, DIALECT, signature=b"signed")


@contextmanager
def warned(folder: Path, batch: int = 1000) -> Iterator[Warned]:
    """The line over fresh books."""
    clock = SettableClock(NOON)
    with State.open(folder / "state.db") as state:
        log = AuditLog(
            state, SIGNER, ORIGIN, clock=clock, randomness=SeededRandomness(), require_served=require_served
        )
        yield Warned(Books(state, log), clock, batch=batch)


def call() -> Call:
    """A patient caller."""
    return Call(10.0, threading.Event(), lambda stage: None)
