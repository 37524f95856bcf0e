"""Small Paillier keys, made from seeds, and a sealer without a service. Only tests may use keys of this size."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from louver.sealing import ends
from louver.sealing.ciphertexts import encrypt
from louver.sealing.keys import PrivateKey, PublicKey, generate_key
from louver.sealing.randomisers import randomisers
from louver_sandbox.encrypted_core import EncryptedSums

SMALL = 512
SIZES = (SMALL,)


@cache
def small_key(seed: int = 1) -> PrivateKey:
    """A key of 512 bits, the same for the same seed."""
    return generate_key(SMALL, sizes=SIZES, below=random.Random(seed).randrange)


@cache
def whole_key(seed: int = 1) -> PrivateKey:
    """A key of 2048 bits, the least that holds doubles."""
    return generate_key(2048, below=random.Random(seed).randrange)


REAL = (2048, 3072)
"""Sizes that a service admits and of which keys lie here: the least, and the default."""


@cache
def real_key(bits: int) -> PrivateKey:
    """A key of a size that is in use. It was made for tests alone and protects nothing."""
    path = Path(__file__).with_name("keys") / f"paillier-{bits}.json"
    return PrivateKey.from_jwk(json.loads(path.read_text(encoding="utf-8")))


class PlainSealer:
    """Seals to the given keys. `leak` makes it a deliberately broken one, whose ciphertexts are the numbers."""

    def __init__(self, *keys: PublicKey, most: int = 1000, leak: bool = False) -> None:
        self.most = most
        self._keys = {key.kid: key for key in keys}
        self._leak = leak

    def added(self, sums: EncryptedSums, institution: str) -> list[list[bytes | None]]:
        raise NotImplementedError("no uploads here")

    def room(self, kid: str) -> int:
        return ends.room(self._keys[kid])

    def sealed(self, kid: str, numbers: Sequence[int]) -> tuple[int, list[bytes]]:
        key = self._keys[kid]
        if self._leak:
            return key.width, [str(number).encode().rjust(key.width, b"\0") for number in numbers]
        made = encrypt(numbers, key, randomisers(key, len(numbers)))
        return key.width, [int(ciphertext).to_bytes(key.width, "big") for ciphertext in made]
