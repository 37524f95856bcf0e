"""Children that one caller speaks with several times, and that die when it is done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from louver_sandbox.processes.pool import WorkerFailed, exchange
from louver_sandbox.processes.stock import READY_SECONDS, OutOfStock, Ready, Stock
from louver_sandbox.processes.zygote import Zygote


class Session:
    """One child for the length of a `with` block; what it remembers ends with it."""

    def __init__(self, ready: Ready, deadline: float, cancelled: threading.Event) -> None:
        self._ready = ready
        self._deadline = deadline
        self._cancelled = cancelled

    def ask(self, request: bytes, reply_cap: int) -> bytes:
        """The answer to one request, before the session's deadline.

        Raises:
            WorkerFailed: there is none; the session is of no more use.
        """
        return exchange(self._ready.child, request, reply_cap, self._deadline, self._cancelled.is_set)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ready.child.close()


class SessionPool:
    """`size` children stand ready; each serves one session. Close it before its zygote."""

    def __init__(self, zygote: Zygote, *, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stock = Stock(zygote, size, clock=clock)

    def open(self, seconds: float, cancelled: threading.Event) -> Session:
        """A session that may last so many seconds; setting `cancelled` ends it.

        Raises:
            WorkerFailed: no child was ready in time ("died").
        """
        now = self._clock()
        try:
            return Session(self._stock.take(now + min(seconds, READY_SECONDS)), now + seconds, cancelled)
        except OutOfStock:
            raise WorkerFailed("died") from None

    def close(self) -> None:
        self._stock.close()
