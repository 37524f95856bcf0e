"""Checkpoints: the signed head of a log, C2SP tlog-checkpoint (c2sp.org/tlog-checkpoint).

    <origin>
    <tree size, decimal>
    <root hash, base 64>
    <extension lines, none or more>

as the text of a signed note. What a checkpoint claims becomes a ``TreeHead`` only by verification.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from louver.errors import Unproven
from louver.transparency.merkle import HASH_SIZE
from louver.transparency.note import Note, VerifierKey, decode_base64
from louver.transparency.note import parse_decimal as parse_decimal
from louver.transparency.succession import LogKey


@dataclass(frozen=True, slots=True)
class TreeHead:
    """The head of a log: ``size`` entries hash to ``root`` (RFC 6962, 2.1) in the log named ``origin``."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> TreeHead:
        """Read the text of a checkpoint. Raises ``Unproven`` when it is not well formed."""
        evidence = text.encode()
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() != "" or "" in lines:
            raise Unproven("a checkpoint has at least three lines, none of them empty", evidence)
        origin, size, root, *extensions = lines
        decoded = decode_base64(root)
        if len(decoded) != HASH_SIZE:
            raise Unproven("the root hash of the checkpoint is not a SHA-256 hash", evidence)
        return cls(origin, parse_decimal(size), decoded, tuple(extensions))

    def text(self) -> str:
        """The text that is signed. Raises ``ValueError`` for a head that cannot be written."""
        lines = [self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions]
        if self.size < 0 or not all(lines) or any("\n" in line for line in lines):
            raise ValueError("a checkpoint's lines must be neither empty nor broken")
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed note whose text is a tree head. ``claimed`` is what it says, believed or not."""

    claimed: TreeHead
    note: Note

    @classmethod
    def parse(cls, data: bytes) -> Checkpoint:
        """Read a checkpoint without believing it. Raises ``Unproven`` when it is not well formed."""
        note = Note.parse(data)
        return cls(TreeHead.parse(note.text), note)

    def to_bytes(self) -> bytes:
        return self.note.to_bytes()

    def verify(self, key: VerifierKey | LogKey) -> TreeHead:
        """The tree head, once the log's own key, or one that it handed over to, is known to have signed it.

        The key's name must be the origin: a key of one log says nothing about another. Raises ``Unproven``.
        """
        known = key if isinstance(key, LogKey) else LogKey(key)
        head = TreeHead.parse(known.verify(self.note, self.claimed.size, self.claimed.root))
        if head.origin != key.name:
            raise Unproven(f"the key of {key.name} has signed for another log", self.to_bytes())
        return head
