"""The kill switch: from one moment on nothing is answered to an institution.

One administrator suspends, at once; two different ones let it be served again, the first proposing, the second
agreeing (ADR 65). The state store holds it, so that it has its place among the answers: an admission or an outcome
that would be recorded after a suspension is not recorded, and what is not recorded does not leave. What was charged
stays charged. Every step is a log entry in the transaction that takes it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    MetaData,
    Row,
    Table,
    Text,
    bindparam,
    insert,
    select,
    update,
)

from louver_sandbox.audit import commitments, stored
from louver_sandbox.audit.entries import JSON, Entry
from louver_sandbox.refusals import registry as refuse
from louver_sandbox.store import State
from louver_sandbox.store.prepared import Prepared

metadata = MetaData()

suspensions = Table(
    "suspensions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("institution", Text, nullable=False),
    Column("suspended_at", Text, nullable=False),
    Column("suspended_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("entry", BigInteger, nullable=False),
    Column("resume_by", Text),
    Column("resume_reason", Text),
    Column("ended_at", Text),
    Column("ended_by", Text),
    Index("suspensions_by_institution", "institution", "ended_at"),
)
"""One suspension a row; it holds while ``ended_at`` is empty. ``resume_*`` is a proposal to end it."""

LONGEST_REASON = 500
LOST = "restored"
"""The reason of a step of which the log has the commitment only."""
_PAGE = 1000
Append = Callable[[Connection, Mapping[str, JSON], Mapping[str, str]], int]
"""Adds a log entry in a transaction, with texts that enter as commitments only, and gives its index."""


@dataclass(frozen=True, slots=True)
class Suspension:
    """A suspension that holds, and who proposes to end it, where somebody does."""

    institution: str
    since: datetime
    by: str
    reason: str
    entry: int
    resume_by: str
    resume_reason: str


class Suspensions:
    """Suspends institutions and lets them be served again. ``identities`` makes ids."""

    def __init__(
        self,
        state: State,
        clock: Callable[[], datetime],
        append: Append,
        identities: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._state = state
        self._clock = clock
        self._append = append
        self._identities = identities

    def suspend(self, institution: str, reason: str, by: str) -> Suspension:
        """Suspends from this moment on. One that is suspended stays so; a proposal to serve it again is withdrawn.

        Raises `Refused` LVR-7307."""
        _check(reason)
        with self._state.transaction() as tx:
            known = find(tx, institution)
            if known is not None and not known.resume_by:
                return known
            step = "suspended" if known is None else "resume_withdrawn"
            entry = self._logged(tx, institution, step, by, reason)
            if known is None:
                row = {
                    "id": self._identities(),
                    "institution": institution,
                    "suspended_at": self._now(),
                    "suspended_by": by,
                    "reason": reason,
                    "entry": entry,
                }
                tx.execute(insert(suspensions).values(**row))
            else:
                tx.execute(update(suspensions).where(_holds(institution)).values(resume_by=None, resume_reason=None))
            return _found(tx, institution)

    def resume(self, institution: str, reason: str, by: str) -> Suspension | None:
        """Proposes to serve it again, or agrees to somebody else's proposal: then it is served, and this is None.

        One's own proposal is agreed to by nobody but somebody else. Raises `Refused` LVR-7307."""
        _check(reason)
        with self._state.transaction() as tx:
            known = find(tx, institution)
            if known is None or known.resume_by == by:
                return known
            if not known.resume_by:
                self._logged(tx, institution, "resume_proposed", by, reason)
                said = {"resume_by": by, "resume_reason": reason}
                tx.execute(update(suspensions).where(_holds(institution)).values(**said))
                return _found(tx, institution)
            self._logged(tx, institution, "resumed", by, reason, proposed_by=known.resume_by)
            ended = {"ended_at": self._now(), "ended_by": by}
            tx.execute(update(suspensions).where(_holds(institution)).values(**ended))
            return None

    def of(self, institution: str) -> Suspension | None:
        """The suspension that holds, if one does."""
        with self._state.reading() as tx:
            return find(tx, institution)

    def all(self) -> Mapping[str, Suspension]:
        """Those that hold, by institution."""
        with self._state.reading() as tx:
            query = select(suspensions).where(_s.ended_at.is_(None)).order_by(_s.institution)
            return {row.institution: _suspension(row) for row in tx.execute(query)}

    def check(self, institution: str) -> None:
        """Raises `Refused` LVR-7301 where the institution is suspended at this moment."""
        with self._state.reading() as tx:
            require_served(tx, institution)

    def _logged(self, tx: Connection, institution: str, step: str, by: str, reason: str, **more: str) -> int:
        body: dict[str, JSON] = {"kind": "suspension", "institution": institution, "step": step, "by": by, **more}
        return self._append(tx, body, {"reason": reason})

    def _now(self) -> str:
        return self._clock().astimezone(UTC).isoformat()


def require_served(tx: Connection, institution: str) -> None:
    """Raises `Refused` LVR-7301 where the institution is suspended, as far as this transaction sees."""
    held = _SINCE.row(tx, {"who": institution})
    if held is not None:
        raise refuse.suspended(datetime.fromisoformat(held[0]).isoformat(timespec="seconds"))


def find(tx: Connection, institution: str) -> Suspension | None:
    """The suspension that holds, if one does."""
    row = tx.execute(select(suspensions).where(_holds(institution))).one_or_none()
    return None if row is None else _suspension(row)


def again(tx: Connection) -> int:
    """Brings the suspensions to what the log says of them; returns how many were another.

    All of the log is read: an older table, whose entries are there, is no less behind.
    """
    changed = 0
    for said in _logged(tx).values():
        row = tx.execute(select(suspensions).where(_s.entry == said["entry"])).one_or_none()
        if row is None:
            tx.execute(insert(suspensions).values(id=str(uuid.uuid4()), **said))
        elif _standing(row.ended_at, row.resume_by) != _standing(said["ended_at"], said["resume_by"]):
            tx.execute(update(suspensions).where(_s.entry == said["entry"]).values(**said))
        else:
            continue
        changed += 1
    return changed


def forgotten(tx: Connection) -> Iterator[str]:
    """The institutions that are suspended as the log says, and not as the table does."""
    held = set(tx.execute(select(_s.institution).where(_s.ended_at.is_(None))).scalars())
    for said in _logged(tx).values():
        if said["ended_at"] is None and said["institution"] not in held:
            yield said["institution"]


def _logged(tx: Connection) -> dict[int, dict[str, Any]]:
    """The rows that follow from the log, by the entry that began each, without their ids."""
    found: dict[int, dict[str, Any]] = {}
    holding: dict[str, dict[str, Any]] = {}
    start = 0
    while page := stored.entries(tx, start, _PAGE, {"kind": "suspension"}):
        for entry in page:
            name, by = str(entry.fields["institution"]), str(entry.fields["by"])
            at = datetime.fromisoformat(str(entry.fields["time"])).astimezone(UTC).isoformat()
            match entry.fields["step"]:
                case "suspended":
                    row = dict.fromkeys(("resume_by", "resume_reason", "ended_at", "ended_by"))
                    began = {"suspended_at": at, "suspended_by": by, "reason": _reason(tx, entry)}
                    holding[name] = found[entry.index] = row | began | {"institution": name, "entry": entry.index}
                case "resume_withdrawn":
                    holding.get(name, {}).update(resume_by=None, resume_reason=None)
                case "resume_proposed":
                    holding.get(name, {}).update(resume_by=by, resume_reason=_reason(tx, entry))
                case "resumed":
                    holding.pop(name, {}).update(ended_at=at, ended_by=by)
        start = page[-1].index + 1
    return found


def _reason(tx: Connection, entry: Entry) -> str:
    opening = commitments.find(tx, entry.commitments).get("reason")
    return LOST if opening is None else opening.text


def _standing(ended_at: str | None, resume_by: str | None) -> tuple[bool, str]:
    return ended_at is None, resume_by or ""


def _found(tx: Connection, institution: str) -> Suspension:
    return _suspension(tx.execute(select(suspensions).where(_holds(institution))).one())


def _holds(institution: str) -> Any:
    return (_s.institution == institution) & _s.ended_at.is_(None)


def _suspension(row: Row[Any]) -> Suspension:
    return Suspension(
        institution=row.institution,
        since=datetime.fromisoformat(row.suspended_at),
        by=row.suspended_by,
        reason=row.reason,
        entry=int(row.entry),
        resume_by=row.resume_by or "",
        resume_reason=row.resume_reason or "",
    )


def _check(reason: str) -> None:
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise refuse.reason_needed(LONGEST_REASON)


_s = suspensions.c
_SINCE = Prepared(select(_s.suspended_at).where(_s.institution == bindparam("who"), _s.ended_at.is_(None)))
"""Asked for every message that leaves, so it is compiled once."""
