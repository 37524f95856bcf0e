"""Encrypting and decrypting lists of integers.

With the public key alone an encryption takes a randomiser. Whoever holds the private key makes randomisers from two
tables of powers instead: r^n modulo p squared is any power of b^p, b being a generator modulo p, and so modulo q
squared. These are the very same ciphertexts with the very same chances.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from functools import cached_property

import gmpy2
from gmpy2 import mpz

from louver.sealing.keys import PrivateKey, PublicKey, RandomBelow, power
from louver.sealing.plaintexts import OutOfWindow, number, plaintext

WINDOW = 256
"""Entries in each row of a table: a row for each byte of the exponent."""

WORTH_A_TABLE = 128
"""Encryptions from which making the tables (some 0.2 s at 2048 bits, 0.6 s at 3072) pays."""

CHUNK = 32
"""Ciphertexts in one call of the library."""


class NotACiphertext(ValueError):
    """One of the values is no ciphertext of this key, or holds no number that was sealed.

    The text is the same whatever the cause: with the decryption of 0 or of a multiple of n a key holder gives its
    factors away (CRYPTO 0, the first defect).
    """

    def __init__(self) -> None:
        super().__init__("not a sealed number of this key")

    def __reduce__(self) -> tuple[type[NotACiphertext], tuple[()]]:
        # Else it could not come back from another process: its text is no argument.
        return type(self), ()


def encrypt(numbers: Sequence[int], key: PublicKey, randomised: Sequence[mpz]) -> list[mpz]:
    """Ciphertexts of integers, with a fresh randomiser each. Raises ``OutOfWindow``; ValueError for too few."""
    square, n = key.square, key.n
    return [
        (1 + plaintext(value, key) * n) % square * power % square
        for value, power in zip(numbers, randomised, strict=True)
    ]


class Owner:
    """What the holder of a private key does with it. Processes may share it, threads too."""

    def __init__(self, key: PrivateKey, below: RandomBelow = secrets.randbelow) -> None:
        self.key = key
        self._below = below

    @cached_property
    def _halves(self) -> tuple[_Half, _Half]:
        return _Half(self.key.p, self.key.q), _Half(self.key.q, self.key.p)

    @cached_property
    def _tables(self) -> tuple[_Table, _Table] | None:
        bases = self.key.bases
        return None if bases is None else (_Table(self.key.p, bases[0]), _Table(self.key.q, bases[1]))

    def prepare(self) -> None:
        """Makes the tables now, for many numbers that come in small parts."""
        self._tables  # noqa: B018 - remembered

    def randomisers(self, count: int) -> list[mpz]:
        """As many as `randomisers.randomisers` would make, at a fifteenth of the time when there are many."""
        p, q = self.key.p, self.key.q
        tables = self._tables if count >= WORTH_A_TABLE or "_tables" in self.__dict__ else None
        if tables is not None:
            left, right = (
                [table.power(exponent) for exponent in self._exponents(prime, count)]
                for table, prime in zip(tables, (p, q), strict=True)
            )
        else:
            # Without verified generators: (r^n mod p squared) for r uniform modulo p, and so for q.
            left = self._powers(p, count)
            right = self._powers(q, count)
        return self._joined(left, right)

    def _exponents(self, prime: mpz, count: int) -> list[int]:
        # All before the first is used. Whoever draws lets go of the interpreter's lock for an instant, too short to
        # be taken, and whoever waits for it begins to wait anew: between powers that starves others for all of them.
        return [self._below(int(prime) - 1) for _ in range(count)]

    def _powers(self, prime: mpz, count: int) -> list[mpz]:
        drawn = [mpz(1 + self._below(int(prime) - 1)) for _ in range(count)]
        exponent = self.key.public.n % (prime * (prime - 1))
        return [
            power
            for start in range(0, count, CHUNK)
            for power in gmpy2.powmod_base_list(drawn[start : start + CHUNK], exponent, prime * prime)
        ]

    def _joined(self, left: Sequence[mpz], right: Sequence[mpz]) -> list[mpz]:
        """The numbers modulo n squared that are these modulo p squared and q squared (Garner)."""
        p2, q2 = self.key.p**2, self.key.q**2
        back = gmpy2.invert(q2, p2)
        return [b + q2 * ((a - b) * back % p2) for a, b in zip(left, right, strict=True)]

    def encrypt(self, numbers: Sequence[int]) -> list[mpz]:
        """Ciphertexts of integers. Raises ``OutOfWindow``."""
        return encrypt(numbers, self.key.public, self.randomisers(len(numbers)))

    def decrypt(self, ciphertexts: Sequence[mpz]) -> list[int]:
        """The integers inside. Every ciphertext is looked at before any is decrypted. Raises ``NotACiphertext``."""
        if not well_formed(ciphertexts, self.key.public):
            raise NotACiphertext
        try:
            return [number(plain, self.key.public) for plain in self._plaintexts(ciphertexts)]
        except OutOfWindow:
            raise NotACiphertext from None

    def decrypt_windowed(self, ciphertexts: Sequence[mpz], bits: int) -> list[int]:
        """The last so many bits of each number inside, as a number that may be negative; what is beyond them is
        never looked at. Every ciphertext is looked at before any is decrypted. Raises ``NotACiphertext``."""
        if not well_formed(ciphertexts, self.key.public):
            raise NotACiphertext
        window = mpz(1) << bits
        found = [plain % window for plain in self._plaintexts(ciphertexts)]
        return [int(number - window if 2 * number >= window else number) for number in found]

    def _plaintexts(self, ciphertexts: Sequence[mpz]) -> list[mpz]:
        left, right = (half.plaintexts(ciphertexts) for half in self._halves)
        p, q = self.key.p, self.key.q
        back = gmpy2.invert(q, p)
        return [b + q * ((a - b) * back % p) for a, b in zip(left, right, strict=True)]


def well_formed(ciphertexts: Iterable[mpz], key: PublicKey) -> bool:
    """Whether all are units modulo n squared, above n, not -1, and none shows its number for want of randomness.

    One product of all and one greatest common divisor say whether any shares a factor with n.
    """
    product, largest, sound = mpz(1), key.square - 1, True
    for ciphertext in ciphertexts:
        residue = ciphertext % key.n
        # 1 + m n is a ciphertext of m with randomness 1: anybody reads it.
        sound &= bool(key.n < ciphertext < largest and residue != 1)
        product = product * residue % key.n
    return sound and gmpy2.gcd(product, key.n) == 1


class _Half:
    """Decryption modulo one of the two primes."""

    def __init__(self, prime: mpz, other: mpz) -> None:
        self._prime = prime
        self._square = prime * prime
        self._inverse = gmpy2.invert(self._logarithm(power(1 + prime * other, prime - 1, self._square)), prime)

    def _logarithm(self, value: mpz) -> mpz:
        return (value - 1) // self._prime % self._prime

    def plaintexts(self, ciphertexts: Sequence[mpz]) -> list[mpz]:
        found: list[mpz] = []
        for start in range(0, len(ciphertexts), CHUNK):
            part = [ciphertext % self._square for ciphertext in ciphertexts[start : start + CHUNK]]
            powers = gmpy2.powmod_base_list(part, self._prime - 1, self._square)
            found += [self._logarithm(power) * self._inverse % self._prime for power in powers]
        return found


class _Table:
    """Powers of one base modulo a prime's square, a row for each byte of the exponent."""

    def __init__(self, prime: mpz, base: mpz) -> None:
        self._square = prime * prime
        self._bytes = (prime.bit_length() + 7) // 8
        self._rows: list[list[mpz]] = []
        step = power(base, prime, self._square)
        for _ in range(self._bytes):
            row = [mpz(1)]
            for _ in range(WINDOW - 1):
                row.append(row[-1] * step % self._square)
            self._rows.append(row)
            step = row[-1] * step % self._square

    def __del__(self) -> None:
        # A row at a time: letting go of all its numbers in one go keeps the interpreter's lock for ten milliseconds.
        while self._rows:
            self._rows.pop()

    def power(self, exponent: int) -> mpz:
        """The base's power. One multiplication for each byte, whatever the byte is."""
        square, product = self._square, mpz(1)
        for row, digit in zip(self._rows, exponent.to_bytes(self._bytes, "little"), strict=True):
            product = product * row[digit] % square
        return product
