"""What an answer has cost of privacy, and what is left: the gauge as values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from louver.v1 import sandbox_pb2 as pb


@dataclass(frozen=True, slots=True)
class PrivacyAmount:
    """An amount of privacy loss: ``rho`` exactly, and the ``epsilon`` that it is, rounded up for what is spent and
    down for what is left."""

    epsilon: Decimal
    rho: Decimal


@dataclass(frozen=True, slots=True)
class PrivacyLimit:
    """A limit on what may be spent. ``kind`` is ``allowance`` (your institution's), ``purpose`` (its part for this
    purpose) or ``lifetime`` (all institutions together).

    ``at_least``: so much is left at least; what is left beyond your own limits is not told. ``refreshes_at`` is when
    the window opens anew, None for never.
    """

    kind: str
    period: str
    limit: PrivacyAmount
    left: PrivacyAmount
    at_least: bool = False
    refreshes_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PrivacyLoss:
    """What a question costs of the privacy of one kind of subject (``unit``) of a dataset, and what it leaves.

    Every epsilon is meant at ``delta``. ``free``: nothing was charged, as the answer was stored or paid for before.
    ``most`` is what one question may cost, ``left`` what your next one can cost before any limit is met.
    """

    dataset: str
    unit: str
    purpose: str
    delta: Decimal
    cost: PrivacyAmount
    free: bool
    most: PrivacyAmount
    left: PrivacyAmount
    limits: tuple[PrivacyLimit, ...] = ()


def losses(messages: Iterable[pb.PrivacyLoss]) -> tuple[PrivacyLoss, ...]:
    """From the wire."""
    return tuple(
        PrivacyLoss(
            dataset=one.dataset,
            unit=one.unit,
            purpose=one.purpose,
            delta=_number(one.delta),
            cost=_amount(one.cost),
            free=one.free,
            most=_amount(one.most),
            left=_amount(one.left),
            limits=tuple(map(_limit, one.limits)),
        )
        for one in messages
    )


def plain(loss: PrivacyLoss) -> dict[str, object]:
    """For JSON; numbers are text, so that nothing is rounded."""
    return {
        "dataset": loss.dataset,
        "unit": loss.unit,
        "purpose": loss.purpose,
        "delta": str(loss.delta),
        "cost": _plain(loss.cost),
        "free": loss.free,
        "most": _plain(loss.most),
        "left": _plain(loss.left),
        "limits": [
            {
                "kind": limit.kind,
                "period": limit.period,
                "limit": _plain(limit.limit),
                "left": _plain(limit.left),
                "at_least": limit.at_least,
                "refreshes_at": None if limit.refreshes_at is None else limit.refreshes_at.isoformat(),
            }
            for limit in loss.limits
        ],
    }


def _plain(amount: PrivacyAmount) -> dict[str, str]:
    return {"epsilon": format(amount.epsilon, "f"), "rho": format(amount.rho, "f")}


def _amount(message: pb.PrivacyAmount) -> PrivacyAmount:
    return PrivacyAmount(_number(message.epsilon), _number(message.rho))


def _limit(message: pb.PrivacyLimit) -> PrivacyLimit:
    return PrivacyLimit(
        message.kind,
        message.period,
        _amount(message.limit),
        _amount(message.left),
        message.at_least,
        datetime.fromisoformat(message.refreshes_at) if message.refreshes_at else None,
    )


def _number(text: str) -> Decimal:
    """A number the service gives as text; none where it gives nothing or something else."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return Decimal(0)
    return number if number.is_finite() else Decimal(0)
