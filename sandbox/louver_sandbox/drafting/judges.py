"""What drafts and simulations are judged by in a running service: processes that are started ahead and kept, and how
far a simulation tells that it is."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Final

from louver_sandbox.delegates import checker_zygote
from louver_sandbox.drafting import desk
from louver_sandbox.drafting.simulation import Side
from louver_sandbox.processes.pool import CheckerPool
from louver_sandbox.processes.zygote import ZygoteFailed

FIRST_S: Final = 0.1
TELLING_S: Final = 0.5
"""When a simulation first tells how far it is, and how often from then on."""


class Gone(Exception):
    """Nobody listens any more."""


class Judges:
    """Desks for drafts and the other side of simulations, over one installation's folder. Threads may share it."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._parts = ExitStack()
        self._pool: CheckerPool | None = None
        self._side: Side | None = None
        self._warming = False
        self._closed = False
        self._lock = threading.Lock()
        self._making_side = threading.Lock()

    def warm(self) -> None:
        """Starts both at once, unless that has been done."""
        with self._lock:
            if self._warming or self._closed:
                return
            self._warming = True
        threading.Thread(target=self._ahead, name="simulations", daemon=True).start()
        self.desks()

    def desks(self) -> CheckerPool:
        """Desks of one job each; their zygote is started with the first."""
        with self._lock:
            if self._pool is None:
                zygote = self._parts.enter_context(
                    checker_zygote(self._run, desk.ENTRY, desk.PRELOAD, desk.MEMORY_MIB)
                )
                self._pool = self._parts.enter_context(
                    CheckerPool(zygote, size=1, lifetime=1, reply_cap=desk.REPLY_CAP)
                )
            return self._pool

    def other_side(self) -> Side:
        """What simulations judge drafts by. Raises `Gone` once the office is closed."""
        with self._making_side:
            if self._closed:
                raise Gone
            if self._side is None:
                self._side = Side()
            return self._side

    def _ahead(self) -> None:
        try:
            self.other_side()
        except Gone:
            return
        except (ZygoteFailed, OSError):
            with self._lock:
                self._warming = False  # whoever simulates is told why

    def close(self) -> None:
        """Ends all of them."""
        with self._making_side:
            self._closed = True
            if self._side is not None:
                self._side.close()
        with self._lock:
            self._parts.close()


class Ticking:
    """True every so often; stops a simulation whose listener has gone."""

    def __init__(self, ended: threading.Event) -> None:
        self._ended = ended
        self._next = monotonic() + FIRST_S

    def __call__(self) -> bool:
        if self._ended.is_set():
            raise Gone
        if monotonic() < self._next:
            return False
        self._next = monotonic() + TELLING_S
        return True
