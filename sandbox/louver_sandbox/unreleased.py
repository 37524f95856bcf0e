"""What the log says of an answer that the releaser could not make: one of a closed list, never an error's text."""

from __future__ import annotations

from louver.errors import Refused
from louver_sandbox.release.draws import DrawsUnfit
from louver_sandbox.release.margins import TooManyMargins
from louver_sandbox.release.seals import TooManySealed

UNFIT_NOISE = "unfit_noise"
"""Noise of an earlier answer was drawn for other numbers, or under a secret that is no more."""

SUSPENDED = "suspended"
"""The institution was suspended while its question ran: the one thing that the log refuses of what has been paid."""


def kind_of(error: Exception) -> str:
    """The kind of a failure. More cells than can be judged are as many as a worker may not send."""
    if isinstance(error, DrawsUnfit):
        return UNFIT_NOISE
    if isinstance(error, Refused):
        return SUSPENDED
    return "too_large" if isinstance(error, TooManyMargins | TooManySealed) else "internal"
