"""Who may run next: a bounded queue that is fair between institutions.

A request is granted, made to wait, or refused at once; it never waits without bound. Turns go round the
institutions that wait, not round the requests, so one that floods the service delays itself (SECURITY 4.2,
goal R9).
"""

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import Literal

Scope = Literal["service", "institution"]

_RETRY_FLOOR, _RETRY_CEILING = 0.05, 30.0
_FIRST_GUESS_SECONDS = 0.1
_SMOOTHING = 0.2


class Overloaded(Exception):
    """No place now. `retry_after` is in seconds; `scope` says whose limit was met."""

    def __init__(self, retry_after: float, scope: Scope) -> None:
        super().__init__(f"overloaded ({scope})")
        self.retry_after = retry_after
        self.scope: Scope = scope


class Admission:
    """Places for `size` requests at once, `per_institution` of them for any one institution.

    At most `queue` requests wait, and `queue_per_institution` (half the queue, if not given) of any one.
    Safe to use from any number of threads.
    """

    def __init__(
        self,
        *,
        size: int,
        queue: int,
        per_institution: int,
        queue_per_institution: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if size < 1 or queue < 0 or per_institution < 1:
            raise ValueError("size and per_institution are at least 1, queue at least 0")
        self._size = size
        self._queue = queue
        self._per_institution = per_institution
        self._queue_per_institution = max(1, queue // 2) if queue_per_institution is None else queue_per_institution
        self._clock = clock
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        # In order of whose turn it is; an institution is here only while it waits.
        self._waiting: OrderedDict[str, deque[threading.Event]] = OrderedDict()
        self._held_seconds = _FIRST_GUESS_SECONDS

    def enter(self, institution: str, deadline: float) -> None:
        """Take a place, waiting for it until `deadline` (a reading of the clock); `leave` gives it back.

        Raises:
            Overloaded: at once when the queue is full, or at the deadline.
        """
        with self._lock:
            if self._may_run(institution):
                self._running[institution] += 1
                return
            turn = self._wait_in_line(institution)
        turn.wait(max(0.0, deadline - self._clock()))
        with self._lock:
            if turn.is_set():
                return
            self._leave_line(institution, turn)
            at_limit = self._running[institution] >= self._per_institution
            raise Overloaded(self._retry_after(), "institution" if at_limit else "service")

    def leave(self, institution: str, held_seconds: float) -> None:
        """Give a place back; the next in turn gets it."""
        with self._lock:
            self._running[institution] -= 1
            if not self._running[institution]:
                del self._running[institution]
            self._held_seconds += _SMOOTHING * (held_seconds - self._held_seconds)
            self._grant()

    def waiting_count(self) -> int:
        """Requests waiting now."""
        with self._lock:
            return self._in_line()

    def _in_line(self) -> int:
        return sum(map(len, self._waiting.values()))

    def _may_run(self, institution: str) -> bool:
        return (
            self._running.total() < self._size
            and self._running[institution] < self._per_institution
            and institution not in self._waiting
        )

    def _wait_in_line(self, institution: str) -> threading.Event:
        if self._in_line() >= self._queue:
            raise Overloaded(self._retry_after(), "service")
        line = self._waiting.get(institution, deque())
        if len(line) >= self._queue_per_institution:
            raise Overloaded(self._retry_after(), "institution")
        turn = threading.Event()
        line.append(turn)
        self._waiting[institution] = line
        return turn

    def _leave_line(self, institution: str, turn: threading.Event) -> None:
        line = self._waiting[institution]
        line.remove(turn)
        if not line:
            del self._waiting[institution]

    def _grant(self) -> None:
        for institution in tuple(self._waiting):
            if self._running.total() >= self._size:
                return
            if self._running[institution] >= self._per_institution:
                continue
            turn = self._waiting[institution][0]
            self._leave_line(institution, turn)
            if institution in self._waiting:
                self._waiting.move_to_end(institution)
            self._running[institution] += 1
            turn.set()

    def _retry_after(self) -> float:
        ahead = self._in_line() + 1
        return min(_RETRY_CEILING, max(_RETRY_FLOOR, ahead * self._held_seconds / self._size))
