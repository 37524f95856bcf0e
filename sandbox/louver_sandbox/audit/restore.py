"""Putting back the end of a log from an export, where the store was restored from before it.

The export is verified first, with the log's key and every anchor. Its entries are then added as they are; they hash
to the heads that were signed over them, so the log is the one that it was. What an export never holds, the texts
behind commitments, counts as erased. What the store still has of texts that were erased since, and of entries that
were pruned since, goes as it went then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

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

BATCH = 500
"""Entries that are emptied at a time."""
SAYING_SO = frozenset({"answers_erased", "pruning", "purge"})
"""Kinds of entries that say that something is gone which is no entry and no text of one."""


class Forgetting(Protocol):
    """What goes beside the log's own rows when a text is erased or entries are pruned: it is made of them above."""

    def erase(self, tx: Connection, entry: Entry, name: str, time: str) -> None:
        """Forgets a text behind an entry, as a later entry says that it was erased."""

    def forget(self, tx: Connection, entry: Entry) -> None:
        """Forgets what else an entry says is gone."""

    def prune(self, tx: Connection, batch: Sequence[Entry], lefts: Mapping[int, Pruned], time: str) -> None:
        """Empties these entries, of which this is left, and forgets what was made of them."""


def restore_log(
    state: State, log_key: str, file: Path, anchors: Sequence[Checkpoint], clock: Clock, forgetting: Forgetting
) -> int:
    """Adds the entries and heads that the export has beyond the log's; returns how many entries. Erases and prunes
    what the export says was erased and pruned.

    Raises:
        LogDamaged: the export does not verify, does not reach an anchor, or is not of this log.
        Unproven: the key or an anchor cannot be read.
    """
    report = verify_log(file, log_key, anchors)
    if not report.ok:
        raise LogDamaged(f"the export does not verify: {report.findings[0]}")
    added, time = 0, rfc3339(clock())
    erasures: list[tuple[int, str]] = []
    others: list[Entry] = []
    emptied: dict[int, Pruned] = {}
    with state.transaction() as tx, file.open("rb") as lines:
        source, size = ExportSource(lines), stored.size_of(tx)
        heads = [Checkpoint.parse(note) for _, note in source.heads()]
        for entry in (entry for page in source.pages() for entry in page):
            if entry.left is not None:
                if entry.index >= size:
                    stored.add_pruned(tx, entry.index, entry.leaf_hash, entry.left.residue, entry.left.by)
                    added += 1
                elif _still_whole(tx, entry, entry.left):
                    emptied[entry.index] = entry.left
                continue
            found = Entry(entry.index, entry.leaf_hash, entry.body)
            fields = found.fields
            if fields["kind"] == "erasure":
                erasures.append((int(str(fields["entry"])), str(fields["field"])))
            if fields["kind"] in SAYING_SO:
                others.append(found)
            if entry.index < size:
                if stored.find(tx, entry.index).body != entry.body:
                    raise LogDamaged(f"entry {entry.index} of the export is another than the log's")
                continue
            about = {name: _text(fields.get(name)) for name in ("request_id", "institution")}
            stored.add(tx, found, str(fields["kind"]), str(fields["time"]), about["request_id"], about["institution"])
            for name, value in commitments_of(fields).items():
                row = {"commitment": value, "field": name, "salt": None, "text": None, "erased": time}
                tx.execute(insert_into(schema.openings, tx).on_conflict_do_nothing(), row)
            added += 1
        if report.size < size:
            raise LogDamaged(f"the export ends at {report.size} entries, and the log has {size}")
        for one in others:
            forgetting.forget(tx, one)
        _forget(tx, erasures, emptied, time, forgetting)
        for head in heads:
            if stored.head(tx, head.claimed.size) is None:
                stored.add_head(tx, head, time)
    return added


def _still_whole(tx: Connection, entry: StoredEntry, left: Pruned) -> bool:
    """Whether the store still has an entry of which the export has what is left."""
    try:
        same, whole = stored.find(tx, entry.index).leaf_hash == entry.leaf_hash, True
    except PrunedEntry as gone:
        same, whole = gone.left == left, False
    if not same:
        raise LogDamaged(f"entry {entry.index} of the export is another than the log's")
    return whole


def _forget(
    tx: Connection,
    erasures: Sequence[tuple[int, str]],
    emptied: Mapping[int, Pruned],
    time: str,
    forgetting: Forgetting,
) -> None:
    """Texts first, while the entries that name them are whole; entries once all are there that may repeat a text."""
    for index, name in erasures:
        try:
            entry = stored.find(tx, index)
        except PrunedEntry:
            continue
        forgetting.erase(tx, entry, name, time)
    for lefts in _batches(emptied):
        forgetting.prune(tx, [stored.find(tx, index) for index in lefts], lefts, time)


def _batches(emptied: Mapping[int, Pruned]) -> Iterator[Mapping[int, Pruned]]:
    indices = sorted(emptied)
    for start in range(0, len(indices), BATCH):
        yield {index: emptied[index] for index in indices[start : start + BATCH]}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
