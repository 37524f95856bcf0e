"""Keys and ciphertexts are python-paillier's, in both directions; it is the oracle of the kernel."""

import json
import random
from collections.abc import Callable
from fractions import Fraction

import phe
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.lengths import at_length
from tests.support.sealed import real_key, small_key

from louver.failures import Misused
from louver.sealing import interchange, plaintexts
from louver.sealing.ciphertexts import Owner, encrypt
from louver.sealing.keys import PrivateKey, PublicKey, generate_key
from louver.sealing.plaintexts import OutOfWindow
from louver.sealing.randomisers import randomisers

KEY = small_key()
OWNER = Owner(KEY)
THEIR_PUBLIC = phe.PaillierPublicKey(int(KEY.public.n))
THEIR_PRIVATE = phe.PaillierPrivateKey(THEIR_PUBLIC, int(KEY.p), int(KEY.q))
MOST = int(plaintexts.largest(KEY.public))


EDGES = 1000


def edge_values(key: PublicKey) -> list[int]:
    """A thousand: around zero and the sizes of words and doubles, around powers of ten, at the ends of what a key holds
    and around its half, and powers of two with their neighbours over all of its bits."""
    most = int(plaintexts.largest(key))
    words = (0, 2**31, 2**53, 2**63, 2**64, -(2**63), -(2**64), 10**18, 10**38, most // 2)
    near = [base + step for base in words for step in range(-9, 10)]
    ends = [sign * (most - step) for step in range(20) for sign in (1, -1)]
    exponents = [round(place * (key.bits - 2) / 132) for place in range(133)]
    powers = [sign * (2**exponent + step) for exponent in exponents for sign in (1, -1) for step in (-1, 0, 1)]
    every = dict.fromkeys(value for value in [*ends, *near, *powers] if abs(value) <= most)
    assert len(every) >= EDGES
    return list(every)[:EDGES]


def their_key(bits: int) -> PrivateKey:
    """A key that python-paillier made, as its command line would hand it over."""
    public, private = phe.generate_paillier_keypair(n_length=bits)
    told = {
        "kty": "DAJ",
        "alg": "PAI-GN1",
        "key_ops": ["encrypt"],
        "n": phe.util.int_to_base64(public.n),
        "kid": "theirs",
    }
    p, q = (phe.util.int_to_base64(prime) for prime in (private.p, private.q))
    return PrivateKey.from_jwk({"kty": "DAJ", "key_ops": ["decrypt"], "p": p, "q": q, "pub": told})


KEYS: dict[str, tuple[Callable[[], PrivateKey], int, int]] = {
    "ours, 512 bits": (small_key, EDGES, EDGES),
    "theirs, 512 bits": (lambda: their_key(512), EDGES, EDGES),
    "ours, 2048 bits": (lambda: real_key(2048), at_length(200, EDGES), at_length(25, EDGES)),
    "theirs, 2048 bits": (lambda: their_key(2048), at_length(40, EDGES), at_length(25, EDGES)),
    "ours, 3072 bits": (lambda: real_key(3072), at_length(40, EDGES), at_length(8, EDGES)),
}
"""A key, how many values we encrypt and they open, and how many they encrypt, which takes them 10 and 30 ms each at the
sizes that banks have."""


@pytest.mark.parametrize("of", KEYS)
def test_a_thousand_edge_values_open_on_the_other_side(of: str) -> None:
    """Keys made by either side; ciphertexts made by either, opened by the other, each to the number it was made of."""
    make, ours, theirs = KEYS[of]
    key = make()
    owner, public = Owner(key), phe.PaillierPublicKey(int(key.public.n))
    private = phe.PaillierPrivateKey(public, int(key.p), int(key.q))
    values, largest = edge_values(key.public), int(plaintexts.largest(key.public))
    assert {-largest, largest, 0, 1, -1, 2**53 + 1, 2**63, -(2**64)} <= {*values}
    # Where not all are tried, those are that lie evenly among them.
    made, others = values[:: EDGES // ours][:ours], values[:: EDGES // theirs][:theirs]
    assert (len(made), len(others)) == (ours, theirs)
    assert [private.decrypt(each) for each in interchange.to_phe(owner.encrypt(made), key.public)] == made
    sealed, exponent = interchange.from_phe([public.encrypt(value, precision=None) for value in others])
    assert (owner.decrypt(sealed), exponent) == (others, 0)
    (pooled,) = encrypt([-7], key.public, randomisers(key.public, 1))
    assert private.decrypt(interchange.to_phe([pooled], key.public)[0]) == -7


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-MOST, MOST), min_size=1, max_size=6))
def test_every_way_to_encrypt_gives_what_they_decrypt(values: list[int]) -> None:
    without_tables = Owner(PrivateKey(KEY.p, KEY.q))
    public = encrypt(values, KEY.public, randomisers(KEY.public, len(values)))
    for made in (public, without_tables.encrypt(values), OWNER.encrypt(values)):
        assert [THEIR_PRIVATE.decrypt(item) for item in interchange.to_phe(made, KEY.public)] == values


@settings(max_examples=20, deadline=None)
@given(st.integers(-(2**62), 2**62), st.integers(-(2**62), 2**62), st.integers(-(2**20), 2**20))
def test_their_arithmetic_on_ours_and_ours_on_theirs(left: int, right: int, factor: int) -> None:
    one, other = interchange.to_phe(OWNER.encrypt([left, right]), KEY.public)
    made, exponent = interchange.from_phe([one + other * factor])
    assert (OWNER.decrypt(made), exponent) == ([left + right * factor], 0)


def test_randomisers_by_table_and_by_power_are_of_one_set() -> None:
    """r^n modulo n squared: the units whose power by the order of Z_n* is 1, for either maker."""
    order = (KEY.p - 1) * (KEY.q - 1)
    made = [*OWNER.randomisers(200), *Owner(PrivateKey(KEY.p, KEY.q)).randomisers(20), *randomisers(KEY.public, 5)]
    assert all(pow(each, order, KEY.public.square) == 1 for each in made)
    assert len(set(made)) == len(made)


def test_a_table_reaches_every_randomiser() -> None:
    """On a key so small that all can be counted: the powers of a verified generator are all there are."""
    tiny = generate_key(32, sizes=(32,), below=random.Random(5).randrange)
    assert tiny.bases is not None
    for prime, base in zip((tiny.p, tiny.q), tiny.bases, strict=True):
        square = prime * prime
        reached, power, step = set(), mpz(1), pow(base, prime, square)
        for _ in range(int(prime) - 1):
            reached.add(power)
            power = power * step % square
        assert len(reached) == prime - 1
        drawn = random.Random(7)
        assert all(pow(mpz(drawn.randrange(1, int(prime))), tiny.public.n, square) in reached for _ in range(200))


def test_keys_travel_as_their_command_line_writes_them() -> None:
    written = json.loads(json.dumps(KEY.to_jwk()))
    assert phe.util.base64_to_int(written["pub"]["n"]) == KEY.public.n
    assert phe.util.base64_to_int(written["p"]) == KEY.p
    theirs = {
        "kty": "DAJ",
        "alg": "PAI-GN1",
        "key_ops": ["encrypt"],
        "n": phe.util.int_to_base64(int(KEY.public.n)),
        "kid": "Paillier public key generated by pheutil on 2026-07-01 12:00:00",
    }
    assert PublicKey.from_jwk(theirs) == KEY.public
    p, q = (phe.util.int_to_base64(int(prime)) for prime in (KEY.p, KEY.q))
    assert PrivateKey.from_jwk({"kty": "DAJ", "key_ops": ["decrypt"], "p": p, "q": q, "pub": theirs}) == KEY


def test_their_json_is_read_and_written_exactly() -> None:
    values = [0, -1, 2**53 + 1, -MOST]
    text = interchange.to_json(OWNER.encrypt(values), KEY.public)
    document = json.loads(text)
    theirs = [phe.EncryptedNumber(THEIR_PUBLIC, int(c), e) for c, e in document["values"]]
    assert [THEIR_PRIVATE.decrypt(item) for item in theirs] == values
    made, exponent = interchange.from_json(text, KEY.public)
    assert (OWNER.decrypt(made), exponent) == (values, 0)


def test_what_their_command_line_encrypts_is_read_without_a_float() -> None:
    """It gives exponent -32 to every number; 0.1 comes back as the double that it took, to the last bit."""
    encoded = phe.EncodedNumber.encode(THEIR_PUBLIC, 0.1, max_exponent=-32)
    made = THEIR_PUBLIC.encrypt_encoded(encoded, r_value=None)
    text = json.dumps({"public_key": {"n": int(KEY.public.n)}, "values": [[str(made.ciphertext()), made.exponent]]})
    found, exponent = interchange.from_json(text, KEY.public)
    (number,) = OWNER.decrypt(found)
    assert exponent == -32
    assert interchange.value(number, exponent) == Fraction.from_float(0.1)


@pytest.mark.parametrize(
    "values",
    [
        [["1" * 10_000_000, 0]],
        [["17", -100_000_000]],
        [["17", 10**30]],
        [["17", 0], ["18", -32]],
        [["17", 0.0]],
        [["17", True]],
        [["-17", 0]],
        [["１７", 0]],
        [[17, 0]],
        [["17"]],
        "17",
    ],
    ids=["ten million digits", "an exponent that fills the memory", "a huge exponent", "mixed exponents",
         "an exponent that is a float", "a truth value", "a sign", "full-width digits", "a number", "no exponent",
         "a text"],
)  # fmt: skip
def test_hostile_json_is_turned_away_before_it_is_computed_with(values: object) -> None:
    text = json.dumps({"public_key": {"n": str(int(KEY.public.n))}, "values": values})
    with pytest.raises(Misused):
        interchange.from_json(text, KEY.public)


def test_json_for_another_key_is_turned_away() -> None:
    with pytest.raises(Misused, match="another key"):
        interchange.from_json(interchange.to_json([], small_key(2).public), KEY.public)


@given(st.integers())
def test_a_number_beyond_a_third_of_the_plaintexts_is_refused_and_never_wrapped(beyond: int) -> None:
    value = MOST + 1 + abs(beyond)
    for each in (value, -value):
        with pytest.raises(OutOfWindow):
            plaintexts.plaintext(each, KEY.public)


def test_an_overflow_is_seen() -> None:
    doubled = [pow(each, 2, KEY.public.square) for each in OWNER.encrypt([MOST])]
    with pytest.raises(ValueError, match="not a sealed number"):
        OWNER.decrypt(doubled)
