"""To and from python-paillier: its JSON, and with ``louver[phe]`` installed its objects.

Its JSON is ``{"public_key": {"n": ...}, "values": [["<decimal digits>", exponent], ...]}``. We write exponent 0. Its
command line writes -32, which is read too, exactly: a plaintext is then a multiple of 16 to the minus 32, a fraction.
An exponent is compared before anything is computed with it, and a number's digits are counted before they are read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from gmpy2 import mpz

from louver.failures import Misused, missing_extra
from louver.sealing.keys import PublicKey

if TYPE_CHECKING:
    import phe

EXPONENTS = (0, -32)
"""Those read: ours, and the one that python-paillier's command line gives every number."""

_BASE = 16


def to_json(ciphertexts: Sequence[mpz], key: PublicKey) -> str:
    """The ciphertexts as python-paillier's documentation serialises them."""
    values = [[str(int(ciphertext)), 0] for ciphertext in ciphertexts]
    return json.dumps({"public_key": {"n": str(int(key.n))}, "values": values})


def from_json(text: str, key: PublicKey) -> tuple[list[mpz], int]:
    """The ciphertexts and the exponent they all have.

    Raises:
        Misused: it is no such JSON, is for another key, or the exponents differ or are none we read.
    """
    try:
        document: Any = json.loads(text)
        n, values = document["public_key"]["n"], document["values"]
        exponents = {exponent for _, exponent in values}
        digits = [ciphertext for ciphertext, _ in values]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Misused("this is not python-paillier's JSON of encrypted numbers") from None
    if str(n) != str(int(key.n)):
        raise Misused("these numbers are encrypted to another key")
    if len(exponents) > 1 or not all(type(exponent) is int and exponent in EXPONENTS for exponent in exponents):
        raise Misused("encrypted numbers have one exponent for all, 0 or -32", "encrypt whole numbers: fen, not yuan")
    longest = len(str(int(key.square)))
    if not all(
        isinstance(each, str) and each.isascii() and each.isdigit() and len(each) <= longest for each in digits
    ):
        raise Misused("an encrypted number is not of its form")
    return [mpz(each) for each in digits], exponents.pop() if exponents else 0


def value(number: int, exponent: int) -> Fraction:
    """What a decrypted integer stands for under an exponent of ``EXPONENTS``. ValueError for another."""
    if exponent not in EXPONENTS:
        raise ValueError("not an exponent that is read")
    return number * Fraction(_BASE) ** exponent


def to_phe(ciphertexts: Sequence[mpz], key: PublicKey) -> list[phe.EncryptedNumber]:
    """The ciphertexts as objects of python-paillier. Raises ``MissingExtra`` without ``louver[phe]``."""
    try:
        import phe
    except ImportError:
        raise missing_extra("phe", "phe") from None
    theirs = phe.PaillierPublicKey(int(key.n))
    return [phe.EncryptedNumber(theirs, int(ciphertext), 0) for ciphertext in ciphertexts]


def from_phe(encrypted: Sequence[phe.EncryptedNumber]) -> tuple[list[mpz], int]:
    """The ciphertexts of objects of python-paillier, made fresh by it, and their exponent. Raises ``Misused``."""
    exponents = {item.exponent for item in encrypted}
    if len(exponents) > 1 or not exponents <= set(EXPONENTS):
        raise Misused("encrypted numbers have one exponent for all, 0 or -32", "encrypt whole numbers: fen, not yuan")
    return [mpz(item.ciphertext()) for item in encrypted], exponents.pop() if exponents else 0
