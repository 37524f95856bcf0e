"""Bytes that are no message: refused with a code, and the connection goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from louver.v1 import sandbox_pb2 as pb
from louver.v1 import sandbox_pb2_grpc as pb_grpc
from louver_sandbox.service.edge import guarded
from louver_sandbox.service.messages import ReadableMessages

STREAMS = 4
NO_MESSAGE = b"\xff\xff\xff"
Send = Callable[[grpc.Channel, bytes], object]


class Sandbox(pb_grpc.SandboxServiceServicer):
    """Answers whatever it can read."""

    def ListQueries(  # noqa: N802 - gRPC's name
        self, message: pb.ListQueriesRequest, context: grpc.ServicerContext
    ) -> pb.ListQueriesResponse:
        return pb.ListQueriesResponse(next_page_token=message.page_token)

    def Analyse(  # noqa: N802 - gRPC's name
        self, message: pb.AnalyseRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.AnalyseResponse]:
        yield pb.AnalyseResponse(arrow=message.question.sql.encode())

    def UploadTable(  # noqa: N802 - gRPC's name
        self, messages: Iterator[pb.UploadTableRequest], context: grpc.ServicerContext
    ) -> pb.UploadTableResponse:
        with guarded(context):
            return pb.UploadTableResponse(table=pb.Table(rows=sum(1 for _ in messages)))


@pytest.fixture
def channel() -> Iterator[grpc.Channel]:
    server = grpc.server(
        ThreadPoolExecutor(4),
        interceptors=[ReadableMessages()],
        options=[("grpc.max_concurrent_streams", STREAMS), ("grpc.so_reuseport", 0)],
    )
    pb_grpc.add_SandboxServiceServicer_to_server(Sandbox(), server)  # type: ignore[abstract] # only these are called
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as connected:
            yield connected
    finally:
        server.stop(0).wait()


def same(content: bytes) -> bytes:
    return content


def path(name: str) -> str:
    return f"/louver.v1.SandboxService/{name}"


def listed(channel: grpc.Channel, content: bytes) -> object:
    return channel.unary_unary(path("ListQueries"), same, same)(content, timeout=30)


def analysed(channel: grpc.Channel, content: bytes) -> object:
    return b"".join(channel.unary_stream(path("Analyse"), same, same)(content, timeout=30))


def uploaded(channel: grpc.Channel, content: bytes) -> object:
    whole = pb.UploadTableRequest(arrow=b"x").SerializeToString()
    return channel.stream_unary(path("UploadTable"), same, same)(iter([whole, content]), timeout=30)


@pytest.mark.parametrize("send", [listed, analysed, uploaded])
def test_what_is_no_message_is_refused_and_keeps_no_stream(channel: grpc.Channel, send: Send) -> None:
    for _ in range(5 * STREAMS):
        with pytest.raises(grpc.RpcError) as caught:
            send(channel, NO_MESSAGE)
        error: Any = caught.value
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert error.details().startswith("LVR-0105: ")
    assert send(channel, b"") is not None


def test_a_message_reaches_its_handler_as_it_is(channel: grpc.Channel) -> None:
    asked = pb.ListQueriesRequest(page_token="next")
    answer = listed(channel, asked.SerializeToString())
    assert isinstance(answer, bytes)
    assert pb.ListQueriesResponse.FromString(answer).next_page_token == "next"
    question = pb.AnalyseRequest(question=pb.Question(sql="SELECT 1"))
    assert (
        analysed(channel, question.SerializeToString()) == pb.AnalyseResponse(arrow=b"SELECT 1").SerializeToString()
    )
