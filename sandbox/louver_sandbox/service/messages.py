"""Bytes that are no message are refused like anything else.

gRPC for Python ends such a call in words of its own and keeps its stream: after `grpc.max_concurrent_streams` of them
a connection takes no further call. So whatever comes is taken for a message, and what is none a handler refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from louver_sandbox.refusals import identity as refusals
from louver_sandbox.service.edge import guarded

_UNREADABLE: Final = object()


class ReadableMessages(grpc.ServerInterceptor):
    """Refuses undecodable messages with LVR-0105, alone or in a stream."""

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler: Any = continuation(handler_call_details)
        if handler is None or handler.request_deserializer is None:
            return handler  # type: ignore[no-any-return] # a handler or none
        return handler._replace(  # type: ignore[no-any-return] # a handler
            request_deserializer=_tolerant(handler.request_deserializer),
            unary_unary=_whole(handler.unary_unary),
            unary_stream=_whole_streaming(handler.unary_stream),
            stream_unary=_parts(handler.stream_unary),
            stream_stream=_parts(handler.stream_stream),
        )


def _tolerant(deserialise: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def read(content: bytes) -> object:
        try:
            return deserialise(content)
        except DecodeError:
            return _UNREADABLE

    return read


def _readable(message: object) -> object:
    """The message. Raises `Refused` LVR-0105."""
    if message is _UNREADABLE:
        raise refusals.malformed_request("message")
    return message


def _whole(behaviour: Callable[..., object] | None) -> Callable[..., object] | None:
    if behaviour is None:
        return None

    def handle(message: object, context: grpc.ServicerContext) -> object:
        with guarded(context):
            _readable(message)
        return behaviour(message, context)

    return handle


def _whole_streaming(behaviour: Callable[..., Iterator[object]] | None) -> Callable[..., object] | None:
    if behaviour is None:
        return None

    def handle(message: object, context: grpc.ServicerContext) -> Iterator[object]:
        with guarded(context):
            _readable(message)
        yield from behaviour(message, context)

    return handle


def _parts(behaviour: Callable[..., object] | None) -> Callable[..., object] | None:
    """Raises in the handler, when it comes to the unreadable part."""
    if behaviour is None:
        return None

    def handle(messages: Iterator[object], context: grpc.ServicerContext) -> object:
        return behaviour(map(_readable, messages), context)

    return handle
