"""The log's rows as the state store keeps them: entries, the hashes of the tree, and the heads that were signed.

Every function runs in the caller's transaction. What is read here is believed only after it was compared with a
signed head (`audit.log`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache

from sqlalchemy import BindParameter, Connection, bindparam, func, insert, select

from louver.transparency.checkpoint import Checkpoint
from louver.transparency.merkle import leaf_hash
from louver_sandbox.audit import pruned, tree
from louver_sandbox.audit.entries import JSON, Entry
from louver_sandbox.audit.pruned import Pruned
from louver_sandbox.audit.tree import NodeId, Span
from louver_sandbox.store import schema
from louver_sandbox.store.prepared import Prepared


class LogDamaged(Exception):
    """The stored log contradicts itself or a head it has signed. Nothing may be signed or answered over it."""


class UnknownEntry(LookupError):
    """There is no such entry, or none with such a field."""


class PrunedEntry(UnknownEntry):
    """The entry was pruned; `left` is what is left of it."""

    def __init__(self, left: Pruned) -> None:
        super().__init__(f"the entry was pruned, as entry {left.by} says")
        self.left = left


def size_of(tx: Connection) -> int:
    """How many entries the log has."""
    (last,) = _LAST_INDEX.row(tx, {}) or (None,)
    return 0 if last is None else int(last) + 1


def sizes(tx: Connection) -> tuple[int, int | None]:
    """How many entries the log has, and the size of the largest head signed if there is one."""
    (signed,) = _LAST_HEAD.row(tx, {}) or (None,)
    return size_of(tx), signed


def root_of(tx: Connection, size: int) -> bytes:
    """The root of the first ``size`` entries (RFC 6962, 2.1). Raises ``LogDamaged`` if hashes are missing."""
    return span_hashes(tx, [Span(0, size)])[0]


def span_hashes(tx: Connection, spans: Sequence[Span]) -> tuple[bytes, ...]:
    """The hash of each span of leaves. Raises ``LogDamaged`` if stored hashes are missing."""
    hashes = _hashes(tx, tree.required(spans))
    return tuple(tree.span_hash(span, hashes) for span in spans)


def add(tx: Connection, entry: Entry, kind: str, time: str, request_id: JSON, institution: JSON) -> None:
    """Store the entry at the end of the log, with the nodes of the tree that it completes."""
    nodes = tree.completed(entry.index, entry.leaf_hash, _hashes(tx, tree.left_siblings(entry.index)))
    found_by = {"kind": kind, "request_id": request_id, "institution": institution, "time": time}
    _INSERT_ENTRY.run(tx, {"index": entry.index, "body": entry.body, **found_by})
    _INSERT_NODE.run(tx, *({"id": node.key, "hash": value} for node, value in nodes.items()))


def find(tx: Connection, index: int) -> Entry:
    """One entry. Raises ``UnknownEntry``, ``PrunedEntry`` where its bytes are gone."""
    row = _ENTRY.row(tx, {"wanted": index})
    if row is None:
        raise UnknownEntry("no such log entry")
    left = None if row[1] else pruned.find(tx, index)
    if left is not None:
        raise PrunedEntry(left)
    return entry_of(*row)


def entries(tx: Connection, start: int, limit: int, wanted: dict[str, str]) -> tuple[Entry, ...]:
    """At most ``limit`` entries from index ``start`` on whose columns have the ``wanted`` values, in order; pruned
    ones are passed over."""
    return tuple(entry_of(*row) for row in _listing(*wanted).rows(tx, {**wanted, "start": start, "limit": limit}))


def add_pruned(tx: Connection, index: int, leaf: bytes, line: str, by: int) -> None:
    """Store at the end of the log an entry that was pruned elsewhere: its leaf, and what is left of it."""
    nodes = tree.completed(index, leaf, _hashes(tx, tree.left_siblings(index)))
    fields = Pruned(by, line).fields
    found_by = {"kind": fields["kind"], "request_id": None, "institution": fields.get("institution")}
    _INSERT_ENTRY.run(tx, {"index": index, "body": pruned.NOTHING, "time": fields["time"], **found_by})
    pruned.left(tx, index, line, by)
    _INSERT_NODE.run(tx, *({"id": node.key, "hash": value} for node, value in nodes.items()))


def entry_of(index: int, body: bytes) -> Entry:
    """An entry as it was stored. Raises ``LogDamaged`` where something else is in its place."""
    if not isinstance(body, bytes):
        raise LogDamaged(f"entry {index} cannot be read")
    return Entry(index, leaf_hash(body), body)


def head(tx: Connection, size: int) -> bytes | None:
    """The checkpoint stored for this size, if there is one."""
    row = _HEAD.row(tx, {"wanted": size})
    return None if row is None else row[0]


def add_head(tx: Connection, checkpoint: Checkpoint, time: str) -> None:
    """Store a checkpoint that was just signed."""
    claimed = checkpoint.claimed
    row = {"size": claimed.size, "root": claimed.root, "note": checkpoint.to_bytes()}
    _INSERT_HEAD.run(tx, {**row, "time": time})


def _hashes(tx: Connection, wanted: Collection[NodeId]) -> dict[NodeId, bytes]:
    """The stored hashes of perfect subtrees. Raises ``LogDamaged`` when one is missing."""
    if not wanted:
        return {}
    keys = {f"id_{number}": node.key for number, node in enumerate(wanted)}
    found = {NodeId.of(key): value for key, value in _nodes(len(keys)).rows(tx, keys)}
    if len(found) != len(set(wanted)):
        raise LogDamaged("the log's tree lacks hashes of entries that it holds")
    return found


@cache
def _nodes(count: int) -> Prepared:
    """So many nodes by their keys; a proof needs at most two for each of the tree's levels."""
    keys: list[BindParameter[int]] = [bindparam(f"id_{number}") for number in range(count)]
    return Prepared(select(_n.id, _n.hash).where(_n.id.in_(keys)))


@cache
def _listing(*names: str) -> Prepared:
    """Entries in order, from `start` on and at most `limit`, with the named columns equal to what is given."""
    equal = (_e[name] == bindparam(name) for name in names)
    found = select(_e.index, _e.body).where(_e.index >= bindparam("start"), _e.body != pruned.NOTHING, *equal)
    return Prepared(found.order_by(_e.index).limit(bindparam("limit")))


_e, _n, _h = schema.entries.c, schema.nodes.c, schema.heads.c
_LAST_INDEX = Prepared(select(func.max(_e.index)))
_LAST_HEAD = Prepared(select(func.max(_h.size)))
_HEAD = Prepared(select(_h.note).where(_h.size == bindparam("wanted")))
_ENTRY = Prepared(select(_e.index, _e.body).where(_e.index == bindparam("wanted")))
_INSERT_ENTRY = Prepared(insert(schema.entries))
_INSERT_NODE = Prepared(insert(schema.nodes))
_INSERT_HEAD = Prepared(insert(schema.heads))
