"""The vectors that clients in other languages are held to, and that python-paillier reads as they say."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import phe
import pytest
from gmpy2 import mpz

from louver import results
from louver.errors import Unproven
from louver.sealing import proofs
from louver.sealing.ciphertexts import Owner
from louver.sealing.keys import PrivateKey

VECTORS: Any = json.loads(
    (Path(__file__).parents[3] / "clients" / "conformance" / "sealing" / "vectors.json").read_text(encoding="utf-8")
)
KEY = PrivateKey.from_jwk(VECTORS["private"])
NUMBERS = [int(text) for text in VECTORS["numbers"]]


def test_key_id_and_proof_are_as_written() -> None:
    proof = base64.b64decode(VECTORS["proof"])
    assert KEY.kid == VECTORS["kid"]
    assert proofs.prove(KEY, VECTORS["institution"]) == proof
    assert proofs.proves(proof, KEY.public, VECTORS["institution"])


def test_ciphertexts_open_to_the_numbers_here_and_in_python_paillier() -> None:
    ciphertexts = [int(text) for text, _ in VECTORS["ciphertexts"]]
    public = phe.PaillierPublicKey(int(KEY.public.n))
    theirs = phe.PaillierPrivateKey(public, int(KEY.p), int(KEY.q))
    assert Owner(KEY).decrypt(list(map(mpz, ciphertexts))) == NUMBERS
    assert [theirs.decrypt(phe.EncryptedNumber(public, each, 0)) for each in ciphertexts] == NUMBERS


@pytest.mark.parametrize("answer", VECTORS["answers"], ids=lambda answer: answer["name"])
def test_an_answer_opens_as_written_or_not_at_all(answer: Any) -> None:
    found = results.Answer("r", "threshold", base64.b64decode(answer["stream"]), private=lambda kid: KEY)
    if answer["rows"] is None:
        with pytest.raises(Unproven):
            _ = found.rows
    else:
        wanted = [(g, n, amount, many) for g, n, amount, many in answer["rows"]]
        assert [(g, n, str(amount), many) for g, n, amount, many in found.rows] == wanted
