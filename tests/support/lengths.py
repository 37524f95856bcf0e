"""How much is tried: enough for every change, and much more by command.

`make soak` (or `LOUVER_SOAK=1 python -m pytest PATH`) runs the same tests at length.
"""

from __future__ import annotations

import os

import pytest


def at_length(short: int, long: int) -> int:
    """The smaller number, or the larger one where the environment has LOUVER_SOAK."""
    return long if os.environ.get("LOUVER_SOAK") else short


at_length_only = pytest.mark.skipif(
    not os.environ.get("LOUVER_SOAK"), reason="takes long and others try the same in short: `make soak` runs it"
)
"""For tests that would make every change wait."""
