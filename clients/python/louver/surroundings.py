"""Clock, randomness and patience, handed to a client so that tests can hand it others."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from louver.failures import Unreachable

PAUSES = (0.2, 0.5, 1.2, 2.5)
"""Seconds before each repetition of a call that failed for a reason that may pass."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``clock`` tells the aware time, ``elapsed`` seconds that never run backwards, ``jitter`` a number in [0, 1)."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    elapsed: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    new_request_id: Callable[[], str] = lambda: str(uuid.uuid4())
    pauses: tuple[float, ...] = PAUSES


def pause_before_retry(error: Unreachable, attempt: int, left: float, around: Surroundings) -> float | None:
    """Seconds to wait before repeating attempt number ``attempt`` (from 0), or None when repeating is pointless.

    ``left`` is what remains of the call's time. Pauses are jittered between half and the whole of ``PAUSES``, so
    that clients cut off together do not come back together.
    """
    if not error.transient or attempt >= len(around.pauses):
        return None
    pause = around.pauses[attempt] * (0.5 + around.jitter() / 2)
    return pause if pause < left else None
