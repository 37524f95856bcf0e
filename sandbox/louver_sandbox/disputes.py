"""Disputes (异议): a subject says that a record about it is wrong, and has an answer within ten working days.

A subject comes to the operator, or to an institution that was told of it, which passes the dispute on by naming a
lookup of its own. Filing looks at nothing but that lookup's question: a dispute is taken whether anything was told or
not, and whoever was told nothing is told nothing of its outcome either, so that nobody learns by disputing whether a
subject exists. Source: 征信业管理条例 art. 25; DOMAIN 2.3, 2.6.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    insert,
    select,
    update,
)

from louver_sandbox import inquiries
from louver_sandbox.audit.entries import JSON
from louver_sandbox.authorisations.deadlines import DISPUTE, deadline
from louver_sandbox.authorisations.decide import BEIJING
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.corrections import Append, Change, Correction, Corrections, Kind
from louver_sandbox.refusals import disputes as refuse
from louver_sandbox.store import State

metadata = MetaData()

disputes = Table(
    "disputes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("institution", Text),
    Column("request_id", Text),
    Column("unit", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("told", Integer, nullable=False),
    Column("evidence_sha256", Text, nullable=False),
    Column("received", Text, nullable=False),
    Column("due", Text, nullable=False),
    Column("settled", Integer, nullable=False),
    Column("outcome", Text),
    Column("answered_at", Text),
    Column("correction", Text),
    Column("entry", BigInteger, nullable=False),
    Index("disputes_by_institution", "institution", "entry"),
    Index("disputes_by_subject", "unit", "subject"),
)
"""One dispute a row; ``institution`` and ``request_id`` are empty where the subject came to the operator. Its own
words stand in the log as a commitment."""

MOST_OPEN = 200
"""Disputes of one institution that may wait for an answer at a time."""
LONGEST_STATEMENT = 2000
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\.[A-Za-z_][A-Za-z0-9_]{0,62}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Outcome(StrEnum):
    """How a dispute was answered: the record was corrected, it stands, or the subject took the dispute back."""

    CORRECTED = "corrected"
    STANDS = "stands"
    TAKEN_BACK = "taken_back"


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute as the operator sees it. `told` is whether whoever passed it on had been told anything."""

    id: str
    institution: str | None
    request_id: str | None
    unit: UnitType
    subject: str
    table: str
    told: bool
    evidence_sha256: str
    received: date
    due: date
    settled: bool
    outcome: Outcome | None
    answered_at: datetime | None
    correction: str | None
    entry: int

    def seen(self, today: date) -> tuple[str, str]:
        """Its state and outcome as the institution is told: the true ones only where it had been told something.

        Otherwise it is answered when its time is over, whatever was done with it and whenever.
        """
        if self.told:
            return ("open", "") if self.outcome is None else ("answered", self.outcome.value)
        return ("answered" if today > self.due else "open", "")


@dataclass(frozen=True, slots=True)
class Filing:
    """What is disputed: the table, the subject's own words, and the digest of the signed document."""

    table: str
    statement: str
    evidence_sha256: str


class Disputes:
    """Takes disputes and their answers. ``identities`` makes ids."""

    def __init__(
        self,
        state: State,
        clock: Callable[[], datetime],
        append: Append,
        identities: Callable[[], str],
        corrections: Corrections,
    ) -> None:
        self._state = state
        self._clock = clock
        self._append = append
        self._identities = identities
        self._corrections = corrections

    def pass_on(self, institution: str, request_id: str, filing: Filing) -> Dispute:
        """Takes what a subject disputes in an answer to the institution. The same again is the same dispute.

        Raises `Refused` LVR-5121 to LVR-5124.
        """
        _check(filing)
        with self._state.transaction() as tx:
            asked = inquiries.of_request(tx, institution, request_id)
            if not asked:
                raise refuse.unknown_lookup({})
            reading = [one for one in asked if any(source.table == filing.table for source in one.sources)]
            if not reading:
                raise refuse.other_table(
                    {"tables": ", ".join(sorted({s.table for one in asked for s in one.sources}))}
                )
            waiting_now = _open(tx, institution, self._clock().astimezone(BEIJING).date())
            same = [one for one in waiting_now if (one.request_id, one.table) == (request_id, filing.table)]
            if same:
                return same[0]
            if len(waiting_now) >= MOST_OPEN:
                raise refuse.too_many({"limit": str(MOST_OPEN)})
            told = [inquiries.was_told(tx, one) for one in reading]
            whom = reading[0].unit, reading[0].subject
            return self._take(tx, (institution, request_id), whom, filing, told=any(told))

    def take(self, unit: UnitType, subject: str, filing: Filing) -> Dispute:
        """Takes the dispute of a subject who came to the operator. Raises `Refused` LVR-5122."""
        _check(filing)
        with self._state.transaction() as tx:
            return self._take(tx, (None, None), (unit, subject), filing, told=True)

    def answer(self, identity: str, outcome: Outcome, reason: str, effective: date | None = None) -> Dispute:
        """Records the answer to a dispute; one that upholds it records the correction, with notices to whoever was
        answered before. Raises `Refused` LVR-5125 or LVR-5126."""
        with self._state.transaction() as tx:
            found = find(tx, identity)
            if found is None:
                raise refuse.unknown_dispute({})
            if found.outcome is not None:
                raise refuse.answered_already({"outcome": found.outcome.value})
            now = self._clock()
            correction = self._corrected(tx, found, effective or now.astimezone(BEIJING).date(), outcome)
            body: dict[str, JSON] = {
                "kind": "dispute_answered",
                "dispute": identity,
                "outcome": outcome.value,
                "late": now.astimezone(BEIJING).date() > found.due,
                **({} if correction is None else {"correction": correction.id}),
            }
            self._append(tx, body, {"reason": reason})
            answered = {
                "outcome": outcome.value,
                "answered_at": now.astimezone(UTC).isoformat(),
                "correction": None if correction is None else correction.id,
            }
            tx.execute(update(disputes).where(_d.id == identity).values(**answered))
            return _dispute(tx.execute(select(disputes).where(_d.id == identity)).one())

    def _corrected(self, tx: Connection, found: Dispute, effective: date, outcome: Outcome) -> Correction | None:
        if outcome is not Outcome.CORRECTED:
            return None
        change = Change(found.unit, found.subject, found.table, Kind.CORRECTED, effective)
        made, _ = self._corrections.recorded(tx, change)
        return made

    def _take(
        self,
        tx: Connection,
        by: tuple[str | None, str | None],
        whom: tuple[UnitType, str],
        filing: Filing,
        *,
        told: bool,
    ) -> Dispute:
        received = self._clock().astimezone(BEIJING).date()
        until = deadline(received, DISPUTE)
        identity, (unit, subject) = self._identities(), whom
        institution, request_id = by
        body: dict[str, JSON] = {
            "kind": "dispute",
            "dispute": identity,
            "institution": institution or "",
            "lookup": request_id or "",
            "unit": unit.value,
            "table": filing.table,
            "evidence_sha256": filing.evidence_sha256,
            "due": until.day.isoformat(),
        }
        entry = self._append(tx, body, {"subject": subject, "statement": filing.statement})
        row = {
            "id": identity,
            "institution": institution,
            "request_id": request_id,
            "unit": unit.value,
            "subject": subject,
            "about": filing.table,
            "told": int(told),
            "evidence_sha256": filing.evidence_sha256,
            "received": received.isoformat(),
            "due": until.day.isoformat(),
            "settled": int(until.settled),
            "entry": entry,
        }
        tx.execute(insert(disputes).values(**row))
        return _dispute(tx.execute(select(disputes).where(_d.id == identity)).one())


def find(tx: Connection, identity: str) -> Dispute | None:
    """The dispute of that id, whoever's it is."""
    row = tx.execute(select(disputes).where(_d.id == identity)).one_or_none()
    return None if row is None else _dispute(row)


def of_institution(tx: Connection, institution: str, most: int) -> tuple[Dispute, ...]:
    """The newest that an institution has passed on."""
    query = select(disputes).where(_d.institution == institution).order_by(_d.entry.desc()).limit(most)
    return tuple(map(_dispute, tx.execute(query)))


def about(tx: Connection, unit: UnitType, subject: str) -> tuple[Dispute, ...]:
    """The disputes of a subject, the oldest first."""
    this = (_d.unit == unit.value) & (_d.subject == subject)
    return tuple(map(_dispute, tx.execute(select(disputes).where(this).order_by(_d.entry))))


def waiting(tx: Connection) -> tuple[Dispute, ...]:
    """The disputes without an answer, those that are due first before the others."""
    query = select(disputes).where(_d.outcome.is_(None)).order_by(_d.due, _d.entry)
    return tuple(map(_dispute, tx.execute(query)))


def _open(tx: Connection, institution: str, today: date) -> tuple[Dispute, ...]:
    """Those that wait as far as the institution is told, so that neither a limit nor an id tells more."""
    recent = (_d.institution == institution) & (_d.outcome.is_(None) | (_d.due >= today.isoformat()))
    found = map(_dispute, tx.execute(select(disputes).where(recent).order_by(_d.entry)))
    return tuple(one for one in found if one.seen(today)[0] == "open")


def _check(filing: Filing) -> None:
    """Raises `Refused` LVR-5122 with the field's name, never with what stands in it."""
    sound = {
        "table": _TABLE.fullmatch(filing.table) is not None,
        "statement": len(filing.statement.strip()) > 0 and len(filing.statement) <= LONGEST_STATEMENT,
        "evidence_sha256": _DIGEST.fullmatch(filing.evidence_sha256) is not None,
    }
    for field, holds in sound.items():
        if not holds:
            raise refuse.dispute_form({"field": field})


def _dispute(row: Row[Any]) -> Dispute:
    return Dispute(
        id=row.id,
        institution=row.institution,
        request_id=row.request_id,
        unit=UnitType(row.unit),
        subject=row.subject,
        table=row.about,
        told=bool(row.told),
        evidence_sha256=row.evidence_sha256,
        received=date.fromisoformat(row.received),
        due=date.fromisoformat(row.due),
        settled=bool(row.settled),
        outcome=None if row.outcome is None else Outcome(row.outcome),
        answered_at=None if row.answered_at is None else datetime.fromisoformat(row.answered_at),
        correction=row.correction,
        entry=int(row.entry),
    )


_d = disputes.c
