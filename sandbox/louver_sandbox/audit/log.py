"""The log: append inside the caller's transaction, then prove.

A checkpoint is signed only over what is durable, and it is stored before it is handed out, so that the end of
the log cannot be cut off unseen. Before each signature the log checks that it still extends the head it signed
before (C2SP tlog-checkpoint: a log must not sign inconsistent checkpoints) and refuses otherwise.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from functools import cache

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, select

from louver.errors import Unproven
from louver.receipt import Receipt
from louver.transparency.checkpoint import Checkpoint, TreeHead
from louver.transparency.merkle import leaf_hash, verify_inclusion
from louver.transparency.proofs import ConsistencyProof, TlogProof
from louver_sandbox.audit import commitments, tree
from louver_sandbox.audit.commitments import Opening
from louver_sandbox.audit.entries import JSON, Entry, encode
from louver_sandbox.audit.head import Signer, sign_head
from louver_sandbox.audit.tree import NodeId, Span
from louver_sandbox.store import State, schema
from louver_sandbox.store.clock import Clock, Randomness, rfc3339

MAX_PAGE = 1000
"""Entries in one page of a listing, at most."""


class LogDamaged(Exception):
    """The stored log contradicts itself or a head it has signed. Nothing may be signed or answered over it."""


class UnknownEntry(LookupError):
    """There is no such entry, or none with such a field."""


class AuditLog:
    """An append-only Merkle log in the state store. Threads may share it.

    ``origin`` names the log for ever and is the name of the key that signs it. Every method may raise the state
    store's errors; those that prove or sign may raise ``LogDamaged``.
    """

    def __init__(self, state: State, signer: Signer, origin: str, *, clock: Clock, randomness: Randomness) -> None:
        if signer.verifier_key.name != origin:
            raise ValueError("the log's key must bear the log's name")
        self.state = state
        self.origin = origin
        self._signer = signer
        self._clock = clock
        self._randomness = randomness
        self._signing = threading.Lock()
        self._latest: Checkpoint | None = None
        with state.reading() as tx:
            self._latest, _ = self._checked(tx)

    @property
    def key(self) -> str:
        """The log's public key, ``name+id+key``; all that a verifier needs."""
        return str(self._signer.verifier_key)

    def append(
        self,
        tx: Connection,
        body: Mapping[str, JSON],
        private: Mapping[str, str] | None = None,
        *,
        commitments_of: Entry | None = None,
    ) -> Entry:
        """Add an entry to the caller's transaction; it is in the log when that commits.

        ``private`` texts are kept aside and enter the entry as salted commitments. ``commitments_of`` repeats
        those of an earlier entry about the same texts. Raises ``InvalidEntry`` before anything is written.
        """
        index, time = size_of(tx), rfc3339(self._clock())
        repeated = dict(commitments_of.commitments) if commitments_of else {}
        if private and repeated.keys() & private.keys():
            raise ValueError("a field is committed to once")
        made = commitments.make(private or {}, self._randomness)
        committed = {name: value for name, (value, _) in made.items()}
        entry = encode(body, index=index, time=time, commitments={**repeated, **committed})
        commitments.keep(tx, made)
        siblings = tree.left_siblings(index)
        nodes = tree.completed(index, entry.leaf_hash, _hashes(tx, siblings))
        tx.execute(
            _INSERT_ENTRY,
            {
                "index": index,
                "body": entry.body,
                "kind": body["kind"],
                "request_id": body.get("request_id"),
                "institution": body.get("institution"),
                "time": time,
            },
        )
        tx.execute(_INSERT_NODE, [{"id": node.key, "hash": value} for node, value in nodes.items()])
        return entry

    def head(self) -> Checkpoint:
        """The signed head over everything committed; signed once per size. Not inside a transaction."""
        with self._signing:
            with self.state.reading() as tx:
                last, current = self._checked(tx)
            if last is not None and last.claimed.size == current.size:
                self._latest = last
                return last
            return self._sign()

    def receipt(self, index: int, disclose: Collection[str] = ("sql",)) -> Receipt:
        """The proof that the entry is in the log, with the salts of the fields in ``disclose``.

        Disclose only what the reader of the receipt wrote itself. Not inside a transaction: it may sign a head.
        Raises ``UnknownEntry``.
        """
        checkpoint = self._covering(index)
        with self.state.reading() as tx:
            entry = _find(tx, index)
            if index >= checkpoint.claimed.size:
                raise UnknownEntry("no such log entry")
            path = _span_hashes(tx, tree.inclusion_path(index, checkpoint.claimed.size))
            wanted = {name: value for name, value in entry.commitments.items() if name in disclose}
            salts = {name: opening.salt for name, opening in commitments.find(tx, wanted).items()}
        head = checkpoint.claimed
        try:
            verify_inclusion(leaf_hash(entry.body), index, head.size, path, head.root)
        except Unproven:
            raise LogDamaged(f"entry {index} is not the one that the log has signed") from None
        return Receipt(entry.body, TlogProof(index, path, checkpoint), salts)

    def consistency(self, old: int, new: int | None = None) -> ConsistencyProof:
        """The proof that the signed head of size ``new`` (default: the current one) extends size ``old``.

        Raises ``UnknownEntry`` when no head of size ``new`` was ever signed or ``old`` is larger.
        """
        checkpoint = self.head() if new is None else self.signed(new)
        if not 0 <= old <= checkpoint.claimed.size:
            raise UnknownEntry("the log was never of this size")
        with self.state.reading() as tx:
            path = _span_hashes(tx, tree.consistency_path(old, checkpoint.claimed.size))
        return ConsistencyProof(old, path, checkpoint)

    def signed(self, size: int) -> Checkpoint:
        """The checkpoint signed at this size. Raises ``UnknownEntry`` when there is none."""
        with self.state.reading() as tx:
            note = tx.execute(_HEAD, {"wanted": size}).scalar_one_or_none()
        if note is None:
            raise UnknownEntry("no head was signed at this size")
        return Checkpoint.parse(note)

    def extends(self, head: TreeHead) -> bool:
        """Whether the log begins with what ``head``, verified by the caller, covers; False after a rollback."""
        with self.state.reading() as tx:
            return head.origin == self.origin and head.size <= size_of(tx) and root_of(tx, head.size) == head.root

    def entry(self, index: int) -> Entry:
        """One entry. Raises ``UnknownEntry``."""
        with self.state.reading() as tx:
            return _find(tx, index)

    def entries(
        self,
        start: int = 0,
        limit: int = 100,
        *,
        request_id: str | None = None,
        institution: str | None = None,
        kind: str | None = None,
    ) -> tuple[Entry, ...]:
        """Entries from index ``start`` on, in order, at most ``limit``; continue after the last one's index."""
        given = {"request_id": request_id, "institution": institution, "kind": kind}
        wanted = {name: value for name, value in given.items() if value is not None}
        figures = {"start": start, "limit": max(0, min(limit, MAX_PAGE))}
        with self.state.reading() as tx:
            return tuple(_entry(row) for row in tx.execute(_listing(*wanted), {**wanted, **figures}))

    def latest(
        self,
        before: int | None = None,
        limit: int = 100,
        *,
        institution: str | None = None,
        kinds: Collection[str] = (),
    ) -> tuple[Entry, ...]:
        """Entries of these kinds (none named: of all) from the newest back, below index ``before`` if given."""
        table = schema.entries.c
        query = select(table.index, table.body)
        if before is not None:
            query = query.where(table.index < before)
        if institution is not None:
            query = query.where(table.institution == institution)
        if kinds:
            query = query.where(table.kind.in_(kinds))
        query = query.order_by(table.index.desc()).limit(max(0, min(limit, MAX_PAGE)))
        with self.state.reading() as tx:
            return tuple(_entry(row) for row in tx.execute(query))

    def open(self, index: int) -> Mapping[str, Opening]:
        """The private texts of an entry that are left, with their salts. Raises ``UnknownEntry``.

        Showing them to anyone but their author is an act of its own, which the caller must log.
        """
        with self.state.reading() as tx:
            return commitments.find(tx, _find(tx, index).commitments)

    def erase(self, index: int, field: str) -> Entry:
        """Forget a private text for ever; returns the entry that records it. The tree does not change.

        Every entry that repeats the commitment loses its opening too. Afterwards ``State.scrub`` clears the
        last copy from the write-ahead file. Raises ``UnknownEntry`` when there is nothing to erase.
        """
        with self.state.transaction() as tx:
            value = _find(tx, index).commitments.get(field)
            if value is None or not commitments.erase(tx, value, rfc3339(self._clock())):
                raise UnknownEntry("there is no such text to erase")
            return self.append(tx, {"kind": "erasure", "entry": index, "field": field})

    def _checked(self, tx: Connection) -> tuple[Checkpoint | None, TreeHead]:
        """The newest head signed, and the head as it stands. Raises ``LogDamaged`` unless this extends that."""
        last_index, signed = tx.execute(_SIZES).one()
        last = self._newest(tx, signed)
        before, size = last.claimed.size if last else 0, 0 if last_index is None else last_index + 1
        if size < before:
            raise LogDamaged(f"the log signed a head over {before} entries and holds {size}")
        old_root, root = _span_hashes(tx, [Span(0, before), Span(0, size)])
        if last and old_root != last.claimed.root:
            raise LogDamaged(f"the log does not match the head it signed over {before} entries")
        return last, TreeHead(self.origin, size, root)

    def _newest(self, tx: Connection, signed: int | None) -> Checkpoint | None:
        """The head stored for the largest size, ``signed``; the one in memory wins over what lies on the disk."""
        known = self._latest
        if known is not None and (signed is None or signed < known.claimed.size):
            raise LogDamaged("the log has lost a head that it signed; an older copy was put in its place")
        if signed is None or (known is not None and known.claimed.size == signed):
            return known
        try:
            checkpoint = Checkpoint.parse(tx.execute(_HEAD, {"wanted": signed}).scalar_one())
            size = checkpoint.verify(self._signer.verifier_key).size
        except Unproven:
            raise LogDamaged(f"the head stored for {signed} entries is not one that this log signed") from None
        if size != signed:
            raise LogDamaged(f"the head stored for {signed} entries was signed for {size}")
        return checkpoint

    def _covering(self, index: int) -> Checkpoint:
        """A signed head over the entry; threads that come while one is signed share the next."""
        if self._latest is not None and index < self._latest.claimed.size:
            return self._latest
        with self._signing:
            if self._latest is not None and index < self._latest.claimed.size:
                return self._latest
            return self._sign()

    def _sign(self) -> Checkpoint:
        with self.state.transaction() as tx:
            last, current = self._checked(tx)
            if last is None or last.claimed.size < current.size:
                last = sign_head(current, self._signer)
                row = {"size": current.size, "root": current.root, "note": last.to_bytes()}
                tx.execute(_INSERT_HEAD, {**row, "time": rfc3339(self._clock())})
        self._latest = last
        return last


def size_of(tx: Connection) -> int:
    """How many entries the log has."""
    last = tx.execute(_LAST_INDEX).scalar_one()
    return 0 if last is None else int(last) + 1


def root_of(tx: Connection, size: int) -> bytes:
    """The root of the first ``size`` entries (RFC 6962, 2.1). Raises ``LogDamaged`` if hashes are missing."""
    return _span_hashes(tx, [Span(0, size)])[0]


def _span_hashes(tx: Connection, spans: list[Span]) -> tuple[bytes, ...]:
    hashes = _hashes(tx, tree.required(spans))
    return tuple(tree.span_hash(span, hashes) for span in spans)


def _hashes(tx: Connection, wanted: Collection[NodeId]) -> dict[NodeId, bytes]:
    """The stored hashes of perfect subtrees. Raises ``LogDamaged`` when one is missing."""
    if not wanted:
        return {}
    rows = tx.execute(_NODES, {"ids": [node.key for node in wanted]})
    found = {NodeId.of(key): value for key, value in rows}
    if len(found) != len(set(wanted)):
        raise LogDamaged("the log's tree lacks hashes of entries that it holds")
    return found


def _find(tx: Connection, index: int) -> Entry:
    row = tx.execute(_ENTRY, {"wanted": index}).one_or_none()
    if row is None:
        raise UnknownEntry("no such log entry")
    return _entry(row)


def _entry(row: Row[int, bytes]) -> Entry:
    return Entry(row[0], leaf_hash(row[1]), row[1])


@cache
def _listing(*names: str) -> Select[int, bytes]:
    """Entries in order, from `start` on and at most `limit`, with the named columns equal to what is given."""
    equal = (schema.entries.c[name] == bindparam(name) for name in names)
    found = select(_e.index, _e.body).where(_e.index >= bindparam("start"), *equal)
    return found.order_by(_e.index).limit(bindparam("limit"))


_e, _n = schema.entries.c, schema.nodes.c
_LAST_INDEX = select(func.max(_e.index))
_SIZES = select(select(func.max(_e.index)).scalar_subquery(), select(func.max(schema.heads.c.size)).scalar_subquery())
_HEAD = select(schema.heads.c.note).where(schema.heads.c.size == bindparam("wanted"))
_ENTRY = select(_e.index, _e.body).where(_e.index == bindparam("wanted"))
_NODES = select(_n.id, _n.hash).where(_n.id.in_(bindparam("ids", expanding=True)))
_INSERT_ENTRY = insert(schema.entries)
_INSERT_NODE = insert(schema.nodes)
_INSERT_HEAD = insert(schema.heads)
