"""Our own test of primes, which lets go of the interpreter's lock, says what the library's says."""

from __future__ import annotations

import random

import gmpy2
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from louver.sealing import keys
from louver.sealing.keys import is_prime, next_prime

LONG = st.integers(2**256, 2**320)


@settings(max_examples=150, deadline=None)
@given(LONG)
def test_any_number_is_judged_as_the_library_judges_it(number: int) -> None:
    assert is_prime(mpz(number)) == gmpy2.is_prime(number)


@settings(max_examples=20, deadline=None)
@given(LONG)
def test_the_next_prime_is_the_librarys(number: int) -> None:
    assert next_prime(mpz(number)) == gmpy2.next_prime(number)


@settings(max_examples=20, deadline=None)
@given(LONG, LONG)
def test_a_product_of_two_primes_is_none(one: int, other: int) -> None:
    p, q = gmpy2.next_prime(one), gmpy2.next_prime(other)
    assert is_prime(p)
    assert not is_prime(p * q)
    assert not is_prime(p * p)


@pytest.mark.parametrize("bits", [2, 5, 16, 64, 255, 256, 257, 300])
def test_around_the_size_from_which_it_is_ours(bits: int) -> None:
    for step in range(1, 60):
        number = mpz(2) ** bits + step
        assert is_prime(number) == gmpy2.is_prime(number, 40)


def test_a_number_that_fools_the_first_bases_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Composites that pass for the base 2 are rare; for those that do the random bases are there. Here every base is
    tried, by the definition, on numbers so small that all can be."""
    monkeypatch.setattr(keys, "_SHORT", 0)
    monkeypatch.setattr(keys, "_FIRST_PRIMES", mpz(1))
    drawn = random.Random(5)
    for number in (2047, 3277, 4033, 8321, 15841, 25326001, 3215031751, 3825123056546413051):
        assert not is_prime(mpz(number), drawn.randrange)
    for number in range(5, 3000, 2):
        assert is_prime(mpz(number), drawn.randrange) == gmpy2.is_prime(number), number
