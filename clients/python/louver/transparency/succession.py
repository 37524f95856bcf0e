"""How the key that signs a log hands over to the next one, and what a verifier holds of such keys.

The old key's last word is a signed note (c2sp.org/signed-note) by both keys:

    louver log key succession v1
    <origin>
    <size of the last tree that the old key may sign>
    <root hash of that tree, base 64>
    <the old key, name+id+key>
    <the new key, name+id+key>

The note is an entry of the log (kind ``log_key``, at the index that is its size), and every checkpoint that a later
key signs carries it as a signature line of a type of its own, which others ignore as the format demands: 232 bytes
of size, root, old key, new key and both signatures, under an id made of the old key. So whoever pins the old key
follows to the new one from any receipt, offline; whoever pins the new key and knows the succession believes the old
one's heads up to that size, and none beyond it.

Two successors of one key cannot both be true, and are ``Unproven`` to whoever has seen the first. Who pins the old
key and has seen neither believes its thief as well: pin the new one.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from louver.errors import Unproven
from louver.transparency.merkle import HASH_SIZE
from louver.transparency.note import Note, Signature, VerifierKey, decode_base64, parse_decimal

HEADING = "louver log key succession v1"
LINE_TYPE = b"\xfflouver.log-key-succession/v1"
"""The type of the signature line (signed-note, "Signature types": 0xff and a name of one's own)."""
KIND = "log_key"
"""The kind of the log entry."""
FIELD = "succession"
"""The field of the entry that holds the note."""
MOST = 32
"""Successions that a verifier follows; a key a year is thirty years."""

_LAYOUT = struct.Struct(f">Q{HASH_SIZE}s32s32s64s64s")


@dataclass(frozen=True, slots=True)
class Succession:
    """That ``old`` signed no tree of more than ``size`` entries, whose root was ``root``, and ``new`` signs all later
    ones. Only what both keys have signed is made into one by ``from_note`` and ``from_line``."""

    size: int
    root: bytes
    old: VerifierKey
    new: VerifierKey
    by_old: bytes
    by_new: bytes

    @property
    def text(self) -> str:
        """What both keys sign."""
        return statement(self.size, self.root, self.old, self.new)

    @classmethod
    def from_note(cls, data: bytes) -> Succession:
        """Read and verify the note. Raises ``Unproven``."""
        note = Note.parse(data)
        lines = note.text.split("\n")
        if len(lines) != 7 or lines[0] != HEADING:
            raise Unproven("not the succession of a log's key", data)
        old, new = VerifierKey.parse(lines[4]), VerifierKey.parse(lines[5])
        if len(note.signatures) != 2:
            raise Unproven("a succession is signed by the old key and the new one", data)
        first, second = (one.signature for one in note.signatures)
        found = cls(parse_decimal(lines[2]), decode_base64(lines[3]), old, new, first, second)
        if found.to_note() != data:
            raise Unproven("the succession is not in its canonical spelling", data)
        return found._verified()

    def to_note(self) -> bytes:
        """The note as it stands in the log."""
        signatures = (
            Signature(self.old.name, self.old.id, self.by_old),
            Signature(self.new.name, self.new.id, self.by_new),
        )
        return Note(self.text, signatures).to_bytes()

    @classmethod
    def from_line(cls, line: Signature) -> Succession | None:
        """What a checkpoint's signature line carries; None for a line of another type. Raises ``Unproven``."""
        if len(line.signature) != _LAYOUT.size:
            return None
        size, root, old, new, by_old, by_new = _LAYOUT.unpack(line.signature)
        if line.key_id != _line_id(line.name, old):
            return None
        keys = VerifierKey(line.name, old), VerifierKey(line.name, new)
        return cls(size, root, *keys, by_old, by_new)._verified()

    def line(self) -> Signature:
        """The signature line that later checkpoints carry."""
        keys = self.old.public_key, self.new.public_key
        content = _LAYOUT.pack(self.size, self.root, *keys, self.by_old, self.by_new)
        return Signature(self.old.name, _line_id(self.old.name, self.old.public_key), content)

    def _verified(self) -> Succession:
        if self.old.name != self.new.name or self.old == self.new or len(self.root) != HASH_SIZE:
            raise Unproven("a log's key hands over to another of the same log", self.text.encode())
        note = Note.parse(self.to_note())
        for key in (self.old, self.new):
            note.verify(key)
        return self


def statement(size: int, root: bytes, old: VerifierKey, new: VerifierKey) -> str:
    """The text by which ``old`` hands over to ``new`` after a tree of ``size`` entries with this root."""
    lines = [HEADING, old.name, str(size), base64.b64encode(root).decode(), str(old), str(new)]
    return "".join(f"{line}\n" for line in lines)


def carried(note: Note, origin: str) -> tuple[Succession, ...]:
    """The successions that a checkpoint carries. Raises ``Unproven`` for one that does not hold."""
    found = (_from_line(line) for line in note.signatures if line.name == origin)
    return tuple(one for one in found if one is not None)


class KeyContradiction(Unproven):
    """A log's key has two successors, or signs what it had retired from: somebody else has it."""


@lru_cache(maxsize=4 * MOST)
def _from_line(line: Signature) -> Succession | None:
    """The same lines are on every checkpoint; their signatures are checked once."""
    return Succession.from_line(line)


@dataclass(frozen=True, slots=True)
class LogKey:
    """What a verifier holds of a log: the key that it pins, and the successions that it knows to lead to and from it,
    oldest first."""

    pinned: VerifierKey
    successions: tuple[Succession, ...] = ()

    @classmethod
    def parse(cls, text: str) -> LogKey:
        """Read a verifier key, ``name+id+key``, and below it the successions that are known, a signature line each:
        the form of ``log.pub``. Raises ``Unproven``."""
        first, *rest = text.strip().split("\n")
        key = cls(VerifierKey.parse(first))
        known = [Succession.from_line(Signature.parse(line)) for line in rest]
        if None in known:
            raise Unproven("below a log's key stand its successions, nothing else", text.encode(errors="replace"))
        learnt = key.learn(one for one in known if one is not None)
        if len(learnt.successions) != len(known):
            raise Unproven("a succession below the log's key does not lead to it", text.encode(errors="replace"))
        return learnt

    def __str__(self) -> str:
        return "".join([str(self.pinned), *("\n" + one.line().line().rstrip("\n") for one in self.successions)])

    @property
    def name(self) -> str:
        """The log's origin."""
        return self.pinned.name

    @property
    def newest(self) -> VerifierKey:
        """The key that signs now, as far as is known."""
        return self.successions[-1].new if self.successions else self.pinned

    @property
    def oldest(self) -> VerifierKey:
        """The first key that is known."""
        return self.successions[0].old if self.successions else self.pinned

    def repinned(self) -> LogKey:
        """The same with the newest key pinned: what is to be handed out."""
        return replace(self, pinned=self.newest)

    def key_at(self, size: int) -> VerifierKey:
        """The key by which a tree of this size is signed."""
        return next((one.old for one in self.successions if size <= one.size), self.newest)

    def learn(self, found: Iterable[Succession]) -> LogKey:
        """With the successions among these that lead on from what is known, or to it. What has nothing to do with it
        is left out: anybody may sign that. Raises ``Unproven`` where one contradicts what is known."""
        chain, waiting = self.successions, [one for one in found if one.old.name == self.name]
        while True:
            keys = [*(one.old for one in chain), LogKey(self.pinned, chain).newest]
            said = {one.text for one in chain}
            waiting = [one for one in waiting if one.text not in said]
            touching = next((one for one in waiting if one.old in keys or one.new in keys), None)
            if touching is None:
                return replace(self, successions=chain)
            chain = _lengthened(chain, keys, touching)

    def learnt_from(self, note: Note) -> LogKey:
        """With the successions that a checkpoint carries. Raises ``Unproven`` as `learn` does."""
        return self.learn(carried(note, self.name))

    def verify(self, note: Note, size: int, root: bytes) -> str:
        """The text of a checkpoint over ``size`` entries with this root, once the key that may sign it is known to
        have done so. Raises ``Unproven``."""
        known = self.learnt_from(note)
        key, signed = known.key_at(size), {(line.name, line.key_id) for line in note.signatures}
        for one in known.successions:
            if one.size < size and (self.name, one.old.id) in signed:
                said = f"signed by {one.old.id.hex()}, which {self.name} has retired after {one.size} entries"
                raise KeyContradiction(said, note.to_bytes())
            if one.size == size and one.root != root:
                said = f"another tree of {size} entries than that at which {self.name} retired its key"
                raise KeyContradiction(said, note.to_bytes())
        return note.verify(key)


def _lengthened(chain: tuple[Succession, ...], keys: list[VerifierKey], one: Succession) -> tuple[Succession, ...]:
    if one.old == keys[-1] and one.new not in keys:
        grown = (*chain, one)
    elif one.new == keys[0] and one.old not in keys:
        grown = (one, *chain)
    else:
        raise KeyContradiction(f"a key of {one.old.name} has two successors or two predecessors", one.to_note())
    if len(grown) > MOST or any(one.size >= later.size for one, later in pairwise(grown)):
        raise Unproven(f"the keys of {one.old.name} do not follow one another", one.to_note())
    return grown


def _line_id(name: str, public_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + LINE_TYPE + public_key).digest()[:4]
