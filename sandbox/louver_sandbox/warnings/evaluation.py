"""The line of warnings: one statement for each template over all live subscriptions, once for each version of the
data.

There is nobody who asks at that moment, so nothing is refused to anybody; but the order is that of every question.
The decision is made in a checker, a worker is reserved, authorisations are read and the admission is logged as one,
and only then are rows read. Where no authorisation covers a subscription, nobody stands in the list in its subject's
place: that is as if it had no flags, and what it was told before stays. What has changed becomes a notice in the
transaction that logs the outcome. A crash before that leaves the batch to be evaluated again, and none of it twice.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from threading import Event
from typing import Any, Protocol

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from louver.errors import Refused
from louver_sandbox import journal
from louver_sandbox.audit.entries import JSON
from louver_sandbox.authorisations.decide import BEIJING
from louver_sandbox.authorisations.model import Reason
from louver_sandbox.journal import Books
from louver_sandbox.pipeline import Call, Failed
from louver_sandbox.plan.warnings import about_many, about_nobody
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.stages import SourceRef, Subject
from louver_sandbox.unreleased import SUSPENDED
from louver_sandbox.warning_plan import WarningCase, WarningPlan
from louver_sandbox.warnings import covering
from louver_sandbox.warnings.flags import decode_flags
from louver_sandbox.warnings.tables import Subscription, notices, parts, subscription, subscriptions

BATCH = 5_000
"""Subscriptions that one run of the statement evaluates; the books are held for each batch, not for all."""
EVALUATION_S = 120.0
RETRY_S = 60.0
"""How long after a failure a template is left alone."""


class Worker(Protocol):
    """One reserved worker."""

    def run_statement(self, sources: Sequence[SourceRef], statement: str, call: Call) -> bytes:
        """The worker's reply, one Arrow IPC stream. Raises `Failed`."""


@dataclass(frozen=True)
class Parts:
    """What the line works with. `judge` is `judge_warnings` in a killable process, `reserve` gives a worker, `who` is
    an institution as it is registered now."""

    books: Books
    clock: Callable[[], datetime]
    judge: Callable[[WarningCase], WarningPlan]
    reserve: Callable[[str, Call], AbstractContextManager[Worker]]
    who: Callable[[str], Subject | None]
    new_incident: Callable[[Exception], str]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is evaluated together: an institution's subscriptions to one template for one purpose."""

    institution: str
    template: str
    purpose: str


class Evaluation:
    """Evaluates what is due. Its `round` is called by one thread, again and again."""

    def __init__(self, parts: Parts, batch: int = BATCH) -> None:
        self._parts = parts
        self._batch = batch
        self._left_alone: dict[_Kind, float] = {}
        self._said: set[tuple[_Kind, str, date]] = set()

    def round(self, stopping: Event | None = None) -> int:
        """Evaluates every live subscription that was not yet evaluated on the data of now; how many notices came."""
        stopped = stopping or Event()
        made = 0
        for kind in self._kinds():
            if stopped.is_set() or self._left_alone.get(kind, 0.0) > time.monotonic():
                continue
            made += self._evaluated(kind, stopped)
        return made

    def _kinds(self) -> list[_Kind]:
        with self._parts.books.state.reading() as tx:
            query = select(_s.institution, _s.template, _s.purpose).where(*self._live()).distinct()
            rows = tx.execute(query.order_by(_s.institution, _s.template, _s.purpose))
            return [_Kind(row.institution, row.template, row.purpose) for row in rows]

    def _evaluated(self, kind: _Kind, stopped: Event) -> int:
        """What came of the subscriptions of one kind. Where it may not be evaluated now the log says so once a
        day."""
        who = self._parts.who(kind.institution)
        if who is None:
            return 0
        made = 0
        try:
            plan = self._parts.judge(WarningCase(who, kind.purpose, kind.template, self._today()))
            data = data_of(plan)
            while not stopped.is_set() and (batch := self._due(kind, data)):
                made += self._batch_of(plan, who, data, batch)
        except Refused as refused:
            self._note(kind, refused)
        except Exception as error:
            self._parts.new_incident(error)
            self._left_alone[kind] = time.monotonic() + RETRY_S
        return made

    def _due(self, kind: _Kind, data: str) -> tuple[Subscription, ...]:
        this = (_s.institution == kind.institution) & (_s.template == kind.template) & (_s.purpose == kind.purpose)
        due = or_(_s.evaluated.is_(None), _s.evaluated != data)
        with self._parts.books.state.reading() as tx:
            query = select(subscriptions).where(this, due, *self._live()).order_by(_s.entry).limit(self._batch)
            return tuple(map(subscription, tx.execute(query)))

    def _batch_of(self, plan: WarningPlan, who: Subject, data: str, batch: Sequence[Subscription]) -> int:
        call = Call(EVALUATION_S, Event(), lambda stage: None)
        with self._parts.reserve(who.institution, call) as worker:
            admission, found = self._admitted(plan, who, data, batch)
            try:
                # Each subject once; nobody as often as there are others, so that the list is as long in any case.
                asked = list(dict.fromkeys(one.subject for one in batch if not found[one.id]))
                listed = [*asked, *([None] * (len(batch) - len(asked)))]
                reply = worker.run_statement(plan.sources, about_many(plan, listed), call)
                raised = decode_flags(reply, asked, plan.flags)
                return self._kept(plan, who, data, batch, found, admission, raised)
            except (Failed, WorkerLied) as error:
                self._aborted(admission, who, error.kind if isinstance(error, Failed) else "reply")
                raise
            except Refused:
                self._aborted(admission, who, SUSPENDED)
                raise

    def _admitted(
        self, plan: WarningPlan, who: Subject, data: str, batch: Sequence[Subscription]
    ) -> tuple[int, Mapping[str, tuple[Reason, ...]]]:
        """Reads the authorisations, notes their use and logs the evaluation, as one."""
        now = self._parts.clock()
        with self._parts.books.state.transaction() as tx:
            found = covering.reasons(tx, plan, who, batch, now)
            covering.use(tx, plan, who, [one for one in batch if not found[one.id]], now)
            body = self._common("warning_admission", who, plan) | {
                "subject": {"type": who.type.value, "groups": sorted(who.groups)},
                "bundle": plan.bundle_digest,
                "catalog": plan.catalog_digest,
                "policies": list(plan.policies),
                "statement_sha256": hashlib.sha256(about_nobody(plan).encode()).hexdigest(),
                "snapshots": {str(source.table): source.snapshot for source in plan.sources},
                "data": data,
                "subscriptions": len(batch),
            }
            told = [[one.id, one.authorisation, *(why.value for why in found[one.id])] for one in batch]
            private = {"authorisations": json.dumps(told, ensure_ascii=False)}
            return journal.appended(self._parts.books, tx, body, private), found

    def _kept(
        self,
        plan: WarningPlan,
        who: Subject,
        data: str,
        batch: Sequence[Subscription],
        before: Mapping[str, tuple[Reason, ...]],
        admission: int,
        raised: Mapping[str, tuple[str, ...]],
    ) -> int:
        """Keeps what the flags are now, with a notice of what has changed, and logs the outcome, as one."""
        now = self._parts.clock()
        with self._parts.books.state.transaction() as tx:
            # Only those that would be told of are looked at once more, and the authorisation of each.
            other = [one for one in batch if not before[one.id] and raised.get(one.subject, ()) != one.flags]
            other = self._still_due(tx, other, data)
            found = covering.reasons(tx, plan, who, other, now)
            changed = [(one, raised.get(one.subject, ())) for one in other if not found[one.id]]
            rows = [_notice(plan, one, flags, now) for one, flags in changed]
            body = self._common("warning_outcome", who, plan) | {"admission": admission, "data": data}
            private = {"notices": json.dumps([row["id"] for row in rows])}
            entry = journal.appended(self._parts.books, tx, body, private)
            if rows:
                tx.execute(insert(notices), [row | {"entry": entry} for row in rows])
                kept = [{"this": one.id, "now_raised": json.dumps(list(flags))} for one, flags in changed]
                tx.execute(
                    update(subscriptions).where(_s.id == bindparam("this")).values(flags=bindparam("now_raised")),
                    kept,
                )
            for part in parts([one.id for one in batch]):
                tx.execute(update(subscriptions).where(_s.id.in_(part)).values(evaluated=data))
        return len(rows)

    def _still_due(self, tx: Connection, batch: Sequence[Subscription], data: str) -> list[Subscription]:
        """Those of a batch that neither were cancelled meanwhile nor evaluated by another service."""
        due = or_(_s.evaluated.is_(None), _s.evaluated != data)
        found: dict[str, Subscription] = {}
        for part in parts([one.id for one in batch]):
            rows = tx.execute(select(subscriptions).where(_s.id.in_(part), due, *self._live()))
            found |= {one.id: one for one in map(subscription, rows)}
        return [found[one.id] for one in batch if one.id in found]

    def _aborted(self, admission: int, who: Subject, reason: str) -> None:
        told: dict[str, JSON] = {"kind": "aborted", "institution": who.institution, "verb": "warning"}
        journal.note(self._parts.books, **{**told, "admission": admission, "reason": reason})  # type: ignore[arg-type]

    def _note(self, kind: _Kind, refused: Refused) -> None:
        """Capacity is asked for again in the next round; what policy says is logged, once a day."""
        said = (kind, refused.code, self._today())
        if refused.code.startswith("LVR-3") or said in self._said:
            return
        self._said.add(said)
        journal.note(
            self._parts.books,
            "warning_refused",
            institution=kind.institution,
            template=kind.template,
            purpose=kind.purpose,
            code=refused.code,
        )

    def _common(self, kind: str, who: Subject, plan: WarningPlan) -> dict[str, JSON]:
        return {
            "kind": kind,
            "institution": who.institution,
            "template": plan.rules.template,
            "purpose": plan.case.purpose,
        }

    def _today(self) -> date:
        return self._parts.clock().astimezone(BEIJING).date()

    def _live(self) -> tuple[Any, ...]:
        return _s.cancelled.is_(None), _s.until >= self._today().isoformat()


def data_of(plan: WarningPlan) -> str:
    """What makes two evaluations of a template one: the snapshots that it reads. Another day is none by itself."""
    read = sorted((str(source.table), source.snapshot) for source in plan.sources)
    return hashlib.sha256(json.dumps([plan.rules.template, read]).encode()).hexdigest()


def _notice(plan: WarningPlan, one: Subscription, flags: Sequence[str], now: datetime) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "institution": one.institution,
        "subscription": one.id,
        "needed": bool(plan.rules.columns),
        "raised": json.dumps([flag for flag in flags if flag not in one.flags]),
        "cleared": json.dumps([flag for flag in one.flags if flag not in flags]),
        "as_of": json.dumps({source.table: source.as_of.isoformat() for source in plan.rules.sources}),
        "made": now.astimezone(UTC).isoformat(timespec="seconds"),
    }


_s = subscriptions.c
