"""Who says nothing holds a thread for seconds and not for as long as it likes, and few of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import grpc
import pytest

from louver.errors import Refused
from louver.statuses import failure
from louver_sandbox.refusals import identity
from louver_sandbox.service import incoming
from louver_sandbox.service.incoming import STREAMS_EACH, Intake, Prompt


@pytest.fixture
def intake() -> Iterator[Intake]:
    with closing(Intake(4)) as made:
        yield made


@pytest.fixture
def ended() -> Iterator[threading.Event]:
    """Set when the test is over, so that whoever is silent until then ends with it."""
    over = threading.Event()
    yield over
    over.set()


def silent(over: threading.Event, *said: bytes) -> Iterator[bytes]:
    """Says this, and then nothing until it is over."""
    yield from said
    over.wait()


def test_what_comes_in_time_comes_as_it_is(intake: Intake) -> None:
    with intake.stream("bank_a", iter([b"1", b"2"])) as coming:
        assert [*coming] == [b"1", b"2"]
        assert coming.get() is None


def test_who_falls_silent_is_refused_in_the_words_of_the_moment(
    intake: Intake, ended: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "FIRST_S", 0.02)
    with intake.stream("bank_a", silent(ended)) as coming, pytest.raises(Refused, match="LVR-3107"):
        next(coming)
    with intake.stream("bank_a", silent(ended, b"1")) as coming:
        coming.allow(60.0, 60.0)
        assert next(coming) == b"1"
        coming.allow(60.0, 0.02, lambda: identity.malformed_request("batch"))
        with pytest.raises(Refused, match="LVR-0105"):
            next(coming)


def test_all_messages_together_take_no_longer_than_they_may(intake: Intake) -> None:
    """A trickle is no silence, and ends all the same: by a clock that a message takes 10 s of."""
    now = [0.0]

    def trickle() -> Iterator[bytes]:
        while True:
            now[0] += 10.0
            yield b"1"

    with ThreadPoolExecutor(1) as readers:
        coming = incoming.Incoming(trickle(), readers, 60.0, clock=lambda: now[0])
        coming.allow(30.0, 60.0)
        with pytest.raises(Refused, match="LVR-3107"):
            deque(coming, maxlen=0)
        assert now[0] <= 80.0


def test_one_institution_has_so_many_streams_and_another_its_own(intake: Intake) -> None:
    with ExitStack() as held:
        for _ in range(STREAMS_EACH):
            held.enter_context(intake.stream("bank_a", iter([b""])))
        with pytest.raises(Refused, match="LVR-3101"):
            held.enter_context(intake.stream("bank_a", iter([b""])))
        held.enter_context(intake.stream("bank_b", iter([b""])))
    with intake.stream("bank_a", iter([b""])):
        pass


@contextmanager
def served(intake: Intake) -> Iterator[grpc.Channel]:
    """A real gRPC server with four threads and handlers of one message, as ours are."""

    def one(request: bytes, context: grpc.ServicerContext) -> bytes:
        return request

    def many(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        yield from (request, request)

    methods: dict[str, Any] = {
        "One": grpc.unary_unary_rpc_method_handler(one),
        "Many": grpc.unary_stream_rpc_method_handler(many),
    }
    threads = ThreadPoolExecutor(4)
    server = grpc.server(threads, interceptors=[Prompt(intake)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("louver.Test", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        server.stop(None).wait()
        threads.shutdown(wait=True)


def test_calls_of_one_message_that_never_send_it_leave_threads_to_others(
    intake: Intake, ended: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gRPC alone gives each of them a thread for good, and no call is served any more."""
    monkeypatch.setattr(incoming, "ONLY_S", 0.2)
    monkeypatch.setattr(incoming, "_caller", lambda context: dict(context.invocation_metadata())["bank"])

    def call(channel: grpc.Channel, bank: str, over: threading.Event) -> Any:
        method: Any = channel.stream_unary("/louver.Test/One")
        return method.future(silent(over), metadata=[("bank", bank)], timeout=20)

    with served(intake) as channel:
        stuck = [call(channel, "bank_a", ended) for _ in range(8)]
        own: Any = channel.unary_unary("/louver.Test/One")
        stream: Any = channel.unary_stream("/louver.Test/Many")
        assert own(b"x", metadata=[("bank", "bank_b")], timeout=20) == b"x"
        assert [*stream(b"y", metadata=[("bank", "bank_b")], timeout=20)] == [b"y", b"y"]
        ends = [failure(each.code(), each.trailing_metadata()) for each in stuck if each.exception()]
        codes = {end.code if isinstance(end, Refused) else str(end) for end in ends}
    assert len(ends) == len(stuck)
    assert {"LVR-3107"} <= codes <= {"LVR-3101", "LVR-3107"}


def test_a_part_of_all_threads_waits_for_one_callers_messages(intake: Intake) -> None:
    def asked_meanwhile() -> Iterator[bytes]:
        assert intake.only("bank_b", iter([b"2"])) == b"2"
        with pytest.raises(Refused, match="LVR-3101"):
            intake.only("bank_a", iter([b"3"]))
        yield b"1"

    assert intake.only("bank_a", asked_meanwhile()) == b"1"
    with pytest.raises(Refused, match="LVR-0105"):
        intake.only("bank_a", iter([]))


class Caller:
    """A call that its caller may have left; what the handler does to it."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def cancel(self) -> bool:
        self.cancelled.set()
        return True


def test_who_does_not_take_what_is_said_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt, slow = Caller(), Caller()
    assert [*incoming.taken(iter([1, 2]), prompt)] == [1, 2]  # type: ignore[arg-type]  # of a call it needs no more
    monkeypatch.setattr(incoming, "UNTAKEN_S", 0.01)
    said = incoming.taken(iter([1, 2]), slow)  # type: ignore[arg-type]  # as above
    assert next(said) == 1
    assert slow.cancelled.wait(20)
    assert not prompt.cancelled.is_set()
