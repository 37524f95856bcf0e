"""What an answer has cost of privacy and what is left, as the wire carries it to whoever asked.

The cap of all institutions together is told only as far as it stands in the caller's own way: what is left of it
beyond the caller's own limits would tell what others have spent, question by question (ADR 34).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from fractions import Fraction

from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.accounting.privacy import PLACES, amount
from louver_sandbox.obligations import Period, PrivacyBalance, PrivacyTerms
from louver_sandbox.privacy import stated
from louver_sandbox.privacy.calendar import BEIJING
from louver_sandbox.privacy.cost import NOTHING, PrivacyCost
from louver_sandbox.privacy.directed import rounded_down, rounded_up


def losses(balances: Sequence[PrivacyBalance], *, stored: bool = False) -> list[pb.PrivacyLoss]:
    """One for each dataset and kind of unit; a stored answer has cost nothing."""
    return [_loss(one, stored) for one in balances]


def _loss(balance: PrivacyBalance, stored: bool) -> pb.PrivacyLoss:
    cost = NOTHING if stored else balance.cost
    delta = balance.delta if cost.delta < balance.delta else balance.delta + cost.delta
    terms = balance.terms
    return pb.PrivacyLoss(
        dataset=balance.dataset,
        unit=balance.unit.value,
        purpose=balance.purpose,
        delta=stated.number(delta),
        cost=_spent(cost, delta),
        free=cost == NOTHING,
        most=None if terms is None else _left(terms.most.rho, delta),
        left=_left(balance.spendable.rho, delta),
        limits=() if terms is None else _limits(balance, terms, delta),
    )


def _limits(balance: PrivacyBalance, terms: PrivacyTerms, delta: Fraction) -> Iterator[pb.PrivacyLimit]:
    until = "" if balance.refreshes_at is None else _beijing(balance.refreshes_at)
    yield pb.PrivacyLimit(
        kind="allowance",
        period=terms.period.value,
        limit=_left(terms.allowance.rho, delta),
        left=_left(balance.allowance.rho, delta),
        refreshes_at=until,
    )
    if balance.purpose in terms.purposes:
        yield pb.PrivacyLimit(
            kind="purpose",
            period=terms.period.value,
            limit=_left(terms.purposes[balance.purpose].rho, delta),
            left=_left(balance.part.rho, delta),
            refreshes_at=until,
        )
    told, at_least = told_of_lifetime(balance)
    yield pb.PrivacyLimit(
        kind="lifetime",
        period=Period.LIFETIME.value,
        limit=_left(terms.lifetime.rho, delta),
        left=_left(told.rho, delta),
        at_least=at_least,
    )


def told_of_lifetime(balance: PrivacyBalance) -> tuple[PrivacyCost, bool]:
    """What may be told of the cap over all institutions: what is left of it, and whether that is only the least it
    can be, because the caller's own limits are met before it."""
    told = balance.spendable
    return told, told != balance.lifetime


def _spent(cost: PrivacyCost, delta: Fraction) -> pb.PrivacyAmount:
    if cost == NOTHING:
        return pb.PrivacyAmount(epsilon="0", rho="0")
    return pb.PrivacyAmount(epsilon=stated.spent_at(cost, delta), rho=amount(rounded_up(cost.rho, PLACES)))


def _left(rho: Fraction, delta: Fraction) -> pb.PrivacyAmount:
    """Half of delta is kept for groups that a threshold lists, so that what is told can be asked for."""
    exact = rounded_down(rho, PLACES)
    return pb.PrivacyAmount(epsilon=stated.most_epsilon(exact, delta, delta / 2), rho=amount(exact))


def _beijing(moment: datetime) -> str:
    return moment.astimezone(BEIJING).isoformat(timespec="minutes")
