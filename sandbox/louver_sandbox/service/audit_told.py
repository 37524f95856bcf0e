"""Entries as auditors are told them: what the log says, the SQL without what may name somebody, never data."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from louver.receipt import SALT_BYTES, Receipt, commitment
from louver.v1 import audit_pb2 as pb
from louver_sandbox.audit import commitments, pruned, stored
from louver_sandbox.audit.commitments import Opening
from louver_sandbox.audit.entries import Entry
from louver_sandbox.audit.pruned import Pruned
from louver_sandbox.audit.stored import LogDamaged, PrunedEntry, UnknownEntry
from louver_sandbox.auditing import search, witnesses
from louver_sandbox.auditing.described import Described, describe
from louver_sandbox.auditing.index import fields_of
from louver_sandbox.auditing.search import Counts
from louver_sandbox.auditing.texts import shown
from louver_sandbox.journal import Books
from louver_sandbox.refusals import retention as refusals

MOST_RELATED = 50
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class _Text:
    """The SQL behind an entry: as shown, and the whole opening where it is shown whole."""

    sql: str = ""
    whole: Opening | None = None
    covered: bool = False
    erased: bool = False


def lines(tx: Connection, indices: Sequence[int]) -> list[pb.LogEntry]:
    """The entries of these indices, those that are there. Raises `LogDamaged` for a text that is another."""
    found: list[pb.LogEntry] = []
    for index in indices:
        try:
            entry = stored.find(tx, index)
        except PrunedEntry as gone:
            found.append(_summary(tx, index, gone.left.fields, _Text()))
            continue
        except UnknownEntry:
            continue
        found.append(_line(tx, entry, _text(tx, entry)))
    return found


def followed(tx: Connection, start: int, end: int) -> list[pb.WholeEntry]:
    """The entries from `start` up to, not including, `end`, whole. Raises `LogDamaged` for a text that is another,
    and where one is missing: whoever follows must not be told of a log with holes."""
    found = {entry.index: _followed(tx, entry) for entry in stored.entries(tx, start, end - start, {})}
    for index, left in pruned.between(tx, start, end).items():
        found.setdefault(index, pb.WholeEntry(residue=left.residue, pruned_by=left.by))
    if sorted(found) != list(range(start, end)):
        raise LogDamaged("the log lacks entries that it has signed")
    return [found[index] for index in range(start, end)]


def _followed(tx: Connection, entry: Entry) -> pb.WholeEntry:
    text = _text(tx, entry)
    salt = b"" if text.whole is None else text.whole.salt
    said = _described(tx, fields_of(entry.body))
    return pb.WholeEntry(body=entry.body, sql=text.sql, salt=salt, datasets=said.datasets)


def whole(books: Books, index: int) -> pb.GetEntryResponse:
    """One entry with its proof; of one that was pruned what is left of it, with the proof of its leaf. Raises
    `UnknownEntry` or `LogDamaged`."""
    try:
        receipt = books.log.receipt(index, disclose=())
    except PrunedEntry as gone:
        return _whole_pruned(books, index, gone.left)
    with books.state.reading() as tx:
        entry = stored.entry_of(index, receipt.entry)
        text = _text(tx, entry)
        salts = {"sql": text.whole.salt} if text.whole is not None else {}
        proof = receipt.proof
        cosigned = type(proof)(proof.index, proof.path, witnesses.under(tx, proof.checkpoint))
        return pb.GetEntryResponse(
            summary=_line(tx, entry, text),
            proof=Receipt(receipt.entry, cosigned, salts).to_bytes(),
            covered=text.covered,
            erased=text.erased,
            related=lines(tx, search.related(tx, index, MOST_RELATED)),
        )


def _whole_pruned(books: Books, index: int, left: Pruned) -> pb.GetEntryResponse:
    proof = books.log.leaf_proof(index)
    with books.state.reading() as tx:
        cosigned = type(proof)(proof.index, proof.path, witnesses.under(tx, proof.checkpoint))
        return pb.GetEntryResponse(
            summary=_summary(tx, index, left.fields, _Text()),
            proof=cosigned.to_bytes(),
            residue=left.residue,
            pruned_by=left.by,
            related=lines(tx, search.related(tx, index, MOST_RELATED)),
        )


def decider(folder: Path, digest: str) -> tuple[str, bytes]:
    """The kept bundle or catalogue of a digest, and which of them it is. Raises `Refused` LVR-7351."""
    if DIGEST.fullmatch(digest):
        for kind in ("bundle", "catalog"):
            with suppress(FileNotFoundError):
                return kind, (folder / "kept" / f"{kind}-{digest}.json").read_bytes()
    raise refusals.unknown_decider()


def counted(found: Counts) -> pb.EntryCounts:
    """Counts as the wire carries them."""
    facets = [
        pb.Facet(name=name, values=[pb.FacetValue(value=value, entries=n) for value, n in values])
        for name, values in found.facets.items()
    ]
    return pb.EntryCounts(matched=found.matched, exact=found.exact, facets=facets)


def _line(tx: Connection, entry: Entry, text: _Text) -> pb.LogEntry:
    return _summary(tx, entry.index, fields_of(entry.body), text)


def _summary(tx: Connection, index: int, fields: Mapping[str, object], text: _Text) -> pb.LogEntry:
    said = _described(tx, fields)
    request, actor = fields.get("request_id"), fields.get("auditor", fields.get("officer"))
    return pb.LogEntry(
        index=index,
        time=said.time,
        kind=said.kind,
        institution=said.institution,
        request_id=request if isinstance(request, str) else "",
        purpose=said.purpose,
        verdict=said.verdict,
        code=said.code,
        treatment=said.treatment,
        datasets=said.datasets,
        cost=said.cost,
        sql=text.sql,
        actor=actor if isinstance(actor, str) else "",
    )


def _described(tx: Connection, fields: Mapping[str, object]) -> Described:
    said = describe(fields)
    if not said.datasets and said.about is not None and said.verdict:
        return describe(fields, _datasets(tx, said.about))
    return said


def _datasets(tx: Connection, admission: int) -> tuple[str, ...]:
    try:
        return describe(fields_of(stored.find(tx, admission).body)).datasets
    except PrunedEntry as gone:
        return describe(gone.left.fields).datasets
    except UnknownEntry:
        return ()


def _text(tx: Connection, entry: Entry) -> _Text:
    """The SQL. Raises `LogDamaged` when what is kept is not what the entry commits to."""
    kept = fields_of(entry.body).get("commitments")
    value = kept.get("sql") if isinstance(kept, Mapping) else None
    if not isinstance(value, str):
        return _Text()
    opening = commitments.find(tx, {"sql": value}).get("sql")
    if opening is None:
        return _Text(erased=True)
    if not isinstance(opening.salt, bytes) or len(opening.salt) != SALT_BYTES or not isinstance(opening.text, str):
        raise LogDamaged(f"the text kept for entry {entry.index} is none")
    if not hmac.compare_digest(commitment("sql", opening.salt, opening.text).encode(), value.encode()):
        raise LogDamaged(f"the text kept for entry {entry.index} is not the one that it commits to")
    covered = shown(opening.text)
    if covered != opening.text:
        return _Text(covered, covered=True)
    return _Text(opening.text, whole=opening)
