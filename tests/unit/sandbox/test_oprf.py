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


def scalar(text: str) -> int:
    return int.from_bytes(bytes.fromhex(text), "little")


BLINDS = (
    scalar("64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706"),
    scalar("222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e"),
)
IN_A_BATCH = (
    "90a0145ea9da29254c3a56be4fe185465ebb3bf2a1801f7124bbbadac751e654",
    "cc5ac221950a49ceaa73c8db41b82c20372a4c8d63e5dded2db920b7eee36a2a",
)
"""The second input of A.1.2.3 blinded by the second blind, and evaluated."""

PROOFS = {
    "A.1.2.1": (
        [VECTORS[0][1]],
        [VECTORS[0][2]],
        BLINDS[1],
        "ddef93772692e535d1a53903db24367355cc2cc78de93b3be5a8ffcc6985dd06"
        "6d4346421d17bf5117a2a1ff0fcb2a759f58a539dfbe857a40bce4cf49ec600d",
    ),
    "A.1.2.2": (
        [VECTORS[1][1]],
        [VECTORS[1][2]],
        BLINDS[1],
        "401a0da6264f8cf45bb2f5264bc31e109155600babb3cd4e5af7d181a2c9dc0a"
        "67154fabf031fd936051dec80b0b6ae29c9503493dde7393b722eafdf5a50b02",
    ),
    "A.1.2.3, a batch of two": (
        [VECTORS[0][1], IN_A_BATCH[0]],
        [VECTORS[0][2], IN_A_BATCH[1]],
        scalar("419c4f4f5052c53c45f3da494d2b67b220d02118e0857cdbcf037f9ea84bbe0c"),
        "cc203910175d786927eeb44ea847328047892ddf8590e723c37205cb74600b0a"
        "5ab5337c8eb4ceae0494c2cf89529dcf94572ed267473d567aeed6ab873dee08",
    ),
}
"""Blinded and evaluated elements, the proof's random scalar, and the proof."""


@pytest.mark.parametrize("name", PROOFS)
def test_proofs_of_the_rfc_are_made_and_verified_to_the_byte(name: str) -> None:
    blinded, evaluated, random, proof = PROOFS[name]
    before, after = ([bytes.fromhex(each) for each in part] for part in (blinded, evaluated))
    secret, expected = scalar(VECTOR_SECRET), bytes.fromhex(proof)
    assert rfc9497.proof_of(secret, before, after, random) == expected
    assert rfc9497.proof_holds(bytes.fromhex(VECTOR_PUBLIC), before, after, expected)
    assert not rfc9497.proof_holds(bytes.fromhex(VECTOR_PUBLIC), after, before, expected)


def test_blinding_and_finishing_are_those_of_the_rfc() -> None:
    for (given, blinded, evaluated, output), blind in zip(VECTORS, (BLINDS[0], BLINDS[0]), strict=True):
        assert rfc9497.blinded(bytes.fromhex(given), blind).hex() == blinded
        assert rfc9497.finalized(bytes.fromhex(given), blind, bytes.fromhex(evaluated)).hex() == output
    second = bytes.fromhex(VECTORS[1][0])
    assert rfc9497.blinded(second, BLINDS[1]).hex() == IN_A_BATCH[0]
    assert rfc9497.finalized(second, BLINDS[1], bytes.fromhex(IN_A_BATCH[1])).hex() == VECTORS[1][3]


def test_the_batch_of_the_rfc_is_evaluated_with_a_proof_that_holds() -> None:
    """The library draws a proof's random scalar itself, so its proof is another; it is of the same statement."""
    evaluator = RISTRETTO.Evaluator.from_seed(VECTOR_SEED, VECTOR_INFO)
    blinded, evaluated, _, proof = PROOFS["A.1.2.3, a batch of two"]
    before, after = ([bytes.fromhex(each) for each in part] for part in (blinded, evaluated))
    answer = client.Evaluator(evaluator).evaluate(b"".join(before))
    assert answer[client.PROOF_BYTES :] == b"".join(after)
    made = answer[: client.PROOF_BYTES]
    assert made != bytes.fromhex(proof)
    assert rfc9497.proof_holds(bytes.fromhex(VECTOR_PUBLIC), before, after, made)


@pytest.mark.parametrize("count", [1, 2, client.BATCH])
def test_the_client_accepts_proofs_of_the_second_implementation_and_no_others(count: int) -> None:
    """That one makes the RFC's proofs to the byte; so what the product accepts is what the RFC says."""
    values = [b"id %d" % number for number in range(count)]
    secret, blinded = scalar(VECTOR_SECRET), client.blind(values)
    before = [blinded.elements[at : at + 32] for at in range(0, 32 * count, 32)]
    after = [rfc9497.times(secret, each) for each in before]
    proof = rfc9497.proof_of(secret, before, after, secrets.randbelow(rfc9497.ORDER - 1) + 1)
    tokens = client.finalize(blinded, proof + b"".join(after), bytes.fromhex(VECTOR_PUBLIC))
    assert tokens == [rfc9497.token(secret, value) for value in values]
    other = rfc9497.proof_of(secret + 1, before, after, 5)
    with pytest.raises(Unproven):
        client.finalize(blinded, other + b"".join(after), bytes.fromhex(VECTOR_PUBLIC))


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
    blinded = client.blind([b"%d" % number for number in range(client.BATCH)])
    answer, starts = key.evaluate(blinded.elements), range(0, client.BATCH * 32, 32)
    before = [blinded.elements[start : start + 32] for start in starts]
    proof, after = answer[:64], [answer[64 + start : 96 + start] for start in starts]
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
