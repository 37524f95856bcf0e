"""The way into the line: few questions at once, the others waiting their turn, and none waiting in vain.

Checking and answering keep every core busy with a few questions at a time; more of them at once only hinder each
other. So the rest wait here, before anything was done for them but to see who asks, and where waiting costs a thread
and nothing else. Turns go round the institutions, so that a flood delays its sender. Who would wait longer than the
caller's patience allows is turned away at once and told when to come back.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc

from louver_sandbox.processes.admission import Admission, Overloaded, Turn
from louver_sandbox.refusals import capacity
from louver_sandbox.refusals import identity as refusals
from louver_sandbox.service.edge import deadline, on_end
from louver_sandbox.settings import Limits
from louver_sandbox.stages import Request

LANES_PER_PROCESS = 2
"""Questions in the line for each checker and worker: enough that none of those waits for the next question."""

WAITING_PER_LANE = 1
"""Questions that wait for each one that is being answered: a wait is then about as long as an answer, so that whoever
is let in during a storm has its answer in twice the usual time, and the rest hears at once when to come back."""

PATIENCE_SHARE = 0.5
"""How much of its time a question may spend waiting; the rest is for answering it, which is paid for."""


class Place:
    """One question's place, first in front of the turnstile and then behind it. Leave its `with` block to free it."""

    def __init__(
        self, admission: Admission, institution: str, turn: Turn, until: float, clock: Callable[[], float]
    ) -> None:
        self._admission = admission
        self._institution = institution
        self._turn = turn
        self._until = until
        self._clock = clock
        self._since = math.inf
        self._gone = False

    def wait(self, seconds: float) -> bool:
        """Whether the waiting is over within so many seconds, by its turn, by the end of patience or by `wake`."""
        left = self._until - self._clock()
        return self._turn.wait(min(seconds, left)) or seconds >= left

    def wake(self) -> None:
        """Ends the waiting, since the caller has hung up."""
        self._turn.end()

    def take(self) -> None:
        """Goes through. Raises `Refused` LVR-3101 when it is not this one's turn yet."""
        try:
            self._admission.take(self._institution, self._turn)
        except Overloaded as overloaded:
            self._gone = True
            raise capacity.overloaded(overloaded.scope, overloaded.retry_after) from None
        self._since = self._clock()

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *reason: object) -> None:
        if self._gone or self._admission.give_up(self._institution, self._turn):
            return
        self._admission.leave(self._institution, max(0.0, self._clock() - self._since))


class Turnstile:
    """Lets questions into the line. Threads may share it."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.lanes = min(limits.concurrent_calls, LANES_PER_PROCESS * (limits.workers + limits.checkers))
        self._clock = clock
        self._admission = Admission(
            size=self.lanes,
            queue=min(WAITING_PER_LANE * self.lanes, limits.concurrent_calls - self.lanes),
            per_institution=max(1, self.lanes // 2),
            clock=clock,
        )
        self._lock = threading.Lock()
        self._claimed: set[tuple[str, str]] = set()

    def line_up(self, institution: str, seconds: float) -> Place:
        """A place for a question that must be answered within so many seconds. Raises `Refused` LVR-3101."""
        patience = PATIENCE_SHARE * seconds
        until = self._clock() + patience
        try:
            turn = self._admission.line_up(institution, patience)
        except Overloaded as overloaded:
            raise capacity.overloaded(overloaded.scope, overloaded.retry_after) from None
        return Place(self._admission, institution, turn, until, self._clock)

    def counts(self) -> tuple[int, int]:
        """Questions behind the turnstile and in front of it, now."""
        return self._admission.counts()

    @contextmanager
    def claim(self, request: Request) -> Iterator[None]:
        """The request as one being answered, so that a hasty retry does not run twice. Raises `Refused` LVR-0107."""
        key = (request.subject.institution, request.id)
        with self._lock:
            if key in self._claimed:
                raise refusals.request_in_progress()
            self._claimed.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._claimed.remove(key)


@contextmanager
def lane(turnstile: Turnstile, institution: str, context: grpc.ServicerContext, longest: float) -> Iterator[float]:
    """A place behind the turnstile, for a call that has all it needs: seconds left of `longest`, and of the caller's.

    Raises `Refused` LVR-3101.
    """
    with turnstile.line_up(institution, deadline(context, longest)) as place:
        on_end(context, place.wake)
        place.wait(math.inf)
        place.take()
        yield deadline(context, longest)
