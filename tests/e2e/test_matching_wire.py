"""What is wrong with a match on the wire: a code, in bounded time, and nothing stored."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from tests.e2e.soundness import entries
from tests.support.installation import Service
from tests.support.matched_city import failure_of, question, raw, refusal

import louver
from louver.errors import Refused
from louver.matching import oprf
from louver.v1 import matching_pb2 as pb
from louver.v1.matching_pb2_grpc import MatchingServiceStub
from louver.v1.sandbox_pb2_grpc import SandboxServiceStub
from louver.v1.tokens_pb2_grpc import TokenServiceStub

ELEMENTS = oprf.blind([b"%d" % n for n in range(100)]).elements
OFF = ELEMENTS[:-32] + b"\xff" * 32

BAD: list[tuple[str, dict[str, Any], list[bytes], str]] = [
    ("no batch at all", {}, [], "LVR-5105"),
    ("cut off in the middle", {}, [ELEMENTS[:1600]], "LVR-5105"),
    ("cut off within an id", {}, [ELEMENTS[:-1]], "LVR-5105"),
    ("longer than signed", {}, [ELEMENTS + ELEMENTS[:32]], "LVR-5105"),
    ("another batch than signed", {}, [ELEMENTS[32:] + ELEMENTS[:32]], "LVR-5105"),
    ("empty pieces", {}, [b""] * 50, "LVR-5105"),
    ("off the curve", {"batch_sha256": hashlib.sha256(OFF).digest()}, [OFF], "LVR-5105"),
    ("one id", {"ids": 1}, [ELEMENTS[:32]], "LVR-5103"),
    ("no id", {"ids": 0}, [], "LVR-5103"),
    ("a huge batch", {"ids": 4_000_000_000}, [], "LVR-5104"),
    ("a mode that is none", {"mode": "all"}, [ELEMENTS], "LVR-0105"),
    ("a list that is none", {"list": "x' OR 1=1 --"}, [ELEMENTS], "LVR-0105"),
    ("a key in mode hits", {"public_key": bytes(32)}, [ELEMENTS], "LVR-0105"),
    ("no bound of amounts", {"mode": "sum", "public_key": bytes(32)}, [ELEMENTS], "LVR-5110"),
    ("a bound in mode hits", {"largest_amount": 7}, [ELEMENTS], "LVR-5110"),
    (
        "a bound beyond the policy's",
        {"mode": "sum", "public_key": bytes(32), "largest_amount": 10**14},
        [],
        "LVR-5110",
    ),
    ("a bound beyond all", {"mode": "sum", "public_key": bytes(32), "largest_amount": 2**63}, [], "LVR-0105"),
    ("no key in mode count", {"mode": "count"}, [ELEMENTS], "LVR-0105"),
    ("a short digest", {"batch_sha256": b"x"}, [ELEMENTS], "LVR-0105"),
    ("no id of the request", {"request_id": "1"}, [ELEMENTS], "LVR-0105"),
    ("expired", {"expires": "2020-01-01T00:00:00+00:00"}, [ELEMENTS], "LVR-0104"),
]


@dataclass
class Silence:
    """Streams of one bank on which nothing, or no batch, ever comes; what another bank was answered meanwhile."""

    channel: grpc.Channel
    stubs: tuple[Any, Any, Any]
    over: threading.Event = field(default_factory=threading.Event)
    calls: list[Any] = field(default_factory=list)
    answered: int = 0

    def open(self, method: Any, *said: Any) -> None:
        def saying() -> Iterator[Any]:
            yield from said
            self.over.wait()

        self.calls.append(method(saying(), timeout=60))


@pytest.fixture(scope="module")
def silence(matched: Service) -> Iterator[Silence]:
    """Begun before the other tests of this file, which then need not wait for it to end."""
    authority, key, certificate = matched.files("bank_a")
    secrets = grpc.ssl_channel_credentials(authority.read_bytes(), key.read_bytes(), certificate.read_bytes())
    with grpc.secure_channel(matched.address, secrets) as channel, matched.connect("bank_b") as other:
        made = Silence(
            channel, (MatchingServiceStub(channel), TokenServiceStub(channel), SandboxServiceStub(channel))
        )
        matching, tokens, sandbox = made.stubs
        for method in [matching.Match] * 5 + [tokens.Evaluate] * 2 + [sandbox.UploadTable.future] * 2:
            made.open(method)
        for _ in range(3):
            assert other.explain("SELECT count(*) AS n FROM gov.ent_registry", purpose="RESEARCH") is not None
            made.answered += 1
        assert not any(call.done() for call in made.calls), "they were to be silent meanwhile"
        yield made
        made.over.set()


def test_bad_input_is_refused_with_a_code_in_bounded_time_and_stores_nothing(
    matched: Service, matching: louver.Client, silence: Silence
) -> None:
    charged = len(entries(matched.city, kind="admission"))
    channel, stub = raw(matched)
    with channel:
        for name, changes, pieces, code in BAD:
            messages = [pb.MatchRequest(question=question(matched, ELEMENTS, **changes))]
            messages += [pb.MatchRequest(batch=piece) for piece in pieces]
            started = time.monotonic()
            assert refusal(stub, messages) == code, name
            assert time.monotonic() - started < 20, name
        unsigned = question(matched, ELEMENTS)
        unsigned.ids = 101
        assert refusal(stub, [pb.MatchRequest(question=unsigned)]) == "LVR-0103"
        assert refusal(stub, []) == "LVR-0105"
        assert refusal(stub, [pb.MatchRequest(batch=ELEMENTS)]) == "LVR-0103"
    assert len(entries(matched.city, kind="admission")) == charged
    assert matching.lists()


def test_an_evaluation_that_is_cut_off_or_wrong_ends_the_match_and_leaves_no_number(matched: Service) -> None:
    evaluator, other = oprf.Evaluator.of(bytes([3] * 32)), oprf.Evaluator.of(bytes([4] * 32))
    tokens = sorted(token[:32] for token in evaluator.tokens([b"%d" % n for n in range(100)]))
    content = b"".join(token + bytes(8) for token in tokens)
    channel, stub = raw(matched)
    with channel:
        for wrong in (
            lambda blinded: other.evaluate(blinded),
            lambda blinded: evaluator.evaluate(blinded)[:-1],
            lambda blinded: b"\xff" * oprf.evaluated_bytes(len(blinded) // 32),
        ):
            asked = question(matched, content, mode="count", public_key=evaluator.public)
            parts, code = talked(stub, asked, content, wrong)
            assert code == "LVR-5106"
            assert "blinded" in parts
            assert "number" not in parts
            kinds = [entry["kind"] for entry in entries(matched.city, request_id=asked.request_id)]
            assert kinds == ["admission", "aborted"]


def talked(stub: Any, asked: pb.MatchQuestion, content: bytes, wrong: Any) -> tuple[set[str | None], str]:
    """What came of a match that evaluates wrongly, and the code it ended with."""
    seen, parts = bytearray(), set()
    try:
        for response in stub.Match(conversation(asked, content, wrong, seen), timeout=30):
            seen += response.blinded
            parts.add(response.WhichOneof("part"))
    except grpc.RpcError as error:
        found = failure_of(error)
        return parts, found.code if isinstance(found, Refused) else str(found)
    return parts, "answered"


def conversation(asked: pb.MatchQuestion, content: bytes, wrong: Any, seen: bytearray) -> Iterator[pb.MatchRequest]:
    yield pb.MatchRequest(question=asked)
    yield pb.MatchRequest(batch=content)
    while len(seen) < 64 * 32:
        time.sleep(0.01)
    yield pb.MatchRequest(evaluated=wrong(bytes(seen)))


def test_who_opens_streams_and_says_nothing_holds_up_nobody(matched: Service, silence: Silence) -> None:
    """Five such streams were half of all places for as long as their caller liked, and ten of two banks all of them:
    a place was taken before the first message came. Now a batch is whole before a place is asked for."""
    assert silence.answered == 3
    for call in silence.calls:
        found = failure_of(call.exception())
        assert isinstance(found, Refused)
        assert (found.code, found.rule) == ("LVR-3107", "capacity.silence")
    with matched.connect("bank_a") as own:
        assert own.lists()
