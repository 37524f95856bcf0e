"""What an institution may spend of what the data can give, and what is left of it.

Over one dataset and one privacy unit stands one lifetime cap, for all institutions together. Under it an institution
has an allowance per window of Beijing calendar days, and inside it may have parts for named purposes. A window only
paces: what it gives back, the lifetime cap does not (SECURITY 0.10). Everything follows from the list of charges, so
a ledger can be computed again from its log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from types import MappingProxyType

from louver_sandbox.privacy.calendar import Period, checked, opened_at
from louver_sandbox.privacy.cost import PrivacyCost, composed
from louver_sandbox.privacy.refused import PrivacyRefused, Reason


@dataclass(frozen=True, slots=True)
class PrivacyBudget:
    """An institution's budget for one dataset and privacy unit, under the lifetime cap that all institutions share.

    Raises:
        PrivacyRefused: BUDGET_UNSOUND: an allowance above the cap, or a part above the allowance.
    """

    institution: str
    lifetime_cap: PrivacyCost
    allowance: PrivacyCost
    period: Period
    purposes: Mapping[str, PrivacyCost] = field(default_factory=dict)
    """Parts of the allowance for named purposes, in the same windows. With none, every purpose has the whole."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "purposes", MappingProxyType(dict(self.purposes)))
        if not self.allowance.within(self.lifetime_cap):
            raise _unsound("an allowance is above the lifetime cap", "额度超过终身上限")
        if not all(part.within(self.allowance) for part in self.purposes.values()):
            raise _unsound("the part of a purpose is above the allowance", "用途子额度超过额度")


@dataclass(frozen=True, slots=True)
class Charge:
    """What was spent, by whom, for what and when (an instant with a time zone)."""

    institution: str
    purpose: str
    cost: PrivacyCost
    at: datetime

    def __post_init__(self) -> None:
        checked(self.at)


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of each limit. None of them is below zero, whatever the log says."""

    lifetime: PrivacyCost
    allowance: PrivacyCost
    purpose: PrivacyCost

    @property
    def spendable(self) -> PrivacyCost:
        """The most a question can cost now: the least of all, part by part."""
        limits = (self.lifetime, self.allowance, self.purpose)
        return PrivacyCost(min(limit.rho for limit in limits), min(limit.delta for limit in limits))


def remaining(charges: Iterable[Charge], budget: PrivacyBudget, purpose: str, now: datetime) -> Remaining:
    """What the institution can still spend for a purpose.

    `charges` are all of this dataset and privacy unit, of all institutions, since the beginning, in any order. A
    charge belongs to the window in which it was made, also when its question ends in the next one.

    Raises:
        PrivacyRefused: PURPOSE_UNKNOWN; CLOCK_WITHOUT_ZONE; CLOCK_WENT_BACK: a charge is later than now. A
            window that opened again because a clock jumped would give budget back.
    """
    spent = tuple(charges)
    if any(charge.at > checked(now) for charge in spent):
        raise PrivacyRefused(
            Reason.CLOCK_WENT_BACK, "the ledger has a charge later than now", "账本中有晚于当前时间的记录，时钟倒退"
        )
    if budget.purposes and purpose not in budget.purposes:
        raise PrivacyRefused(Reason.PURPOSE_UNKNOWN, "the budget has no part for this purpose", "预算未列此用途")
    start = opened_at(budget.period, now)
    own = [
        charge
        for charge in spent
        if charge.institution == budget.institution and (start is None or charge.at >= start)
    ]
    alike = [charge for charge in own if charge.purpose == purpose]
    return Remaining(
        _less(budget.lifetime_cap, spent),
        _less(budget.allowance, own),
        _less(budget.purposes.get(purpose, budget.allowance), alike if budget.purposes else own),
    )


def _less(limit: PrivacyCost, charges: Iterable[Charge]) -> PrivacyCost:
    spent = composed(charge.cost for charge in charges)
    return PrivacyCost(max(Fraction(0), limit.rho - spent.rho), max(Fraction(0), limit.delta - spent.delta))


def _unsound(message: str, message_zh: str) -> PrivacyRefused:
    return PrivacyRefused(Reason.BUDGET_UNSOUND, message, message_zh)
