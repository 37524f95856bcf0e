"""Recomputing a whole log and naming what was changed.

Every entry is hashed anew, every node of the tree and every signed head is compared with what the entries give.
An honest log has no findings. Otherwise each finding names the first entry it concerns:

    entry 17: its bytes hash to 9f..., the tree holds 3c...

Two things no log can show about itself: entries after the last signed head are vouched for by nobody yet, and an
older copy put in place of everything, heads included, is whole. Against the second, hand in ``anchors``:
checkpoints kept elsewhere, such as those in the receipts of banks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from louver.errors import Unproven
from louver.transparency.checkpoint import Checkpoint, TreeHead
from louver.transparency.handovers import Handovers
from louver.transparency.merkle import leaf_hash, node_hash
from louver.transparency.retention import Prunings
from louver.transparency.succession import KeyContradiction, LogKey
from louver_sandbox.audit import tree
from louver_sandbox.audit.entries import InvalidEntry, commitments_of, parse
from louver_sandbox.audit.sources import ExportSource, LogSource, MalformedExport, StateSource, StoredEntry
from louver_sandbox.audit.tree import NodeId
from louver_sandbox.store import State
from louver_sandbox.store.texts import findable

MAX_FINDINGS = 100
"""Where verification stops; such a log needs no further words."""
MAX_WAITING = 100_000
"""Heads that are held until a later one has led to their key."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One contradiction. ``index`` is the first entry it concerns."""

    index: int
    what: str

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class Report:
    """What verification found: ``size`` entries, of which the first ``covered`` lie under a signed head, and of which
    ``pruned`` have lost their bytes."""

    size: int
    covered: int
    root: bytes
    findings: tuple[Finding, ...]
    pruned: int = 0

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def first(self) -> Finding | None:
        """The finding about the earliest entry."""
        return self.findings[0] if self.findings else None


def verify_log(source: State | Path, log_key: str, anchors: Sequence[Checkpoint] = ()) -> Report:
    """Verify the log in a state store, or in a file made by ``export_log``, with the log's public key.

    Raises ``Unproven`` when the key cannot be read or an anchor is not signed by it, the state store's errors
    when it cannot be read.
    """
    keys = Handovers(LogKey.parse(log_key))
    if isinstance(source, State):
        with source.reading() as tx:
            return _Verification(StateSource(tx), keys, anchors).run()
    with source.open("rb") as lines:
        return _Verification(ExportSource(lines), keys, anchors).run()


Heads: TypeAlias = Mapping[int, Sequence[TreeHead]]


class _Enough(Exception):
    """So many findings that no more are needed."""


@dataclass
class _Verification:
    """One pass over a log. The frontier holds the perfect subtrees so far, from left to right."""

    source: LogSource
    keys: Handovers
    anchors: Sequence[Checkpoint]
    findings: list[Finding] = field(default_factory=list)
    frontier: list[tuple[NodeId, bytes]] = field(default_factory=list)
    prunings: Prunings = field(default_factory=Prunings)
    erasures: list[tuple[int, int, str]] = field(default_factory=list)
    size: int = 0
    proven: int = 0
    broken: bool = False

    def run(self) -> Report:
        try:
            heads = self._heads()
            self._check_entries(heads)
            self._check_heads(heads)
            self._check_cut(heads)
            for index, what in (*self.prunings.unsaid(), *self.keys.unsaid(self.size)):
                self._find(index, what)
            for index, named, name in self.erasures:
                if self.source.is_kept(named, name):
                    self._find(
                        index, f"entry {index}: the {name} of entry {named} that it says was erased is still kept"
                    )
            for what in self.source.openings():
                self._find(self.size, what)
        except MalformedExport as malformed:
            self.findings.append(Finding(self.size, str(malformed)))
        except _Enough:
            self.findings.append(Finding(self.size, "verification stopped here: too many contradictions"))
        root = tree.fold([value for _, value in self.frontier])
        findings = tuple(sorted(self.findings, key=lambda finding: finding.index))
        return Report(self.size, self.proven, root, findings, self.prunings.count)

    def _find(self, index: int, what: str) -> None:
        self.findings.append(Finding(index, what))
        if len(self.findings) >= MAX_FINDINGS:
            raise _Enough

    def _heads(self) -> dict[int, list[TreeHead]]:
        """Every head known, by size: those the log stores and those kept elsewhere."""
        heads: dict[int, list[TreeHead]] = {}
        waiting: list[tuple[int | None, bytes]] = []
        for size, note in self.source.heads():
            self._take_head(heads, size, note, waiting)
        # A later head may have led to the key of an earlier one.
        for size, note in waiting:
            self._take_head(heads, size, note, None)
        for anchor in self.anchors:
            head = self.keys.verify(anchor)
            heads.setdefault(head.size, []).insert(0, head)
        return heads

    def _take_head(
        self,
        heads: dict[int, list[TreeHead]],
        size: int | None,
        note: bytes,
        waiting: list[tuple[int | None, bytes]] | None,
    ) -> None:
        try:
            head = self.keys.verify(Checkpoint.parse(note))
        except Unproven as unproven:
            if waiting is not None and len(waiting) < MAX_WAITING and not isinstance(unproven, KeyContradiction):
                waiting.append((size, note))
                return
            self._find(size or 0, f"the head stored for {_count(size)} is not one the log signed: {unproven.message}")
            return
        if size not in (None, head.size):
            self._find(size or 0, f"the head stored for {_count(size)} was signed for {head.size}")
        heads.setdefault(head.size, []).append(head)

    def _check_entries(self, heads: Heads) -> None:
        for page in self.source.pages():
            nodes = self.source.nodes(page[0].index, page[-1].index + 1)
            committed: dict[str, tuple[int, str]] = {}
            for entry in page:
                self._check_sequence(entry, heads)
                fields = self._check_entry(entry) if entry.left is None else self._check_left(entry)
                committed |= {value: (entry.index, name) for name, value in commitments_of(fields).items()}
                self._grow(entry.leaf_hash, nodes, heads)
            for value in self.source.unkept(committed):
                index, name = committed[value]
                self._find(index, f"entry {index}: what its commitment to {name} hides was removed unrecorded")

    def _check_sequence(self, entry: StoredEntry, heads: Heads) -> None:
        """Name missing entries; where the tree still has their leaves, it can go on from them."""
        if entry.index == self.size:
            return
        self._find(self.size, f"{_range(self.size, entry.index)} missing")
        stored = self.source.nodes(self.size, entry.index) or {}
        for index in range(self.size, entry.index):
            self._grow(stored.get(NodeId(0, index), b""), stored, heads)

    def _check_left(self, entry: StoredEntry) -> Mapping[str, object]:
        """Compare what is left of a pruned entry with the leaf and the copies of its fields."""
        where, left = f"entry {entry.index}:", entry.left
        if left is None:
            return {}
        if entry.body:
            self._find(entry.index, f"{where} it was pruned, and has bytes again")
        try:
            found = self.prunings.take(entry.index, left.by, left.residue)
        except ValueError as invalid:
            self._find(entry.index, f"{where} {invalid}")
            return {}
        if found.leaf != entry.leaf_hash:
            self._find(entry.index, f"{where} what is left of it has another leaf than the tree")
        for name, value in entry.columns.items():
            if name != "request_id" and found.fields.get(name) != value:
                self._find(entry.index, f"{where} it is filed under another {name} than is left of it")
        return {}

    def _check_entry(self, entry: StoredEntry) -> Mapping[str, object]:
        """Compare the bytes with the leaf, with their place and with the copies of their fields."""
        hashed, where = leaf_hash(entry.body), f"entry {entry.index}:"
        if hashed != entry.leaf_hash:
            held = entry.leaf_hash.hex() or "nothing"
            self._find(entry.index, f"{where} its bytes hash to {hashed.hex()}, the tree holds {held}")
        try:
            fields = parse(entry.body)
        except InvalidEntry as invalid:
            if hashed == entry.leaf_hash:
                self._find(entry.index, f"{where} {invalid}")
            return {}
        if fields["index"] != entry.index:
            self._find(entry.index, f"{where} its bytes say that it is entry {fields['index']}")
        for name, value in entry.columns.items():
            said = fields.get(name)
            if value not in (said, findable(said) if isinstance(said, str) else said):
                self._find(entry.index, f"{where} it is filed under another {name} than its bytes say")
        match fields:
            case {"kind": "erasure", "entry": int(named), "field": str(text)}:
                self.erasures.append((entry.index, named, text))
        for index, what in self.prunings.entry(entry.index, fields):
            self._find(index, what)
        for what in self.keys.entry(entry.index, fields, self._root):
            self._find(entry.index, what)
        return fields

    def _grow(self, leaf: bytes, stored: Mapping[NodeId, bytes] | None, heads: Heads) -> None:
        """Check the heads at this size, then add the leaf and compare every node it completes with the stored one.

        The tree goes on from the *stored* hashes, so that one changed entry is one finding and not a cascade.
        """
        self._check_heads(heads)
        node, value = NodeId(0, self.size), leaf
        self.size += 1
        self.broken = self.broken or not leaf
        if self.broken:
            return
        while self.frontier and self.frontier[-1][0].level == node.level:
            value = node_hash(self.frontier.pop()[1], value)
            node = NodeId(node.level + 1, node.position >> 1)
            if stored is not None and stored.get(node) != value:
                held = stored[node].hex() if node in stored else "nothing"
                first, last = node.leaves[0], node.leaves[-1]
                self._find(first, f"entries {first} to {last}: they hash to {value.hex()}, the tree holds {held}")
                value = stored.get(node, value)
        self.frontier.append((node, value))

    def _root(self) -> bytes:
        return tree.fold([value for _, value in self.frontier])

    def _check_heads(self, heads: Heads) -> None:
        for head in heads.get(self.size, ()):
            self._check_head(head)

    def _check_head(self, head: TreeHead) -> None:
        if self.broken:
            return
        root = self._root()
        if root != head.root:
            self._find(
                self.proven,
                f"entries {self.proven} to {head.size - 1}: one of them was changed; the first {head.size} entries "
                f"hash to {root.hex()}, the log signed {head.root.hex()}",
            )
        self.proven = max(self.proven, head.size)

    def _check_cut(self, heads: Heads) -> None:
        largest = max(heads, default=0)
        leaves = self.source.leaves() or 0
        if largest > self.size:
            held = f"the log signed a head over {largest} entries and holds {self.size}"
            self._find(self.size, f"{_range(self.size, largest)} missing: {held}")
        elif leaves > self.size:
            self._find(self.size, f"{_range(self.size, leaves)} missing: the tree has leaves for {leaves} entries")


def _count(size: int | None) -> str:
    return "an unknown size" if size is None else f"{size} entries"


def _range(start: int, end: int) -> str:
    return f"entry {start} is" if end == start + 1 else f"entries {start} to {end - 1} are"
