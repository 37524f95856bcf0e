"""How much of the office one officer may take: so many calls at once, so many in a minute.

Drafts are tried one after the other, each for as long as a minute. Whoever sends many at once, or a program that went
wrong, is held up alone; to look at the status and to revoke is never held up."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from louver_sandbox.refusals import drafting as refuse

AT_ONCE: Final = 3
IN_A_WINDOW: Final = 120
"""Twice what an editor asks that looks at a draft after every pause in the writing."""
WINDOW_S: Final = 60.0


class OfficerLimits:
    """The calls of each officer, by the name by which they sign. Threads may share it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._now: defaultdict[str, int] = defaultdict(int)
        self._begun: defaultdict[str, deque[float]] = defaultdict(deque)

    @contextmanager
    def call(self, officer: str) -> Iterator[None]:
        """One call, for the length of a `with` block. Raises `Refused` LVR-7251."""
        with self._lock:
            now, begun = self._clock(), self._begun[officer]
            while begun and begun[0] <= now - WINDOW_S:
                begun.popleft()
            if self._now[officer] >= AT_ONCE:
                raise refuse.too_many_of_an_officer(1.0)
            if len(begun) >= IN_A_WINDOW:
                raise refuse.too_many_of_an_officer(begun[0] + WINDOW_S - now)
            begun.append(now)
            self._now[officer] += 1
        try:
            yield
        finally:
            with self._lock:
                self._now[officer] -= 1
