"""Attacks on Paillier keys and ciphertexts (CRYPTO 0 and 5.0): each succeeds against the naive variant and not here."""

from __future__ import annotations

import json
import random
import time

import gmpy2
import phe
import pytest
from gmpy2 import mpz
from tests.support.sealed import small_key

from louver.errors import Refused
from louver.failures import Misused
from louver.sealing import bulk, interchange, proofs
from louver.sealing.ciphertexts import NotACiphertext, Owner, encrypt
from louver.sealing.keys import PublicKey
from louver.sealing.randomisers import randomisers
from louver_sandbox.sealing import admission

KEY = small_key()
N, SQUARE = KEY.public.n, KEY.public.square


def factors_from(decryption: int) -> set[int]:
    """p and q from the decryption of 0, n or n squared: its inverse modulo n is p + q."""
    total = int(gmpy2.invert(decryption, N))
    root = gmpy2.isqrt(total * total - 4 * N)
    return {int((total + root) // 2), int((total - root) // 2)}


@pytest.mark.parametrize("ciphertext", [0, int(N), int(SQUARE), 5 * int(N)])
def test_one_decryption_of_nothing_gives_the_private_key_away_and_is_not_to_be_had(ciphertext: int) -> None:
    public = phe.PaillierPublicKey(int(N))
    naive = phe.PaillierPrivateKey(public, int(KEY.p), int(KEY.q))
    assert factors_from(naive.raw_decrypt(ciphertext)) == {int(KEY.p), int(KEY.q)}
    honest = Owner(KEY).encrypt([1, 2])
    with pytest.raises(NotACiphertext) as caught:
        Owner(KEY).decrypt([honest[0], mpz(ciphertext), honest[1]])
    assert (str(caught.value), caught.value.__cause__) == ("not a sealed number of this key", None)


def test_every_broken_ciphertext_is_the_same_error() -> None:
    broken = [0, N, SQUARE, 7 * N, SQUARE + 5, -3, KEY.p * 7, 1, SQUARE - 1, pow(3, 2 * (N // 2), SQUARE) * KEY.q]
    told = set()
    for each in broken:
        with pytest.raises(NotACiphertext) as caught:
            Owner(KEY).decrypt([mpz(each)])
        told.add((type(caught.value), str(caught.value), caught.value.__suppress_context__ or None))
    assert len({text for _, text, _ in told}) == 1


def test_an_exponent_that_fills_the_memory_is_never_raised_to() -> None:
    text = json.dumps({"public_key": {"n": str(int(N))}, "values": [["4", 0], ["5", -(10**8)]]})
    begin = time.process_time()
    with pytest.raises(Misused, match="one exponent for all"):
        interchange.from_json(text, KEY.public)
    assert time.process_time() - begin < 0.5


def test_a_third_party_cannot_try_factors_on_what_leaves() -> None:
    """Enc(w) times a small number is found by trying, unless the product is randomised anew: what leaves always is."""
    weight, factor = Owner(KEY).encrypt([17])[0], 4242
    naive = gmpy2.powmod(weight, factor, SQUARE)
    assert next(guess for guess in range(10_000) if gmpy2.powmod(weight, guess, SQUARE) == naive) == factor
    (power,) = randomisers(KEY.public, 1)
    leaving = naive * power % SQUARE
    assert all(gmpy2.powmod(weight, guess, SQUARE) != leaving for guess in range(10_000))
    assert Owner(KEY).decrypt([leaving]) == [17 * factor]


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


def test_a_registration_that_was_seen_cannot_be_handed_in_by_another() -> None:
    seen = proofs.prove(KEY, "bank_a")
    admission.proof(seen, KEY.public, "bank_a")
    with pytest.raises(Refused, match="LVR-5003"):
        admission.proof(seen, KEY.public, "bank_b")


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
