"""Access that institutions ask for: a dataset, columns, a purpose and its basis; the department that owns it decides.

A decision opens nothing: a policy does, which officers draft, sign and put into force as any other; the decision may
name its version. Whoever asks learns from filing neither whether a dataset or column exists nor whose it is: a
request about nothing there is waits too, and goes to the platform's own officers. Figures of supply and demand
(满足率) follow from the rows.
"""

from __future__ import annotations

import json
import re
import statistics
import uuid
from collections.abc import Callable, Iterable, Sequence
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

from louver_sandbox.audit.entries import JSON
from louver_sandbox.authorisations.deadlines import ACCESS, deadline, working_days
from louver_sandbox.authorisations.decide import BEIJING
from louver_sandbox.refusals import access as refuse
from louver_sandbox.stages import Subject
from louver_sandbox.store import State
from louver_sandbox.suspensions import Append

metadata = MetaData()

access_requests = Table(
    "access_requests",
    metadata,
    Column("id", Text, primary_key=True),
    Column("institution", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("columns", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("legal_basis", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("statement", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("received", Text, nullable=False),
    Column("due", Text, nullable=False),
    Column("settled", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("officer", Text, nullable=False),
    Column("decided_at", Text),
    Column("took", Integer),
    Column("entry", BigInteger, nullable=False),
    Index("access_requests_by_institution", "institution", "entry"),
    Index("access_requests_by_department", "department", "state", "due"),
)
"""One request a row. ``columns`` is a JSON list; ``department`` owns the dataset, and is empty where there is none of
that name; ``took`` is working days from receipt to decision."""

MOST_WAITING = 20
"""Requests of one institution that may wait at a time."""
MOST_A_DAY = 50
MOST_LISTED = 1000
MOST_COLUMNS = 64
LONGEST_TEXT = 2000
LONGEST_SQL = 16_384
_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,62}"
_TABLE = re.compile(rf"{_NAME}\.{_NAME}")
_COLUMN = re.compile(_NAME)
_PURPOSE = re.compile(r"[A-Z][A-Z0-9_]{0,39}")


class AccessState(StrEnum):
    """What has become of a request."""

    WAITING = "waiting"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: columns of a dataset (``department.name``) for a purpose, the law, contract or consent it
    rests on, and why. ``sql`` is a question that would be asked, or empty."""

    table: str
    columns: tuple[str, ...]
    purpose: str
    legal_basis: str
    reason: str
    sql: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """A request as its department sees it."""

    id: str
    institution: str
    wish: Wish
    department: str
    state: AccessState
    received: date
    due: date
    settled: bool
    answer: str
    version: str
    officer: str
    decided_at: datetime | None
    took: int | None
    entry: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What a department says to a request: its answer is shown to the institution; ``version`` is that of a policy
    which opens what is granted, or empty."""

    grant: bool
    answer: str
    officer: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """Supply and demand of one department. ``met_per_mille`` is granted of granted and refused; ``median_half_days``
    the median of working days from receipt to decision, doubled; None where nothing was decided."""

    department: str
    received: int
    waiting: int
    overdue: int
    granted: int
    refused: int
    withdrawn: int
    met_per_mille: int | None
    median_half_days: int | None


class AccessRequests:
    """Takes requests and what is decided about them. ``identities`` makes ids."""

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

    def ask(self, subject: Subject, wish: Wish, department: str) -> Access:
        """Takes a request. The same columns for the same purpose, while that waits, are the same request.

        Raises `Refused` LVR-5401 or LVR-5402."""
        _check(wish)
        columns, today = sorted(wish.columns), self._clock().astimezone(BEIJING).date()
        with self._state.transaction() as tx:
            mine = (_a.institution == subject.institution) & (_a.state == AccessState.WAITING.value)
            waiting = [_access(row) for row in tx.execute(select(access_requests).where(mine).order_by(_a.entry))]
            for one in waiting:
                if (one.wish.table, sorted(one.wish.columns), one.wish.purpose) == (
                    wish.table,
                    columns,
                    wish.purpose,
                ):
                    return one
            if len(waiting) >= MOST_WAITING:
                raise refuse.too_much_access(MOST_WAITING, "wait for an answer", "待答复")
            of_today = (_a.institution == subject.institution) & (_a.received == today.isoformat())
            if len(tx.execute(select(_a.id).where(of_today).limit(MOST_A_DAY)).all()) >= MOST_A_DAY:
                raise refuse.too_much_access(MOST_A_DAY, "came today", "当日提交")
            return self._take(tx, subject, wish, department, today)

    def _take(self, tx: Connection, subject: Subject, wish: Wish, department: str, today: date) -> Access:
        identity, until = self._identities(), deadline(today, ACCESS)
        body: dict[str, JSON] = {
            "kind": "access_request",
            "institution": subject.institution,
            "certificate": subject.fingerprint,
            "step": "requested",
            "request": identity,
            "table": wish.table,
            "columns": sorted(wish.columns),
            "purpose": wish.purpose,
            "due": until.day.isoformat(),
        }
        texts = {"legal_basis": wish.legal_basis, "reason": wish.reason, "sql": wish.sql}
        row = {
            "id": identity,
            "institution": subject.institution,
            "about": wish.table,
            "columns": json.dumps(list(wish.columns)),
            "purpose": wish.purpose,
            "legal_basis": wish.legal_basis,
            "reason": wish.reason,
            "statement": wish.sql,
            "department": department,
            "state": AccessState.WAITING.value,
            "received": today.isoformat(),
            "due": until.day.isoformat(),
            "settled": int(until.settled),
            "answer": "",
            "version": "",
            "officer": "",
            "entry": self._append(tx, body, texts),
        }
        tx.execute(insert(access_requests).values(**row))
        return _found(tx, identity)

    def withdraw(self, institution: str, identity: str) -> Access:
        """Takes a request of the caller's back; one that is taken back stays so. Raises `Refused` LVR-5403 or
        LVR-5404."""
        with self._state.transaction() as tx:
            known = find(tx, identity)
            if known is None or known.institution != institution:
                raise refuse.unknown_access()
            if known.state is AccessState.WITHDRAWN:
                return known
            if known.state is not AccessState.WAITING:
                raise refuse.decided_already(known.state.value)
            self._append(tx, {**_named(known), "step": "withdrawn"}, {})
            tx.execute(update(access_requests).where(_a.id == identity).values(state=AccessState.WITHDRAWN.value))
            return _found(tx, identity)

    def decide(self, identity: str, said: Decision) -> Access:
        """Decides about a request that waits. Raises `Refused` LVR-5401, LVR-5403 or LVR-5404."""
        if not said.answer.strip() or len(said.answer) > LONGEST_TEXT:
            raise refuse.access_form("answer")
        with self._state.transaction() as tx:
            known = find(tx, identity)
            if known is None:
                raise refuse.unknown_access()
            if known.state is not AccessState.WAITING:
                raise refuse.decided_already(known.state.value)
            now = self._clock()
            took = working_days(known.received, now.astimezone(BEIJING).date())
            state = AccessState.GRANTED if said.grant else AccessState.REFUSED
            body = {**_named(known), "step": state.value, "officer": said.officer, "version": said.version}
            self._append(tx, body, {"answer": said.answer})
            row = {
                "state": state.value,
                "answer": said.answer,
                "version": said.version,
                "officer": said.officer,
                "decided_at": now.astimezone(UTC).isoformat(),
                "took": took,
            }
            tx.execute(update(access_requests).where(_a.id == identity).values(**row))
            return _found(tx, identity)


def find(tx: Connection, identity: str) -> Access | None:
    """The request of that id, whoever's it is."""
    row = tx.execute(select(access_requests).where(_a.id == identity)).one_or_none()
    return None if row is None else _access(row)


def of_institution(tx: Connection, institution: str) -> tuple[Access, ...]:
    """An institution's own, the newest first."""
    query = select(access_requests).where(_a.institution == institution).order_by(_a.entry.desc())
    return tuple(map(_access, tx.execute(query.limit(MOST_LISTED))))


def of_departments(tx: Connection, departments: Sequence[str] | None, *, waiting: bool) -> tuple[Access, ...]:
    """Those to some departments, or (None) to all: what waits before the rest, by the day it is due."""
    query = select(access_requests)
    if departments is not None:
        query = query.where(_a.department.in_(list(departments)))
    first = query.where(_a.state == AccessState.WAITING.value).order_by(_a.due, _a.entry).limit(MOST_LISTED)
    found = tuple(map(_access, tx.execute(first)))
    if waiting:
        return found
    rest = query.where(_a.state != AccessState.WAITING.value).order_by(_a.entry.desc()).limit(MOST_LISTED)
    return found + tuple(map(_access, tx.execute(rest)))


def figures(tx: Connection, since: date | None, until: date | None, today: date) -> tuple[Figures, ...]:
    """By department, those received in the days from the first to before the last, then all of them together."""
    query = select(_a.department, _a.state, _a.due, _a.took).order_by(_a.entry)
    if since is not None:
        query = query.where(_a.received >= since.isoformat())
    if until is not None:
        query = query.where(_a.received < until.isoformat())
    by_department: dict[str, list[Any]] = {}
    for row in tx.execute(query):
        by_department.setdefault(row.department, []).append(row)
    told = [_figures(name, rows, today) for name, rows in sorted(by_department.items())]
    return (*told, _figures("*", [row for rows in by_department.values() for row in rows], today))


def _figures(department: str, rows: Iterable[Any], today: date) -> Figures:
    every = list(rows)
    number = {state: sum(row.state == state.value for row in every) for state in AccessState}
    granted, refused = number[AccessState.GRANTED], number[AccessState.REFUSED]
    decided = granted + refused
    late = sum(row.state == AccessState.WAITING.value and row.due < today.isoformat() for row in every)
    took = [row.took for row in every if row.took is not None]
    return Figures(
        department,
        len(every),
        number[AccessState.WAITING],
        late,
        granted,
        refused,
        number[AccessState.WITHDRAWN],
        1000 * granted // decided if decided else None,
        round(2 * statistics.median(took)) if took else None,
    )


def question(wish: Wish) -> str:
    """The question of a request, or the plainest one that uses every column it names."""
    if wish.sql.strip():
        return wish.sql
    # The names had a form of letters, digits and _ when the request was taken; this is for a draft, and never run.
    counted = ", ".join(f'count("{column}")' for column in wish.columns)
    table = ".".join(f'"{part}"' for part in wish.table.split("."))
    return f"SELECT {counted} FROM {table}"  # noqa: S608


def _named(known: Access) -> dict[str, JSON]:
    return {
        "kind": "access_request",
        "institution": known.institution,
        "request": known.id,
        "table": known.wish.table,
    }


def _check(wish: Wish) -> None:
    """Raises `Refused` LVR-5401 with the field's name, never with what stands in it."""
    columns = wish.columns
    sound = {
        "table": _TABLE.fullmatch(wish.table) is not None,
        "columns": len(columns) in range(1, MOST_COLUMNS + 1)
        and all(_COLUMN.fullmatch(one) for one in columns)
        and len(set(columns)) == len(columns),
        "purpose": _PURPOSE.fullmatch(wish.purpose) is not None,
        "legal_basis": len(wish.legal_basis.strip()) > 0 and len(wish.legal_basis) <= LONGEST_TEXT,
        "reason": len(wish.reason.strip()) > 0 and len(wish.reason) <= LONGEST_TEXT,
        "sql": len(wish.sql) <= LONGEST_SQL,
    }
    for field, holds in sound.items():
        if not holds:
            raise refuse.access_form(field)


def _found(tx: Connection, identity: str) -> Access:
    return _access(tx.execute(select(access_requests).where(_a.id == identity)).one())


def _access(row: Row[Any]) -> Access:
    wish = Wish(row.about, tuple(json.loads(row.columns)), row.purpose, row.legal_basis, row.reason, row.statement)
    return Access(
        id=row.id,
        institution=row.institution,
        wish=wish,
        department=row.department,
        state=AccessState(row.state),
        received=date.fromisoformat(row.received),
        due=date.fromisoformat(row.due),
        settled=bool(row.settled),
        answer=row.answer,
        version=row.version,
        officer=row.officer,
        decided_at=None if row.decided_at is None else datetime.fromisoformat(row.decided_at),
        took=row.took,
        entry=int(row.entry),
    )


_a = access_requests.c
