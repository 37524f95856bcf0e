"""A cost as people are told it: an epsilon at a delta, in few digits, on the safe side.

The delta of the statement is one in a million, beside what thresholds spend of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Final

from louver_sandbox.privacy.conversion import epsilon_of, rho_of
from louver_sandbox.privacy.cost import PrivacyCost

STATED_DELTA: Final = Fraction(1, 10**6)
_DIGITS: Final = 3
_UP: Final = Context(prec=_DIGITS, rounding=ROUND_CEILING)
_DOWN: Final = Context(prec=_DIGITS, rounding=ROUND_FLOOR)
_FINE: Final = Decimal(1).scaleb(-_DIGITS)


@dataclass(frozen=True, slots=True)
class Stated:
    """An (epsilon, delta) as decimal text."""

    epsilon: str
    delta: str

    def __str__(self) -> str:
        return f"epsilon {self.epsilon} (delta {self.delta})"


def spent(cost: PrivacyCost) -> Stated:
    """What a cost certainly is not more than."""
    epsilon = epsilon_of(PrivacyCost(cost.rho), STATED_DELTA)
    return Stated(_text(_UP.create_decimal(_decimal(epsilon))), _delta(cost))


def left(budget: PrivacyCost) -> Stated:
    """What a question may ask for so that it certainly fits into what is left."""
    epsilon = _DOWN.create_decimal(_decimal(epsilon_of(PrivacyCost(budget.rho), STATED_DELTA)))
    while epsilon > 0 and rho_of(Fraction(epsilon), STATED_DELTA).rho > budget.rho:
        epsilon = _DOWN.create_decimal(epsilon * (1 - _FINE))
    return Stated(_text(epsilon), _delta(budget))


def _delta(cost: PrivacyCost) -> str:
    return _text(_UP.create_decimal(_decimal(STATED_DELTA + cost.delta)))


def _decimal(value: Fraction) -> Decimal:
    return Context(prec=50, rounding=ROUND_CEILING).divide(Decimal(value.numerator), Decimal(value.denominator))


def _text(value: Decimal) -> str:
    """Without an exponent where that is short: 0.37, 12, 1E-6."""
    plain = f"{value.normalize():f}"
    return plain if len(plain) <= 8 else f"{value.normalize():E}"
