"""Nothing leaves to whoever is served no more: every message out is held against the registries, as it leaves.

A call is let in by its handler, once. A certificate that is struck out afterwards, or an institution that is
suspended, ends the call at its next message, and a handler says something at least every few seconds (R17: within
60 s). So does a fault: the log takes no outcome of a question of such an institution (`suspensions`), and its caller
is told the reason and not an incident.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc
from cryptography import x509

from louver.errors import Refused
from louver_sandbox.identity import uri_name
from louver_sandbox.pki import ADMINISTRATOR_URN, AUDITOR_URN, OFFICER_URN
from louver_sandbox.service.edge import abort_refused, guarded, peer_certificate
from louver_sandbox.store import StoreError
from louver_sandbox.wiring import Platform

OURS: Final = "/louver."
"""What our methods' names begin with; the health service answers everybody with a certificate."""
INCOMING_S: Final = 1.0
"""Seconds between two looks while a caller sends and hears nothing."""


class StillServed(grpc.ServerInterceptor):
    """Ends calls of those who are served no more."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler: Any = continuation(handler_call_details)
        if handler is None or not str(handler_call_details.method).startswith(OURS):
            return handler  # type: ignore[no-any-return] # a handler or none
        return handler._replace(  # type: ignore[no-any-return] # a handler
            unary_unary=self._one(handler.unary_unary, _as_it_is),
            stream_unary=self._one(handler.stream_unary, _looked_at),
            unary_stream=self._many(handler.unary_stream, _as_it_is),
            stream_stream=self._many(handler.stream_stream, _looked_at),
        )

    def _one(
        self, behaviour: Callable[..., object] | None, incoming: Callable[[Any, Watched], Any]
    ) -> Callable[..., object] | None:
        if behaviour is None:
            return None

        def handle(message: Any, context: grpc.ServicerContext) -> object:
            watched = Watched(context, self._platform)
            reply = behaviour(incoming(message, watched), watched)
            with guarded(context):
                watched.require_served()
            return reply

        return handle

    def _many(
        self, behaviour: Callable[..., Iterator[object]] | None, incoming: Callable[[Any, Watched], Any]
    ) -> Callable[..., object] | None:
        if behaviour is None:
            return None

        def handle(message: Any, context: grpc.ServicerContext) -> Iterator[object]:
            watched = Watched(context, self._platform)
            replies: Any = behaviour(incoming(message, watched), watched)
            try:
                for reply in replies:
                    with guarded(context):
                        watched.require_served()
                    yield reply
            finally:
                replies.close()

        return handle


class Watched:
    """A call's context, which knows whether its caller is still served."""

    def __init__(self, context: grpc.ServicerContext, platform: Platform) -> None:
        self.watched = context
        self._platform = platform
        self._certificate: x509.Certificate | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.watched, name)

    def require_served(self) -> None:
        """Raises `Refused` LVR-0101 or LVR-7301 where the caller is not served at this moment."""
        self._certificate = self._certificate or peer_certificate(self.watched)
        require_served(self._platform, self._certificate)

    def abort_with_status(self, status: Any) -> None:
        """Ends the call; where it ends by a fault and its caller is served no more, that is what is said."""
        if status.code is grpc.StatusCode.INTERNAL:
            try:
                self.require_served()
            except Refused as refused:
                abort_refused(self.watched, refused)
            except StoreError:
                pass  # the store's illness is the fault
        self.watched.abort_with_status(status)


def require_served(platform: Platform, certificate: x509.Certificate) -> None:
    """Raises `Refused` where whoever calls with this certificate is not served now, whatever their role."""
    name = uri_name(certificate)
    if name.startswith(AUDITOR_URN):
        platform.log_auditors.auditor(certificate)
    elif name.startswith(OFFICER_URN):
        platform.officers.officer(certificate)
    elif name.startswith(ADMINISTRATOR_URN):
        platform.administrators.administrator(certificate)
    else:
        platform.suspensions.check(platform.registry.subject(certificate).institution)


def _as_it_is(message: Any, watched: Watched) -> Any:
    return message


def _looked_at(messages: Iterator[Any], watched: Watched) -> Iterator[Any]:
    """What comes in, as long as its sender is served."""
    looked = time.monotonic()
    for message in messages:
        if time.monotonic() - looked > INCOMING_S:
            watched.require_served()
            looked = time.monotonic()
        yield message
