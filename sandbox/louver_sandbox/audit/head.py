"""Signing the heads of the log, and handing over to the next key: C2SP checkpoints under Ed25519."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from louver.transparency.checkpoint import Checkpoint, TreeHead
from louver.transparency.note import Note, Signature, VerifierKey, check_key_name
from louver.transparency.succession import Succession, statement


class Signer(Protocol):
    """Signs under a name; the private key may live elsewhere, such as in a hardware module."""

    @property
    def verifier_key(self) -> VerifierKey:
        """The public key and the name it signs under."""

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature (RFC 8032)."""


@dataclass(frozen=True)
class Ed25519Signer:
    """A signer that holds its private key in memory. ``name`` is the log's origin."""

    name: str
    private_key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> Ed25519Signer:
        """From the 32 secret bytes of RFC 8032. Raises ``Unproven`` for a name that cannot be one."""
        check_key_name(name)
        return cls(name, Ed25519PrivateKey.from_private_bytes(seed))

    @cached_property
    def verifier_key(self) -> VerifierKey:
        return VerifierKey(self.name, self.private_key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self.private_key.sign(message)


def hand_over(last: TreeHead, old: Signer, new: Signer) -> Succession:
    """The old key's last word: it signs no tree larger than ``last``, and ``new`` signs all of them. Both sign it, so
    nobody is made the successor of a key without having the other. Raises ``Unproven`` for a key of another log."""
    text = statement(last.size, last.root, old.verifier_key, new.verifier_key).encode()
    found = Succession(last.size, last.root, old.verifier_key, new.verifier_key, old.sign(text), new.sign(text))
    return Succession.from_note(found.to_note())


def sign_head(head: TreeHead, signer: Signer, successions: Sequence[Succession] = ()) -> Checkpoint:
    """The checkpoint of a tree head, with the successions that lead to its key. Raises ``ValueError`` when the signer
    is not the log's own."""
    key = signer.verifier_key
    if key.name != head.origin:
        raise ValueError("a log signs its own heads only")
    text = head.text()
    signature = Signature(key.name, key.id, signer.sign(text.encode()))
    return Checkpoint(head, Note(text, (signature, *(one.line() for one in successions))))
