"""What an installation made from a backup forgets again, because the log says that it was erased or pruned since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from louver_sandbox.accounting import history
from louver_sandbox.audit import commitments, pruned
from louver_sandbox.audit.entries import Entry
from louver_sandbox.audit.pruned import Pruned
from louver_sandbox.auditing import index
from louver_sandbox.operator import purging
from louver_sandbox.retention import pruning


class Forgotten:
    """Erases and prunes as `log erase` and `log prune` do, without an entry of its own: the log has it already."""

    def erase(self, tx: Connection, entry: Entry, name: str, time: str) -> None:
        """Forgets a text behind an entry, the words that it is found by, and what its question is compared by."""
        value = entry.commitments.get(name)
        if value is None:
            return
        kept = commitments.find(tx, {name: value}).get(name)
        commitments.erase(tx, value, time)
        who, request = (str(entry.fields.get(key, "")) for key in ("institution", "request_id"))
        if kept is not None and name == "sql":
            index.forget(tx, index.entries_with(tx, who, request, value), kept.text)
        history.forget(tx, who, request)

    def forget(self, tx: Connection, entry: Entry) -> None:
        """Erases answers that pruning spared the entries of, reports that were redacted, and what was told of a
        dataset that was purged."""
        pruning.forget_again(tx, entry.fields)
        if entry.fields["kind"] == "purge":
            purging.forget_again(tx, str(entry.fields["table"]), entry.index)

    def prune(self, tx: Connection, batch: Sequence[Entry], lefts: Mapping[int, Pruned], time: str) -> None:
        """Empties these entries, each with the line that is left of it and the entry that says so."""
        pruning.erase(tx, batch, time)
        for by in sorted({left.by for left in lefts.values()}):
            pruned.empty(tx, {number: left.residue for number, left in lefts.items() if left.by == by}, by)
        index.regroup(tx, {number: left.fields for number, left in lefts.items()})
