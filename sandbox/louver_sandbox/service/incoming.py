"""What callers send, message by message, and no longer than they send it.

gRPC gives every call a thread and lets it wait for the caller's messages for as long as the call lasts: whoever says
nothing on some hundred calls has all threads there are. So a caller says something within seconds or hears that it
did not (LVR-3107), and few of one caller's calls wait for it at once.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from louver.errors import Refused
from louver_sandbox.identity import uri_name
from louver_sandbox.refusals import capacity
from louver_sandbox.refusals import identity as refusals
from louver_sandbox.service.edge import guarded, peer_certificate

M = TypeVar("M")

OURS: Final = "/louver."
"""What our methods' names begin with."""
FIRST_S: Final = 5.0
"""How long the first message of a stream may take: it is small, and comes with the call."""
ONLY_S: Final = 30.0
"""How long the only message of a call may take: 1 MB at most of what we take, on a line of 300 kbit/s."""
SILENCE_S: Final = 30.0
"""How long nothing of a batch may come; a piece of it is as large."""
BATCH_S: Final = 120.0
"""How long a batch may take in all: 4 MB."""
UPLOAD_SILENCE_S: Final = 120.0
"""The same of an upload, whose sender may encrypt between two messages."""
UNTAKEN_S: Final = 30.0
"""How long something said may wait for the caller to take it, where that holds up others."""
STREAMS_EACH: Final = 16
"""Calls of one institution on which a question with its batch, or an upload, may be coming in at once."""
WATCHES_EACH: Final = 4
"""Calls of one caller's on which the health service says how it is until they end; each holds a thread."""
SHARE_EACH: Final = 4
"""One caller's calls that wait for their only message are at most a part of all threads, one in so many."""
RETRY_S: Final = 1.0


class Incoming(Iterator[M]):
    """The messages of one call. `clock` is monotonic, in seconds.

    Raises `Refused` where nothing comes in time: LVR-3107, or what `allow` was given; and gRPC's error where the
    caller has gone, for what has come is then not all.
    """

    def __init__(
        self,
        messages: Iterator[M],
        readers: ThreadPoolExecutor,
        first: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._messages = messages
        self._readers = readers
        self._clock = clock
        self.allow(first, first)

    def allow(self, silence: float, whole: float, silent: Callable[[], Refused] = capacity.silent) -> None:
        """From now on each message may take `silence` seconds, and all together `whole`."""
        self._silence = silence
        self._until = self._clock() + whole
        self._silent = silent

    def __next__(self) -> M:
        # A reader waits in this thread's place, for gRPC's own wait has no end: it ends with the call.
        coming = self._readers.submit(_next, self._messages)
        try:
            found: list[M] = coming.result(max(0.0, min(self._silence, self._until - self._clock())))
        except TimeoutError:
            raise self._silent() from None
        finally:
            del coming  # it holds what it raised, and the traceback of that this frame and the call
        if not found:
            raise StopIteration
        return found[0]

    def get(self) -> M | None:
        """The next message; None where the caller has no more, or has gone."""
        try:
            return next(self, None)
        except grpc.RpcError:
            return None


class Intake:
    """All calls on which something is coming in. `threads` are those that calls are served by."""

    def __init__(self, threads: int) -> None:
        self._readers = ThreadPoolExecutor(threads, thread_name_prefix="reader")
        self._single = max(1, threads // SHARE_EACH)
        self._lock = threading.Lock()
        self._held: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def stream(self, institution: str, messages: Iterator[M]) -> Iterator[Incoming[M]]:
        """What comes in on one of the institution's streams. Leave the block when the rest needs no place any more.

        Raises `Refused` LVR-3101 where too many of them are coming in.
        """
        with self._place(("stream", institution), STREAMS_EACH):
            yield Incoming(messages, self._readers, FIRST_S)

    def only(self, caller: str, messages: Iterator[M]) -> M:
        """The only message of a call. Raises `Refused` LVR-3101, LVR-3107, and LVR-0105 where there is none."""
        with self._place(("only", caller), self._single):
            found = Incoming(messages, self._readers, ONLY_S).get()
        if found is None:
            raise refusals.malformed_request("message")
        return found

    @contextmanager
    def watch(self, caller: str) -> Iterator[None]:
        """A call that says something until its caller ends it. Raises `Refused` LVR-3101 where there are too many."""
        with self._place(("watch", caller), WATCHES_EACH):
            yield

    @contextmanager
    def _place(self, whose: tuple[str, str], most: int) -> Iterator[None]:
        with self._lock:
            if self._held[whose] >= most:
                raise capacity.overloaded("institution", RETRY_S)
            self._held[whose] += 1
        try:
            yield
        finally:
            with self._lock:
                self._held[whose] -= 1
                if not self._held[whose]:
                    del self._held[whose]

    def close(self) -> None:
        """No call is served any more."""
        self._readers.shutdown(wait=True, cancel_futures=True)


class Prompt(grpc.ServerInterceptor):
    """Has calls of one message wait for it as briefly as streams do. Stands behind all other interceptors."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler: Any = continuation(handler_call_details)
        if handler is None or handler.request_streaming:
            return handler  # type: ignore[no-any-return] # a handler or none
        many = self._many if str(handler_call_details.method).startswith(OURS) else self._watch
        # On the wire a call of one message is a stream of one, and as a stream we may wait for it ourselves.
        return handler._replace(  # type: ignore[no-any-return] # a handler
            request_streaming=True,
            unary_unary=None,
            unary_stream=None,
            stream_unary=handler.unary_unary and self._one(handler.unary_unary),
            stream_stream=handler.unary_stream and many(handler.unary_stream),
        )

    def _one(self, behaviour: Callable[..., object]) -> Callable[..., object]:
        def handle(messages: Iterator[object], context: grpc.ServicerContext) -> object:
            return behaviour(self._only(messages, context), context)

        return handle

    def _many(self, behaviour: Callable[..., Iterator[object]]) -> Callable[..., object]:
        def handle(messages: Iterator[object], context: grpc.ServicerContext) -> Iterator[object]:
            yield from behaviour(self._only(messages, context), context)

        return handle

    def _watch(self, behaviour: Callable[..., Iterator[object]]) -> Callable[..., object]:
        def handle(messages: Iterator[object], context: grpc.ServicerContext) -> Iterator[object]:
            message = self._only(messages, context)
            with guarded(context), self._intake.watch(_caller(context)):
                yield from behaviour(message, context)

        return handle

    def _only(self, messages: Iterator[object], context: grpc.ServicerContext) -> object:
        with guarded(context):
            return self._intake.only(_caller(context), messages)


def _caller(context: grpc.ServicerContext) -> str:
    """Whose call it is, registered or not: the name in the certificate, or the certificate where it has none."""
    certificate: x509.Certificate = peer_certificate(context)
    try:
        return uri_name(certificate)
    except Refused:
        return certificate.fingerprint(hashes.SHA256()).hex()


def taken(responses: Iterator[M], context: grpc.ServicerContext) -> Iterator[M]:
    """The responses; the call ends where its caller does not take one of them in `UNTAKEN_S`."""
    for response in responses:
        over = threading.Timer(UNTAKEN_S, context.cancel)
        over.daemon = True
        over.start()
        try:
            yield response
        finally:
            over.cancel()


def _next(messages: Iterator[M]) -> list[M]:
    """The next message alone; nothing where there is no more."""
    try:
        return [next(messages)]
    except StopIteration:
        return []
