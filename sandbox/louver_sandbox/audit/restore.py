"""Putting back the end of a log from an export, where the store was restored from before it.

The export is verified first, with the log's key and every anchor. Its entries are then added as they are; they hash
to the heads that were signed over them, so the log is the one that it was. What an export never holds, the texts
behind commitments, counts as erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from louver.transparency.checkpoint import Checkpoint
from louver_sandbox.audit import stored
from louver_sandbox.audit.entries import Entry, commitments_of
from louver_sandbox.audit.pruned import Pruned
from louver_sandbox.audit.sources import ExportSource, StoredEntry
from louver_sandbox.audit.stored import LogDamaged, PrunedEntry
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.store import State, schema
from louver_sandbox.store.clock import Clock, rfc3339
from louver_sandbox.store.upserts import insert_into


def restore_log(state: State, log_key: str, file: Path, anchors: Sequence[Checkpoint], clock: Clock) -> int:
    """Adds the entries and heads that the export has beyond the log's; returns how many entries.

    Raises:
        LogDamaged: the export does not verify, does not reach an anchor, or is not of this log.
        Unproven: the key or an anchor cannot be read.
    """
    report = verify_log(file, log_key, anchors)
    if not report.ok:
        raise LogDamaged(f"the export does not verify: {report.findings[0]}")
    added, time = 0, rfc3339(clock())
    with state.transaction() as tx, file.open("rb") as lines:
        source, size = ExportSource(lines), stored.size_of(tx)
        heads = [Checkpoint.parse(note) for _, note in source.heads()]
        for entry in (entry for page in source.pages() for entry in page):
            if entry.left is not None:
                added += _restore_pruned(tx, entry, entry.left, size)
                continue
            found = Entry(entry.index, entry.leaf_hash, entry.body)
            if entry.index < size:
                if stored.find(tx, entry.index).body != entry.body:
                    raise LogDamaged(f"entry {entry.index} of the export is another than the log's")
                continue
            fields = found.fields
            about = {name: _text(fields.get(name)) for name in ("request_id", "institution")}
            stored.add(tx, found, str(fields["kind"]), str(fields["time"]), about["request_id"], about["institution"])
            for name, value in commitments_of(fields).items():
                row = {"commitment": value, "field": name, "salt": None, "text": None, "erased": time}
                tx.execute(insert_into(schema.openings, tx).on_conflict_do_nothing(), row)
            added += 1
        if report.size < size:
            raise LogDamaged(f"the export ends at {report.size} entries, and the log has {size}")
        for head in heads:
            if stored.head(tx, head.claimed.size) is None:
                stored.add_head(tx, head, time)
    return added


def _restore_pruned(tx: Connection, entry: StoredEntry, left: Pruned, size: int) -> int:
    """An entry of which the export has what is left; the store may still have it whole."""
    if entry.index >= size:
        stored.add_pruned(tx, entry.index, entry.leaf_hash, left.residue, left.by)
        return 1
    try:
        same = stored.find(tx, entry.index).leaf_hash == entry.leaf_hash
    except PrunedEntry as pruned:
        same = pruned.left == left
    if not same:
        raise LogDamaged(f"entry {entry.index} of the export is another than the log's")
    return 0


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
