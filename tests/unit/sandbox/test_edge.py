"""The edge: whatever a handler raises leaves as a typed status, and never with a word of the exception."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2

from louver.errors import Error, Fault, Refused
from louver.statuses import DETAILS_KEY, failure
from louver.v1 import errors_pb2
from louver_sandbox.refusals import capacity, identity
from louver_sandbox.service import edge
from louver_sandbox.store import StoreBusy, StoreConflict, StoreUnavailable

SECRET = "370202197805214321"


@contextmanager
def handler(act: Callable[[grpc.ServicerContext], None]) -> Iterator[grpc.Channel]:
    """A real gRPC server on this machine whose one method runs `act` as our handlers do."""

    def method(request: bytes, context: grpc.ServicerContext) -> bytes:
        with edge.guarded(context):
            act(context)
        return b"done"

    handlers = grpc.method_handlers_generic_handler("test", {"Act": grpc.unary_unary_rpc_method_handler(method)})
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        server.stop(None).wait()


def status(act: Callable[[grpc.ServicerContext], None]) -> grpc.RpcError:
    """How a call ends whose handler does this."""
    with handler(act) as channel, pytest.raises(grpc.RpcError) as caught:
        ask(channel)
    return caught.value


def ask(channel: grpc.Channel, timeout: float | None = 5.0) -> object:
    """Calls the one method."""
    method: Any = channel.unary_unary("/test/Act")
    return method(b"", timeout=timeout)


def understood(error: grpc.RpcError) -> Error:
    """What a client makes of it."""
    trailing: Any = error.trailing_metadata()
    return failure(error.code(), trailing)


def raising(error: Exception) -> Callable[[grpc.ServicerContext], None]:
    def act(context: grpc.ServicerContext) -> None:
        raise error

    return act


REFUSALS: tuple[tuple[Refused, grpc.StatusCode], ...] = (
    (identity.unknown_certificate(), grpc.StatusCode.UNAUTHENTICATED),
    (identity.malformed_request("sql"), grpc.StatusCode.INVALID_ARGUMENT),
    (identity.unknown_request(), grpc.StatusCode.NOT_FOUND),
    (identity.request_id_reused(), grpc.StatusCode.FAILED_PRECONDITION),
    (capacity.overloaded("service", 2.5), grpc.StatusCode.RESOURCE_EXHAUSTED),
    (capacity.not_accepting(), grpc.StatusCode.UNAVAILABLE),
    (capacity.deadline_too_short(), grpc.StatusCode.DEADLINE_EXCEEDED),
    (capacity.budget_spent("gov.firm", "RESEARCH", "query", 3, "tomorrow"), grpc.StatusCode.FAILED_PRECONDITION),
)


@pytest.mark.parametrize(("refused", "code"), REFUSALS, ids=[refused.code for refused, _ in REFUSALS])
def test_a_refusal_crosses_the_wire_whole(refused: Refused, code: grpc.StatusCode) -> None:
    placed = replace(refused, line=2, column=7, rule="p/r", policy_version="p@1")
    error = status(raising(placed))
    assert error.code() is code
    found = understood(error)
    assert isinstance(found, Refused)
    for name in ("code", "message", "hint", "message_zh", "hint_zh", "line", "column", "rule", "policy_version"):
        assert getattr(found, name) == getattr(placed, name), name
    assert dict(found.details) == dict(placed.details)
    assert found.retry_after == (placed.retry_after or None)


def test_a_fault_says_its_incident_and_nothing_else() -> None:
    error = status(raising(Fault("abc")))
    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "the platform could not answer")
    found = understood(error)
    assert isinstance(found, Fault)
    assert found.incident == "abc"


@pytest.mark.parametrize("error", [ValueError(SECRET), KeyError(SECRET), ExceptionGroup(SECRET, [OSError(SECRET)])])
def test_an_unforeseen_exception_leaves_no_word(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    ended = status(raising(error))
    assert ended.code() is grpc.StatusCode.INTERNAL
    said = f"{ended.details()} {ended.trailing_metadata()} {ended}"
    assert SECRET not in said
    assert type(error).__name__ not in said
    found = understood(ended)
    assert isinstance(found, Fault)
    assert found.incident in caplog.text, "the operator finds the cause by the incident"


@pytest.mark.parametrize("error", [StoreBusy("x"), StoreUnavailable("x"), StoreConflict("x")])
def test_a_store_that_fails_is_not_accepting(error: Exception) -> None:
    found = understood(status(raising(error)))
    assert isinstance(found, Refused)
    assert found.code == "LVR-3103"


def test_the_details_are_googles_rich_status() -> None:
    trailing: Any = status(raising(Fault("abc"))).trailing_metadata()
    rich = status_pb2.Status.FromString(dict(trailing)[DETAILS_KEY])
    detail = errors_pb2.FaultDetail()
    assert rich.details[0].Unpack(detail)
    assert detail.incident_id == "abc"


def test_without_a_certificate_nobody_asks() -> None:
    def act(context: grpc.ServicerContext) -> None:
        edge.peer_certificate(context)

    found = status(act)
    assert found.code() is grpc.StatusCode.UNAUTHENTICATED


# On the wire two seconds are written in steps of 10 ms, rounded up.
@pytest.mark.parametrize(("asked", "longest", "most"), [(2.0, 60.0, 2.01), (100.0, 1.5, 1.5), (None, 7.0, 7.0)])
def test_a_caller_may_ask_for_less_time_and_never_for_more(asked: float | None, longest: float, most: float) -> None:
    allowed: list[float] = []
    with handler(lambda context: allowed.append(edge.deadline(context, longest))) as channel:
        assert ask(channel, asked) == b"done"
    assert 0 < allowed[0] <= most


def test_an_act_at_the_end_runs_when_the_call_ends() -> None:
    ended: list[str] = []
    with handler(lambda context: edge.on_end(context, lambda: ended.append("ended"))) as channel:
        ask(channel)
    assert ended == ["ended"]


def test_every_incident_has_its_own_number() -> None:
    assert edge.new_incident(ValueError("x")) != edge.new_incident(ValueError("x"))
