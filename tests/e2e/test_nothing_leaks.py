"""The platform never holds what it must not: an amount or a private key, points, an id on no list, a sealed number.

Each is planted on its own path through the real service, and looked for everywhere (`tests.support.leaks`). The same
search runs against a build that keeps whatever it receives, with clients that forget to protect, and finds each in
every place: so what it does not find is not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import struct
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.e2e.test_encrypted_columns_end_to_end import PLANTED as AMOUNT
from tests.e2e.test_encrypted_columns_end_to_end import allow_encrypted, loans_of, planted
from tests.support.installation import Service, copy_of, service, with_limits
from tests.support.leaks import LEAKING, Search, clear

import louver
from louver.errors import Refused
from louver.matching import oprf
from louver.scoring import audit
from louver.scoring.calls import registration
from louver.scoring.models import Opening
from louver.sealing.keys import PrivateKey, generate_key
from louver.signing import sign_match, sign_registration
from louver.statuses import failure
from louver.v1 import matching_pb2 as pb
from louver_sandbox.demo.city import City
from louver_sandbox.demo.scorecard import PURPOSE, SCOPE
from louver_sandbox.demo.scorecard import card as demo_card
from louver_sandbox.premises import utc_now

BLACK, RED = "gov.credit_list/black", "gov.credit_list/red"
MISS = "PLANTED7MISS4242X"
"""An id on no list."""
FACTOR = 1_000_006_000_009
SECTIONS = f"SELECT r.section, count(*) * {FACTOR} AS n FROM gov.tax_credit t JOIN gov.ent_registry r USING (uscc) GROUP BY 1"
"""A question whose numbers have so many digits that no digest holds them by chance."""
SUM = "SELECT r.section, sum(p.amount) AS s FROM planted p JOIN gov.ent_registry r ON r.uscc = p.id_no GROUP BY 1"


@pytest.fixture(scope="module")
def key() -> PrivateKey:
    return generate_key(2048, below=random.Random(26).randrange)


def integer_forms(number: int) -> list[bytes]:
    """A large integer as text, as Arrow holds it and as Python does, in digits of 30 bits."""
    digits = (number & (2**30 - 1)).to_bytes(4, "little") + (number >> 30 & (2**30 - 1)).to_bytes(4, "little")
    return [str(number).encode(), number.to_bytes(8, "little"), digits]


def amount_forms() -> list[bytes]:
    return [str(AMOUNT).encode(), *integer_forms(int(AMOUNT * 100))]


def long_forms(number: int) -> list[bytes]:
    """The beginning of a number of hundreds of digits: as bytes, GMP's limbs, decimal and hexadecimal text."""
    size = (number.bit_length() + 7) // 8
    big, little = number.to_bytes(size, "big"), number.to_bytes(size, "little")
    return [big[:16], little[:16], little[-16:], str(number)[:24].encode(), format(number, "x")[:24].encode()]


def key_forms(key: PrivateKey) -> list[bytes]:
    """Either factor, also as key files have it."""
    told = key.to_jwk()
    return [
        *long_forms(int(key.p)),
        *(str(told[name])[:24].encode() for name in ("p", "q")),
    ]


def opening_forms(opening: Opening) -> list[bytes]:
    """What only bank and auditor have of a model: points in a row, salt, randomness."""
    points = sorted((list(of) for of in opening.points), key=len)[-2:]
    return [
        opening.salt,
        opening.salt.hex().encode(),
        *long_forms(opening.randomness[0]),
        *(json.dumps(of).encode() for of in points),
        *(struct.pack(f"<{len(of)}q", *of) for of in points),
    ]


def authorised(bank: louver.Client, subjects: Sequence[str]) -> list[tuple[str, str]]:
    return [
        (
            subject,
            bank.record_authorisation(
                subject,
                purpose=PURPOSE,
                scope=SCOPE,
                granted_on=date(2026, 1, 1),
                expires_on=date(2099, 12, 31),
                evidence_sha256="ab" * 32,
            ),
        )
        for subject in subjects
    ]


@dataclass(frozen=True)
class House:
    """A running service, its search, and a bank with a registered key; `opening` is of a model not yet registered."""

    served: Service
    search: Search
    bank: louver.Client
    opening: Opening
    certificate: audit.Certificate


def housed(city: City, folder: Path, key: PrivateKey, *, leaks: bool) -> Iterator[House]:
    own = copy_of(city, folder)
    with_limits(own, randomisers=16)
    allow_encrypted(own)
    temporary, build = folder / "temporary", folder / "build"
    temporary.mkdir()
    build.mkdir()
    (build / "sitecustomize.py").write_text(LEAKING if leaks else "", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        patch.setenv("LEAKS_BELOW", str(own.settings.home))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(build), os.environ.get("PYTHONPATH", "")]))
        with service(own) as served, served.connect("bank_a", purpose=PURPOSE) as bank:
            patch.undo()
            search = Search(served, temporary)
            bank.settings.key_ring.add(key, utc_now())
            bank.register_key(key)
            (features,) = bank.feature_sets()
            opening = bank.prepare_model(replace(demo_card(features), version="planted"))
            signer = load_pem_private_key(
                (own.settings.secrets / "auditors" / "model-auditor.key").read_bytes(), None
            )
            assert isinstance(signer, Ed25519PrivateKey)
            yield House(served, search, bank, opening, audit.certify(opening, "model-auditor", signer))


# an honest build


@pytest.fixture(scope="module")
def honest(city: City, tmp_path_factory: pytest.TempPathFactory, key: PrivateKey) -> Iterator[House]:
    yield from housed(city, tmp_path_factory.mktemp("honest"), key, leaks=False)


def test_no_amount_of_an_encrypted_column_is_anywhere(honest: House) -> None:
    bank = honest.bank
    bank.upload("planted", planted(honest.served.city), encrypted={"amount": 2})
    found = bank.analyse(SUM, purpose="MODEL_BUILD")
    assert found.rows
    assert sum(row[1] for row in found.rows) % AMOUNT == 0
    clear(honest.search.find(amount_forms()), honest.served)


def test_no_private_key_is_anywhere(honest: House, key: PrivateKey) -> None:
    assert honest.bank.keys()[0].kid == key.kid
    clear(honest.search.find(key_forms(key)), honest.served)


def test_no_point_of_a_scorecard_is_anywhere(honest: House) -> None:
    bank = honest.bank
    bank.register_model(honest.opening.model, honest.certificate)
    firms = [row["id_no"] for row in planted(honest.served.city).to_pylist()][:12]
    answer = bank.score(authorised(bank, list(dict.fromkeys(firms))), model="small-firms/planted")
    assert answer.scored > 3
    scores = [int(row.score * 10) for row in answer.rows if row.score is not None]
    packed = [struct.pack("<4q", *scores[:4]), json.dumps(scores[:4]).encode()]
    clear(honest.search.find([*opening_forms(honest.opening), *packed]), honest.served)


def test_no_id_of_a_miss_is_anywhere(honest: House) -> None:
    ids = [MISS, *loans_of(honest.served.city)["id_no"].to_pylist()]
    with honest.served.connect("bank_a", purpose="POST_LOAN") as bank:
        bank.match(ids, list=BLACK)
        bank.match(ids, list=RED, mode="count")
    clear(honest.search.find([MISS.encode()]), honest.served)


def test_no_number_of_a_sealed_answer_is_kept(honest: House) -> None:
    """The platform computes these numbers, so its memory had them; nothing that outlives a question does."""
    with honest.served.connect("bank_a", purpose="RESEARCH") as bank:
        numbers = [int(n) for _, n in bank.analyse(SECTIONS, seal=True).rows if n]
    assert len(numbers) > 3
    clear(honest.search.find([form for n in numbers[:4] for form in integer_forms(n)], memory=False), honest.served)


# a build that leaks


@pytest.fixture(scope="module")
def leaking(city: City, tmp_path_factory: pytest.TempPathFactory, key: PrivateKey) -> Iterator[House]:
    yield from housed(city, tmp_path_factory.mktemp("leaking"), key, leaks=True)


def upload_in_clear(house: House, key: PrivateKey) -> list[bytes]:
    house.bank.upload("planted", planted(house.served.city))
    return amount_forms()


def register_the_private_part(house: House, key: PrivateKey) -> list[bytes]:
    request = house.bank.settings.key_registration(key, timedelta(days=30))
    request.proof = json.dumps(key.to_jwk()).encode()
    request.signature = sign_registration(request, house.bank.settings.credentials.signing_key)
    with pytest.raises(Refused, match="LVR-5003"):
        house.bank._call(house.bank._stub.RegisterKey, request)
    return key_forms(key)


def register_the_opening(house: House, key: PrivateKey) -> list[bytes]:
    model = replace(house.opening.model, content=house.opening.to_json())
    request = registration(model, house.certificate, house.bank.settings.credentials.signing_key)
    with pytest.raises(Refused, match="LVR-5011"):
        house.bank._call(house.bank._scoring.RegisterModel, request)
    return opening_forms(house.opening)


def match_by_bare_ids(house: House, key: PrivateKey) -> list[bytes]:
    content = b"".join(id_.ljust(32, b"\0") for id_ in (MISS.encode(), *(b"%d" % n for n in range(99))))
    question = pb.MatchQuestion(
        request_id=str(uuid.uuid4()),
        purpose="POST_LOAN",
        list=BLACK,
        mode="hits",
        ids=len(content) // oprf.ELEMENT_BYTES,
        batch_sha256=hashlib.sha256(content).digest(),
        expires=(utc_now() + timedelta(minutes=5)).isoformat(),
    )
    question.signature = sign_match(question, house.bank.settings.credentials.signing_key)
    sent = iter([pb.MatchRequest(question=question), pb.MatchRequest(batch=content)])
    with pytest.raises(grpc.RpcError) as caught:
        list(house.bank._matching.Match(sent, timeout=60))
    assert isinstance(caught.value, grpc.Call)
    assert "LVR-5105" in str(failure(caught.value.code(), caught.value.trailing_metadata()))
    return [MISS.encode()]


def ask_for_a_sealed_answer(house: House, key: PrivateKey) -> list[bytes]:
    with house.served.connect("bank_a", purpose="RESEARCH") as bank:
        return [str(int(n)).encode() for _, n in bank.analyse(SECTIONS, seal=True).rows if n][:3]


PATHS: dict[str, Callable[[House, PrivateKey], list[bytes]]] = {
    "upload": upload_in_clear,
    "key": register_the_private_part,
    "model": register_the_opening,
    "match": match_by_bare_ids,
    "sealed answer": ask_for_a_sealed_answer,
}


@pytest.mark.parametrize("path", PATHS)
def test_a_build_that_leaks_is_found_wherever_it_leaks_to(leaking: House, key: PrivateKey, path: str) -> None:
    forms = PATHS[path](leaking, key)
    found = leaking.search.find(forms)
    assert found.kinds() >= {"memory", "open file", "temporary file", "standard output"}
    assert f"memory:{leaking.served.pid}" in found.places
    assert found.places >= {"file:debug.dump", "file:service.log"}
    assert found.places & {"file:state.db", "file:state.db-wal"}
