"""More on Paillier keys and ciphertexts (CRYPTO 0 and 5.0), beside the table in `test_sealing_table.py`."""

from __future__ import annotations

import random

import gmpy2
import phe
import pytest
from gmpy2 import mpz
from tests.support.sealed import small_key

from louver.errors import Refused
from louver.sealing import bulk, proofs
from louver.sealing.ciphertexts import NotACiphertext, Owner, encrypt
from louver.sealing.keys import PublicKey
from louver.sealing.randomisers import randomisers
from louver_sandbox.sealing import admission

KEY = small_key()
N, SQUARE = KEY.public.n, KEY.public.square


def test_every_broken_ciphertext_is_the_same_error() -> None:
    broken = [0, N, SQUARE, 7 * N, SQUARE + 5, -3, KEY.p * 7, 1, SQUARE - 1, pow(3, 2 * (N // 2), SQUARE) * KEY.q]
    told = set()
    for each in broken:
        with pytest.raises(NotACiphertext) as caught:
            Owner(KEY).decrypt([mpz(each)])
        told.add((type(caught.value), str(caught.value), caught.value.__suppress_context__ or None))
    assert len({text for _, text, _ in told}) == 1


def test_a_modulus_that_shares_a_factor_with_its_order_is_admitted_by_no_proof() -> None:
    """With n = p q and p | q - 1 every p-th randomiser is the same for two numbers, so r^n marks what it hides. The
    owner, who knows all there is to know, finds no nine roots."""
    p = gmpy2.next_prime(mpz(random.Random(3).getrandbits(120)) | mpz(2) ** 119)
    q = next(candidate for candidate in (2 * k * p + 1 for k in range(1, 9000)) if gmpy2.is_prime(candidate))
    bad, order = PublicKey(p * q), (p - 1) * (q - 1)
    unit = gmpy2.powmod(2, order // p, bad.n)  # of order p, so its n-th power is 1
    assert unit != 1
    assert gmpy2.powmod(unit * 5, bad.n, bad.square) == gmpy2.powmod(5, bad.n, bad.square)
    rooted = [gmpy2.powmod(number, order // p, bad.n) == 1 for number in proofs.challenges(bad, "bank_a")]
    assert not any(rooted), "a number with an n-th root would have to vanish under order / p"


def test_keys_that_share_a_factor_are_found_whoever_has_the_other() -> None:
    """What a weak source of randomness makes: each is a good modulus alone, and one division breaks both."""
    first, second = PublicKey(KEY.p * KEY.q), PublicKey(KEY.p * small_key(2).q)
    assert gmpy2.gcd(first.n, second.n) == KEY.p
    with pytest.raises(Refused, match="LVR-5004"):
        admission.apart(second, [small_key(3).public.n, first.n, small_key(4).public.n])
    admission.apart(second, [small_key(3).public.n, small_key(4).public.n])


def test_a_marked_row_does_not_come_in() -> None:
    """A ciphertext that is there twice, or made without randomness, is known again in whatever it is added to."""
    honest = encrypt([5, 6], KEY.public, randomisers(KEY.public, 2))
    bare = 1 + mpz(6) * N
    assert phe.PaillierPublicKey(int(N)).raw_encrypt(6, r_value=1) == bare
    for marked in ([honest[0], honest[0]], [honest[0], bare]):
        with pytest.raises(Refused, match="LVR-5014"):
            admission.batch(bulk.write(marked, KEY.public), KEY.public, (0,), 10)
    admission.batch(bulk.write(honest, KEY.public), KEY.public, (0,), 10)
