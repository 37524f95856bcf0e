"""Sealing as one writes it at first, on python-paillier: what the attacks of CRYPTO 5.0 succeed against.

Each class stands beside the part of the platform that does the same with care, and has the same calls, so that one
attack runs against both. Nothing here is broken on purpose but by leaving out what stops the attack.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Protocol

import gmpy2
import phe
from gmpy2 import mpz
from tests.support.line import Line
from tests.support.policy_questions import BANK_A, BANK_B
from tests.support.sealed import SIZES

from louver.sealing import bulk, interchange, proofs
from louver.sealing.ciphertexts import Owner, encrypt
from louver.sealing.keys import PrivateKey, PublicKey
from louver.sealing.randomisers import randomisers
from louver_sandbox import journal
from louver_sandbox.sealing import admission
from louver_sandbox.sealing.keys import SealingKeys
from louver_sandbox.sealing.sealer import Sealer

SUBJECTS = {subject.institution: subject for subject in (BANK_A, BANK_B)}


class Holder(Protocol):
    """Whoever holds a private key and decrypts what it is given."""

    def decrypted(self, ciphertexts: Sequence[int]) -> Sequence[int]:
        """What is inside."""


class NaiveHolder:
    """Decrypts whatever arrives: python-paillier's `raw_decrypt`."""

    def __init__(self, key: PrivateKey) -> None:
        public = phe.PaillierPublicKey(int(key.public.n))
        self._private = phe.PaillierPrivateKey(public, int(key.p), int(key.q))

    def decrypted(self, ciphertexts: Sequence[int]) -> Sequence[int]:
        return [self._private.raw_decrypt(each) for each in ciphertexts]


class CarefulHolder:
    """As the SDK opens."""

    def __init__(self, key: PrivateKey) -> None:
        self._owner = Owner(key)

    def decrypted(self, ciphertexts: Sequence[int]) -> Sequence[int]:
        return self._owner.decrypt([mpz(each) for each in ciphertexts])


class Platform(Protocol):
    """Whoever registers keys and seals numbers to the current one of an institution."""

    def register(self, institution: str, modulus: bytes, proof: bytes) -> None:
        """Makes this the institution's current key."""

    def sealed(self, institution: str, numbers: Sequence[int]) -> list[int]:
        """The numbers, encrypted to that key."""


class NaivePlatform:
    """Any modulus is a key, whoever brings it and whenever: what comes last is current."""

    def __init__(self) -> None:
        self._current: dict[str, PublicKey] = {}

    def register(self, institution: str, modulus: bytes, proof: bytes) -> None:
        self._current[institution] = PublicKey(mpz(int.from_bytes(modulus, "big")))

    def sealed(self, institution: str, numbers: Sequence[int]) -> list[int]:
        public = phe.PaillierPublicKey(int(self._current[institution].n))
        drawn = random.Random(3)

        def unit() -> int:
            found = drawn.randrange(1, public.n)
            return found if gmpy2.gcd(found, public.n) == 1 else unit()

        # By raw_encrypt, for `encrypt` would turn away a number that a tiny key has no room for.
        return [public.raw_encrypt(number % public.n, unit()) for number in numbers]


class CarefulPlatform:
    """The service's own registry and sealer over a store; only the least size is that of tests."""

    def __init__(self, opened: Line) -> None:
        def note(tx: object, kind: str, **more: object) -> int:
            return journal.noted(opened.books, tx, kind, **more)  # type: ignore[arg-type]  # as the wiring binds it

        self._clock = opened.clock
        self.keys = SealingKeys(opened.books.state, opened.clock, note, sizes=SIZES)
        self._sealer = Sealer(self.keys.public, most=100, stock=0)

    def register(self, institution: str, modulus: bytes, proof: bytes) -> None:
        expires = self._clock() + timedelta(days=365)
        self.keys.register(SUBJECTS[institution], modulus, proof, expires, b"signed")

    def sealed(self, institution: str, numbers: Sequence[int]) -> list[int]:
        _, cells = self._sealer.sealed(self.keys.current(institution), numbers)
        return [int.from_bytes(cell, "big") for cell in cells]


def registration(key: PrivateKey, institution: str) -> tuple[str, bytes, bytes]:
    """What an institution sends to register its key."""
    return institution, key.public.to_bytes(), proofs.prove(key, institution)


class Uploads(Protocol):
    """Whoever takes in batches of ciphertexts, and adds up some rows of what was taken in."""

    def take(self, content: bytes) -> None:
        """Takes a batch in."""

    def total(self, rows: Iterable[int]) -> mpz:
        """The sum of these rows as it goes back."""


class NaiveUploads:
    """Takes what comes, and gives back the bare product."""

    def __init__(self, key: PublicKey) -> None:
        self._key = key
        self._rows: list[mpz] = []

    def take(self, content: bytes) -> None:
        self._rows += bulk.numbers(bulk.read(content)[1], self._key.width)

    def total(self, rows: Iterable[int]) -> mpz:
        return product((self._rows[row] for row in rows), self._key)


class CarefulUploads:
    """Admits each batch before any of it is kept, and randomises what goes back."""

    def __init__(self, key: PublicKey) -> None:
        self._key = key
        self._rows: list[mpz] = []

    def take(self, content: bytes) -> None:
        self._rows += admission.batch(content, self._key, (0,), 100).ciphertexts

    def total(self, rows: Iterable[int]) -> mpz:
        (power,) = randomisers(self._key, 1)
        return product((self._rows[row] for row in rows), self._key) * power % self._key.square


def product(ciphertexts: Iterable[mpz], key: PublicKey) -> mpz:
    """The ciphertext of the sum."""
    made = mpz(1)
    for each in ciphertexts:
        made = made * each % key.square
    return made


def naively_added(text: str, key: PublicKey) -> phe.EncryptedNumber:
    """The sum of a JSON batch, exponents aligned as python-paillier aligns them."""
    public = phe.PaillierPublicKey(int(key.n))
    values = [phe.EncryptedNumber(public, int(each), exponent) for each, exponent in json.loads(text)["values"]]
    return sum(values[1:], values[0])


def carefully_added(text: str, key: PublicKey) -> mpz:
    """The same by the client's reader."""
    return product(interchange.from_json(text, key)[0], key)


def naively_encrypted(numbers: Sequence[float], key: PublicKey) -> str:
    """As python-paillier encrypts floats, and writes them."""
    public = phe.PaillierPublicKey(int(key.n))
    made = [public.encrypt(number) for number in numbers]
    return json.dumps({"values": [[str(each.ciphertext()), each.exponent] for each in made]})


def naive_powers(key: PublicKey, drawn: random.Random) -> Callable[[], mpz]:
    """Randomisers ten times as fast: powers of one n-th residue that the platform has drawn by itself."""
    base = gmpy2.powmod(drawn.randrange(2, int(key.n)), key.n, key.square)
    return lambda: gmpy2.powmod(base, drawn.getrandbits(640), key.square)


def sealed(numbers: Sequence[int], key: PublicKey) -> list[mpz]:
    """Honest ciphertexts."""
    return encrypt(numbers, key, randomisers(key, len(numbers)))
