"""Frames over a Unix stream socket: four bytes of big-endian length, then so many bytes of payload.

Payloads are JSON or Arrow IPC bytes, never pickles: the other end may be under an attacker's control, so a
frame is refused by its announced length before a byte of it is stored.
"""

import select
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

LENGTH_BYTES = 4
ONE_PIECE_BYTES = 64 * 1024
"""Payloads up to here leave together with their length, or the receiver would be woken for the length alone."""
INTERRUPT_POLL_SECONDS = 0.01
"""How often a receive with an `interrupted` test looks at it; a cancellation is seen within this time."""


class ChannelError(Exception):
    """A frame could not be sent or received. The message names the kind of failure only, never content."""


class ChannelClosed(ChannelError):
    """The other end is gone, possibly in the middle of a frame."""


class FrameTooLarge(ChannelError):
    """The frame's length is above the cap; the channel is unusable afterwards and must be closed."""


class DeadlineExceeded(ChannelError):
    """The frame was not complete by the deadline; the channel is unusable afterwards and must be closed."""


class Interrupted(ChannelError):
    """The caller's `interrupted` test became true before the frame was complete."""


class Channel:
    """One end of a connected stream socket, which it owns; one reader and one writer at a time.

    Deadlines are absolute readings, in seconds, of the `clock` given.
    """

    def __init__(self, connection: socket.socket, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._clock = clock
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fileno(self) -> int:
        return self._connection.fileno()

    def close(self) -> None:
        self._connection.close()

    def send(self, payload: bytes, *, deadline: float | None = None) -> None:
        """Send one frame.

        Raises:
            FrameTooLarge: the payload does not fit the length prefix.
            ChannelClosed: the other end is gone.
            DeadlineExceeded: the other end did not take the frame in time.
        """
        if len(payload) >= 1 << (8 * LENGTH_BYTES):
            raise FrameTooLarge("frame longer than its length prefix can say")
        self._connection.settimeout(self._remaining(deadline))
        try:
            length = len(payload).to_bytes(LENGTH_BYTES, "big")
            if len(payload) <= ONE_PIECE_BYTES:
                self._connection.sendall(length + payload)
            else:
                self._connection.sendall(length)
                self._connection.sendall(payload)
        except TimeoutError:
            raise DeadlineExceeded("frame not sent in time") from None
        except OSError:
            raise ChannelClosed("channel closed while sending") from None

    def receive(
        self, cap: int, *, deadline: float | None = None, interrupted: Callable[[], bool] | None = None
    ) -> bytes:
        """The next frame's payload, of at most `cap` bytes.

        Raises:
            FrameTooLarge: the announced length is above `cap`.
            ChannelClosed: the other end is gone before the frame is complete.
            DeadlineExceeded: `deadline` has passed before the frame is complete.
            Interrupted: `interrupted()` was true before the frame is complete.
        """
        length = int.from_bytes(self._read(LENGTH_BYTES, deadline, interrupted), "big")
        if length > cap:
            raise FrameTooLarge("frame longer than the receiver allows")
        return bytes(self._read(length, deadline, interrupted))

    def _read(self, length: int, deadline: float | None, interrupted: Callable[[], bool] | None) -> bytearray:
        buffer = bytearray(length)
        rest = memoryview(buffer)
        while rest:
            self._await_bytes(deadline, interrupted)
            try:
                count = self._connection.recv_into(rest)
            except OSError:
                raise ChannelClosed("channel closed while receiving") from None
            if count == 0:
                raise ChannelClosed("channel closed while receiving")
            rest = rest[count:]
        return buffer

    def _await_bytes(self, deadline: float | None, interrupted: Callable[[], bool] | None) -> None:
        while True:
            if interrupted is not None and interrupted():
                raise Interrupted("interrupted while receiving")
            wait = self._remaining(deadline)
            if interrupted is not None:
                wait = INTERRUPT_POLL_SECONDS if wait is None else min(wait, INTERRUPT_POLL_SECONDS)
            if self._poll.poll(None if wait is None else wait * 1000):
                return

    def _remaining(self, deadline: float | None) -> float | None:
        if deadline is None:
            return None
        remaining = deadline - self._clock()
        if remaining <= 0:
            raise DeadlineExceeded("deadline passed")
        return remaining


def channel_pair() -> tuple[Channel, Channel]:
    """Two connected channels, for two threads of one process or for tests."""
    left, right = socket.socketpair()
    return Channel(left), Channel(right)
