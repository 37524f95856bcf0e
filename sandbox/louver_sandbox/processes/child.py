"""What a child says on its channel: `READY` once, then for each request either an answer or a failure's code.

A reply's first byte is its code, so an engine's or a library's own message has no way out of the child
(SECURITY section 5, rules 5 and 10).
"""

from collections.abc import Callable
from enum import IntEnum

from louver_sandbox.processes.channel import Channel, ChannelClosed

READY = b"ready"
REQUEST_CAP = 1 << 20
"""Bytes of the longest request a child takes: a megabyte, sixteen times the longest SQL text admitted."""

MEMORY_EXIT = 71
"""Exit status of a child that ran out of memory where it could not even answer."""
FAULT_EXIT = 70
"""Exit status of a child whose entry function raised (EX_SOFTWARE of sysexits.h)."""


class Code(IntEnum):
    """The first byte of a reply; everything but `ANSWER` stands alone."""

    ANSWER = 0
    ERROR = 1
    MEMORY = 2
    TOO_LARGE = 3
    TIMEOUT = 4


class RequestFailed(Exception):
    """Raised by a handler to answer with a failure's code; `code` is never `ANSWER`."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name.lower())
        self.code = code


class MalformedReply(Exception):
    """The bytes a child sent are not a reply. Says nothing of what they are: they may be anything."""


Handler = Callable[[bytes], bytes]


def encode_reply(code: Code, payload: bytes = b"") -> bytes:
    return bytes([code]) + payload


def decode_reply(reply: bytes) -> bytes:
    """The answer's payload.

    Raises:
        RequestFailed: the reply is a failure's code.
        MalformedReply: it is neither, and its sender cannot be trusted further.
    """
    if not reply or reply[0] not in frozenset(Code):
        raise MalformedReply("not a reply")
    code = Code(reply[0])
    if code is Code.ANSWER:
        return reply[1:]
    if len(reply) > 1:
        raise MalformedReply("a failure carries no text")
    raise RequestFailed(code)


def reply_to(request: bytes, handle: Handler) -> bytes:
    """The reply to one request; whatever the handler raises becomes a code, without its text."""
    try:
        return encode_reply(Code.ANSWER, handle(request))
    except RequestFailed as failure:
        return encode_reply(failure.code)
    except MemoryError:
        return encode_reply(Code.MEMORY)
    except Exception:
        return encode_reply(Code.ERROR)


def serve_one(channel: Channel, handle: Handler) -> None:
    """Announce readiness, serve a single request and return; a worker's whole life."""
    channel.send(READY)
    try:
        request = channel.receive(REQUEST_CAP)
    except ChannelClosed:
        return
    channel.send(reply_to(request, handle))


def _nothing() -> None:
    """What a child does after a reply if it has nothing to tidy up."""


def serve(channel: Channel, handle: Handler, afterwards: Callable[[], object] = _nothing) -> None:
    """Announce readiness and serve requests one by one until the service closes the channel.

    `afterwards` is called after each reply, when nobody waits for the child. The handler refuses in its own answers;
    a failure's code means that it broke, and a broken child is not used again: the loop ends and the service
    replaces it.
    """
    channel.send(READY)
    while True:
        try:
            request = channel.receive(REQUEST_CAP)
        except ChannelClosed:
            return
        reply = reply_to(request, handle)
        channel.send(reply)
        if reply[0] != Code.ANSWER:
            return
        afterwards()


def await_ready(channel: Channel, deadline: float) -> None:
    """Wait for a child's `READY`.

    Raises:
        ChannelClosed: it died first, or said something else.
        DeadlineExceeded: it was not ready in time.
    """
    if channel.receive(len(READY), deadline=deadline) != READY:
        raise ChannelClosed("a child that is not ready")
