"""What an institution's Paillier key, and a batch of its ciphertexts, must be before anything is done with them.

A bad modulus harms us and not only its owner: with one whose n and phi(n) share a factor, randomisers do not hide
what went into a result (CRYPTO 5.0; CVE-2023-33241 is of this kind). Every test of a modulus is made whatever the
others found, and one refusal stands for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import gmpy2
from gmpy2 import mpz

from louver.sealing import bulk
from louver.sealing.ciphertexts import well_formed
from louver.sealing.columns import SCHEME
from louver.sealing.keys import SIZES, PublicKey
from louver.sealing.proofs import proves
from louver_sandbox.refusals import sealing as refuse

SMALL_PRIMES = gmpy2.primorial(2**16)
"""The product of all primes below 2^16: what has a factor among them shares one with it."""

LONGEST_LIFE = timedelta(days=5 * 366)
ENDS = {2048: datetime(2031, 1, 1, tzinfo=UTC)}
"""From when no answer is sealed to keys of a size: 112 bits of strength are approved until the end of 2030 (NIST SP
800-131A)."""

_WITNESS = 2


def modulus(content: bytes, *, sizes: tuple[int, ...] = SIZES) -> PublicKey:
    """The key with this modulus. ``sizes`` are those admitted; tests alone pass smaller ones.

    Raises:
        Refused: LVR-5001 for its length or form, LVR-5002 for what it is a product of.
    """
    key = PublicKey(mpz(int.from_bytes(content, "big")))
    if key.bits not in sizes or len(content) * 8 != key.bits:
        raise refuse.key_size({})
    tests = (
        key.n % 2 == 0,
        gmpy2.gcd(key.n, SMALL_PRIMES) != 1,
        # Fermat's test: a power of a witness other than 1 proves that n is no prime, and any honest n gives one.
        # As a list of one, for the library then lets go of the interpreter's lock.
        gmpy2.powmod_base_list([mpz(_WITNESS)], key.n - 1, key.n) == [1],
        gmpy2.is_power(key.n),
    )
    if sum(tests):
        raise refuse.key_modulus({})
    return key


def proof(content: bytes, key: PublicKey, institution: str) -> None:
    """Refuses (LVR-5003) what does not prove the modulus in this institution's name."""
    if not proves(content, key, institution):
        raise refuse.key_proof({})


def apart(key: PublicKey, others: Iterable[mpz]) -> None:
    """Refuses (LVR-5004) a modulus that shares a factor with any registered one, itself among them."""
    product = mpz(1)
    for other in others:
        product = product * other % key.n
    if gmpy2.gcd(product, key.n) != 1:
        raise refuse.key_shared({})


def validity(expires: datetime, key: PublicKey, now: datetime) -> None:
    """Refuses (LVR-5005) an end that is past, too far ahead, or later than keys of the size are good for."""
    if not now < expires <= min(now + LONGEST_LIFE, ENDS.get(key.bits, datetime.max.replace(tzinfo=UTC))):
        raise refuse.key_validity({})


@dataclass(frozen=True, slots=True)
class Batch:
    """Admitted ciphertexts, row by row, of columns with these decimal scales."""

    kid: str
    rows: int
    scales: tuple[int, ...]
    ciphertexts: tuple[mpz, ...]


def batch(content: bytes, key: PublicKey, scales: Sequence[int], most_rows: int) -> Batch:
    """A batch of ciphertexts under the key, as the columns were declared.

    Raises:
        Refused: LVR-5011 when it is no whole batch or not what its header tells of; LVR-5012 when the header is about
            another key, or columns or scales that were not declared; LVR-5013 when it has too many rows; LVR-5014
            when a value is no ciphertext of the key or may mark its row: outside the group, trivial, or there twice.
    """
    try:
        header, body = bulk.read(content)
        if (header.kid, header.scheme, header.scales) != (key.kid, SCHEME, tuple(scales)):
            raise refuse.batch_declared({})
        if header.rows > most_rows:
            raise refuse.batch_rows({"limit": str(most_rows)})
        if len(body) != header.rows * len(header.scales) * key.width:
            raise bulk.Malformed("another number of ciphertexts")
        ciphertexts = tuple(bulk.numbers(body, key.width))
    except bulk.Malformed:
        raise refuse.batch_form({}) from None
    distinct = len(set(ciphertexts)) == len(ciphertexts)
    if not well_formed(ciphertexts, key) or not distinct:
        raise refuse.batch_ciphertexts({})
    return Batch(key.kid, header.rows, header.scales, ciphertexts)
