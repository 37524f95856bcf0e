"""Equal questions under differential privacy one after the other, so that only the first is paid for.

Whoever asks while the same question is being answered waits for that answer, which is then stored: two draws of noise
would cost everybody's lifetime twice. Different questions do not wait for each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from louver_sandbox.obligations import PrivacyCharge
from louver_sandbox.refusals.capacity import overloaded

STEP_S = 0.05
"""How often one who waits looks whether the caller has hung up."""
PATIENCE_SHARE = 0.5
"""How much of its time a question may wait for the same one to be answered."""
AGAIN_S = 1.0
"""When to ask again where that was not enough."""


class Asked(Protocol):
    """A planned question."""

    @property
    def noise(self) -> str:
        """The digest of what noise is drawn for, which equal questions share however they are sealed."""

    @property
    def privacy(self) -> Sequence[PrivacyCharge]:
        """What it costs; nothing where no noise is drawn for it."""


class Claims(Protocol):
    """Names that one service at a time may hold."""

    def take(self, name: str) -> bool:
        """Whether nobody else holds it; then it is held by us."""

    def give_back(self, name: str) -> None:
        """Lets others have it."""


class Caller(Protocol):
    """Who waits."""

    @property
    def deadline_s(self) -> float:
        """The time there is for an answer."""

    @property
    def cancelled(self) -> threading.Event:
        """Set when the caller hangs up."""


@dataclass(slots=True)
class _Queue:
    lock: threading.Lock = field(default_factory=threading.Lock)
    there: int = 0


class OneAtATime:
    """Who asks what at this moment. For the threads of one service, and with `claims` for all services on one state
    store; nothing of it outlives a process."""

    def __init__(self, claims: Claims | None = None) -> None:
        self._claims = claims
        self._guard = threading.Lock()
        self._queues: dict[str, _Queue] = {}

    @contextmanager
    def alone(self, asked: Asked, caller: Caller) -> Iterator[None]:
        """While it lasts nobody else is asking this question; where no noise is drawn for it, that makes nothing.

        Raises:
            Refused: LVR-3101, somebody was for half the time there is, or the caller has hung up.
        """
        if not asked.privacy:
            yield
            return
        with self._guard:
            queue = self._queues.setdefault(asked.noise, _Queue())
            queue.there += 1
        try:
            patience_s = PATIENCE_SHARE * caller.deadline_s
            self._wait(lambda: queue.lock.acquire(timeout=STEP_S), patience_s, caller.cancelled)
            try:
                with self._claimed(asked.noise, patience_s, caller.cancelled):
                    yield
            finally:
                queue.lock.release()
        finally:
            with self._guard:
                queue.there -= 1
                if not queue.there:
                    del self._queues[asked.noise]

    def __len__(self) -> int:
        """How many different questions are being asked."""
        return len(self._queues)

    @contextmanager
    def _claimed(self, question: str, patience_s: float, cancelled: threading.Event) -> Iterator[None]:
        """While it lasts no other service asks it."""
        claims = self._claims
        if claims is None:
            yield
            return

        def is_ours() -> bool:
            if claims.take(question):
                return True
            cancelled.wait(STEP_S)
            return False

        self._wait(is_ours, patience_s, cancelled)
        try:
            yield
        finally:
            claims.give_back(question)

    @staticmethod
    def _wait(is_ours: Callable[[], bool], patience_s: float, cancelled: threading.Event) -> None:
        """Asks until it is, for `STEP_S` each time."""
        for _ in range(max(1, int(patience_s / STEP_S))):
            if is_ours():
                return
            if cancelled.is_set():
                break
        raise overloaded("question", AGAIN_S)
