"""Answers that leave at marks of time, so that how long they took tells little of what they hold (PRIVACY 8)."""

from __future__ import annotations

import time

LOOKUP_MARK_S = 0.025
"""Lookups leave a whole number of these after they came: a found subject and none take the same, to this much."""

REPORT_MARK_S = 0.1
"""Reports leave at these: their sections are several lookups, one after the other."""


class Started:
    """The moment at which a call came."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def wait_for_mark(self, seconds: float) -> None:
        """Waits until a whole number of `seconds` has passed since."""
        passed = time.monotonic() - self._at
        time.sleep(-passed % seconds)
