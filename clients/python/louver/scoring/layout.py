"""How scores lie in a plaintext: several subjects beside one another, each with its score, a check and a flood.

A slot has 72 bits. The lowest 20 are the score above an offset. Above them stands the check: alpha times the score
modulo a prime, alpha being a secret of the key holder. It is a sum of the same terms, so a result that is no
combination of the model's own ciphertexts passes with a chance of one in a million. The platform adds a random
multiple of the prime to it: that drowns the carries of the sum, and whatever else points that no auditor has seen
could have hidden above the first 40 bits. (CRYPTO 5.2 has 20 bits, 43 of flood and no room for the check.)
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from louver.sealing.keys import PrivateKey, PublicKey

SCORE_BITS = 20
SLOT_BITS = 72
CHECK = 2**20 - 3
"""A prime just below the check's 20 bits: modulo a power of two some changes would pass unseen."""

FLOODS = 2**31
"""How many multiples of the prime may be added. With at most 64 terms a slot stays below 2^72."""

OFFSET = 2**19
"""What a score of 0 is stored as."""

MOST_FEATURES = 64
_DOMAIN = b"louver.dev/scorecard-check/v1"


class BrokenScore(ValueError):
    """A slot that no combination of the model's points can have left. The text holds nothing of it."""


def slots(key: PublicKey) -> int:
    """How many subjects one ciphertext holds: 28, 42 or 56 for keys of 2048, 3072 and 4096 bits."""
    return (key.bits - 3) // SLOT_BITS


def alpha(key: PrivateKey, model: str, version: str) -> int:
    """The secret factor of a model's check, from 1 to below the prime; only the key's holder can compute it."""
    secret = b"".join(int(prime).to_bytes((key.public.bits + 7) // 8, "big") for prime in sorted((key.p, key.q)))
    told = b"\0".join((_DOMAIN, model.encode(), version.encode()))
    return 1 + int.from_bytes(hmac.digest(secret, told, hashlib.sha512), "big") % (CHECK - 1)


def term(points: int, factor: int) -> int:
    """What is encrypted for these points, which are from 0 up."""
    return points + (points * factor % CHECK << SCORE_BITS)


def flood(drawn: Sequence[int]) -> int:
    """What is added to a ciphertext's plaintext, from a number below ``FLOODS`` for each slot."""
    return sum((CHECK * number << SCORE_BITS) << place * SLOT_BITS for place, number in enumerate(drawn))


def noise(drawn: Sequence[int], unused: Sequence[int]) -> int:
    """The flood, and in slots without a subject a random number for score and check as well."""
    return flood(drawn) + sum(number << place * SLOT_BITS for place, number in enumerate(unused))


def score(plain: int, place: int, factor: int) -> int:
    """The score in a slot of an opened ciphertext. Raises ``BrokenScore``."""
    slot = plain >> place * SLOT_BITS & (1 << SLOT_BITS) - 1
    found = slot & (1 << SCORE_BITS) - 1
    if (slot >> SCORE_BITS) % CHECK != found * factor % CHECK:
        raise BrokenScore("the score is no sum of this model's points")
    return found - OFFSET
