"""What the end-to-end tests share: bank A's connection, and questions that take as long as a test needs."""

import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import grpc
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.e2e.soundness import wrongs
from tests.support.installation import Service, copy_of, service
from tests.support.lists_of_today import move_lists
from tests.support.matched_city import plain

import louver
from louver import signing
from louver.v1 import sandbox_pb2 as pb
from louver.v1.sandbox_pb2_grpc import SandboxServiceStub
from louver_sandbox.demo.city import City
from louver_sandbox.operator.installation import TOOLS
from louver_sandbox.operator.publishing import publish_all
from louver_sandbox.premises import utc_now
from louver_sandbox.privacy.calendar import BEIJING

SIMPLE = "SELECT count(*) AS n FROM gov.ent_registry"
"""Public and exact: costs one query."""
PROTECTED = """SELECT t.grade, count(*) AS n FROM gov.tax_credit t JOIN gov.ent_registry r USING (uscc)
WHERE t.rating_year <> {} GROUP BY 1 ORDER BY 1"""
"""Costs a query and a predicate, of which every figure makes a new one."""
A_TEST_S = 120
"""Longer than any test here, but for those that a midnight does not disturb."""
PAIRS = pa.table({"k": pa.array([1] * 30_000), "x": pa.array(range(30_000))})
"""Joined with itself, every row meets every row: a question about few bytes that takes long."""


def pairing(rows: int) -> str:
    """A question to bank A about its uploaded `pairs`: 400 rows take about a second, 30,000 take minutes."""
    return (
        "SELECT count(*) AS n, sum(a.x % 7 + b.x % 11) AS s FROM pairs a JOIN pairs b ON a.k = b.k "
        f"WHERE a.x < {rows}"
    )


def alive(bank: louver.Client) -> bool:
    """Whether the service still answers."""
    return bool(bank.analyse(SIMPLE, purpose="RESEARCH").rows)


def raw_stub(served: Service, institution: str) -> tuple[grpc.Channel, SandboxServiceStub]:
    """The wire itself, for what no client of ours would send."""
    authority, key, certificate = served.files(institution)
    credentials = grpc.ssl_channel_credentials(authority.read_bytes(), key.read_bytes(), certificate.read_bytes())
    channel = grpc.secure_channel(served.address, credentials)
    return channel, SandboxServiceStub(channel)


def signed_question(served: Service, institution: str, sql: str) -> pb.Question:
    """A question as the institution's client signs it."""
    question = pb.Question(
        request_id=str(uuid.uuid4()),
        purpose="RESEARCH",
        sql=sql,
        expires=(utc_now() + timedelta(minutes=5)).isoformat(),
    )
    key = load_pem_private_key(served.files(institution)[1].read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    question.signature = signing.sign(question, key)
    return question


@pytest.fixture(autouse=True)
def the_day_lasts_as_long_as_the_test() -> None:
    """Budgets begin anew and sets of matches are built anew at midnight in Beijing: a test that compares what is left
    before and after would see a new day's allowance. So one that would begin just before begins just after."""
    now = utc_now().astimezone(BEIJING)
    tomorrow = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), BEIJING)
    if (left := (tomorrow - now).total_seconds()) < A_TEST_S:
        time.sleep(left + 0.1)


@pytest.fixture(scope="session")
def bank(served: Service) -> Iterator[louver.Client]:
    """Bank A, asking for research, with `pairs` uploaded."""
    with served.connect(purpose="RESEARCH") as client:
        client.upload("pairs", PAIRS)
        yield client


@pytest.fixture(scope="module", autouse=True)
def the_books_hold(served: Service) -> Iterator[None]:
    """Whatever a module has done to the shared service: nothing is charged that was not committed, none twice."""
    yield
    assert wrongs(served.city) == []


@pytest.fixture(scope="session")
def matched(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose lists are those of today, whenever that is."""
    own = copy_of(city, tmp_path_factory.mktemp("matched"))
    move_lists(own.world, utc_now().astimezone(BEIJING).date())
    assert list(publish_all(own.settings, TOOLS))
    with service(own) as running:
        yield running


@pytest.fixture(scope="session")
def book(matched: Service) -> list[tuple[str, int]]:
    """Bank A's loan book: ids and balances in fen."""
    rows = plain(matched, "SELECT id_no, CAST(round(balance * 100) AS BIGINT) FROM BOOK")
    assert len(rows) > 100
    return [(str(id_), int(amount)) for id_, amount in rows]


@pytest.fixture(scope="session")
def matching(matched: Service) -> Iterator[louver.Client]:
    """Bank A, as it asks about its book."""
    with matched.connect(purpose="POST_LOAN") as client:
        yield client
