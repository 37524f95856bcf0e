"""The platform's keys for RFC 9497 (ristretto255-SHA512, mode VOPRF), derived from one private seed.

Every use has a key of its own, derived from the seed and the use's name (`DeriveKeyPair`), so that tokens of one use
say nothing in another: whoever may match against one list can make no token of a second list, nor of the same list on
another day, and none that columns are joined by.

Every call holds the interpreter's lock, so the service makes none: they are made in processes of their own
(`matching.process`).
"""

from __future__ import annotations

from louver.matching.oprf import Evaluator, NotElements, elements_of, library

__all__ = ["JOIN_USE", "MATCH_USE", "SEED_BYTES", "Key", "NotElements", "elements_of"]

SEED_BYTES = 32

MATCH_USE = "louver.dev/match/v1"
"""The use of keys that lists are matched by; the list's name and its edition follow it."""
JOIN_USE = "louver.dev/join-token/v1"
"""The use of keys that encrypted columns are joined by; institution and epoch follow it."""


class Key(Evaluator):
    """One use's key: `evaluate` blinded ids of others, make `tokens` of our own data."""

    def __init__(self, seed: bytes, use: str, *scope: str) -> None:
        """Derives the key of a use and what it is for, such as a list.

        Raises:
            ValueError: the seed has not 32 bytes.
        """
        if len(seed) != SEED_BYTES:
            raise ValueError("a seed has 32 bytes")
        super().__init__(library().Evaluator.from_seed(seed, "\0".join((use, *scope)).encode()))
