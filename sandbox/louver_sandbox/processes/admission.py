"""Who may run next: a bounded queue that is fair between institutions.

A request is granted, made to wait, or refused at once; it never waits without bound. The next turn is that of the
waiting institution which has had the least of the service so far, counted in seconds that its requests held a place:
one that floods the service delays itself, and so does one whose requests take ten times as long (start-time fair
queueing, Goyal, Vin, Cheng 1996; SECURITY 4.2, goal R9).
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


class Turn:
    """A place in line, which becomes a place to run in, or is lost. Made by `Admission.line_up`."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self.granted = False

    def wait(self, seconds: float) -> bool:
        """Whether the waiting is over within so many seconds: the place is had, or was given up."""
        return self._over.wait(max(0.0, seconds))

    def end(self) -> None:
        """Ends the waiting."""
        self._over.set()

    def grant(self) -> None:
        """Ends it with the place to run in."""
        self.granted = True
        self._over.set()


class Shares:
    """How many seconds of service each institution has had, as far as it matters for whose turn it is.

    A request is charged for what requests take of late as it is granted, and for the difference as it ends. Who comes
    back from idleness starts where the service has come to meanwhile, which is what the last one granted had had:
    idleness saves nothing up, and what was had before is not forgotten by asking one thing at a time.
    """

    def __init__(self) -> None:
        self._had: dict[str, float] = {}
        self._reached = 0.0

    def had(self, institution: str) -> float:
        """Seconds so far."""
        return self._had.get(institution, self._reached)

    def join(self, institution: str) -> None:
        """The institution asks, and asked nothing a moment ago."""
        self._had[institution] = max(self.had(institution), self._reached)

    def start(self, institution: str, seconds: float) -> None:
        """A request is granted, which will take so long, it is thought."""
        self._reached = max(self._reached, self.had(institution))
        self._had[institution] = self.had(institution) + seconds

    def correct(self, institution: str, seconds: float) -> None:
        """It took so much longer."""
        self._had[institution] += seconds

    def rest(self) -> None:
        """Nobody asks any more: all begin alike."""
        self._had.clear()
        self._reached = 0.0


class Admission:
    """Places for `size` requests at once, `per_institution` of them for any one institution.

    At most `queue` requests wait, and `queue_per_institution` (half the queue, if not given) of any one. Where the
    queue is full, one whose line is shorter by two than the longest takes the last place of that one.
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
        # An institution is here only while it waits; of those that have had as much, who came first is first.
        self._waiting: OrderedDict[str, deque[Turn]] = OrderedDict()
        self._shares = Shares()
        # What each running request of an institution was charged in advance.
        self._charged: dict[str, deque[float]] = {}
        self._held_seconds = _FIRST_GUESS_SECONDS

    def enter(self, institution: str, deadline: float) -> None:
        """Take a place, waiting for it until `deadline` (a reading of the clock); `leave` gives it back.

        Raises:
            Overloaded: at once when the queue is full or its turn would come too late, or at the deadline.
        """
        turn = self.line_up(institution, deadline - self._clock())
        turn.wait(deadline - self._clock())
        self.take(institution, turn)

    def line_up(self, institution: str, patience: float) -> Turn:
        """A place in line, for a caller who would wait so many seconds; then either `take` or `give_up`.

        Raises:
            Overloaded: the queue is full, or by the pace so far the turn would come too late.
        """
        turn = Turn()
        with self._lock:
            if institution not in self._running and institution not in self._waiting:
                self._shares.join(institution)
            if self._may_run(institution):
                self._start(institution, turn)
            else:
                self._wait_in_line(institution, turn, patience)
        return turn

    def take(self, institution: str, turn: Turn) -> None:
        """The place to run in, which `leave` gives back. Raises `Overloaded` when it is not this one's turn yet."""
        if not self.give_up(institution, turn):
            return
        with self._lock:
            raise Overloaded(self._retry_after(institution), self._scope(institution))

    def give_up(self, institution: str, turn: Turn) -> bool:
        """Leaves the line. False when there was nothing to leave any more: the place to run in is had."""
        with self._lock:
            if turn.granted:
                return False
            if turn in self._waiting.get(institution, ()):
                self._leave_line(institution, turn)
        turn.end()
        return True

    def leave(self, institution: str, held_seconds: float) -> None:
        """Give a place back; the next in turn gets it."""
        with self._lock:
            self._running[institution] -= 1
            self._shares.correct(institution, held_seconds - self._charged[institution].popleft())
            if not self._running[institution]:
                del self._running[institution], self._charged[institution]
            self._held_seconds += _SMOOTHING * (held_seconds - self._held_seconds)
            self._grant()
            if not self._running:
                self._shares.rest()

    def waiting_count(self) -> int:
        """Requests waiting now."""
        with self._lock:
            return self._in_line()

    def counts(self) -> tuple[int, int]:
        """Requests running and waiting now."""
        with self._lock:
            return self._running.total(), self._in_line()

    def _in_line(self) -> int:
        return sum(map(len, self._waiting.values()))

    def _may_run(self, institution: str) -> bool:
        return (
            self._running.total() < self._size
            and self._running[institution] < self._per_institution
            and institution not in self._waiting
        )

    def _wait_in_line(self, institution: str, turn: Turn, patience: float) -> None:
        line = self._waiting.get(institution, deque())
        wait = self._retry_after(institution)
        if wait > patience:
            raise Overloaded(wait, self._scope(institution))
        if len(line) >= self._queue_per_institution and self._in_line() < self._queue:
            raise Overloaded(wait, "institution")
        if self._in_line() >= self._queue and not self._makes_room(len(line)):
            raise Overloaded(wait, "service")
        line.append(turn)
        self._waiting[institution] = line

    def _makes_room(self, waiting: int) -> bool:
        """Whether the last of the longest line was sent away for an institution of which so many wait: a full queue
        keeps nobody out who has less than a share of it (longest queue drop, Suter et al. 1998)."""
        longest = max(self._waiting, key=lambda name: len(self._waiting[name]), default="")
        if len(self._waiting.get(longest, ())) < waiting + 2:
            return False
        last = self._waiting[longest][-1]
        self._leave_line(longest, last)
        last.end()
        return True

    def _leave_line(self, institution: str, turn: Turn) -> None:
        line = self._waiting[institution]
        line.remove(turn)
        if not line:
            del self._waiting[institution]

    def _start(self, institution: str, turn: Turn) -> None:
        self._running[institution] += 1
        self._shares.start(institution, self._held_seconds)
        self._charged.setdefault(institution, deque()).append(self._held_seconds)
        turn.grant()

    def _grant(self) -> None:
        while self._running.total() < self._size:
            may = [name for name in self._waiting if self._running[name] < self._per_institution]
            if not may:
                return
            institution = min(may, key=self._shares.had)
            turn = self._waiting[institution][0]
            self._leave_line(institution, turn)
            if institution in self._waiting:
                self._waiting.move_to_end(institution)
            self._start(institution, turn)

    def _scope(self, institution: str) -> Scope:
        return "institution" if self._running[institution] >= self._per_institution else "service"

    def _retry_after(self, institution: str) -> float:
        """Seconds until a new request's turn, by the pace so far.

        As turns go round, no other line counts for more of its requests than there would be in this one.
        """
        own = len(self._waiting.get(institution, ())) + 1
        every = own + sum(min(len(line), own) for name, line in self._waiting.items() if name != institution)
        rounds = max(every / self._size, own / self._per_institution)
        return min(_RETRY_CEILING, max(_RETRY_FLOOR, rounds * self._held_seconds))
