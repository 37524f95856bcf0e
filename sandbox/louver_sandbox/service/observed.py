"""Calls as they come and end, for whoever watches the service; every handler's context leads to its call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

import grpc

from louver_sandbox.telemetry.calls import Call, Ended

_UNSEEN = ("/grpc.health.v1.Health/",)
"""What is asked every few seconds and tells nothing."""

_lock = threading.Lock()
_calls: WeakKeyDictionary[grpc.ServicerContext, Call] = WeakKeyDictionary()


def call_of(context: grpc.ServicerContext) -> Call:
    """The call that a handler serves; one that nobody looks at where none was made. Whoever stands between and gives
    handlers a context of their own keeps the call's as `watched`."""
    with _lock:
        return _calls.get(getattr(context, "watched", context)) or Call("")


class Observed(grpc.ServerInterceptor):
    """Tells `record` of every call of a method that exists, once it is over. Stands before other interceptors."""

    def __init__(self, record: Callable[[Ended], None]) -> None:
        self._record = record

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler: Any = continuation(handler_call_details)
        path = str(handler_call_details.method)
        if handler is None or path.startswith(_UNSEEN):
            return handler  # type: ignore[no-any-return] # a handler or none
        method = path.rpartition(".")[2]  # SandboxService/Analyse
        return handler._replace(  # type: ignore[no-any-return] # a handler
            unary_unary=self._whole(method, handler.unary_unary),
            stream_unary=self._whole(method, handler.stream_unary),
            unary_stream=self._parts(method, handler.unary_stream),
            stream_stream=self._parts(method, handler.stream_stream),
        )

    def _begin(self, method: str, context: grpc.ServicerContext) -> Call:
        call = Call(method)
        with _lock:
            _calls[context] = call
        return call

    def _end(self, call: Call, context: grpc.ServicerContext, *, whole: bool) -> None:
        with _lock:
            _calls.pop(context, None)
        self._record(call.ended("ok" if whole else "failed" if context.is_active() else "cancelled"))

    def _whole(self, method: str, behaviour: Callable[..., object] | None) -> Callable[..., object] | None:
        if behaviour is None:
            return None

        def handle(message: object, context: grpc.ServicerContext) -> object:
            call, whole = self._begin(method, context), False
            try:
                answer = behaviour(message, context)
                whole = True
                return answer
            finally:
                self._end(call, context, whole=whole)

        return handle

    def _parts(self, method: str, behaviour: Callable[..., Iterator[object]] | None) -> Callable[..., object] | None:
        if behaviour is None:
            return None

        def handle(message: object, context: grpc.ServicerContext) -> Iterator[object]:
            call, whole = self._begin(method, context), False
            try:
                yield from behaviour(message, context)
                whole = True
            finally:
                self._end(call, context, whole=whole)

        return handle
