"""A07 by tokens: a bank uploads what its ids are made into, and is answered as if it had uploaded the ids."""

from __future__ import annotations

import asyncio
import hashlib
import random
import uuid
import warnings
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import grpc
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.e2e.soundness import wrongs
from tests.e2e.test_encrypted_columns_end_to_end import allow_encrypted, loans_of
from tests.support.installation import Service, copy_of, service, with_limits
from tests.support.leaks import Search, clear
from tests.support.matched_city import failure_of
from tests.support.noisy_city import ask_for_noise
from typer.testing import CliRunner

import louver
from louver import aio
from louver.cli.app import app
from louver.errors import Refused
from louver.matching import oprf
from louver.matching.subjects import value_of
from louver.sealing.keys import PrivateKey, generate_key
from louver.signing import sign_tokens
from louver.tokens.columns import METADATA, TokenColumn
from louver.v1 import tokens_pb2 as pb
from louver.v1.tokens_pb2_grpc import TokenServiceStub
from louver_sandbox.auditing.replay import replay
from louver_sandbox.demo.city import City
from louver_sandbox.premises import open_books, utc_now
from louver_sandbox.store import State

DAY, MONTH = 3_000, 4_000
TERMS = f"    tokens: {{ids_per_day: {DAY}, ids_per_month: {MONTH}}}\n"

A07 = """SELECT t.grade, count(*) AS loans, count(DISTINCT l.id_no) AS firms
FROM {0} l JOIN gov.tax_credit t ON t.uscc = l.id_no AND t.rating_year = 2025 GROUP BY t.grade ORDER BY 1"""
SUMMED = """SELECT r.section, count(*) AS loans, sum(l.balance) AS owed, avg(l.balance) AS mean
FROM {0} l JOIN gov.ent_registry r ON r.uscc = l.id_no GROUP BY 1 ORDER BY 1"""
BAD = """SELECT t.grade, count(*) AS loans, sum(l.defaulted) AS bad
FROM {0} l JOIN gov.tax_credit t ON t.uscc = l.id_no AND t.rating_year = 2025 GROUP BY t.grade ORDER BY 1"""
PLANTED = [f"91370299PLANTED{number:03d}" for number in range(30)]
"""Ids of customers that no table of the government has."""


def allow_tokens(city: City) -> None:
    """Lets banks have tokens for what they join by in the tax office's grades, once the policies are activated."""
    file = city.settings.home / "policies" / "taxation.yaml"
    text = file.read_text(encoding="utf-8")
    line = next(line for line in text.splitlines(keepends=True) if line.startswith("    budget:"))
    file.write_text(text.replace(line, line + TERMS, 1), encoding="utf-8")


@pytest.fixture(scope="module")
def key() -> PrivateKey:
    return generate_key(2048, below=random.Random(6).randrange)


@pytest.fixture(scope="module")
def served(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    own = copy_of(city, tmp_path_factory.mktemp("tokens"))
    with_limits(own, randomisers=16)
    allow_tokens(own)
    allow_encrypted(own)
    ask_for_noise(own)
    with service(own) as running:
        yield running


@pytest.fixture(scope="module")
def book(served: Service) -> pa.Table:
    """Loans, to planted customers too, and a few without a customer."""
    loans = loans_of(served.city).slice(0, 400)
    more = pa.table(
        {
            "id_no": pa.array([*PLANTED, None, "   ", "-"], pa.string()),
            "balance": pa.array([Decimal(1)] * 33, loans["balance"].type),
            "defaulted": pa.array([0] * 33, pa.int64()),
        }
    )
    return pa.concat_tables([loans, more])


@pytest.fixture(scope="module")
def open_book(book: pa.Table) -> pa.Table:
    """The same loans without those to planted customers, which nothing of the government's meets anyway."""
    planted = pc.fill_null(pc.is_in(book["id_no"], value_set=pa.array(PLANTED)), False)
    return book.filter(pc.invert(planted))


@pytest.fixture(scope="module")
def bank(served: Service, book: pa.Table, key: PrivateKey) -> Iterator[louver.Client]:
    with served.connect("bank_a", purpose="MODEL_BUILD") as client:
        client.settings.key_ring.add(key, utc_now())
        client.register_key(key)
        said: list[tuple[int, int]] = []
        with pytest.warns(UserWarning, match="column id_no: 2 values are no ids"):
            made = client.upload("hidden", book, tokens={"id_no": "uscc"}, blinding=lambda *done: said.append(done))
        assert [column.type for column in made.columns] == ["token(uscc)", "decimal(2)", "integer"]
        assert said[-1][0] == said[-1][1] > 100
        yield client


def test_answers_are_those_over_ids_to_the_last_perturbed_number(bank: louver.Client, open_book: pa.Table) -> None:
    bank.upload("clear", open_book)
    for question in (A07, SUMMED):
        hidden, plain = bank.analyse(question.format("hidden")), bank.analyse(question.format("clear"))
        assert len(hidden.rows) > 2
        assert hidden.rows == plain.rows
    assert "PERTURBED" in {notice.code for notice in bank.analyse(A07.format("hidden")).notices}


def test_tokens_and_encrypted_amounts_go_together(bank: louver.Client, book: pa.Table, open_book: pa.Table) -> None:
    encrypted = {"balance": 2, "defaulted": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = bank.upload("both", book, tokens={"id_no": "uscc"}, encrypted=encrypted)
        bank.upload("sealed", open_book, encrypted=encrypted)
    assert [column.type for column in made.columns] == ["token(uscc)", "encrypted(2)", "encrypted(0)"]
    sealed, both = bank.analyse(SUMMED.format("sealed")), bank.analyse(SUMMED.format("both"))
    assert both.rows == sealed.rows
    assert len(both.rows) > 3
    graded, bad = bank.analyse(BAD.format("sealed")), bank.analyse(BAD.format("both"))
    assert [row[:2] for row in bad.rows] == [row[:2] for row in graded.rows]
    assert len(bad.rows) > 1


def test_the_platform_never_has_the_ids_of_customers_that_are_not_its_own(
    served: Service, bank: louver.Client, book: pa.Table
) -> None:
    forms = [PLANTED[0][:-3].encode(), PLANTED[0][:-3].encode("utf-16-le")]
    assert bank.analyse(A07.format("hidden")).rows
    clear(Search(served).find(forms), served)
    bank.upload("raw", book.select(["id_no"]))
    kept = [
        path.name for path in (served.city.settings.uploads / "bank_a").iterdir() if forms[0] in path.read_bytes()
    ]
    assert len(kept) == 1, "what is uploaded as it is is found, so the search finds what is there"
    bank.drop("raw")


def test_tokens_under_a_key_that_is_not_the_banks_are_not_taken_in(
    served: Service, bank: louver.Client, tmp_path: Path
) -> None:
    folder = served.city.settings.uploads / "bank_a"
    before = {path.name for path in folder.iterdir()}
    told = {METADATA: TokenColumn("uscc", "ab" * 32).to_bytes()}
    schema = pa.schema([pa.field("id_no", pa.binary(16), metadata=told)])
    with pa.ipc.new_stream(tmp_path / "forged.arrow", schema) as writer:
        writer.write_table(pa.table([pa.array([bytes(16)], pa.binary(16))], schema=schema))
    with pytest.raises(Refused, match="LVR-5325"):
        bank.upload("forged", tmp_path / "forged.arrow")
    assert {path.name for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("sql", "at"),
    [
        ("SELECT l.id_no FROM hidden l", "shown"),
        ("SELECT count(*) FROM hidden l WHERE l.id_no LIKE '9137%'", "compared"),
        ("SELECT count(*) FROM hidden l WHERE l.id_no = '91370299PLANTED000'", "no value"),
    ],
)
def test_what_tokens_cannot_be_used_for_is_told_by_a_dry_run(bank: louver.Client, sql: str, at: str) -> None:
    verdict = bank.explain(sql)
    assert verdict.refusal is not None
    assert verdict.refusal.code == "LVR-5326"
    assert at in verdict.refusal.message


def test_ids_of_an_element_that_is_not_granted_get_no_tokens(bank: louver.Client) -> None:
    for element in ("citizen_number", "no_such_element"):
        with pytest.raises(Refused) as caught:
            bank.upload("persons", [{"id": "11010519491231002X"}], tokens={"id": element})
        assert caught.value.code == "LVR-5321"
        assert "uscc" in caught.value.hint
    assert "persons" not in {table.name for table in bank.tables(own_only=True)}


def test_the_same_ids_are_the_same_content_and_their_asking_is_in_the_trail(
    bank: louver.Client, book: pa.Table
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = bank.upload("again", book, tokens={"id_no": "uscc"})
        assert bank.upload("again", book, tokens={"id_no": "uscc"}).version == first.version
    bank.drop("again")
    lines = [one for one in bank.my_queries(40) if one.sql.startswith("tokens of uscc (")]
    assert {one.state for one in lines} == {"admitted", "answered"}
    assert sum(sum(one.cost.values()) for one in lines) > 100


def test_the_other_client_and_the_command_line_do_the_same(
    served: Service, bank: louver.Client, open_book: pa.Table, tmp_path: Path
) -> None:
    async def uploaded() -> louver.results.Table:
        async with aio.AsyncClient(bank.settings) as client:
            return await client.upload("elsewhere", open_book.slice(0, 50), tokens={"id_no": "uscc"})

    made = asyncio.run(uploaded())
    assert made.columns[0].type == "token(uscc)"
    pq.write_table(open_book.slice(0, 50), tmp_path / "loans.parquet")
    authority, key, certificate = served.files("bank_a")
    where = ("--target", served.address, "--certificate", certificate, "--key", key, "--ca", authority)
    done = CliRunner(env={"LOUVER_LANG": "en"}).invoke(
        app, [*map(str, where), "upload", "typed", str(tmp_path / "loans.parquet"), "--token", "id_no=uscc"]
    )
    assert done.exit_code == 0, done.output
    assert made.version[:16] in done.output
    wrong = CliRunner(env={"LOUVER_LANG": "en"}).invoke(
        app, [*map(str, where), "upload", "typed", "x.parquet", "--token", "id_no"]
    )
    assert wrong.exit_code == 2
    assert "id_no=uscc" in wrong.output


def question(served: Service, content: bytes, ids: int, request_id: str, element: str = "uscc") -> pb.TokenQuestion:
    """As bank A's client would sign it."""
    key = load_pem_private_key(served.files("bank_a")[1].read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    made = pb.TokenQuestion(
        request_id=request_id,
        element=element,
        ids=ids,
        batch_sha256=hashlib.sha256(content).digest(),
        expires=(utc_now() + timedelta(minutes=5)).isoformat(),
    )
    made.signature = sign_tokens(made, key)
    return made


def evaluated(stub: TokenServiceStub, made: pb.TokenQuestion, *pieces: bytes) -> list[pb.EvaluateResponse]:
    """What the service answers. Raises `Refused`."""
    sent = [pb.EvaluateRequest(question=made), *(pb.EvaluateRequest(batch=piece) for piece in pieces)]
    try:
        return list(stub.Evaluate(iter(sent), timeout=30))
    except grpc.RpcError as error:
        raise failure_of(error) from None


def test_over_the_wire_a_retry_is_free_and_what_is_broken_is_refused(served: Service) -> None:
    authority, key, certificate = served.files("bank_a")
    credentials = grpc.ssl_channel_credentials(authority.read_bytes(), key.read_bytes(), certificate.read_bytes())
    blinded = oprf.blind([value_of(id_) for id_ in PLANTED[:20]])
    whole = blinded.elements
    with grpc.secure_channel(served.address, credentials) as channel:
        stub = TokenServiceStub(channel)
        asked = question(served, whole, 20, str(uuid.uuid4()))
        first, again = (evaluated(stub, asked, whole[:100], whole[100:]) for _ in range(2))
        assert sum(first[0].header.cost.values()) == 20
        assert dict(again[0].header.cost) == {}
        tokens = [
            oprf.finalize(blinded, b"".join(part.evaluated for part in answer), first[0].header.public_key)
            for answer in (first, again)
        ]
        assert tokens[0] == tokens[1]
        assert first[-1].receipt
        for broken, code in (
            (bytes(32) * 20, "LVR-5322"),  # the identity
            (b"\xff" * 640, "LVR-5322"),  # no elements
            (whole[:-32], "LVR-5322"),  # cut off
            (whole + whole[:32], "LVR-5322"),  # too long
        ):
            with pytest.raises(Refused) as caught:
                evaluated(stub, question(served, broken, 20, str(uuid.uuid4())), broken)
            assert caught.value.code == code
        for forged, code in (
            (question(served, whole, 200_000, str(uuid.uuid4())), "LVR-5323"),
            (question(served, whole, 20, str(uuid.uuid4()), "USCC"), "LVR-0105"),
            (question(served, whole, 20, "not-a-uuid"), "LVR-0105"),
        ):
            with pytest.raises(Refused) as caught:
                evaluated(stub, forged, whole)
            assert caught.value.code == code
        unsigned = question(served, whole, 20, str(uuid.uuid4()))
        unsigned.element = "citizen_number"
        with pytest.raises(Refused) as caught:
            evaluated(stub, unsigned, whole)
        assert caught.value.code == "LVR-0103"


def test_whoever_enumerates_ids_is_stopped_and_every_step_is_logged(served: Service, bank: louver.Client) -> None:
    made_up = [{"id": f"91370200MA{number:07d}X"} for number in range(DAY)]
    with pytest.raises(Refused) as caught:
        bank.upload("book", made_up, tokens={"id": "uscc"})
    assert caught.value.code == "LVR-3001"
    settings = served.city.settings
    with State.open(settings.state) as state:
        log = open_books(settings, state, utc_now).log
        kept = [entry for entry in log.latest(None, 400) if entry.fields.get("verb") == "token"]
        admissions = [entry for entry in kept if entry.fields["kind"] == "admission"]
        assert len(admissions) > 2
        assert {replay(entry.index, log, settings, ()).same for entry in admissions} == {True}
        assert any(entry.fields.get("code") == "LVR-3001" for entry in kept)
        assert not any(id_ in str(entry.fields) for entry in kept for id_ in PLANTED)
    assert wrongs(served.city) == []
