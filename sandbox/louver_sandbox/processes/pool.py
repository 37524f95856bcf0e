"""Workers, one job each and then death, and checkers, one request at a time for as long as they behave.

The only trusted time limit is SIGKILL (SECURITY section 0, item 7): an engine's own limits are advice. A
failure here is one word from a closed list; a child's text never reaches the caller.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal, Self

from louver_sandbox.processes.admission import Admission, Overloaded
from louver_sandbox.processes.channel import (
    ChannelClosed,
    DeadlineExceeded,
    FrameTooLarge,
    Interrupted,
)
from louver_sandbox.processes.child import MEMORY_EXIT, Code, MalformedReply, RequestFailed, decode_reply
from louver_sandbox.processes.stock import OutOfStock, Ready, Stock
from louver_sandbox.processes.zygote import Child, Zygote

_log = logging.getLogger(__name__)

FailureKind = Literal["timeout", "memory", "died", "cancelled", "reply", "error", "too_large"]
CheckerFailureKind = Literal["timeout", "memory", "died", "reply", "error", "too_large", "busy"]

CHECKER_REPLY_CAP = 4 << 20
CHECKER_DEADLINE_SECONDS = 2.0
_EXIT_SECONDS = 1.0

_KIND_OF_CODE: Final[dict[Code, Literal["error", "memory", "too_large", "timeout"]]] = {
    Code.ERROR: "error",
    Code.MEMORY: "memory",
    Code.TOO_LARGE: "too_large",
    Code.TIMEOUT: "timeout",
}


class WorkerFailed(Exception):
    """A job gave no answer.

    `kind`: "timeout" (killed at the deadline or stopped by the engine's own limit), "memory", "died" (ended
    without a word), "cancelled" (killed because the caller asked), "reply" (sent something that is no reply,
    or one above the cap), "error" (the engine refused or failed), "too_large" (above the job's row or byte cap).
    """

    def __init__(self, kind: FailureKind) -> None:
        super().__init__(f"worker failed: {kind}")
        self.kind: FailureKind = kind


class CheckerFailed(Exception):
    """A checker gave no answer. Kinds as in `WorkerFailed`; "busy": none was free by the deadline."""

    def __init__(self, kind: CheckerFailureKind) -> None:
        super().__init__(f"checker failed: {kind}")
        self.kind: CheckerFailureKind = kind


def _cause_of_death(child: Child) -> Literal["timeout", "memory", "died"]:
    status = child.wait(_EXIT_SECONDS)
    if status == -signal.SIGSYS:
        # No question can cause this unless it has taken the process over, or a library asks for something new.
        _log.error("process %d was ended by the filter of system calls", child.pid)
    if status == MEMORY_EXIT:
        return "memory"
    return "timeout" if status == -signal.SIGXCPU else "died"


def exchange(
    child: Child, request: bytes, reply_cap: int, deadline: float, interrupted: Callable[[], bool] | None
) -> bytes:
    """One request and its answer; the child's every misbehaviour becomes a `WorkerFailed`."""
    try:
        child.channel.send(request, deadline=deadline)
        # One byte more for the reply's code.
        reply = child.channel.receive(reply_cap + 1, deadline=deadline, interrupted=interrupted)
        return decode_reply(reply)
    except RequestFailed as failure:
        raise WorkerFailed(_KIND_OF_CODE[failure.code]) from None
    except DeadlineExceeded:
        raise WorkerFailed("timeout") from None
    except Interrupted:
        raise WorkerFailed("cancelled") from None
    except (FrameTooLarge, MalformedReply):
        raise WorkerFailed("reply") from None
    except ChannelClosed:
        raise WorkerFailed(_cause_of_death(child)) from None


class Slot:
    """The right to run one job, with a worker that is ready for it. Leave its `with` block to give it back."""

    def __init__(self, pool: "WorkerPool", institution: str, ready: Ready, clock: Callable[[], float]) -> None:
        self._pool = pool
        self._institution = institution
        self._ready: Ready | None = ready
        self._clock = clock
        self._since = clock()
        self._released = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def run(self, job: bytes, *, deadline_s: float, cancelled: threading.Event, reply_cap: int) -> bytes:
        """The worker's answer of at most `reply_cap` bytes, within `deadline_s` seconds from now.

        The worker is dead when this returns, whatever happened; setting `cancelled` kills it too.

        Raises:
            WorkerFailed: there is no answer; `kind` says why.
            RuntimeError: the slot has been used or given back already.
        """
        if self._ready is None:
            raise RuntimeError("a slot runs one job")
        ready, self._ready = self._ready, None
        deadline = self._clock() + deadline_s
        try:
            if cancelled.is_set():
                raise WorkerFailed("cancelled")
            while True:
                if not ready.child.is_alive():
                    # It died while it waited and has seen no job, so another may take its place.
                    ready = self._pool.replace(ready, deadline)
                try:
                    return exchange(ready.child, job, reply_cap, deadline, cancelled.is_set)
                except WorkerFailed:
                    # One that went with its zygote did not die of its job, which only reads: another does it.
                    if not ready.child.orphaned:
                        raise
        finally:
            ready.child.close()

    def release(self) -> None:
        """Give the place back, and the worker if it has seen no job. May be called twice."""
        if self._released:
            return
        self._released = True
        ready, self._ready = self._ready, None
        self._pool.give_back(self._institution, ready, self._clock() - self._since)


class WorkerPool:
    """`size` jobs at once, each on a worker of its own; as many again stand ready.

    `queue` and `per_institution` as in `Admission`. Close it before its zygote.
    """

    def __init__(
        self,
        zygote: Zygote,
        *,
        size: int,
        queue: int,
        per_institution: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._admission = Admission(size=size, queue=queue, per_institution=per_institution, clock=clock)
        self._stock = Stock(zygote, size, clock=clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def reserve(self, institution: str, deadline: float) -> Slot:
        """A place and a ready worker, to be had *before* anything is charged; `deadline` reads the clock.

        Raises:
            Overloaded: the queue is full (at once), or there was no place or no worker by the deadline.
        """
        started = self._clock()
        self._admission.enter(institution, deadline)
        try:
            ready = self._stock.take(deadline)
        except OutOfStock:
            self._admission.leave(institution, self._clock() - started)
            raise Overloaded(1.0, "service") from None
        return Slot(self, institution, ready, self._clock)

    def ready_count(self) -> int:
        """Workers standing ready now."""
        return self._stock.ready_count()

    def replace(self, dead: Ready, deadline: float) -> Ready:
        """Another worker for a slot whose own died unused."""
        self._stock.drop(dead)
        try:
            return self._stock.take(deadline)
        except OutOfStock:
            raise WorkerFailed("died") from None

    def give_back(self, institution: str, ready: Ready | None, held_seconds: float) -> None:
        """End a slot's hold on its place, and on its worker if it has one left."""
        if ready is not None:
            self._stock.put_back(ready)
        self._admission.leave(institution, held_seconds)

    def close(self) -> None:
        self._stock.close()


class CheckerPool:
    """`size` checkers, each answering one request at a time and replaced after `lifetime` of them.

    State that can change (the catalogue, policies) is read by the entry function when a checker starts;
    `reload` replaces all checkers. Close it before its zygote.
    """

    def __init__(
        self,
        zygote: Zygote,
        *,
        size: int,
        lifetime: int = 10_000,
        reply_cap: int = CHECKER_REPLY_CAP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lifetime = lifetime
        self._reply_cap = reply_cap
        self._clock = clock
        self._stock = Stock(zygote, size, clock=clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, request: bytes, deadline_s: float = CHECKER_DEADLINE_SECONDS) -> bytes:
        """The answer to one request, after at most `deadline_s` seconds of waiting and as many of checking.

        The two are counted apart: under load a checker must not be killed for the time a request stood in line.

        Raises:
            CheckerFailed: there is none; the checker, if it had started, has been killed.
        """
        try:
            ready = self._stock.take(self._clock() + deadline_s, lend=True)
        except OutOfStock:
            raise CheckerFailed("busy") from None
        deadline = self._clock() + deadline_s
        answered = False
        try:
            answer = exchange(ready.child, request, self._reply_cap, deadline, None)
            answered = True
        except WorkerFailed as failure:
            # Nobody can cancel a checker, so its kinds are a checker's kinds.
            raise CheckerFailed("died" if failure.kind == "cancelled" else failure.kind) from None
        finally:
            ready.served += 1
            if answered and ready.served < self._lifetime:
                self._stock.put_back(ready, lent=True)
            else:
                self._stock.drop(ready, lent=True)
        return answer

    def ready_count(self) -> int:
        """Checkers standing ready now."""
        return self._stock.ready_count()

    def reload(self) -> None:
        """Replace every checker: idle ones now, busy ones when they have answered."""
        self._stock.renew()

    def close(self) -> None:
        self._stock.close()
