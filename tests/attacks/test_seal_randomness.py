"""Why what goes to the holder of a key has fresh randomness r^n and no power of a fixed base (CRYPTO 0, third defect).

A bank makes a key whose p - 1 and q - 1 share a prime, and marks its rows: row i has randomness of that prime's order,
2^i steps far. It sums rows that somebody else chose, gets the sum back and wants to know which rows they were; all of
them hold the same number. Such a key is sound by every test of admission: nothing about it is wrong.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import gmpy2
from gmpy2 import mpz

from louver.sealing import proofs
from louver.sealing.ciphertexts import Owner
from louver.sealing.keys import PrivateKey
from louver.sealing.randomisers import randomisers
from louver_sandbox.sealing import admission

ROWS = 20
SHARED = gmpy2.next_prime(2**21)
DRAWN = random.Random(17)
CHOSEN = [place for place in range(ROWS) if DRAWN.random() < 0.5]
KNOWN = [0, 3]
"""The rows of an earlier sum, which the bank knows."""


def crafted_prime() -> mpz:
    """A prime p of 256 bits with p - 1 a multiple of the shared one."""
    while True:
        p = 2 * mpz(DRAWN.getrandbits(234) | 3 << 232) * SHARED + 1
        if p.bit_length() == 256 and gmpy2.is_prime(p):
            return p


def crafted_key() -> PrivateKey:
    while True:
        key = PrivateKey(crafted_prime(), crafted_prime())
        if key.public.bits == 512:
            return key


KEY = crafted_key()
P, Q, N, SQUARE = KEY.p, KEY.q, KEY.public.n, KEY.public.square


def of_shared_order(prime: mpz) -> mpz:
    """A number modulo the prime whose powers are as many as the shared prime says."""
    found = gmpy2.powmod(DRAWN.randrange(2, 10**9), (prime - 1) // SHARED, prime)
    return found if found != 1 else of_shared_order(prime)


MARK = of_shared_order(P)
STEPS = {int(gmpy2.powmod(MARK, step, P)): step for step in range(2**11)}


def marked_rows() -> list[mpz]:
    """A ciphertext of 7 for each row, marked modulo p and not at all modulo q."""
    rows = []
    for place in range(ROWS):
        tag = gmpy2.powmod(MARK, 2**place, P)
        randomness = (tag * Q * gmpy2.invert(Q, P) + P * gmpy2.invert(P, Q)) % N
        rows.append((1 + 7 * N) * gmpy2.powmod(randomness, N, SQUARE) % SQUARE)
    return rows


def summed(rows: Sequence[mpz], places: Sequence[int]) -> mpz:
    total = mpz(1)
    for place in places:
        total = total * rows[place] % SQUARE
    return total


def logarithm(value: mpz, base: mpz, prime: mpz) -> int:
    """Baby steps and giant steps among as many powers as the shared prime says."""
    small = STEPS if base == MARK else {int(gmpy2.powmod(base, step, prime)): step for step in range(2**11)}
    giant = gmpy2.powmod(gmpy2.invert(base, prime), 2**11, prime)
    for far in range(2**11):
        if int(value) in small:
            return far * 2**11 + small[int(value)]
        value = value * giant % prime
    raise AssertionError("not a power of the base")


OTHER = of_shared_order(Q)


def traces(result: mpz) -> tuple[int, int]:
    """How far the randomness of a result is from 1 in steps of the marks, modulo p and modulo q."""
    inverse = gmpy2.invert(N, (P - 1) * (Q - 1))
    randomness = gmpy2.powmod(result % N, inverse, N)
    left = gmpy2.powmod(randomness, (P - 1) // SHARED, P)
    right = gmpy2.powmod(randomness, (Q - 1) // SHARED, Q)
    whole = logarithm(gmpy2.powmod(MARK, (P - 1) // SHARED, P), MARK, P)
    return int(logarithm(left, MARK, P) * gmpy2.invert(whole, SHARED) % SHARED), logarithm(right, OTHER, Q)


def guessed(known: mpz, unknown: mpz) -> list[int]:
    """The rows of the unknown sum, as the bank works them out from one whose rows it knows."""
    (at_p, at_q), (then_p, then_q) = traces(unknown), traces(known)
    if then_q == 0:
        return []  # no slope to be had, once in two million sums
    slope = (then_p - sum(2**place for place in KNOWN)) * gmpy2.invert(then_q, SHARED)
    marks = int((at_p - at_q * slope) % SHARED)
    return [place for place in range(SHARED.bit_length()) if marks >> place & 1]


def by_fixed_base() -> Callable[[], mpz]:
    """The naive way, ten times as fast: powers of one n-th residue that the platform has drawn by itself."""
    base = gmpy2.powmod(DRAWN.randrange(2, int(N)), N, SQUARE)
    return lambda: gmpy2.powmod(base, DRAWN.getrandbits(640), SQUARE)


def test_nothing_is_wrong_with_the_key() -> None:
    assert admission.modulus(KEY.public.to_bytes(), sizes=(512,)) == KEY.public
    admission.proof(proofs.prove(KEY, "bank_a"), KEY.public, "bank_a")
    assert Owner(KEY).decrypt(marked_rows()) == [7] * ROWS


def test_without_fresh_randomness_the_marks_are_read_off() -> None:
    result = summed(marked_rows(), CHOSEN)
    marks = traces(result)[0]
    assert [place for place in range(ROWS) if marks >> place & 1] == CHOSEN


def test_powers_of_a_fixed_base_give_the_rows_away() -> None:
    rows, fresh = marked_rows(), by_fixed_base()
    results = [summed(rows, places) * fresh() % SQUARE for places in (KNOWN, CHOSEN)]
    assert guessed(*results) == CHOSEN


def test_randomisers_of_the_platform_give_nothing_away() -> None:
    """Marks are two million, so a wild guess is right that seldom: of three no two, but once in 10^12 runs."""
    right = 0
    for _ in range(3):
        rows, fresh = marked_rows(), randomisers(KEY.public, 2)
        results = [summed(rows, places) * one % SQUARE for places, one in zip((KNOWN, CHOSEN), fresh, strict=True)]
        right += guessed(*results) == CHOSEN
        assert Owner(KEY).decrypt(results) == [7 * len(KNOWN), 7 * len(CHOSEN)]
    assert right < 2
