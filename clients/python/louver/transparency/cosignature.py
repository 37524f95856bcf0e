"""Cosignatures of witnesses, C2SP tlog-cosignature (c2sp.org/tlog-cosignature): Ed25519 and ML-DSA-44.

A witness says that as of a time the head is the largest it has seen of the log, and consistent with every other.
Its line stands among the checkpoint's signatures: 4 bytes key id, 8 bytes POSIX time (big endian), signature.

A witness key is written like a log's, ``name+id+key``, with the type byte 0x04 (Ed25519) or 0x06 (ML-DSA-44).
ML-DSA-44 needs a ``cryptography`` that has it; ``Misused`` says where it is missing.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from louver.errors import Unproven
from louver.failures import Misused
from louver.transparency.checkpoint import Checkpoint, TreeHead
from louver.transparency.note import Note, Signature, check_key_name, decode_base64

ED25519 = 0x04
ML_DSA_44 = 0x06
KEY_BYTES = {ED25519: 32, ML_DSA_44: 1312}
"""Bytes of a public key, by signature type."""
SIGNATURE_BYTES = {ED25519: 64, ML_DSA_44: 2420}
"""Bytes of a signature, by signature type."""
_LATEST = 2**63 - 1


def ml_dsa() -> Any:
    """The module of ``cryptography`` with ML-DSA. Raises ``Misused`` where it has none."""
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa
    except ImportError:
        raise Misused("this version of cryptography has no ML-DSA", "pip install --upgrade cryptography") from None
    return mldsa


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's public key, its type (``ED25519`` or ``ML_DSA_44``) and the name it signs under."""

    name: str
    kind: int
    public_key: bytes

    @classmethod
    def parse(cls, text: str) -> WitnessKey:
        """Read ``name+id+key``. Raises ``Unproven`` when it is no witness's key or the id does not fit it."""
        evidence = text.encode(errors="replace")
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise Unproven("a witness key has the form name+id+key", evidence)
        name, identifier, encoded = parts
        check_key_name(name)
        data = decode_base64(encoded)
        if not data or KEY_BYTES.get(data[0]) != len(data) - 1:
            raise Unproven("the witness key is neither an Ed25519 nor an ML-DSA-44 cosigner's", evidence)
        found = cls(name, data[0], data[1:])
        if found.id.hex() != identifier:
            raise Unproven("the witness key's id does not belong to its name and key", evidence)
        return found

    @property
    def id(self) -> bytes:
        """The four bytes by which a signature line names the key."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public_key).digest()[:4]

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.kind]) + self.public_key).decode()
        return f"{self.name}+{self.id.hex()}+{encoded}"


@dataclass(frozen=True, slots=True)
class Cosigned:
    """What a cosignature proves: that this witness had seen the head, at ``time`` (POSIX seconds)."""

    witness: str
    time: int
    head: TreeHead


def signed_message(key: WitnessKey, head: TreeHead, time: int) -> bytes:
    """The bytes that a cosignature is over. Raises ``ValueError`` for what cannot be written."""
    if not 0 < time <= _LATEST:
        raise ValueError("a cosignature's time is a POSIX timestamp")
    if key.kind == ED25519:
        return f"cosignature/v1\ntime {time}\n{head.text()}".encode()
    name, origin = key.name.encode(), head.origin.encode()
    if not (0 < len(name) < 256 and 0 < len(origin) < 256):
        raise ValueError("a name of more than 255 bytes cannot be cosigned")
    sized = b"subtree/v1\n\0" + bytes([len(name)]) + name + struct.pack(">Q", time)
    return sized + bytes([len(origin)]) + origin + struct.pack(">QQ", 0, head.size) + head.root


class Cosigner(Protocol):
    """Signs for a witness; the private key may live elsewhere."""

    @property
    def key(self) -> WitnessKey:
        """The public key."""

    def sign(self, message: bytes) -> bytes:
        """The raw signature."""


def cosign(head: TreeHead, cosigner: Cosigner, time: int) -> Signature:
    """The signature line of a head that the witness has found consistent, as of ``time`` (POSIX seconds)."""
    key = cosigner.key
    signature = cosigner.sign(signed_message(key, head, time))
    return Signature(key.name, key.id, struct.pack(">Q", time) + signature)


def verify_cosignature(signature: Signature, head: TreeHead, key: WitnessKey) -> Cosigned:
    """What the line proves of a head. Raises ``Unproven``."""
    evidence = signature.line().encode()
    if (signature.name, signature.key_id) != (key.name, key.id):
        raise Unproven("the cosignature is another witness's", evidence)
    if len(signature.signature) != 8 + SIGNATURE_BYTES[key.kind]:
        raise Unproven("the cosignature is not as long as one", evidence)
    (time,) = struct.unpack(">Q", signature.signature[:8])
    if not 0 < time <= _LATEST:
        raise Unproven("the cosignature's time is none", evidence)
    if not _holds(key, signature.signature[8:], signed_message(key, head, time)):
        raise Unproven(f"the cosignature of {key.name} does not hold", evidence)
    return Cosigned(key.name, time, head)


def _holds(key: WitnessKey, signature: bytes, message: bytes) -> bool:
    try:
        if key.kind == ED25519:
            Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, message)
        else:
            ml_dsa().MLDSA44PublicKey.from_public_bytes(key.public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    except UnsupportedAlgorithm:
        raise Misused("this build of cryptography has no ML-DSA-44", "install its own wheels") from None
    return True


def cosignatures(checkpoint: Checkpoint, keys: tuple[WitnessKey, ...]) -> tuple[Cosigned, ...]:
    """Those of these witnesses that the checkpoint bears; lines by others say nothing. Raises ``Unproven`` for a line
    under one of these keys that does not hold."""
    by_id = {(key.name, key.id): key for key in keys}
    lines = [(by_id.get((line.name, line.key_id)), line) for line in checkpoint.note.signatures]
    return tuple(verify_cosignature(line, checkpoint.claimed, key) for key, line in lines if key is not None)


def with_signatures(checkpoint: Checkpoint, lines: tuple[Signature, ...]) -> Checkpoint:
    """The checkpoint with these lines after its own."""
    return Checkpoint(checkpoint.claimed, Note(checkpoint.note.text, (*checkpoint.note.signatures, *lines)))
