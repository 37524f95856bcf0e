"""The institution's side of the oblivious pseudorandom function of RFC 9497: ristretto255-SHA512, mode VOPRF.

    blinded = blind([b"91370200..."])          # leaves this machine: says nothing of the ids
    tokens = finalize(blinded, evaluated, key)  # the platform's answer, proved to be by that key

A token is 64 bytes that depend on the input and the platform's key alone. Curve and proof are the library `voprf`'s
(extra `louver[match]`); what is ours is the cutting into batches and the one error for everything that is wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from louver.errors import Unproven
from louver.failures import Misused, missing_extra

SUITE = "ristretto255-SHA512"
"""The cipher suite, as RFC 9497 names it."""
ELEMENT_BYTES = 32
"""Bytes of a blinded or evaluated element, and of a public key."""
PROOF_BYTES = 64
"""Bytes of the proof that one key was used for a whole batch."""
TOKEN_BYTES = 64
"""Bytes of a finished token."""
BATCH = 3
"""Elements that one proof is about. Both sides cut in the same places, so it is part of the format.

The library keeps the interpreter's lock for a whole batch: 0.45 ms for three, where it was 60 to 90 ms for 500. A
proof takes as long as one more element."""
AT_ONCE = 2500 * BATCH
"""Elements that are evaluated for one message: whole batches."""


def library() -> Any:
    """The module of `voprf` for this suite. Raises ``Misused`` where it is not installed."""
    try:
        from voprf import ristretto
    except ModuleNotFoundError:
        raise missing_extra("voprf, which private matching needs,", "match") from None
    return ristretto


@dataclass(frozen=True)
class Blinded:
    """Blinded inputs, in order. ``elements`` may be sent to anybody; ``secrets`` finish them and never leave."""

    elements: bytes
    secrets: tuple[Any, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.secrets)


def blind(inputs: Sequence[bytes]) -> Blinded:
    """Blinds each input with a fresh secret of its own. Raises ``Misused`` for an empty or too long input."""
    suite = library()
    try:
        made = [suite.Client.blind(each) for each in inputs]
    except ValueError:
        raise Misused("an input of the function has 1 to 65535 bytes") from None
    return Blinded(b"".join(element.serialize() for _, element in made), tuple(client for client, _ in made))


def evaluated_bytes(count: int) -> int:
    """Bytes of the answer to so many elements: the elements, and a proof for each batch."""
    return count * ELEMENT_BYTES + -(-count // BATCH) * PROOF_BYTES


def evaluated_elements(size: int) -> int:
    """Of how many elements an answer with so many bytes is."""
    batches, rest = divmod(size, evaluated_bytes(BATCH))
    return batches * BATCH + max(0, rest - PROOF_BYTES) // ELEMENT_BYTES


def finalize(blinded: Blinded, evaluated: bytes, public_key: bytes) -> list[bytes]:
    """The tokens, in the order of the inputs. Raises ``Unproven`` when any of them is not by the key of that name.

    ``evaluated`` is what the platform made of ``blinded.elements``: of each batch its elements and their proof.
    """
    suite = library()
    if len(evaluated) != evaluated_bytes(len(blinded)):
        raise Unproven("the platform evaluated another number of ids", b"")
    tokens: list[bytes] = []
    position = 0
    try:
        key = suite.PublicKey.deserialize(public_key)
        for start in range(0, len(blinded), BATCH):
            secrets = blinded.secrets[start : start + BATCH]
            size = evaluated_bytes(len(secrets))
            output = suite.VerifiableBatchOutput.deserialize(evaluated[position : position + size])
            tokens.extend(bytes(token) for token in suite.Client.finalize_batch(list(secrets), output, key))
            position += size
    except ValueError:
        raise _not_by_that_key() from None
    except BaseException as panic:
        # A proof that does not hold makes the library panic, which pyo3 raises as a BaseException of its own.
        if type(panic).__name__ != "PanicException":
            raise
        raise _not_by_that_key() from None
    return tokens


class NotElements(Exception):
    """Bytes that are no whole number of group elements, or hold one that is none or the identity.

    It says nothing of which: the bytes are a stranger's.
    """


def elements_of(content: bytes) -> list[Any]:
    """Blinded elements as the library's objects, each decoded and found to be in the group and not the identity.

    Raises ``NotElements`` where one is not.
    """
    if not content or len(content) % ELEMENT_BYTES:
        raise NotElements("not a whole number of elements")
    read = library().BlindedInput.deserialize
    try:
        return [read(content[start : start + ELEMENT_BYTES]) for start in range(0, len(content), ELEMENT_BYTES)]
    except ValueError:
        raise NotElements("not elements of the group") from None


class Evaluator:
    """Whoever holds a key. ``public`` are the 32 bytes that its evaluations are verified by."""

    def __init__(self, made: Any) -> None:
        """``made`` is the library's evaluator, with its key."""
        self._made = made
        self.public = bytes(made.public_key.serialize())

    @classmethod
    def of(cls, randomness: bytes) -> Evaluator:
        """A key for one use, of 32 random bytes."""
        return cls(library().Evaluator(randomness))

    def evaluate(self, elements: bytes) -> bytes:
        """Each blinded element multiplied by the key; before each batch the proof that it was this key.

        Raises ``NotElements``; then nothing has been evaluated.
        """
        read = elements_of(elements)
        return b"".join(self._batch(read[start : start + BATCH]) for start in range(0, len(read), BATCH))

    def _batch(self, batch: Sequence[Any]) -> bytes:
        return bytes(self._made.evaluate_batch(batch).serialize())

    def token(self, value: bytes) -> bytes:
        """What the other side gets for this input."""
        return bytes(self._made.evaluate_known_input(value))

    def tokens(self, values: Sequence[bytes]) -> Iterator[bytes]:
        """The token of each input, in order."""
        evaluate = self._made.evaluate_known_input
        return (bytes(evaluate(value)) for value in values)


def hits_digest(evaluated: bytes, personal: bytes) -> str:
    """What receipts name of a match in mode hits: its evaluated elements, and the records of persons with them."""
    digest = elements_digest(evaluated)
    return hashlib.sha256(bytes.fromhex(digest) + personal).hexdigest() if personal else digest


def elements_digest(evaluated: bytes) -> str:
    """SHA-256 in hex of evaluated elements without their proofs, which come before each batch and are drawn anew each
    time; receipts name it."""
    digest = hashlib.sha256()
    for start in range(0, len(evaluated), evaluated_bytes(BATCH)):
        digest.update(evaluated[start + PROOF_BYTES : start + evaluated_bytes(BATCH)])
    return digest.hexdigest()


def number_digest(value: int) -> str:
    """SHA-256 in hex of a number as it leaves: of its decimal digits."""
    return hashlib.sha256(str(value).encode()).hexdigest()


def _not_by_that_key() -> Unproven:
    return Unproven("the platform did not evaluate the ids with the key that it names", b"")
