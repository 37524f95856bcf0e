"""Equal questions under differential privacy one after the other, so that only the first is paid for.

Whoever asks while the same question is being answered waits for that answer, which is then stored: two draws of noise
would cost everybody's lifetime twice. Different questions do not wait for each other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

STEP_S = 0.05
"""How often one who waits looks whether the caller has hung up."""


class StillAsked(Exception):
    """The same question was still being answered when patience was at its end."""


@dataclass(slots=True)
class _Queue:
    lock: threading.Lock = field(default_factory=threading.Lock)
    there: int = 0


class OneAtATime:
    """Who asks what at this moment. For the threads of one service; nothing of it outlives a process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queues: dict[str, _Queue] = {}

    @contextmanager
    def alone(self, question: str, patience_s: float, cancelled: threading.Event) -> Iterator[None]:
        """While it lasts nobody else is asking the question of this digest.

        Raises:
            StillAsked: somebody was for so many seconds, or the caller has hung up.
        """
        with self._guard:
            queue = self._queues.setdefault(question, _Queue())
            queue.there += 1
        try:
            self._wait(queue, patience_s, cancelled)
            try:
                yield
            finally:
                queue.lock.release()
        finally:
            with self._guard:
                queue.there -= 1
                if not queue.there:
                    del self._queues[question]

    def __len__(self) -> int:
        """How many different questions are being asked."""
        return len(self._queues)

    @staticmethod
    def _wait(queue: _Queue, patience_s: float, cancelled: threading.Event) -> None:
        for _ in range(max(1, int(patience_s / STEP_S))):
            if queue.lock.acquire(timeout=STEP_S):
                return
            if cancelled.is_set():
                break
        raise StillAsked
