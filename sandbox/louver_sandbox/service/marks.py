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
        self._pace_s = 0.0

    def paced(self, milliseconds: int) -> None:
        """What becomes of it leaves at whole numbers of these."""
        self._pace_s = milliseconds / 1000

    def wait_for_pace(self) -> None:
        """Waits for the next of them, if there are any."""
        if self._pace_s:
            self.wait_for_mark(self._pace_s)

    def wait_for_mark(self, seconds: float) -> None:
        """Waits until a whole number of `seconds` has passed since."""
        passed = time.monotonic() - self._at
        time.sleep(-passed % seconds)
