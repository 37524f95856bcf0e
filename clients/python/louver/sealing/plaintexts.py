"""Integers as plaintexts: a number from 0 up as itself, a negative one as n less it, as python-paillier has it.

Money is whole fen; a decimal's scale stands beside the ciphertext. The exponent of python-paillier is always 0 here,
and no number goes through a float.
"""

from __future__ import annotations

import operator

from gmpy2 import mpz

from louver.sealing.keys import PublicKey


class OutOfWindow(ValueError):
    """A number that a plaintext cannot stand for, or a plaintext that stands for none. The text never holds it."""


def largest(key: PublicKey) -> mpz:
    """The largest absolute value; a third of all plaintexts stand for nothing, so that an overflow is seen."""
    return key.n // 3 - 1


def plaintext(number: int, key: PublicKey) -> mpz:
    """The plaintext of an integer. Raises ``OutOfWindow``; TypeError for what is none, which would be cut to one."""
    whole = operator.index(number)
    if abs(whole) > largest(key):
        raise OutOfWindow("the number is too large for this key")
    return mpz(whole) if whole >= 0 else key.n + whole


def number(plain: mpz, key: PublicKey) -> int:
    """The integer a plaintext stands for. Raises ``OutOfWindow``."""
    most = largest(key)
    if plain <= most:
        return int(plain)
    if plain >= key.n - most:
        return int(plain - key.n)
    raise OutOfWindow("the sum of what is sealed has left the numbers that this key can hold")
