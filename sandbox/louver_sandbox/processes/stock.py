"""Ready children kept in stock, and replaced in the background as they are taken or die.

The child is forked, confined and warmed before anyone asks for it, so none of that is on a query's path.
"""

import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from louver_sandbox.processes.channel import ChannelError
from louver_sandbox.processes.child import await_ready
from louver_sandbox.processes.zygote import Child, Zygote, ZygoteFailed

READY_SECONDS = 30.0
"""How long a child may take from fork to readiness before it is killed and another one made."""
_FIRST_DELAY, _LONGEST_DELAY = 0.05, 2.0

_log = logging.getLogger(__name__)


class OutOfStock(Exception):
    """No ready child by the deadline, or the stock is closed."""


@dataclass(eq=False)
class Ready:
    """A child that has announced itself. `served` counts the requests it has answered."""

    child: Child
    generation: int
    served: int = 0


class Stock:
    """Keeps `target` children ready. A child taken with `lend=True` keeps its place until it is returned.

    Owns one thread and every idle child; whoever takes a child owns it. Safe to use from several threads.
    """

    def __init__(self, zygote: Zygote, target: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._zygote = zygote
        self._target = target
        self._clock = clock
        self._lock = threading.Condition()
        self._idle: deque[Ready] = deque()
        self._lent = 0
        self._generation = 0
        self._closed = False
        self._watched: frozenset[Ready] = frozenset()
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._keeper = threading.Thread(target=self._keep, name="louver-stock", daemon=True)
        self._keeper.start()

    def take(self, deadline: float, *, lend: bool = False) -> Ready:
        """A ready, living child. A loan leaves nothing to replace, so it does not wake the keeper.

        Raises:
            OutOfStock: there is none by `deadline` (a reading of the clock).
        """
        with self._lock:
            while True:
                if self._closed:
                    raise OutOfStock("the stock is closed")
                while self._idle:
                    ready = self._idle.popleft()
                    if ready.child.is_alive():
                        self._lent += lend
                        if not lend:
                            self._wake()
                        return ready
                    ready.child.close()
                    self._wake()
                self._wake()
                if not self._lock.wait(max(0.0, deadline - self._clock())):
                    raise OutOfStock("no child is ready")

    def put_back(self, ready: Ready, *, lent: bool = False) -> None:
        """Return a child that may serve again; one of an older generation, or too many, is ended instead."""
        with self._lock:
            self._lent -= lent
            if self._closed or ready.generation != self._generation or self._missing() <= 0:
                ready.child.close()
            else:
                self._idle.append(ready)
                self._lock.notify()
                if ready in self._watched:
                    return
            self._wake()

    def drop(self, ready: Ready, *, lent: bool = False) -> None:
        """End a child that must not serve again."""
        ready.child.close()
        with self._lock:
            self._lent -= lent
            self._wake()

    def renew(self) -> None:
        """Replace every child: idle ones now, lent ones when they come back."""
        with self._lock:
            self._generation += 1
            self._end_idle()
            self._wake()

    def ready_count(self) -> int:
        with self._lock:
            return len(self._idle)

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._wake()
            self._lock.notify_all()
        self._keeper.join()
        with self._lock:
            self._end_idle()
            os.close(self._wakeup)
            self._wakeup = -1

    def _missing(self) -> int:
        return self._target - len(self._idle) - self._lent

    def _wake(self) -> None:
        # A child may come back after the stock was closed, when there is nobody left to wake.
        if self._wakeup >= 0:
            os.eventfd_write(self._wakeup, 1)

    def _end_idle(self) -> None:
        while self._idle:
            self._idle.popleft().child.close()

    def _keep(self) -> None:
        delay = 0.0
        while True:
            self._watch(delay)
            with self._lock:
                if self._closed:
                    return
                missing, generation = self._missing(), self._generation
            made = self._make(missing, generation)
            if made == missing:
                delay = 0.0
            else:
                delay = min(_LONGEST_DELAY, max(_FIRST_DELAY, 2 * delay))
                _log.warning("could not make %d of %d children", missing - made, missing)

    def _watch(self, delay: float) -> None:
        """Sleep until something was taken or has died, or for `delay` seconds after a failure."""
        with self._lock:
            if self._closed:
                return
            short = self._missing() > 0
            if short and not delay:
                return
            poll = select.poll()
            poll.register(self._wakeup, select.POLLIN)
            # Those lent from here on stay watched, or each loan would wake the keeper twice while a question waits.
            self._watched = frozenset(self._idle)
            for ready in self._watched:
                poll.register(ready.child.fileno(), select.POLLIN)
        events = poll.poll(delay * 1000 if short else None)
        with self._lock:
            if any(descriptor == self._wakeup for descriptor, _ in events):
                os.eventfd_read(self._wakeup)
            for ready in [ready for ready in self._idle if not ready.child.is_alive()]:
                self._idle.remove(ready)
                ready.child.close()

    def _make(self, count: int, generation: int) -> int:
        """Fork all first and await them afterwards, so that they warm up side by side."""
        forked: list[Child] = []
        made = 0
        for _ in range(count):
            try:
                forked.append(self._zygote.spawn())
            except ZygoteFailed:
                _log.warning("the zygote gives no children")
                break
        for child in forked:
            try:
                await_ready(child.channel, self._clock() + READY_SECONDS)
            except ChannelError:
                child.close()
                continue
            made += 1
            self._add(Ready(child, generation))
        return made

    def _add(self, ready: Ready) -> None:
        with self._lock:
            if self._closed or ready.generation != self._generation or self._missing() <= 0:
                ready.child.close()
                return
            self._idle.append(ready)
            self._lock.notify()
