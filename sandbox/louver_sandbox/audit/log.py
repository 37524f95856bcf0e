"""The log: append inside the caller's transaction, then prove.

A checkpoint is signed only over what is durable or becomes durable with it, and it is stored before it is handed
out, so that the end of the log cannot be cut off unseen. Before each signature the log checks that it still extends
the head it signed before (C2SP tlog-checkpoint: a log must not sign inconsistent checkpoints) and refuses otherwise.

Which key signs is said by the log itself (`audit.keys`): the entry by which one hands over is read in the transaction
that signs, so every service goes over to the next key with the same entry, and none signs with both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence

from sqlalchemy import Connection, select

from louver.errors import Unproven
from louver.receipt import Receipt
from louver.transparency.checkpoint import Checkpoint, TreeHead
from louver.transparency.merkle import verify_inclusion
from louver.transparency.proofs import ConsistencyProof, TlogProof
from louver.transparency.succession import LogKey
from louver_sandbox.audit import commitments, keys, pruned, stored, tree
from louver_sandbox.audit.commitments import Opening
from louver_sandbox.audit.entries import JSON, Entry, encode
from louver_sandbox.audit.head import Signer, hand_over, sign_head
from louver_sandbox.audit.keys import FindSigner, LogKeyMissing, no_other
from louver_sandbox.audit.stored import LogDamaged, UnknownEntry
from louver_sandbox.audit.tree import Span
from louver_sandbox.store import State, schema
from louver_sandbox.store.clock import Clock, Randomness, rfc3339

MAX_PAGE = 1000
"""Entries in one page of a listing, at most."""
SERVED_ONLY = frozenset({"admission", "outcome", "report", "warning_admission", "warning_outcome", "warnings_told"})
"""Kinds of entries that are written of institutions only that are served: what is paid, and what leaves."""


def _serve_everybody(tx: Connection, institution: str) -> None:
    """Where nobody can be suspended."""


class AuditLog:
    """An append-only Merkle log in the state store. Threads may share it.

    ``origin`` names the log for ever and is the name of every key that signs it. ``signer`` has the key that signs
    or one before it; ``find`` gives whoever has another. Raises ``LogKeyMissing`` where nobody has what signs.
    ``marks`` are what every entry says of the installation that writes it. ``require_served`` raises, in the
    transaction of an entry of `SERVED_ONLY`, where its institution is served no more. Every method may raise the
    state store's errors; those that prove or sign may raise ``LogDamaged``.
    """

    def __init__(
        self,
        state: State,
        signer: Signer,
        origin: str,
        *,
        clock: Clock,
        randomness: Randomness,
        marks: Mapping[str, JSON] | None = None,
        require_served: Callable[[Connection, str], None] = _serve_everybody,
        find: FindSigner = no_other,
    ) -> None:
        if signer.verifier_key.name != origin:
            raise ValueError("the log's key must bear the log's name")
        self.state = state
        self.origin = origin
        # Which key was held first never changes, so what is read of the others does not depend on who reads when.
        self._held = signer.verifier_key
        self._signers = {self._held: signer}
        self._find = find
        self._clock = clock
        self._randomness = randomness
        self._marks = dict(marks or {})
        self._require_served = require_served
        self._remembering = threading.Lock()
        self._latest: Checkpoint | None = None
        with state.reading() as tx:
            self._present(keys.read(tx, self._held))
            last, _ = self._checked(tx, None)
        self._remember(last)

    @property
    def key(self) -> str:
        """All that a verifier needs: the public key that signs, ``name+id+key``, and below it the successions that
        lead to it from former ones."""
        with self.state.reading() as tx:
            return str(keys.read(tx, self._held))

    def append(
        self,
        tx: Connection,
        body: Mapping[str, JSON],
        private: Mapping[str, str] | None = None,
        *,
        repeated: Mapping[str, str] | None = None,
        time: str = "",
    ) -> Entry:
        """Add an entry to the caller's transaction; it is in the log when that commits.

        ``time`` is what it says of its moment where that must not be the present: receipts show it to callers.

        ``private`` texts are kept aside and enter the entry as salted commitments. ``repeated`` are the commitments
        of an earlier entry about the same texts. Raises ``InvalidEntry`` before anything is written, and what
        ``require_served`` raises: then nothing is paid, and nothing leaves.
        """
        if body["kind"] in SERVED_ONLY and isinstance(institution := body.get("institution"), str):
            self._require_served(tx, institution)
        index, time = stored.size_of(tx), time or rfc3339(self._clock())
        before = dict(repeated or {})
        if private and before.keys() & private.keys():
            raise ValueError("a field is committed to once")
        made = commitments.make(private or {}, self._randomness)
        committed = {name: value for name, (value, _) in made.items()}
        entry = encode({**body, **self._marks}, index=index, time=time, commitments={**before, **committed})
        commitments.keep(tx, made)
        stored.add(tx, entry, str(body["kind"]), time, body.get("request_id"), body.get("institution"))
        return entry

    def attested(self, write: Callable[[Connection], Entry], disclose: Collection[str] = ("sql",)) -> Receipt:
        """Append an entry and prove it: entry, signed head and whatever else `write` does become durable as one.

        `write` gets the transaction and returns the entry. Disclose only what the reader of the receipt wrote itself.
        """
        with self.state.transaction() as tx:
            entry = write(tx)
            checkpoint = self._signed_here(tx)
            receipt = _receipt(tx, entry, checkpoint, disclose)
        self._remember(checkpoint)
        return receipt

    def succeeded(self, tx: Connection, successor: Signer, body: Mapping[str, JSON]) -> Entry:
        """The entry by which the key that signs hands over to another, with what else it is to say. Every head over
        it is signed by the other; the transaction must not sign one before.

        Raises ``Unproven`` for a key that was the log's before, or is of another log.
        """
        known = keys.read(tx, self._held)
        _, current = self._checked(tx, self._latest)
        handed = hand_over(current, self._present(known), successor)
        known.learn([handed])
        return self.append(tx, {**body, "kind": keys.KIND, keys.FIELD: handed.to_note().decode()})

    def _present(self, known: LogKey) -> Signer:
        """Whoever has the key that signs."""
        key = known.newest
        if key not in self._signers:
            found = self._find(key)
            if found is None or found.verifier_key != key:
                raise LogKeyMissing(f"the log is signed by {key} now, and its secret is not among these")
            self._signers[key] = found
        return self._signers[key]

    def head(self) -> Checkpoint:
        """The signed head over everything committed; signed once per size. Not inside a transaction."""
        known = self._latest
        with self.state.reading() as tx:
            last, current = self._checked(tx, known)
        if last is None or last.claimed.size != current.size:
            return self._sign(current.size)
        self._remember(last)
        return last

    def receipt(self, index: int, disclose: Collection[str] = ("sql",)) -> Receipt:
        """The proof that the entry is in the log, with the salts of the fields in ``disclose``.

        Disclose only what the reader of the receipt wrote itself. Not inside a transaction: it may sign a head.
        Raises ``UnknownEntry``.
        """
        checkpoint = self._latest
        if checkpoint is None or index >= checkpoint.claimed.size:
            checkpoint = self._sign(index + 1)
        with self.state.reading() as tx:
            return _receipt(tx, stored.find(tx, index), checkpoint, disclose)

    def leaf_proof(self, index: int) -> TlogProof:
        """The proof that a leaf is in the log, for an entry whose bytes were pruned. Raises ``UnknownEntry``."""
        checkpoint = self._latest
        if checkpoint is None or index >= checkpoint.claimed.size:
            checkpoint = self._sign(index + 1)
        with self.state.reading() as tx:
            if index >= checkpoint.claimed.size:
                raise UnknownEntry("no such log entry")
            path = stored.span_hashes(tx, tree.inclusion_path(index, checkpoint.claimed.size))
        return TlogProof(index, path, checkpoint)

    def consistency(self, old: int, new: int | None = None) -> ConsistencyProof:
        """The proof that the signed head of size ``new`` (default: the current one) extends size ``old``.

        Raises ``UnknownEntry`` when no head of size ``new`` was ever signed or ``old`` is larger.
        """
        checkpoint = self.head() if new is None else self.signed(new)
        if not 0 <= old <= checkpoint.claimed.size:
            raise UnknownEntry("the log was never of this size")
        with self.state.reading() as tx:
            path = stored.span_hashes(tx, tree.consistency_path(old, checkpoint.claimed.size))
        return ConsistencyProof(old, path, checkpoint)

    def signed(self, size: int) -> Checkpoint:
        """The checkpoint signed at this size. Raises ``UnknownEntry`` when there is none."""
        with self.state.reading() as tx:
            note = stored.head(tx, size)
        if note is None:
            raise UnknownEntry("no head was signed at this size")
        return Checkpoint.parse(note)

    def size(self) -> int:
        """How many entries there are, signed or not."""
        with self.state.reading() as tx:
            return stored.size_of(tx)

    def extends(self, head: TreeHead) -> bool:
        """Whether the log begins with what ``head``, verified by the caller, covers; False after a rollback."""
        with self.state.reading() as tx:
            if head.origin != self.origin or head.size > stored.size_of(tx):
                return False
            return stored.root_of(tx, head.size) == head.root

    def entry(self, index: int) -> Entry:
        """One entry. Raises ``UnknownEntry``."""
        with self.state.reading() as tx:
            return stored.find(tx, index)

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
        with self.state.reading() as tx:
            return stored.entries(tx, start, max(0, min(limit, MAX_PAGE)), wanted)

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
        query = select(table.index, table.body).where(table.body != pruned.NOTHING)
        if before is not None:
            query = query.where(table.index < before)
        if institution is not None:
            query = query.where(table.institution == institution)
        if kinds:
            query = query.where(table.kind.in_(kinds))
        query = query.order_by(table.index.desc()).limit(max(0, min(limit, MAX_PAGE)))
        with self.state.reading() as tx:
            return tuple(stored.entry_of(index, body) for index, body in tx.execute(query))

    def open(self, index: int) -> Mapping[str, Opening]:
        """The private texts of an entry that are left, with their salts. Raises ``UnknownEntry``.

        Showing them to anyone but their author is an act of its own, which the caller must log.
        """
        return self.opened([self.entry(index)])[0]

    def opened(self, entries: Sequence[Entry]) -> tuple[Mapping[str, Opening], ...]:
        """The same for each of these entries."""
        with self.state.reading() as tx:
            return tuple(commitments.find(tx, entry.commitments) for entry in entries)

    def erase(self, index: int, field: str) -> Entry:
        """Forget a private text for ever; returns the entry that records it. The tree does not change.

        Every entry that repeats the commitment loses its opening too. Afterwards ``State.scrub`` clears the
        last copy from the write-ahead file. Raises ``UnknownEntry`` when there is nothing to erase.
        """
        with self.state.transaction() as tx:
            return self.erased(tx, index, field)

    def erased(self, tx: Connection, index: int, field: str) -> Entry:
        """The same, in a transaction that forgets what else was made of the text."""
        value = stored.find(tx, index).commitments.get(field)
        if value is None or not commitments.erase(tx, value, rfc3339(self._clock())):
            raise UnknownEntry("there is no such text to erase")
        return self.append(tx, {"kind": "erasure", "entry": index, "field": field})

    def _checked(self, tx: Connection, known: Checkpoint | None) -> tuple[Checkpoint | None, TreeHead]:
        """The newest head signed, and the head as it stands. Raises ``LogDamaged`` unless this extends that.

        ``known`` is the newest head this process remembers from before the transaction began.
        """
        size, signed = stored.sizes(tx)
        last = self._newest(tx, signed, known)
        before = last.claimed.size if last else 0
        if size < before:
            raise LogDamaged(f"the log signed a head over {before} entries and holds {size}")
        old_root, root = stored.span_hashes(tx, [Span(0, before), Span(0, size)])
        if last and old_root != last.claimed.root:
            raise LogDamaged(f"the log does not match the head it signed over {before} entries")
        return last, TreeHead(self.origin, size, root)

    def _newest(self, tx: Connection, signed: int | None, known: Checkpoint | None) -> Checkpoint | None:
        """The head stored for the largest size, ``signed``; the one in memory wins over what lies on the disk."""
        if known is not None and (signed is None or signed < known.claimed.size):
            raise LogDamaged("the log has lost a head that it signed; an older copy was put in its place")
        if signed is None or (known is not None and known.claimed.size == signed):
            return known
        try:
            checkpoint = Checkpoint.parse(stored.head(tx, signed) or b"")
            size = checkpoint.verify(keys.read(tx, self._held)).size
        except Unproven:
            raise LogDamaged(
                f"the head stored for {signed} entries is not one that this log signed: it was altered, or the store "
                "was put back from before the log's key was replaced and needs an export (`ledger rebuild --log`)"
            ) from None
        if size != signed:
            raise LogDamaged(f"the head stored for {signed} entries was signed for {size}")
        return checkpoint

    def _sign(self, least: int) -> Checkpoint:
        """A signed head over ``least`` entries or all there are; who waits for another's signature shares it."""
        with self.state.transaction() as tx:
            known = self._latest
            if known is not None and known.claimed.size >= least:
                return known
            checkpoint = self._signed_here(tx)
        self._remember(checkpoint)
        return checkpoint

    def _signed_here(self, tx: Connection) -> Checkpoint:
        """The head as it stands in a writing transaction; to be remembered and handed out when that has committed."""
        last, current = self._checked(tx, self._latest)
        if last is None or last.claimed.size < current.size:
            known = keys.read(tx, self._held)
            last = sign_head(current, self._present(known), known.successions)
            stored.add_head(tx, last, rfc3339(self._clock()))
        return last

    def _remember(self, committed: Checkpoint | None) -> None:
        """Keeps the larger head: threads come here in another order than their transactions ended."""
        with self._remembering:
            known = self._latest
            if committed is not None and (known is None or known.claimed.size < committed.claimed.size):
                self._latest = committed


def _receipt(tx: Connection, entry: Entry, checkpoint: Checkpoint, disclose: Collection[str]) -> Receipt:
    """The proof of an entry under a head. Raises ``UnknownEntry`` for one beyond it, ``LogDamaged`` if it fails."""
    head = checkpoint.claimed
    if entry.index >= head.size:
        raise UnknownEntry("no such log entry")
    path = stored.span_hashes(tx, tree.inclusion_path(entry.index, head.size))
    try:
        verify_inclusion(entry.leaf_hash, entry.index, head.size, path, head.root)
    except Unproven:
        raise LogDamaged(f"entry {entry.index} is not the one that the log has signed") from None
    wanted = {name: value for name, value in entry.commitments.items() if name in disclose}
    salts = {name: opening.salt for name, opening in commitments.find(tx, wanted).items()}
    return Receipt(entry.body, TlogProof(entry.index, path, checkpoint), salts)
