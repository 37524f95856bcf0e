"""The straight line, from a bank's question to a receipt it can verify. Read this first.

`judge` is the left half: pure, reads no row, may refuse. It runs in a checker process. `Pipeline` is the right half:
what is committed is paid for and logged, and nothing after the commit may refuse.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from louver.errors import Fault, Refused
from louver_sandbox import journal
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.accounting.one_at_a_time import OneAtATime
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.commit import commit, find_stored
from louver_sandbox.journal import Books
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.plan.plan import plan
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.decide import decide
from louver_sandbox.policy.visible import visible
from louver_sandbox.refusals.capacity import not_accepting
from louver_sandbox.release.complementary import Solve, no_solver
from louver_sandbox.release.decode import decode
from louver_sandbox.release.encode import encode
from louver_sandbox.release.release import release
from louver_sandbox.release.seals import Sealer
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.parse import parse
from louver_sandbox.stages import Committed, Facts, Plan, Receipted, Request, Stored
from louver_sandbox.store import StoreError
from louver_sandbox.unreleased import kind_of


def judge(request: Request, catalog: Catalog, bundle: Bundle, facts: Facts) -> Plan:
    """Everything that is decided without reading a row. Raises `Refused`."""
    parsed = parse(request)
    bound = bind(parsed, visible(catalog, bundle, request.subject))
    admitted = decide(bound, bundle, facts)
    return plan(admitted)


class Failed(Exception):
    """An admitted query that a worker could not finish; `kind` is one of a closed list, never an engine's text."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True)
class Call:
    """What one caller brings: patience, a way to be told to stop, ears for progress and the pace of its answer."""

    deadline_s: float
    cancelled: threading.Event
    progress: Callable[[str], None]
    paced: Callable[[int], None] = lambda milliseconds: None


class Slot(Protocol):
    """One reserved worker."""

    def run(self, plan: Plan, call: Call) -> bytes:
        """The worker's reply, an Arrow IPC stream per core. Raises `Failed`."""


class Pipeline:
    """Answers questions. `judge_in_checker` is `judge` in a killable process; `reserve` gives a worker or refuses.
    `solve` finds, in a killable process too, which further parts are withheld so that totals may stay; without it
    they are kept back. `noise_secret` is the releaser's, for cell keys; `sampler` draws the noise of differential
    privacy; without one `judge_in_checker` refuses what needs it. `sealer` encrypts. `asked` says who asks what."""

    def __init__(
        self,
        judge_in_checker: Callable[[Request, Facts], Plan],
        reserve: Callable[[str, Call], AbstractContextManager[Slot]],
        books: Books,
        clock: Callable[[], datetime],
        new_incident: Callable[[Exception], str],
        solve: Solve = no_solver,
        noise_secret: bytes | None = None,
        sampler: Sampler | None = None,
        sealer: Sealer | None = None,
        asked: OneAtATime | None = None,
    ) -> None:
        self._sampler = sampler
        self._solve = solve
        self._sealer = sealer
        self._judge = judge_in_checker
        self._reserve = reserve
        self._books = books
        self._clock = clock
        self._incident = new_incident
        self._noise_secret = noise_secret
        self._asked = asked or OneAtATime()

    def answer(self, request: Request, call: Call) -> Receipted:
        """Admit, then run. Raises `Refused` (logged) or `Fault`."""
        try:
            if (stored := find_stored(request, self._books)) is not None:
                return self._again(stored)
            planned = self._judge(request, facts_at(self._clock()))
            call.progress("checked")
            call.paced(planned.pace)
            with self._asked.alone(planned, call), self._reserve(request.subject.institution, call) as slot:
                committed = commit(planned, request, self._books, self._clock())
                if isinstance(committed, Stored):
                    return self._again(committed)
                call.progress("admitted")
                return self.run(committed, slot, call)
        except Refused as refused:
            raise self.logged(request, refused) from None

    def run(self, committed: Committed, slot: Slot, call: Call) -> Receipted:
        """Everything that reads rows. Refuses nothing; a failure is one constant fault, and stays charged."""
        try:
            execution = decode(slot.run(committed.plan, call), committed)
            released = release(execution, self._solve, self._noise_secret, self._sampler)
            answer = encode(released, committed, self._sealer)
            receipt = journal.record(committed, released, answer, self._books)
        except Exception as error:
            raise self._aborted(committed, error) from error
        return Receipted(answer, receipt.to_bytes(), stored=False)

    def explain(self, request: Request) -> Plan:
        """What `answer` would do, logged as a dry run; spends nothing. Raises `Refused` (logged)."""
        try:
            planned = self._judge(request, facts_at(self._clock()))
        except Refused as refused:
            raise self.logged(request, refused, kind="explain") from None
        journal.explained(request, planned, self._books)
        return planned

    def logged(self, request: Request, refused: Refused, kind: str = "refusal") -> Refused:
        """The refusal, once the log has it; when the log cannot take it, that is the refusal (law 8)."""
        try:
            journal.refuse(request, refused, self._books, kind)
        except StoreError:
            return not_accepting()
        return refused

    def _aborted(self, committed: Committed, error: Exception) -> Fault:
        """The fault, once the log has it. It stays a fault when the log cannot take it: the query is paid (law 1)."""
        incident = self._incident(error)
        try:
            journal.abort(committed, _kind(error), self._books)
        except StoreError as lost:
            self._incident(lost)
        return Fault(incident)

    def _again(self, stored: Stored) -> Receipted:
        return Receipted(stored.answer, self._books.log.receipt(stored.outcome).to_bytes(), stored=True)


def _kind(error: Exception) -> str:
    """What the log says of a failure."""
    return error.kind if isinstance(error, Failed) else kind_of(error)


def facts_at(now: datetime) -> Facts:
    """The facts a decision at this moment may use."""
    return Facts(now.astimezone(SHANGHAI).date())
