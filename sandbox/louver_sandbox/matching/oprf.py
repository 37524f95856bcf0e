"""The platform's side of RFC 9497 (ristretto255-SHA512, mode VOPRF): the key, its evaluations and its own tables.

The seed lies in one private file. Every use has a key of its own, derived from the seed and the use's name
(`DeriveKeyPair`), so that tokens of one use say nothing in another: whoever may match against one list can make no
token of a second list, and none that columns are joined by.

Every call holds the interpreter's lock, so the service makes none: they are made in processes of their own
(`matching.process`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from louver.matching.oprf import BATCH, ELEMENT_BYTES, library

SEED_BYTES = 32

MATCH_USE = "louver.dev/match/v1"
"""The use of keys that lists are matched by; the list's name follows it."""
JOIN_USE = "louver.dev/join-token/v1"
"""The use of keys that encrypted columns are joined by; institution and epoch follow it."""


class NotElements(Exception):
    """Bytes that are no whole number of group elements, or hold one that is none or the identity.

    It says nothing of which: the bytes are a stranger's.
    """


class Key:
    """One use's key. ``public`` are the 32 bytes that its evaluations are verified by."""

    def __init__(self, seed: bytes, use: str, *scope: str) -> None:
        """Derives the key of a use and what it is for, such as a list.

        Raises:
            ValueError: the seed has not 32 bytes.
        """
        if len(seed) != SEED_BYTES:
            raise ValueError("a seed has 32 bytes")
        self._suite: Any = library()
        self._evaluator = self._suite.Evaluator.from_seed(seed, "\0".join((use, *scope)).encode())
        self.public = bytes(self._evaluator.public_key.serialize())

    def evaluate(self, elements: bytes) -> bytes:
        """Each blinded element multiplied by the key; after each batch the proof that it was this key.

        Raises:
            NotElements: see there; nothing has been evaluated.
        """
        read = elements_of(elements)
        return b"".join(self._batch(read[start : start + BATCH]) for start in range(0, len(read), BATCH))

    def _batch(self, batch: Sequence[Any]) -> bytes:
        return bytes(self._evaluator.evaluate_batch(batch).serialize())

    def token(self, value: bytes) -> bytes:
        """What an institution gets for this input: for tables that the platform makes of its own data."""
        return bytes(self._evaluator.evaluate_known_input(value))

    def tokens(self, values: Sequence[bytes]) -> Iterator[bytes]:
        """The token of each input, in order."""
        evaluate = self._evaluator.evaluate_known_input
        return (bytes(evaluate(value)) for value in values)


def elements_of(content: bytes) -> list[Any]:
    """Blinded elements as the library's objects, each decoded and found to be in the group and not the identity.

    Raises:
        NotElements: one is not.
    """
    if not content or len(content) % ELEMENT_BYTES:
        raise NotElements("not a whole number of elements")
    read = library().BlindedInput.deserialize
    try:
        return [read(content[start : start + ELEMENT_BYTES]) for start in range(0, len(content), ELEMENT_BYTES)]
    except ValueError:
        raise NotElements("not elements of the group") from None
