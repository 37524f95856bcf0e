"""What auditors are told, as values, and how messages become them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from louver.errors import Unproven
from louver.receipt import Receipt, VerifiedReceipt
from louver.v1 import audit_pb2 as pb


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A line of the log as the service tells it; ``AuditClient.show`` proves one.

    ``verdict`` is admitted, answered, refused, aborted or explained, empty for acts of the platform. ``cost`` is in
    units of access budget. ``sql`` is without literals that may name somebody.
    """

    index: int
    time: str
    kind: str
    institution: str
    request_id: str
    purpose: str
    verdict: str
    code: str
    treatment: str
    datasets: tuple[str, ...]
    cost: int
    sql: str


@dataclass(frozen=True, slots=True)
class WholeEntry:
    """An entry with its proof. ``fields`` is what it says; ``proof`` what was verified, None without a log key.

    ``covered`` means that something in the SQL is not shown, ``erased`` that the text is gone for ever. ``receipt``
    is a C2SP tlog-proof; its bytes verify anywhere.
    """

    entry: AuditEntry
    fields: Mapping[str, object]
    receipt: Receipt
    proof: VerifiedReceipt | None
    covered: bool
    erased: bool
    related: tuple[AuditEntry, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many entries fit a filter, and of which there are how many by facet. Not ``exact``: at least so many."""

    matched: int
    exact: bool
    facets: Mapping[str, Sequence[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of a search, and the ``token`` of what follows, empty at the end. ``counts`` where they were wanted."""

    entries: tuple[AuditEntry, ...]
    token: str
    counts: Counts | None


@dataclass(frozen=True, slots=True)
class DaySpent:
    """What an account was charged on a Beijing day: units, or rho as an exact decimal; ``*`` is everybody or any."""

    institution: str
    dataset: str
    purpose: str
    kind: str
    day: str
    amount: str
    total: str
    charges: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """A decision made again: what the log says of it, and what was found now."""

    same: bool
    recorded: Mapping[str, str]
    found: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Given:
    """An entry as the service gives it to whoever follows the log. ``salt`` opens its commitment to the SQL, where
    all of the SQL is shown; ``datasets`` of an outcome are those of its admission."""

    body: bytes
    sql: str = ""
    salt: bytes = b""
    datasets: tuple[str, ...] = ()


def entry(message: pb.LogEntry) -> AuditEntry:
    """A line from the wire."""
    return AuditEntry(
        index=message.index,
        time=message.time,
        kind=message.kind,
        institution=message.institution,
        request_id=message.request_id,
        purpose=message.purpose,
        verdict=message.verdict,
        code=message.code,
        treatment=message.treatment,
        datasets=tuple(message.datasets),
        cost=message.cost,
        sql=message.sql,
    )


def counts(message: pb.EntryCounts) -> Counts:
    """Counts from the wire."""
    facets = {facet.name: [(one.value, one.entries) for one in facet.values] for facet in message.facets}
    return Counts(message.matched, message.exact, facets)


def page(message: pb.SearchEntriesResponse) -> Page:
    """A page from the wire."""
    told = counts(message.counts) if message.HasField("counts") else None
    return Page(tuple(map(entry, message.entries)), message.next_page_token, told)


def whole(message: pb.GetEntryResponse, index: int, log_key: str) -> WholeEntry:
    """An entry, if its proof holds and what is told of it is what it says. Raises ``Unproven``."""
    receipt = Receipt.from_bytes(message.proof)
    told = entry(message.summary)
    if receipt.index != index or told.index != index:
        raise Unproven("the service has answered with another entry", message.proof)
    shown_whole = "sql" in receipt.openings
    proof = receipt.verify(log_key, sql=told.sql if shown_whole else None) if log_key else None
    fields = proof.entry if proof is not None else _fields(receipt.entry)
    for name in ("time", "kind", "institution", "request_id", "purpose", "code", "treatment"):
        if getattr(told, name) != (fields.get(name) or ""):
            raise Unproven(f"the service tells another {name} than the entry says", receipt.entry)
    if told.sql and not shown_whole and not message.covered:
        raise Unproven("the service tells SQL without what proves it", receipt.entry)
    return WholeEntry(
        told, fields, receipt, proof, message.covered, message.erased, tuple(map(entry, message.related))
    )


def _fields(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body)
    except ValueError:
        raise Unproven("the entry is not JSON", body) from None
    if not isinstance(found, dict):
        raise Unproven("the entry is not an object", body)
    return found


def day_spent(message: pb.DaySpent) -> DaySpent:
    """A day of an account from the wire."""
    return DaySpent(
        message.institution,
        message.dataset,
        message.purpose,
        message.kind,
        message.day,
        message.amount,
        message.total,
        message.charges,
    )
