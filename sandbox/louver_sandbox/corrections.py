"""Corrections: a record about a subject was repaired, corrected or withdrawn, and whoever was told of it hears so.

An institution gets one notice for each correction that touches what it was told before, with those of its lookups
that read the table. A notice says that the record is another now, never what it was or is: who may know asks again.
Source: DOMAIN 2.3, «credit repair must propagate».
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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
    PrimaryKeyConstraint,
    Row,
    Table,
    Text,
    insert,
    select,
    update,
)

from louver_sandbox import inquiries
from louver_sandbox.audit.entries import JSON
from louver_sandbox.authorisations.deadlines import CORRECTION, deadline
from louver_sandbox.authorisations.decide import BEIJING
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.store import State

metadata = MetaData()

corrections = Table(
    "corrections",
    metadata,
    Column("id", Text, primary_key=True),
    Column("unit", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("effective", Text, nullable=False),
    Column("received", Text, nullable=False),
    Column("due", Text, nullable=False),
    Column("settled", Integer, nullable=False),
    Column("entry", BigInteger, nullable=False),
    Index("corrections_by_subject", "unit", "subject"),
)
"""One change of a subject's record a row; ``about`` is the table. Days are in Beijing."""

notices = Table(
    "correction_notices",
    metadata,
    Column("correction", Text, nullable=False),
    Column("institution", Text, nullable=False),
    Column("requests", Text, nullable=False),
    Column("delivered_at", Text),
    PrimaryKeyConstraint("correction", "institution"),
    Index("correction_notices_by_institution", "institution", "correction"),
)
"""Whom a correction is passed on to, with its own requests that were answered from the table (JSON)."""

Append = Callable[[Connection, Mapping[str, JSON], Mapping[str, str]], int]
"""Adds a log entry in a transaction, with texts that enter as commitments only, and gives its index."""


class Kind(StrEnum):
    """What happened to the record."""

    REPAIRED = "repaired"
    CORRECTED = "corrected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Change:
    """A record of a subject in a table is another since the day `effective`."""

    unit: UnitType
    subject: str
    table: str
    kind: Kind
    effective: date


@dataclass(frozen=True, slots=True)
class Correction:
    """A change as it was received, and by when whoever was told of the record must know. `settled` is false where the
    calendar of a year in between has not been announced."""

    id: str
    change: Change
    received: date
    due: date
    settled: bool
    entry: int


@dataclass(frozen=True, slots=True)
class Notice:
    """A correction as one institution is told of it, with its requests that it concerns. `delivered_at` None has not
    been fetched."""

    correction: Correction
    institution: str
    requests: tuple[str, ...]
    delivered_at: datetime | None


class Corrections:
    """Records corrections and hands their notices out. ``identities`` makes ids."""

    def __init__(
        self, state: State, clock: Callable[[], datetime], append: Append, identities: Callable[[], str]
    ) -> None:
        self._state = state
        self._clock = clock
        self._append = append
        self._identities = identities

    def record(self, change: Change, read_until: date | None = None) -> tuple[Correction, int]:
        """Keeps a correction, logs it and addresses its notices: the correction and how many institutions get one.

        With `read_until` those alone who were told from data of that day or an earlier one, since later data had it.
        """
        with self._state.transaction() as tx:
            return self.recorded(tx, change, read_until)

    def recorded(self, tx: Connection, change: Change, read_until: date | None = None) -> tuple[Correction, int]:
        """The same in a transaction that does more. A change that was recorded before is that correction again."""
        if (known := _known(tx, change)) is not None:
            return known, len(_of(tx, [known.id]))
        now = self._clock()
        received = now.astimezone(BEIJING).date()
        until = deadline(received, CORRECTION)
        identity = self._identities()
        told = _told(tx, change, read_until or date.max)
        body: dict[str, JSON] = {
            "kind": "correction",
            "correction": identity,
            "unit": change.unit.value,
            "table": change.table,
            "change": change.kind.value,
            "effective": change.effective.isoformat(),
            "due": until.day.isoformat(),
            "notified": sorted(told),
        }
        entry = self._append(tx, body, {"subject": change.subject})
        row = {
            "id": identity,
            "unit": change.unit.value,
            "subject": change.subject,
            "about": change.table,
            "kind": change.kind.value,
            "effective": change.effective.isoformat(),
            "received": received.isoformat(),
            "due": until.day.isoformat(),
            "settled": int(until.settled),
            "entry": entry,
        }
        tx.execute(insert(corrections).values(**row))
        for institution, requests in sorted(told.items()):
            listed = json.dumps(requests)
            tx.execute(insert(notices).values(correction=identity, institution=institution, requests=listed))
        return Correction(identity, change, received, until.day, until.settled, entry), len(told)

    def fetch(self, institution: str, most: int) -> tuple[Notice, ...]:
        """The institution's notices: those that it has not had, the oldest first, then the newest of the others.

        That they are handed out now is noted and logged, once each.
        """
        with self._state.transaction() as tx:
            found = of_institution(tx, institution, most)
            fresh = [notice.correction.id for notice in found if notice.delivered_at is None]
            if fresh:
                now = self._clock().astimezone(UTC)
                body: dict[str, JSON] = {
                    "kind": "correction_delivered",
                    "institution": institution,
                    "corrections": sorted(fresh),
                }
                self._append(tx, body, {})
                mine = (_n.institution == institution) & _n.correction.in_(fresh)
                tx.execute(update(notices).where(mine).values(delivered_at=now.isoformat()))
        return found


def of_institution(tx: Connection, institution: str, most: int) -> tuple[Notice, ...]:
    """The notices of an institution: those it has not had first, the oldest of them first; then the newest."""
    joined = notices.join(corrections, _n.correction == _c.id)
    chosen = select(corrections, _n.institution, _n.requests, _n.delivered_at).select_from(joined)
    mine = chosen.where(_n.institution == institution)
    fresh = tx.execute(mine.where(_n.delivered_at.is_(None)).order_by(_c.entry).limit(most)).all()
    had = tx.execute(
        mine.where(_n.delivered_at.is_not(None)).order_by(_c.entry.desc()).limit(most - len(fresh))
    ).all()
    return tuple(_notice(row) for row in (*fresh, *had))


def about(tx: Connection, unit: UnitType, subject: str) -> tuple[tuple[Correction, tuple[Notice, ...]], ...]:
    """The corrections of a subject's records, each with its notices."""
    this = (_c.unit == unit.value) & (_c.subject == subject)
    found = [_correction(row) for row in tx.execute(select(corrections).where(this).order_by(_c.entry))]
    sent = _of(tx, [one.id for one in found])
    return tuple((one, tuple(notice for notice in sent if notice.correction.id == one.id)) for one in found)


def waiting(tx: Connection) -> tuple[Notice, ...]:
    """The notices that nobody has fetched, those that are due first before the others."""
    joined = notices.join(corrections, _n.correction == _c.id)
    chosen = select(corrections, _n.institution, _n.requests, _n.delivered_at).select_from(joined)
    return tuple(map(_notice, tx.execute(chosen.where(_n.delivered_at.is_(None)).order_by(_c.due, _c.entry))))


def _told(tx: Connection, change: Change, read_until: date) -> dict[str, list[str]]:
    """By institution, its requests by which it was told something of the subject from the table as it was then."""
    told: dict[str, list[str]] = {}
    for inquiry in inquiries.about(tx, change.unit, change.subject):
        reads = any(source.table == change.table and source.as_of <= read_until for source in inquiry.sources)
        known = told.setdefault(inquiry.institution, [])
        if reads and inquiry.asked_as not in known and inquiries.was_told(tx, inquiry):
            known.append(inquiry.asked_as)
    return {institution: requests for institution, requests in told.items() if requests}


def _known(tx: Connection, change: Change) -> Correction | None:
    same = (
        (_c.unit == change.unit.value)
        & (_c.subject == change.subject)
        & (_c.about == change.table)
        & (_c.kind == change.kind.value)
        & (_c.effective == change.effective.isoformat())
    )
    row = tx.execute(select(corrections).where(same)).first()
    return None if row is None else _correction(row)


def _of(tx: Connection, identities: Sequence[str]) -> tuple[Notice, ...]:
    joined = notices.join(corrections, _n.correction == _c.id)
    chosen = select(corrections, _n.institution, _n.requests, _n.delivered_at).select_from(joined)
    return tuple(map(_notice, tx.execute(chosen.where(_c.id.in_(identities)).order_by(_n.institution))))


def _correction(row: Row[Any]) -> Correction:
    change = Change(UnitType(row.unit), row.subject, row.about, Kind(row.kind), date.fromisoformat(row.effective))
    received, due = date.fromisoformat(row.received), date.fromisoformat(row.due)
    return Correction(row.id, change, received, due, bool(row.settled), int(row.entry))


def _notice(row: Row[Any]) -> Notice:
    delivered = None if row.delivered_at is None else datetime.fromisoformat(row.delivered_at)
    return Notice(_correction(row), row.institution, tuple(json.loads(row.requests)), delivered)


_c, _n = corrections.c, notices.c
