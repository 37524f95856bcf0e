"""What settings of noise and rounding are refused for: said when they are written, never when a cell is released."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The stable code of a refused setting."""

    MAXIMUM_BELOW_K = "MAXIMUM_BELOW_K"
    VARIANCE_OUT_OF_RANGE = "VARIANCE_OUT_OF_RANGE"
    TABLE_UNSOUND = "TABLE_UNSOUND"
    ROUNDING_TOO_FINE = "ROUNDING_TOO_FINE"
    ROUNDING_BELOW_K = "ROUNDING_BELOW_K"
    MAGNITUDE_TERMS = "MAGNITUDE_TERMS"
    SECRET_TOO_SHORT = "SECRET_TOO_SHORT"  # noqa: S105 - the code of a refusal


class PerturbationRefused(ValueError):
    """A setting or table that cannot hold what noise and rounding promise, in two languages."""

    def __init__(self, reason: Reason, message: str, message_zh: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.message_zh = message_zh
