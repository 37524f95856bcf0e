"""A connection to a sandbox and how calls are made over it, whoever calls: banks and auditors alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import grpc

from louver import wire
from louver.errors import Error
from louver.failures import Misused, Unreachable
from louver.settings import Settings
from louver.statuses import failure
from louver.surroundings import pause_before_retry
from louver.tls import diagnose

if TYPE_CHECKING:
    from typing import Self

Q = TypeVar("Q")
R = TypeVar("R")
T = TypeVar("T")

CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", wire.MESSAGE_LIMIT),
    ("grpc.max_send_message_length", wire.MESSAGE_LIMIT),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_retries", 0),  # repeated here instead, with the same request id
)


def open_channel_credentials(settings: Settings) -> grpc.ChannelCredentials:
    """Mutual TLS with our certificate, trusting the profile's authority alone."""
    read = settings.credentials
    return grpc.ssl_channel_credentials(read.roots, read.private_key, read.chain)


def translated(error: grpc.RpcError, settings: Settings, request_id: str = "") -> Error:
    """Our error for one of gRPC's. Where the connection itself failed, a probe of it says why."""
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return failure(grpc.StatusCode.UNKNOWN, None, request_id)
    found = failure(error.code(), error.trailing_metadata(), request_id)
    if error.code() is grpc.StatusCode.UNAVAILABLE and isinstance(found, Unreachable):
        return diagnose(settings.profile) or found
    return found


class Connection:
    """A channel of one party's certificate. Threads may share it; close it or use it in a ``with`` statement."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._channel = grpc.secure_channel(
            settings.profile.target, open_channel_credentials(settings), options=CHANNEL_OPTIONS
        )
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection; running calls are cancelled, further ones raise ``Misused``."""
        self._closed = True
        self._channel.close()

    def _call(self, method: grpc.UnaryUnaryMultiCallable[Q, R], request: Q, timeout: float | None = None) -> R:
        allowed = self.settings.time_allowed(timeout)
        return self._persistently(lambda left: awaited(method.future(request, timeout=left)), allowed)

    def _persistently(self, attempt: Callable[[float], T], allowed: float, request_id: str = "") -> T:
        """Make a call, and make it again while that may help. A refusal is an answer and is never repeated."""
        around = self.settings.around
        deadline = around.elapsed() + allowed
        number = 0
        while True:
            try:
                return self._translated(lambda: attempt(max(deadline - around.elapsed(), 0.001)), request_id)
            except Unreachable as error:
                pause = pause_before_retry(error, number, deadline - around.elapsed(), around)
                if pause is None:
                    raise
            time.sleep(pause)
            number += 1

    def _translated(self, attempt: Callable[[], T], request_id: str = "") -> T:
        if self._closed:
            raise Misused("the client is closed", "connect again")
        try:
            return attempt()
        except grpc.RpcError as error:
            raise translated(error, self.settings, request_id) from None


def awaited(call: grpc.Future[T]) -> T:
    """The call's result; whatever interrupts the waiting, Ctrl-C included, cancels the call."""
    try:
        return call.result()
    finally:
        call.cancel()
