"""A witness: follows the log, checks that it only grows, and cosigns what it has seen (C2SP tlog-witness).

What was seen lies in a file that is on the disk before a cosignature leaves, so a witness that is stopped and started
again cannot be shown another history. Four things are caught and named, with both sides kept as evidence:

    rewind       the log's newest head covers fewer entries than one seen before
    split view   two heads over as many entries differ, or the larger does not begin with the smaller
    no proof     the log signs a larger head and does not prove that it extends the smaller
    stolen key   a key signs that had handed over to another, or hands over to a second one
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from louver.errors import Refused, Unproven
from louver.failures import Misused
from louver.transparency import Checkpoint, ConsistencyProof, LogKey, Signature, TreeHead
from louver.transparency.cosignature import ED25519, ML_DSA_44, Cosigner, WitnessKey, cosign, ml_dsa
from louver.transparency.note import check_key_name
from louver.transparency.succession import KeyContradiction

KINDS = {"ed25519": ED25519, "ml-dsa-44": ML_DSA_44}


class Log(Protocol):
    """What a witness asks of a log; ``AuditClient`` is one."""

    def checkpoint(self) -> Checkpoint: ...

    def consistency(self, old_size: int, new_size: int) -> ConsistencyProof: ...

    def cosign(self, size: int, signature: Signature) -> None: ...


@dataclass(frozen=True)
class PrivateWitnessKey:
    """A witness's private key in memory, and the name it signs under."""

    name: str
    private: Any

    @property
    def key(self) -> WitnessKey:
        """The public key."""
        kind = ED25519 if isinstance(self.private, Ed25519PrivateKey) else ML_DSA_44
        return WitnessKey(self.name, kind, self.private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """The raw signature."""
        signature: bytes = self.private.sign(message)
        return signature

    def to_pem(self) -> bytes:
        """The key as a PEM file whose first line says the name."""
        pem: bytes = self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return f"witness: {self.name}\n".encode() + pem


def new_key(name: str, kind: str = "ed25519") -> PrivateWitnessKey:
    """A new key under a name like ``witness.example``. Raises ``Misused`` or ``Unproven`` (for the name)."""
    check_key_name(name)
    if kind not in KINDS:
        raise Misused(f"a witness signs with {' or '.join(KINDS)}")
    private = Ed25519PrivateKey.generate() if kind == "ed25519" else ml_dsa().MLDSA44PrivateKey.generate()
    return PrivateWitnessKey(name, private)


def read_key(content: bytes, origin: str) -> PrivateWitnessKey:
    """A key file. Raises ``Misused``; ``origin`` says which file."""
    first, _, pem = content.partition(b"\n")
    try:
        private: Any = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        raise Misused(f"{origin} is no witness's key", "`louver audit witness-key` makes one") from None
    name = first.decode(errors="replace").removeprefix("witness: ").strip()
    kinds = {"Ed25519PrivateKey", "MLDSA44PrivateKey"}
    if not first.startswith(b"witness: ") or type(private).__name__ not in kinds:
        raise Misused(f"{origin} is no witness's key", "`louver audit witness-key` makes one")
    check_key_name(name)
    return PrivateWitnessKey(name, private)


class Contradiction(Unproven):
    """The log shows what cannot be true together; ``evidence`` holds both sides."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a look at the log has found: the head, and whether it is a new one, which was cosigned."""

    head: TreeHead
    new: bool


def look(log: Log, state: Path, log_key: str, cosigners: Sequence[Cosigner], now: int) -> Step:
    """Looks at the log once; ``now`` is in POSIX seconds. The first head that is ever seen is believed.

    A head that was seen before and not cosigned by all (the witness was stopped between) is cosigned again.
    Raises ``Contradiction``, ``Unproven`` for a head that the log has not signed, ``Misused`` for a state file that
    cannot be read or written.
    """
    current = log.checkpoint()
    seen, key = _known(LogKey.parse(log_key), state, current)
    head = current.verify(key)
    if seen is not None and head.size == seen.claimed.size and head.root == seen.claimed.root:
        done = _handed_in(state)
        if left := [one for one in cosigners if str(one.key) not in done]:
            _hand_in(log, state, current, left, now, done)
        return Step(head, False)
    if seen is not None:
        _check(log, key, seen, current)
    write_state(state, current, [])
    _hand_in(log, state, current, cosigners, now, [])
    return Step(head, True)


def _known(pinned: LogKey, state: Path, current: Checkpoint) -> tuple[Checkpoint | None, LogKey]:
    """What was seen, and the log's key with the successions that were and are shown. Raises ``Contradiction`` where
    they cannot be true together."""
    remembered = _parsed_state(state)
    try:
        key = pinned if remembered is None else pinned.learnt_from(remembered.note)
    except Unproven:
        raise _no_memory(state) from None
    try:
        key = key.learnt_from(current.note)
        current.verify(key)
    except KeyContradiction as found:
        both = (b"" if remembered is None else remembered.to_bytes() + b"\n") + current.to_bytes()
        raise Contradiction(f"stolen key: {found.message}", both) from None
    return read_state(state, key), key


def _check(log: Log, key: LogKey, seen: Checkpoint, current: Checkpoint) -> None:
    """Raises ``Contradiction`` unless the current head extends the one seen before."""
    old, new = seen.verify(key), current.claimed
    both = seen.to_bytes() + b"\n" + current.to_bytes()
    if new.size < old.size:
        raise Contradiction(f"rewind: the log showed {old.size} entries before and shows {new.size} now", both)
    if new.size == old.size:
        raise Contradiction(f"split view: the log signed two different heads over {old.size} entries", both)
    try:
        proof = log.consistency(old.size, new.size)
    except Refused as refused:
        raise Contradiction(f"no proof: the log refuses to show that it only grew ({refused.code})", both) from None
    both += b"\n" + proof.to_bytes()
    try:
        proven = proof.verify(old, key)
    except Unproven as unproven:
        raise Contradiction(f"split view: {unproven.message}", both) from None
    if (proven.size, proven.root) != (new.size, new.root):
        raise Contradiction(f"split view: the log signed two different heads over {new.size} entries", both)


def _hand_in(
    log: Log, state: Path, current: Checkpoint, cosigners: Sequence[Cosigner], now: int, done: Sequence[str]
) -> None:
    for number, cosigner in enumerate(cosigners, 1):
        log.cosign(current.claimed.size, cosign(current.claimed, cosigner, now))
        write_state(state, current, [*done, *(str(one.key) for one in cosigners[:number])])


def read_state(path: Path, key: LogKey) -> Checkpoint | None:
    """The newest head seen, None before the first. Raises ``Misused``; a file that was altered is not overlooked."""
    found = _parsed_state(path)
    try:
        if found is not None:
            found.verify(key)
    except Unproven:
        raise _no_memory(path) from None
    return found


def _parsed_state(path: Path) -> Checkpoint | None:
    try:
        return Checkpoint.parse(json.loads(path.read_text(encoding="utf-8"))["checkpoint"].encode())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError, Unproven):
        raise _no_memory(path) from None


def _no_memory(path: Path) -> Misused:
    return Misused(
        f"{path} is not this witness's memory of this log", "put back its copy; never begin anew unless you must"
    )


def _handed_in(path: Path) -> list[str]:
    """The public keys whose cosignatures of the newest head were handed in."""
    said = json.loads(path.read_text(encoding="utf-8")).get("handed_in")
    return [str(one) for one in said] if isinstance(said, list) else []


def write_state(path: Path, current: Checkpoint, handed_in: Sequence[str]) -> None:
    """Keeps what was seen, on the disk when it returns. Raises ``Misused``."""
    said = {"checkpoint": current.to_bytes().decode(), "handed_in": list(handed_in)}
    fresh = path.with_name(f".{path.name}.new")
    try:
        with fresh.open("w", encoding="utf-8") as file:
            file.write(json.dumps(said, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError:
        raise Misused(f"cannot write {path}", "a witness that cannot remember must not cosign") from None


def keep_evidence(path: Path, found: Contradiction) -> Path:
    """Writes both sides beside the state file and says where; the same evidence is one file."""
    digest = hashlib.sha256(found.evidence).hexdigest()[:16]
    target = path.with_name(f"{path.stem}.evidence-{digest}.txt")
    target.write_bytes(found.message.encode() + b"\n\n" + found.evidence)
    return target
