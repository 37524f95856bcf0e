"""The oblivious function: the vectors of RFC 9497, a second implementation, and everything that is no element."""

from __future__ import annotations

import secrets

import pytest
from tests.support import rfc9497

from louver.errors import Unproven
from louver.failures import Misused
from louver.matching import oprf as client
from louver_sandbox.matching.oprf import JOIN_USE, MATCH_USE, Key, NotElements, elements_of

SEED = bytes(range(32))
RISTRETTO = client.library()

# RFC 9497, A.1.2: VOPRF mode, ristretto255-SHA512.
VECTOR_SEED = bytes([0xA3] * 32)
VECTOR_INFO = b"test key"
VECTOR_SECRET = "e6f73f344b79b379f1a0dd37e07ff62e38d9f71345ce62ae3a9bc60b04ccd909"
VECTOR_PUBLIC = "c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e"
VECTORS = [
    (
        "00",
        "863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945",
        "aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e",
        "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7d"
        "a4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c",
    ),
    (
        "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
        "cc0b2a350101881d8a4cba4c80241d74fb7dcbfde4a61fde2f91443c2bf9ef0c",
        "60a59a57208d48aca71e9e850d22674b611f752bed48b36f7a91b372bd7ad468",
        "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60"
        "356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6",
    ),
]


def test_the_vectors_of_the_rfc_hold() -> None:
    evaluator = RISTRETTO.Evaluator.from_seed(VECTOR_SEED, VECTOR_INFO)
    assert bytes(evaluator.public_key.serialize()).hex() == VECTOR_PUBLIC
    for given, blinded, evaluated, output in VECTORS:
        answer = bytes(evaluator.evaluate(RISTRETTO.BlindedInput.deserialize(bytes.fromhex(blinded))).serialize())
        assert bytes.fromhex(evaluated) in answer
        assert evaluator.evaluate_known_input(bytes.fromhex(given)).hex() == output


def test_the_second_implementation_agrees_with_the_rfc() -> None:
    secret = rfc9497.derived_key(VECTOR_SEED, VECTOR_INFO)
    assert secret.to_bytes(32, "little").hex() == VECTOR_SECRET
    assert rfc9497.base_times(secret).hex() == VECTOR_PUBLIC
    for given, blinded, evaluated, output in VECTORS:
        assert rfc9497.times(secret, bytes.fromhex(blinded)).hex() == evaluated
        assert rfc9497.token(secret, bytes.fromhex(given)).hex() == output


def test_both_implementations_agree_key_by_key_and_input_by_input() -> None:
    for number in range(20):
        seed, scope = secrets.token_bytes(32), f"list {number}"
        key = Key(seed, MATCH_USE, scope)
        secret = rfc9497.derived_key(seed, f"{MATCH_USE}\0{scope}".encode())
        assert rfc9497.base_times(secret) == key.public
        values = [secrets.token_bytes(1 + number), b"91370200MA3CXXXX0X", bytes(1 + number)]
        assert list(key.tokens(values)) == [rfc9497.token(secret, value) for value in values]


def test_the_second_implementation_accepts_the_proofs_of_the_first_and_no_others() -> None:
    key = Key(SEED, MATCH_USE, "a")
    blinded = client.blind([b"%d" % number for number in range(7)])
    answer = key.evaluate(blinded.elements)
    before = [blinded.elements[start : start + 32] for start in range(0, 7 * 32, 32)]
    # The library writes the proof first.
    proof, after = answer[:64], [answer[64 + start : 96 + start] for start in range(0, 7 * 32, 32)]
    if not rfc9497.proof_holds(key.public, before, after, proof):
        proof, after = answer[-64:], [answer[start : start + 32] for start in range(0, 7 * 32, 32)]
    assert rfc9497.proof_holds(key.public, before, after, proof)
    assert not rfc9497.proof_holds(Key(SEED, MATCH_USE, "b").public, before, after, proof)
    assert not rfc9497.proof_holds(key.public, before, [*after[1:], after[0]], proof)


@pytest.mark.parametrize("count", [1, client.BATCH - 1, client.BATCH, client.BATCH + 1])
def test_a_token_is_what_the_holder_of_the_key_makes_of_the_same_input(count: int) -> None:
    key, values = Key(SEED, MATCH_USE, "a"), [b"id %d" % number for number in range(count)]
    blinded = client.blind(values)
    answer = key.evaluate(blinded.elements)
    assert len(answer) == client.evaluated_bytes(count)
    assert client.finalize(blinded, answer, key.public) == list(key.tokens(values))


def test_every_use_and_every_list_has_a_key_of_its_own() -> None:
    keys = [Key(SEED, MATCH_USE, "a"), Key(SEED, MATCH_USE, "b"), Key(SEED, JOIN_USE, "a")]
    assert len({key.public for key in keys}) == len({key.token(b"x") for key in keys}) == 3
    assert Key(SEED, MATCH_USE, "a").token(b"x") == keys[0].token(b"x")


def test_the_same_id_is_blinded_anew_each_time() -> None:
    first, second = client.blind([b"x", b"x"]), client.blind([b"x"])
    elements = {first.elements[:32], first.elements[32:], second.elements}
    assert len(elements) == 3
    assert "Client" not in repr(first)


def test_another_key_than_the_one_named_is_found_out() -> None:
    """A platform that answers one institution with a key of its own could tell its tokens from all others."""
    key, other = Key(SEED, MATCH_USE, "a"), Key(SEED, MATCH_USE, "tagged")
    blinded = client.blind([b"x", b"y"])
    with pytest.raises(Unproven):
        client.finalize(blinded, other.evaluate(blinded.elements), key.public)
    answer = bytearray(key.evaluate(blinded.elements))
    for position in (0, 31, 64, len(answer) - 1):
        damaged = bytearray(answer)
        damaged[position] ^= 1
        with pytest.raises(Unproven):
            client.finalize(blinded, bytes(damaged), key.public)
    for wrong in (b"", bytes(answer[:-1]), bytes(answer) + b"\0"):
        with pytest.raises(Unproven):
            client.finalize(blinded, wrong, key.public)
    for public in (b"", bytes(32), b"\xff" * 32):
        with pytest.raises(Unproven):
            client.finalize(blinded, bytes(answer), public)


GOOD = client.blind([b"x"]).elements


@pytest.mark.parametrize(
    "content",
    [b"", GOOD[:-1], GOOD + b"\0", bytes(32), GOOD + bytes(32), b"\xff" * 32, (2**255 - 19).to_bytes(32, "little"),
     b"\x01" + bytes(31), bytes(31) + b"\x80"],
    ids=["empty", "short", "long", "identity", "identity among good", "not canonical", "p", "odd", "sign bit"],
)  # fmt: skip
def test_what_is_no_element_is_evaluated_by_nobody(content: bytes) -> None:
    with pytest.raises(NotElements):
        elements_of(content)
    with pytest.raises(NotElements):
        Key(SEED, MATCH_USE, "a").evaluate(content)


def test_an_empty_input_is_none() -> None:
    with pytest.raises(Misused):
        client.blind([b""])


def test_a_seed_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32"):
        Key(bytes(31), MATCH_USE, "a")
