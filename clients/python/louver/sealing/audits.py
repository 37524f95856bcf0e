"""Openings of encrypted rows: how an auditor sees what is inside some of them without holding anybody's key.

A bank that has signed a bound for its encrypted values may break it; the platform cannot see that (CRYPTO 5.1). So an
auditor names rows at random after the table is uploaded, and the bank shows number m and randomness r of each: then
c = (1 + m n) r^n modulo n squared holds for no other number. Who opens chooses nothing: neither which rows, which
follow from a seed that was unknown when the ciphertexts were made, nor what is in them.

A bank that breaks its word in a share f of its rows is caught by an opening of k rows with the chance 1 - (1 - f)^k.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import gmpy2
from gmpy2 import mpz

from louver.sealing.ciphertexts import Owner, well_formed
from louver.sealing.keys import PublicKey, power
from louver.sealing.plaintexts import OutOfWindow, plaintext

SEED = 32
"""Bytes of a seed: drawn by the auditor alone, once the content is registered."""


class NotOpened(ValueError):
    """What was shown is not inside the ciphertexts, or not of these rows."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The number inside a ciphertext, and the randomness that it was made with."""

    number: int
    randomness: int


def rows(seed: bytes, content: str, total: int, count: int) -> list[int]:
    """Which rows of a table of this content digest are opened: so many different ones, all alike likely, in order.

    ValueError for a seed of another length, or for more rows than there are.
    """
    if len(seed) != SEED or not 0 <= count <= total:
        raise ValueError("a seed of 32 bytes, and no more rows than there are")
    chosen: set[int] = set()
    stream = _stream(seed, content)
    # Floyd's sample: as many draws as rows, each row at most once.
    for last in range(total - count, total):
        place = next(stream) % (last + 1)
        chosen.add(last if place in chosen else place)
    return sorted(chosen)


def opened(ciphertexts: Sequence[mpz], owner: Owner) -> list[Opening]:
    """The openings of ciphertexts, by whoever holds the key. Raises ``NotACiphertext``."""
    key = owner.key
    n, square = key.public.n, key.public.square
    back = gmpy2.invert(n, (key.p - 1) * (key.q - 1))
    found = []
    for ciphertext, number in zip(ciphertexts, owner.decrypt(ciphertexts), strict=True):
        bare = ciphertext * gmpy2.invert(1 + plaintext(number, key.public) * n, square) % square
        found.append(Opening(number, int(power(bare % n, back, n))))
    return found


def check(ciphertexts: Sequence[mpz], openings: Sequence[Opening], key: PublicKey, most: int) -> list[int]:
    """The places of rows whose number is above ``most`` by its absolute amount: what the contract says is not there.

    Whatever else is conspicuous (zeros everywhere but in one row, powers of two) is for the auditor to see in the
    openings. Raises ``NotOpened`` where one is not inside its ciphertext: then nothing is known of any.
    """
    if len(ciphertexts) != len(openings) or not well_formed(ciphertexts, key):
        raise NotOpened("not an opening for each ciphertext of the key")
    for ciphertext, opening in zip(ciphertexts, openings, strict=True):
        try:
            plain = plaintext(opening.number, key)
        except OutOfWindow:
            raise NotOpened("a number that no ciphertext holds") from None
        if not 0 < opening.randomness < key.n:
            raise NotOpened("a number that is not inside its ciphertext")
        made = (1 + plain * key.n) % key.square * power(mpz(opening.randomness), key.n, key.square) % key.square
        if made != ciphertext:
            raise NotOpened("a number that is not inside its ciphertext")
    return [place for place, opening in enumerate(openings) if abs(opening.number) > most]


def _stream(seed: bytes, content: str) -> Iterator[int]:
    place = 0
    while True:
        # 256 bits for a number below 2^32: what a remainder favours is below 2^-224.
        yield int.from_bytes(hashlib.sha256(seed + content.encode() + place.to_bytes(8, "big")).digest(), "big")
        place += 1
