"""Bytes that no client of ours would send, to the real service: messages, signed questions and uploads, damaged.

Each ends as an answer or as a refusal with a code. The service then answers as before, and its messages tell of no
incident.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from random import Random

import grpc
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.e2e.conftest import SIMPLE, alive, raw_stub, signed_question
from tests.support.fuzzed_documents import WORDS, flipped
from tests.support.fuzzed_sql import HOSTILE, broken
from tests.support.installation import Service
from tests.support.lengths import at_length

import louver
from louver import signing
from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.premises import utc_now

MESSAGES, QUESTIONS, UPLOADS = at_length(300, 30_000), at_length(120, 10_000), at_length(40, 5_000)
CALL_S = 60.0


def same(content: bytes) -> bytes:
    return content


def ended(call: Callable[[], object]) -> str:
    """`answered`, a code, or whatever else is said."""
    try:
        call()
    except grpc.RpcError as error:
        return str(error.details()).partition(":")[0] if isinstance(error, grpc.Call) else type(error).__name__
    return "answered"


def is_well_ended(how: str) -> bool:
    return how == "answered" or (how.startswith("LVR-") and how[4:].isdigit())


@pytest.fixture
def messages_of_the_service(served: Service, bank: louver.Client) -> Iterator[None]:
    """Afterwards it is as well as before, and nothing was an incident."""
    log = served.city.settings.home / "service.log"
    before = log.read_text(encoding="utf-8").count("incident ")
    yield
    assert alive(bank)
    assert log.read_text(encoding="utf-8").count("incident ") == before


def explained(question: pb.Question) -> pb.ExplainRequest:
    """The same question as a dry run, which costs nothing and is not signed."""
    made = pb.ExplainRequest(purpose=question.purpose, sql=question.sql, dialect=question.dialect, seal=question.seal)
    for name, value in question.parameters.items():
        made.parameters[name].CopyFrom(value)
    return made


def genuine(served: Service) -> Mapping[str, bytes]:
    """One whole message for each call."""
    question = signed_question(served, "bank_b", SIMPLE)
    made = {
        "Analyse": pb.AnalyseRequest(question=question),
        "Explain": explained(question),
        "ListTables": pb.ListTablesRequest(),
        "DropTable": pb.DropTableRequest(name="pairs"),
        "ListQueries": pb.ListQueriesRequest(),
        "GetReceipt": pb.GetReceiptRequest(request_id=question.request_id),
        "GetHead": pb.GetHeadRequest(),
        "RegisterKey": pb.RegisterKeyRequest(modulus=b"\x07" * 256, expires="2027-01-01T00:00:00+00:00"),
        "ListKeys": pb.ListKeysRequest(),
    }
    return {name: message.SerializeToString() or b"\x0a\x03abc" for name, message in made.items()}


def sent(channel: grpc.Channel, name: str, content: bytes) -> str:
    """How a call of this name ends that sends these bytes."""
    path = f"/louver.v1.SandboxService/{name}"
    if name == "Analyse":
        return ended(lambda: list(channel.unary_stream(path, same, same)(content, timeout=CALL_S)))
    return ended(partial(channel.unary_unary(path, same, same), content, timeout=CALL_S))


@pytest.mark.usefixtures("messages_of_the_service")
def test_damaged_messages_end_with_a_code(served: Service) -> None:
    chance = Random(1)
    channel, _ = raw_stub(served, "bank_b")
    whole = genuine(served)
    with channel:
        for number in range(MESSAGES):
            name = chance.choice(list(whole))
            content = flipped(chance, whole[name])
            how = sent(channel, name, content)
            assert is_well_ended(how), (number, name, content, how)


@pytest.mark.usefixtures("messages_of_the_service")
def test_the_same_messages_whole_changed_and_broken_end_as_they_must(served: Service) -> None:
    """What is sent damaged above is good as it is; nobody can foretell how often which code ends it there."""
    channel, _ = raw_stub(served, "bank_b")
    whole = genuine(served)
    with channel:
        for name in ("ListTables", "ListQueries", "ListKeys", "GetHead", "Explain", "Analyse"):
            assert sent(channel, name, whole[name]) == "answered", name
        another = whole["Analyse"].replace(b"RESEARCH", b"RESEARCI")
        assert sent(channel, "Analyse", another) == "LVR-0103", "signed for another purpose"
        assert sent(channel, "RegisterKey", whole["RegisterKey"]) == "LVR-0103", "not signed"
        for name, content in whole.items():
            assert sent(channel, name, content + b"\x07") == "LVR-0105", f"{name}: bytes that are no message"


def question(chance: Random, key: ec.EllipticCurvePrivateKey) -> pb.Question:
    """A question with a part that is not as it should be, signed as it is."""
    made = pb.Question(
        request_id=str(uuid.uuid4()),
        purpose="RESEARCH",
        sql=SIMPLE,
        expires=(utc_now() + timedelta(minutes=5)).isoformat(),
    )
    strange = chance.choice((*WORDS, *HOSTILE))
    match chance.randrange(8):
        case 0:
            made.purpose = strange
        case 1:
            made.dialect = strange
        case 2:
            made.seal = strange
        case 3:
            made.expires = strange
        case 4:
            made.request_id = strange
        case 5:
            made.parameters[strange].text = strange
        case _:
            made.sql = broken(chance, SIMPLE)
    made.signature = signing.sign(made, key)
    return made


@pytest.mark.usefixtures("messages_of_the_service")
def test_signed_questions_with_strange_parts_end_with_a_code(served: Service) -> None:
    """One of three is asked and the others explained, since what is admitted is charged to the bank."""
    chance, found = Random(2), Counter[str]()
    key = load_pem_private_key(served.files("bank_b")[1].read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    channel, stub = raw_stub(served, "bank_b")
    with channel:
        for number in range(QUESTIONS):
            made = question(chance, key)
            if number % 3 == 0:
                asked = pb.AnalyseRequest(question=made)
                how = ended(partial(lambda sent: list(stub.Analyse(sent, timeout=CALL_S)), asked))
            else:
                how = ended(partial(stub.Explain, explained(made), timeout=CALL_S))
            assert is_well_ended(how), (made, how)
            found[how] += 1
    assert len(found) > 5


def stream() -> bytes:
    """A small upload with every kind of column."""
    sink = pa.BufferOutputStream()
    table = pa.table(
        {
            "k": pa.array([1, None, 3]),
            "t": pa.array(["a", "市南", None]),
            "d": pa.array([1.5, None, float("nan")]),
            "c": pa.array(["x", "y", "x"]).dictionary_encode(),
            "l": pa.array([["a"], [], None]),
        }
    )
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


@pytest.mark.usefixtures("messages_of_the_service")
def test_damaged_uploads_are_taken_or_refused(served: Service) -> None:
    chance, found, whole = Random(3), Counter[str](), stream()
    channel, stub = raw_stub(served, "bank_b")
    with channel:
        for number in range(UPLOADS):
            content = whole if number == 0 else flipped(chance, whole)
            sent = [
                pb.UploadTableRequest(header=pb.UploadHeader(name="strange")),
                pb.UploadTableRequest(arrow=content),
            ]
            how = ended(partial(stub.UploadTable, iter(sent), timeout=CALL_S))
            assert is_well_ended(how), (number, content, how)
            found[how] += 1
        assert sum(number for how, number in found.items() if how.startswith("LVR-4")) > UPLOADS // 4
        if found["answered"]:
            stub.DropTable(pb.DropTableRequest(name="strange"), timeout=CALL_S)
