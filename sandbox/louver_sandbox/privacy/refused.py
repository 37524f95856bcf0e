"""What terms and budgets of differential privacy are refused for, in two languages."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The stable code of a refused setting."""

    NOT_EXACT = "NOT_EXACT"
    EPSILON_OUT_OF_RANGE = "EPSILON_OUT_OF_RANGE"
    DELTA_OUT_OF_RANGE = "DELTA_OUT_OF_RANGE"
    RHO_OUT_OF_RANGE = "RHO_OUT_OF_RANGE"
    DELTA_SPENT = "DELTA_SPENT"
    BUDGET_UNSOUND = "BUDGET_UNSOUND"
    PURPOSE_UNKNOWN = "PURPOSE_UNKNOWN"
    CLOCK_WITHOUT_ZONE = "CLOCK_WITHOUT_ZONE"
    CLOCK_WENT_BACK = "CLOCK_WENT_BACK"
    BOUNDS_UNSOUND = "BOUNDS_UNSOUND"
    SCALE_OUT_OF_RANGE = "SCALE_OUT_OF_RANGE"
    RANK_OUT_OF_RANGE = "RANK_OUT_OF_RANGE"
    DOMAIN_UNSOUND = "DOMAIN_UNSOUND"
    ACCURACY_OUT_OF_REACH = "ACCURACY_OUT_OF_REACH"
    SAMPLER_MISSING = "SAMPLER_MISSING"


class PrivacyRefused(ValueError):
    """A setting under which differential privacy would not hold, or nothing could be answered."""

    def __init__(self, reason: Reason, message: str, message_zh: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.message_zh = message_zh
