"""What makes two ciphertexts of one number differ: r^n modulo n squared, r uniform among the units modulo n.

Toward whoever holds the key only this textbook form hides what went into a ciphertext; powers of a fixed base do not
(CRYPTO 0, the third defect). They cost some 9 ms each at 2048 bits and 30 at 3072, so a pool keeps them ready.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque

import gmpy2
from gmpy2 import mpz

from louver.sealing.keys import PublicKey, RandomBelow

CHUNK = 16
"""Randomisers made in one call of the library: whoever ends a pool waits for so many, and others for none."""


def randomisers(key: PublicKey, count: int, below: RandomBelow = secrets.randbelow) -> list[mpz]:
    """So many fresh ones. The library computes the powers of a whole list without the interpreter's lock."""
    made: list[mpz] = []
    while len(made) < count:
        drawn = [_unit(key.n, below) for _ in range(min(CHUNK, count - len(made)))]
        made += gmpy2.powmod_base_list(drawn, key.n, key.square)
    return made


def _unit(n: mpz, below: RandomBelow) -> mpz:
    while True:
        drawn = mpz(below(int(n)))
        if gmpy2.gcd(drawn, n) == 1:
            return drawn


class Pool:
    """Randomisers of one key in stock. Each is given out once. Threads may share it."""

    def __init__(self, key: PublicKey, below: RandomBelow = secrets.randbelow) -> None:
        self.key = key
        self._below = below
        self._stock: deque[mpz] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._stock)

    def fill(self, size: int, most: int = CHUNK) -> bool:
        """Makes up to ``most`` more, toward a stock of ``size``; whether that is reached now."""
        lacking = size - len(self)
        if lacking > 0:
            made = randomisers(self.key, min(most, lacking), self._below)
            with self._lock:
                self._stock.extend(made)
        return len(self) >= size

    def take(self, count: int) -> list[mpz]:
        """So many randomisers: from the stock while there are any, then made on the spot."""
        with self._lock:
            taken = [self._stock.popleft() for _ in range(min(count, len(self._stock)))]
        return taken + randomisers(self.key, count - len(taken), self._below)
