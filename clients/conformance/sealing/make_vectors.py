"""Makes the sealing vectors: a key, its proof, ciphertexts and sealed answers, with what every client must find.

    python clients/conformance/sealing/make_vectors.py

writes ``vectors.json`` beside this file, the same bytes every time. The key has 512 bits, which nobody admits: it is
for reading vectors. A client makes ``proof`` and ``kid`` of ``private``; decrypts ``ciphertexts`` to ``numbers``;
opens each of ``answers`` (an Arrow IPC stream) to ``rows``, or, where ``rows`` is null, says that it is unproven.
``why`` is for people.
"""

from __future__ import annotations

import base64
import io
import json
import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from louver.sealing import interchange, proofs
from louver.sealing.ciphertexts import Owner
from louver.sealing.columns import METADATA, Mark
from louver.sealing.keys import generate_key
from louver.sealing.plaintexts import largest

INSTITUTION = "bank_a"
KEY = generate_key(512, sizes=(512,), below=random.Random("conformance: a key").randrange)  # noqa: S311 - vectors
OWNER = Owner(KEY, random.Random("conformance: randomness").randrange)  # noqa: S311 - the same every time
N, WIDTH = int(KEY.public.n), KEY.public.width
MOST = int(largest(KEY.public))
NUMBERS = (0, 1, -1, 1250, -(2**63), 2**63 - 1, 10**38 - 1, MOST, -MOST)


def stream(n: Sequence[bytes | None], mark: Mark | None = None) -> bytes:
    """An answer of two rows: a group, a sealed integer, a sealed decimal of two places, a sealed truth value."""
    amount, flag = (cells(OWNER.encrypt(numbers)) for numbers in ([-5007, 99], [1, 0]))
    sealed = pa.binary(WIDTH)

    def field(name: str, told: Mark) -> pa.Field:
        return pa.field(name, sealed, metadata={METADATA: told.to_bytes()})

    schema = pa.schema(
        [
            pa.field("g", pa.string()),
            field("n", mark or Mark(KEY.kid, "integer")),
            field("amount", Mark(KEY.kid, "decimal", 2)),
            field("many", Mark(KEY.kid, "boolean")),
        ]
    )
    columns = [pa.array(["市南区", None]), *(pa.array(each, sealed) for each in (n, amount, flag))]
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch(columns, schema=schema))
    return sink.getvalue()


def cells(ciphertexts: Sequence[int]) -> list[bytes | None]:
    """Big endian, as wide as the square of the modulus."""
    return [int(each).to_bytes(WIDTH, "big") for each in ciphertexts]


def answer(name: str, content: bytes, rows: object, why: str) -> Mapping[str, object]:
    return {"name": name, "why": why, "stream": base64.b64encode(content).decode(), "rows": rows}


def answers() -> list[Mapping[str, object]]:
    (good,) = cells(OWNER.encrypt([41]))
    (large,) = cells(OWNER.encrypt([2**63]))
    # 2 / 3 of n: what two sealed numbers near the largest add up to.
    (overflow,) = ((int(each) ** 2 % N**2).to_bytes(WIDTH, "big") for each in OWNER.encrypt([MOST]))
    rows = [["市南区", 41, str(Decimal("-50.07")), True], [None, None, "0.99", False]]
    broken = {
        "zero": 0,
        "n": N,
        "n-squared-less-one": N * N - 1,
        "beyond-n-squared": N * N + 5,
        "one": 1,
        "a-factor": int(KEY.p) * (N + 1),
        "no-randomness": 1 + 41 * N,
    }
    return [
        answer("whole", stream([good, None]), rows, "integers, decimals, truth values; null is a withheld cell"),
        answer("out-of-range", stream([large, None]), None, "an integer column holds 64 bits"),
        answer("overflow", stream([overflow, None]), None, "a plaintext from the middle third stands for nothing"),
        answer("unknown-kind", stream([good, None], Mark(KEY.kid, "text")), None, "no such kind"),
        answer("scaled-integer", stream([good, None], Mark(KEY.kid, "integer", 2)), None, "integers have no scale"),
        answer("two-keys", stream([good, None], Mark("0" * 64, "integer")), None, "an answer is sealed to one key"),
        *(
            answer(name, stream([value.to_bytes(WIDTH, "big"), None]), None, "no ciphertext: nothing is decrypted")
            for name, value in broken.items()
        ),
    ]


def vectors() -> dict[str, object]:
    ciphertexts = OWNER.encrypt(NUMBERS)
    return {
        "private": KEY.to_jwk(),
        "kid": KEY.kid,
        "institution": INSTITUTION,
        "proof": base64.b64encode(proofs.prove(KEY, INSTITUTION)).decode(),
        "numbers": [str(number) for number in NUMBERS],
        "ciphertexts": json.loads(interchange.to_json(ciphertexts, KEY.public))["values"],
        "answers": answers(),
    }


if __name__ == "__main__":
    text = json.dumps(vectors(), ensure_ascii=False, indent=1) + "\n"
    Path(__file__).with_name("vectors.json").write_text(text, encoding="utf-8")
