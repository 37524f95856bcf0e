"""Proofs in files: C2SP tlog-proof, and consistency in the form of C2SP tlog-witness.

A tlog-proof (c2sp.org/tlog-proof) proves offline, with nothing but the log's key, that an entry is in a log:

    c2sp.org/tlog-proof@v1
    extra <base 64, optional>
    index <decimal>
    <inclusion proof, one base 64 hash per line>
    <empty line>
    <checkpoint>

A consistency proof is written like the request by which a log asks a witness for a cosignature
(c2sp.org/tlog-witness, ``add-checkpoint``), so that the same bytes can be sent to one.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from louver.errors import Unproven
from louver.transparency.checkpoint import Checkpoint, TreeHead, parse_decimal
from louver.transparency.merkle import HASH_SIZE, verify_consistency, verify_inclusion
from louver.transparency.note import VerifierKey, decode_base64
from louver.transparency.succession import LogKey

MAGIC = "c2sp.org/tlog-proof@v1"
"""First line of a tlog-proof."""

MAX_PROOF_BYTES = 4 << 20
"""Larger files are refused unread."""

_MAX_PATH = 63  # a tree of 2**63 leaves


@dataclass(frozen=True, slots=True)
class TlogProof:
    """That an entry is at ``index`` of the log whose checkpoint is enclosed.

    ``path`` goes from the leaf's sibling up to the child of the root (RFC 6962, 2.1.1). ``extra`` belongs to
    the application and is *not* covered by any signature.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: Checkpoint
    extra: bytes | None = None

    @classmethod
    def parse(cls, data: bytes) -> TlogProof:
        """Read a tlog-proof without believing it. Raises ``Unproven`` when it is not well formed."""
        header, checkpoint = _split(data)
        if header[0] != MAGIC:
            raise Unproven("not a tlog-proof", data[:256])
        rest = header[1:]
        extra = None
        if rest and rest[0].startswith("extra "):
            extra = decode_base64(rest.pop(0).removeprefix("extra "))
        if not rest or not rest[0].startswith("index "):
            raise Unproven("the tlog-proof does not say which entry it is about", data)
        index = parse_decimal(rest.pop(0).removeprefix("index "))
        return cls(index, _parse_path(rest), checkpoint, extra)

    def to_bytes(self) -> bytes:
        lines = [MAGIC]
        if self.extra is not None:
            lines.append("extra " + base64.b64encode(self.extra).decode())
        lines.append(f"index {self.index}")
        return _join([*lines, *_path_lines(self.path)], self.checkpoint)

    def verify(self, leaf: bytes, key: VerifierKey | LogKey) -> TreeHead:
        """The log's head, once the leaf hash is known to be in it. Raises ``Unproven``."""
        head = self.checkpoint.verify(key)
        verify_inclusion(leaf, self.index, head.size, self.path, head.root)
        return head


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """That the log behind ``checkpoint`` begins with its own first ``old_size`` entries (RFC 6962, 2.1.2)."""

    old_size: int
    path: tuple[bytes, ...]
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, data: bytes) -> ConsistencyProof:
        """Read a proof without believing it. Raises ``Unproven`` when it is not well formed."""
        header, checkpoint = _split(data)
        if not header[0].startswith("old "):
            raise Unproven("the consistency proof does not say which size it starts from", data)
        return cls(parse_decimal(header[0].removeprefix("old ")), _parse_path(header[1:]), checkpoint)

    def to_bytes(self) -> bytes:
        return _join([f"old {self.old_size}", *_path_lines(self.path)], self.checkpoint)

    def verify(self, old: TreeHead, key: VerifierKey | LogKey) -> TreeHead:
        """The new head, once it is known to extend ``old``, a head verified earlier. Raises ``Unproven``."""
        new = self.checkpoint.verify(key)
        if (old.origin, old.size) != (new.origin, self.old_size):
            raise Unproven("the consistency proof is about another head", self.to_bytes())
        verify_consistency(old.size, new.size, self.path, old.root, new.root)
        return new


def _split(data: bytes) -> tuple[list[str], Checkpoint]:
    """The lines before the first empty line, and the checkpoint after it."""
    if len(data) > MAX_PROOF_BYTES:
        raise Unproven(f"a proof of more than {MAX_PROOF_BYTES} bytes", data[:256])
    header, separator, checkpoint = data.partition(b"\n\n")
    if not separator:
        raise Unproven("the proof has no checkpoint", data)
    try:
        lines = header.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Unproven("the proof is not plain text", data) from None
    return lines, Checkpoint.parse(checkpoint)


def _join(lines: Sequence[str], checkpoint: Checkpoint) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode() + b"\n" + checkpoint.to_bytes()


def _path_lines(path: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(value).decode() for value in path]


def _parse_path(lines: Sequence[str]) -> tuple[bytes, ...]:
    if len(lines) > 2 * _MAX_PATH:
        raise Unproven("a proof longer than any tree is high", "\n".join(lines).encode()[:256])
    path = tuple(decode_base64(line) for line in lines)
    for value in path:
        if len(value) != HASH_SIZE:
            raise Unproven("a proof holds SHA-256 hashes only", value)
    return path
