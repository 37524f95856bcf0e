"""Pruning: entries lose their bytes and texts, and keep leaf, residue and proofs. Each pruning is itself an entry.

What is left of an entry is decided in `louver.transparency.retention`, where offline verification reads it. The
texts behind an entry's commitments are erased with it unless an entry that stays repeats them, and so are the answer
that is kept for retries and what questions are compared by. The newest admission stays: it says what ledgers hold.
By age an outcome goes no sooner than its admission, which would look paid for and never answered without it; and one
that says what somebody was told of a subject stays, since the subject may ask that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, or_, select

from louver.transparency.retention import (
    BY_AGE,
    LEAST_DAYS,
    PRUNABLE,
    PRUNING,
    REDACTABLE,
    REDACTION,
    Holds,
    digest_of,
    residue,
)
from louver_sandbox import inquiries, reports_kept
from louver_sandbox.accounting import history
from louver_sandbox.audit import commitments, pruned
from louver_sandbox.audit.entries import JSON, Entry, commitments_of
from louver_sandbox.audit.stored import entry_of
from louver_sandbox.auditing import index
from louver_sandbox.auditing.index import fields_of
from louver_sandbox.inquiries import SCORED, SECTION
from louver_sandbox.journal import Books
from louver_sandbox.retention import holds
from louver_sandbox.store import schema
from louver_sandbox.store.clock import rfc3339

BATCH = 500
"""Entries of one transaction, for which a question may have to wait, and of one entry about them."""
_PARAMETERS = 400
ANSWERS_ERASED = "answers_erased"
"""The kind of the entry that names outcomes which stay, and lost the answer that was kept for retries."""


@dataclass(frozen=True)
class Found:
    """What a run has pruned, or would: by kind; and how many entries a hold has kept."""

    pruned: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)


def limits(days: Mapping[str, int], now: datetime) -> dict[str, str]:
    """Before which time entries of a kind go, for those that do not stay for ever (0 days). Raises ``ValueError`` for
    a kind that is never pruned, or too few days."""
    found = {}
    for kind, number in days.items():
        if kind not in PRUNABLE:
            raise ValueError(f"entries of kind {kind} are never pruned")
        if 0 < number < LEAST_DAYS:
            raise ValueError(f"entries are kept for {LEAST_DAYS} days at least")
        if number:
            found[kind] = rfc3339(now.astimezone(UTC) - timedelta(days=number))
    return found


def by_age(books: Books, before: Mapping[str, str], *, execute: bool) -> Found:
    """Prunes what is older than its kind may be, batch by batch; without `execute` it only counts. A hold that is
    placed meanwhile counts from the next batch on."""
    found, start = Found(), 0
    while True:
        if not execute:
            with books.state.reading() as tx:
                some = _next(tx, before, start)
        else:
            with books.state.transaction() as tx:
                some = _next(tx, before, start)
                if told := _erase_answers(tx, some.told):
                    books.log.append(tx, {"kind": ANSWERS_ERASED, "rule": BY_AGE, "outcomes": told})
                if some.batch:
                    _empty(books, tx, some.batch, {"rule": BY_AGE, "before": dict(before)})
        found.pruned.update(str(entry.fields["kind"]) for entry in some.batch)
        found.held.update(some.held)
        if some.last is None:
            if execute and found.pruned:
                books.log.head()
            return found
        start = some.last + 1


def redact(books: Books, institution: str, request_id: str, more: Mapping[str, JSON]) -> Sequence[int]:
    """Empties every entry about a request, whatever its age, and erases all its texts; their indices.

    `more` says in the log who has ordered it and why. Raises ``Held``, and ``LookupError`` where there is none.
    """
    with books.state.transaction() as tx:
        batch = of_request(tx, institution, request_id)
        if not batch:
            raise LookupError("there is no entry about this request that could be redacted")
        for entry in batch:
            holds.demand_free(tx, entry.index)
        if _newest_admission(tx) in {entry.index for entry in batch}:
            raise holds.Held("the newest admission says what the ledgers hold; it can go once there is another")
        reports_kept.forget(tx, institution, inquiries.asked_as(request_id))
        _empty(books, tx, batch, {"rule": REDACTION, **more})
    books.log.head()
    return [entry.index for entry in batch]


def of_request(tx: Connection, institution: str, request_id: str) -> list[Entry]:
    """The entries about a request that may be pruned, in order; of a credit report those about its sections too."""
    table = schema.entries.c
    parts = [table.request_id.startswith(request_id + mark, autoescape=True) for mark in (SECTION, SCORED)]
    query = select(table.index, table.body, table.request_id).where(
        or_(table.request_id == request_id, *parts), table.institution == institution, table.kind.in_(REDACTABLE)
    )
    return [
        entry_of(number, body)
        for number, body, said in tx.execute(query.order_by(table.index))
        if body and request_id in (said, inquiries.asked_as(said))
    ]


class _Next(NamedTuple):
    """The entries that may go, kinds of those that are held, outcomes of lookups that stay without the answer that
    is kept for retries, and where they end: None at the end of the log."""

    batch: list[Entry]
    held: list[str]
    told: set[int]
    last: int | None


def _next(tx: Connection, before: Mapping[str, str], start: int) -> _Next:
    table = schema.entries.c
    old = [(table.kind == kind) & (table.time < time) for kind, time in before.items()]
    query = select(table.index, table.body, table.kind, table.institution, table.time)
    query = query.where(table.index >= start, table.body != pruned.NOTHING, or_(*old)).order_by(table.index)
    rows = tx.execute(query.limit(BATCH)).all() if old else []
    standing, newest = holds.standing(tx), _newest_admission(tx)
    found: list[Entry] = []
    held: list[str] = []
    for number, body, kind, institution, time in rows:
        if standing.over(number, kind, institution or "", time) is not None:
            held.append(kind)
        elif number != newest:
            found.append(entry_of(number, body))
    ended = sorted({one for one in map(_ended_by, found) if one is not None})
    needed = _staying(tx, ended, before, standing, newest)
    free = [entry for entry in found if _ended_by(entry) not in needed]
    told = inquiries.outcomes(tx, [entry.index for entry in free])
    batch = [entry for entry in free if entry.index not in told]
    return _Next(batch, held, told, rows[-1][0] if len(rows) == BATCH else None)


def _ended_by(entry: Entry) -> int | None:
    """The admission that an entry ends; None of any other entry."""
    admission = entry.fields.get("admission")
    return admission if entry.fields["kind"] in ("outcome", "aborted") and type(admission) is int else None


def _staying(
    tx: Connection, admissions: Sequence[int], before: Mapping[str, str], standing: Holds, newest: int | None
) -> set[int]:
    """Those of the admissions that stay whole. A request whose admission is there and whose end is not would be run
    again and pay nothing."""
    table, stay = schema.entries.c, set[int]()
    for some in (admissions[at : at + _PARAMETERS] for at in range(0, len(admissions), _PARAMETERS)):
        query = select(table.index, table.kind, table.institution, table.time)
        for number, kind, institution, time in tx.execute(
            query.where(table.index.in_(some), table.body != pruned.NOTHING)
        ):
            held = standing.over(number, kind, institution or "", time) is not None
            if held or number == newest or not time < before.get(kind, ""):
                stay.add(number)
    return stay


def _newest_admission(tx: Connection) -> int | None:
    table = schema.entries.c
    found: int | None = tx.execute(select(func.max(table.index)).where(table.kind == "admission")).scalar_one()
    return found


def _empty(books: Books, tx: Connection, batch: Sequence[Entry], said: Mapping[str, JSON]) -> Entry:
    """Says what goes, then lets it go, in the caller's transaction."""
    lines = {entry.index: residue(entry.fields, entry.leaf_hash) for entry in batch}
    kinds = Counter(str(entry.fields["kind"]) for entry in batch)
    made = books.log.append(
        tx,
        {
            "kind": PRUNING,
            "entries": len(lines),
            "first": min(lines),
            "last": max(lines),
            "kinds": dict(kinds),
            "digest": digest_of(lines[index] for index in sorted(lines)),
            **said,
        },
    )
    erase(tx, batch, str(made.fields["time"]))
    pruned.empty(tx, lines, made.index)
    index.regroup(tx, {number: pruned.Pruned(made.index, line).fields for number, line in lines.items()})
    return made


def erase(tx: Connection, batch: Sequence[Entry], time: str) -> None:
    """The texts that no entry repeats which stays, the answers, and what questions are compared by."""
    gone = {entry.index for entry in batch}
    requests = {(str(e.fields.get("institution", "")), str(e.fields.get("request_id", ""))) for e in batch}
    requests = {(who, request) for who, request in requests if request}
    kept = _still_said(tx, requests, gone)
    for value in {value for entry in batch for value in entry.commitments.values()} - kept:
        commitments.erase(tx, value, time)
    _erase_answers(tx, gone)
    for who, request in sorted(requests):
        history.forget(tx, who, request)


def _erase_answers(tx: Connection, outcomes: Collection[int]) -> list[int]:
    """What is kept for retries of these outcomes, and of the noise that was drawn for them; which ones had some."""
    found: set[int] = set()
    for some in (sorted(outcomes)[at : at + _PARAMETERS] for at in range(0, len(outcomes), _PARAMETERS)):
        for kept in (schema.answers, schema.draws):
            this = kept.c.outcome_index.in_(some)
            found.update(tx.execute(select(kept.c.outcome_index).where(this)).scalars())
            tx.execute(delete(kept).where(this))
    return sorted(found)


def forget_again(tx: Connection, fields: Mapping[str, object]) -> None:
    """Erases what an entry says was erased beside entries and texts, where a store from before has it again."""
    match fields:
        case {"kind": str(kind), "outcomes": [*outcomes]} if kind == ANSWERS_ERASED:
            _erase_answers(tx, {one for one in outcomes if type(one) is int})
        case {"kind": str(kind), "order": {"institution": str(who), "request_id": str(request)}} if kind == PRUNING:
            reports_kept.forget(tx, who, inquiries.asked_as(request))


def _still_said(tx: Connection, requests: set[tuple[str, str]], gone: set[int]) -> set[str]:
    """Commitments of entries about these requests that stay."""
    table, found = schema.entries.c, set[str]()
    for who, request in requests:
        query = select(table.index, table.body).where(table.request_id == request, table.institution == who)
        for number, body in tx.execute(query):
            if number not in gone and body:
                found.update(commitments_of(fields_of(body)).values())
    return found
