"""What auditors are told, as values, and how messages become them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from louver.errors import Unproven
from louver.receipt import Receipt, VerifiedReceipt
from louver.transparency import Checkpoint, LogKey, TlogProof, TreeHead
from louver.transparency.retention import read_residue
from louver.v1 import audit_pb2 as pb


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A line of the log as the service tells it; ``AuditClient.show`` proves one.

    ``verdict`` is admitted, answered, refused, aborted or explained, empty for acts of the platform. ``cost`` is in
    units of access budget. ``sql`` is without literals that may name somebody. ``actor`` is the auditor of a look, or
    the officer of a step.
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
    actor: str = ""


@dataclass(frozen=True, slots=True)
class WholeEntry:
    """An entry with its proof. ``fields`` is what it says; ``proof`` what was verified, None without a log key.

    ``covered`` means that something in the SQL is not shown, ``erased`` that the text is gone for ever. ``receipt``
    is a C2SP tlog-proof; its bytes verify anywhere. Of an entry that was pruned ``fields`` is what is left of it,
    ``receipt`` is None, ``leaf`` the proof of its leaf, and ``pruned_by`` the entry that binds what is left of it.
    """

    entry: AuditEntry
    fields: Mapping[str, object]
    receipt: Receipt | None
    proof: VerifiedReceipt | None
    covered: bool
    erased: bool
    related: tuple[AuditEntry, ...]
    leaf: TlogProof | None = None
    pruned_by: int | None = None
    leaf_head: TreeHead | None = None

    @property
    def head(self) -> TreeHead | None:
        """The head under which it was proved here; None without a log key."""
        return self.leaf_head if self.proof is None else self.proof.head

    @property
    def file(self) -> bytes:
        """The proof as a file that verifies anywhere (C2SP tlog-proof); of a pruned entry with what is left of it."""
        if self.receipt is not None:
            return self.receipt.to_bytes()
        return self.leaf.to_bytes() if self.leaf is not None else b""

    @property
    def checkpoint(self) -> Checkpoint:
        """The head under which it is proved, with the cosignatures of witnesses."""
        proof = self.leaf if self.receipt is None else self.receipt
        assert proof is not None  # noqa: S101 # an entry has one or the other
        return proof.checkpoint


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
    residue: str = ""
    pruned_by: int = 0


@dataclass(frozen=True, slots=True)
class TimeCounts:
    """How many entries of which verdict (empty: acts of the platform) by the beginning of a day or an hour in UTC
    (``2026-07-01``, ``2026-07-01T08``). Not ``exact``: at least so many."""

    counts: Mapping[tuple[str, str], int]
    exact: bool


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
        actor=message.actor,
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
    if message.residue:
        return _pruned(message, index, log_key)
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


def _pruned(message: pb.GetEntryResponse, index: int, log_key: str) -> WholeEntry:
    """What is left of a pruned entry, if its leaf is in the log's tree. Raises ``Unproven``."""
    proof, told = TlogProof.parse(message.proof), entry(message.summary)
    try:
        left = read_residue(message.residue)
    except ValueError as invalid:
        raise Unproven(f"entry {index}: {invalid}", message.residue.encode()) from None
    if {left.index, told.index, proof.index} != {index} or message.pruned_by <= index:
        raise Unproven("the service has answered with another entry", message.proof)
    head = proof.verify(left.leaf, LogKey.parse(log_key)) if log_key else None
    related = tuple(map(entry, message.related))
    proof = TlogProof(proof.index, proof.path, proof.checkpoint, message.residue.encode())
    return WholeEntry(told, left.fields, None, None, False, True, related, proof, message.pruned_by, head)


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
