"""Paillier keys (Paillier 1999, with g = n + 1 as python-paillier has it) and their JSON Web Keys.

The small prefix a key file shares with python-paillier: ``{"kty": "DAJ", "alg": "PAI-GN1", "n": ...}``. A key's id is
the thumbprint of its public part (RFC 7638), so whoever names a key by its id names one modulus.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gmpy2
from gmpy2 import mpz

from louver.failures import Misused

SIZES = (2048, 3072, 4096)
"""Bits of a modulus. 2048 is worth 112 bits of symmetric strength, 3072 128 (NIST SP 800-57, table 2)."""

DEFAULT_SIZE = 3072

RandomBelow = Callable[[int], int]
"""A uniform number from 0 to below its argument; `secrets.randbelow` outside of tests."""

_PRIME_ROUNDS = 40
_FIRST_PRIMES = gmpy2.primorial(2**12)
_SHORT = 256
"""Bits up to which the library's own tests take less than a millisecond."""
_SMALL = 3 * 2**20
"""From here down the cofactors u of p = 2 u p' + 1 are taken, p' being prime: u is factored by hand."""


@dataclass(frozen=True)
class PublicKey:
    """A modulus, whatever its size: who may use which is for whoever admits keys to say."""

    n: mpz
    square: mpz = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", mpz(self.n))
        object.__setattr__(self, "square", self.n * self.n)

    @property
    def bits(self) -> int:
        """Bits of the modulus."""
        return int(self.n.bit_length())

    @property
    def width(self) -> int:
        """Bytes of a ciphertext, which is below the square of the modulus."""
        return 2 * ((self.bits + 7) // 8)

    @property
    def kid(self) -> str:
        """The thumbprint of the key: SHA-256 in hex of its required members in order (RFC 7638, 3)."""
        return thumbprint(int(self.n))

    def to_bytes(self) -> bytes:
        """The modulus, big endian, no byte more than it needs."""
        return _bytes(int(self.n))

    def to_jwk(self) -> dict[str, object]:
        """As python-paillier's command line writes a public key."""
        return {"kty": "DAJ", "alg": "PAI-GN1", "n": _base64(int(self.n)), "key_ops": ["encrypt"], "kid": self.kid}

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> PublicKey:
        """The key in a JSON Web Key of ours or of python-paillier. Raises ``Misused``."""
        if jwk.get("kty") != "DAJ" or jwk.get("alg") != "PAI-GN1":
            raise Misused("this is no Paillier public key", "kty is DAJ and alg is PAI-GN1")
        return cls(mpz(_integer(jwk.get("n"))))


@dataclass(frozen=True)
class PrivateKey:
    """The factors of a modulus. ``bases`` generate the units modulo each of them, where that has been verified."""

    p: mpz = field(repr=False)
    q: mpz = field(repr=False)
    bases: tuple[mpz, mpz] | None = field(default=None, repr=False, compare=False)
    public: PublicKey = field(init=False)

    def __post_init__(self) -> None:
        for name in ("p", "q"):
            object.__setattr__(self, name, mpz(getattr(self, name)))
        object.__setattr__(self, "public", PublicKey(self.p * self.q))

    @property
    def kid(self) -> str:
        """That of the public part."""
        return self.public.kid

    def to_jwk(self) -> dict[str, object]:
        """As python-paillier's command line writes a private key. ``bases`` are ours, and ignored there."""
        written: dict[str, object] = {
            "kty": "DAJ",
            "key_ops": ["decrypt"],
            "p": _base64(int(self.p)),
            "q": _base64(int(self.q)),
            "pub": self.public.to_jwk(),
            "kid": self.kid,
        }
        if self.bases is not None:
            written["bases"] = [_base64(int(base)) for base in self.bases]
        return written

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> PrivateKey:
        """The key in a JSON Web Key of ours or of python-paillier.

        Raises:
            Misused: the factors are none, are equal or not prime, or make another modulus than the key says.
        """
        if jwk.get("kty") != "DAJ" or not isinstance(jwk.get("pub"), Mapping):
            raise Misused("this is no Paillier private key", "kty is DAJ, with p, q and pub")
        p, q = mpz(_integer(jwk.get("p"))), mpz(_integer(jwk.get("q")))
        sound = p != q and is_prime(p) and is_prime(q)
        if not sound or p * q != PublicKey.from_jwk(jwk["pub"]).n or gmpy2.gcd(p * q, (p - 1) * (q - 1)) != 1:
            raise Misused("the factors of this private key are not those of its modulus", "restore the key file")
        given = jwk.get("bases")
        bases = (
            (mpz(_integer(given[0])), mpz(_integer(given[1])))
            if isinstance(given, list) and len(given) == 2
            else None
        )
        return cls(p, q, bases)


def thumbprint(n: int) -> str:
    """The id of the key with this modulus."""
    required = json.dumps({"alg": "PAI-GN1", "kty": "DAJ", "n": _base64(n)}, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(required.encode()).hexdigest()


def generate_key(
    bits: int = DEFAULT_SIZE, *, sizes: tuple[int, ...] = SIZES, below: RandomBelow = secrets.randbelow
) -> PrivateKey:
    """A new key. ``sizes`` are those admitted; tests alone pass smaller ones.

    Each factor is 2 u p' + 1 with p' prime and u small and odd, so that the divisors of p - 1 are known and a
    generator can be verified: only then does encryption by table choose among all randomisers. Both factors are 3
    modulo 4 and have the two highest bits set, which gives the modulus its exact length.

    Raises:
        Misused: the size is none of those admitted.
    """
    if bits not in sizes:
        raise Misused(f"a key has {', '.join(map(str, sizes))} bits", f"{DEFAULT_SIZE} is the default")
    while True:
        (p, base_p), (q, base_q) = _factor(bits // 2, below), _factor(bits // 2, below)
        n = p * q
        if p != q and n.bit_length() == bits and gmpy2.gcd(n, (p - 1) * (q - 1)) == 1:
            return PrivateKey(p, q, (base_p, base_q))


def _factor(bits: int, below: RandomBelow) -> tuple[mpz, mpz]:
    """A prime of so many bits, 3 modulo 4, and a number that generates all units modulo it."""
    room = min(22, bits // 4)
    while True:
        large = next_prime(mpz(below(2 ** (bits - room - 2))) + 2 ** (bits - room - 2))
        # 2 u p' + 1 is to lie between 3/4 and all of 2^bits; every odd u of that range is as good as another.
        low, high = (3 * mpz(2) ** (bits - 2)) // (2 * large) + 1, mpz(2) ** bits // (2 * large)
        tried = 0
        while tried < 64 * bits:
            cofactor = low + below(int(high - low))
            tried += 1
            p = 2 * cofactor * large + 1
            if cofactor % 2 and p.bit_length() == bits and is_prime(p):
                return p, _generator(p, (mpz(2), large, *_prime_divisors(int(cofactor))), below)


def power(base: mpz, exponent: mpz, modulus: mpz) -> mpz:
    """A power that takes milliseconds and more: as a list of one, for so the library lets go of the interpreter's
    lock while it computes."""
    return gmpy2.powmod_base_list([base], exponent, modulus)[0]


def is_prime(number: mpz, below: RandomBelow = secrets.randbelow) -> bool:
    """Whether a number is a prime: the test of Miller and Rabin, wrong about a composite once in 4^40.

    The library's own test keeps the interpreter's lock for all of it, some 50 ms for a factor of 2048 bits.
    """
    if number.bit_length() <= _SHORT:
        return bool(gmpy2.is_prime(number, _PRIME_ROUNDS))
    if gmpy2.gcd(number, _FIRST_PRIMES) != 1 or not _passes(number, [mpz(2)]):
        return False
    return _passes(number, [mpz(2 + below(int(number) - 3)) for _ in range(_PRIME_ROUNDS)])


def next_prime(number: mpz) -> mpz:
    """The first prime above a number. The library's own search keeps the interpreter's lock for a second and more."""
    if number.bit_length() <= _SHORT:
        return gmpy2.next_prime(number)
    found = number + 1 | 1
    while not is_prime(found):
        found += 2
    return found


def _passes(number: mpz, bases: list[mpz]) -> bool:
    """Whether none of the bases is a witness that the odd number is composite."""
    twos = gmpy2.bit_scan1(number - 1)
    for reached in gmpy2.powmod_base_list(bases, (number - 1) >> twos, number):
        steps = 0
        while reached not in (1, number - 1) and steps < twos - 1:
            reached, steps = reached * reached % number, steps + 1
        if reached != number - 1 and (reached != 1 or steps):
            return False
    return True


def _prime_divisors(number: int) -> tuple[mpz, ...]:
    """The primes that divide a number of at most some 25 bits."""
    found: list[mpz] = []
    divisor = 3
    while divisor * divisor <= number:
        if number % divisor == 0:
            found.append(mpz(divisor))
            while number % divisor == 0:
                number //= divisor
        divisor += 2
    return (*found, mpz(number)) if number > 1 else tuple(found)


def _generator(p: mpz, divisors: tuple[mpz, ...], below: RandomBelow) -> mpz:
    """A random generator of the units modulo a prime, given all primes that divide p - 1."""
    while True:
        base = mpz(2 + below(int(p) - 3))
        if all(power(base, (p - 1) // divisor, p) != 1 for divisor in divisors):
            return base


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _base64(number: int) -> str:
    """Base64url without padding (RFC 7518, 2: Base64urlUInt)."""
    return base64.urlsafe_b64encode(_bytes(number)).rstrip(b"=").decode()


_LONGEST = 2048
"""Characters of a number in a key; one of 4096 bits has 683."""


def _integer(text: object) -> int:
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST or not text.isascii():
        raise Misused("a number of this key is missing or is none")
    try:
        return int.from_bytes(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True), "big")
    except (binascii.Error, ValueError):
        raise Misused("a number of this key is missing or is none") from None
