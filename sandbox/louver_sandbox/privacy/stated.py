"""A cost as people are told it: an epsilon at a delta, in few digits, on the safe side.

The delta of the statement is one in a million, beside what thresholds spend of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from functools import lru_cache
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


@lru_cache(maxsize=1024)
def spent_at(cost: PrivacyCost, delta: Fraction) -> str:
    """The epsilon that a cost certainly is not more than at this delta, which thresholds have not all spent."""
    return _text(_UP.create_decimal(_decimal(epsilon_of(cost, delta))))


@lru_cache(maxsize=1024)
def most_epsilon(rho: Fraction, delta: Fraction, thresholds: Fraction) -> str:
    """The largest epsilon of few digits that can be asked for at this delta, so much of it kept for thresholds, and
    that costs no more than rho."""
    epsilon = _DOWN.create_decimal(_decimal(epsilon_of(PrivacyCost(rho, thresholds), delta)))
    while epsilon > 0 and rho_of(Fraction(epsilon), delta, thresholds).rho > rho:
        epsilon = _DOWN.create_decimal(epsilon * (1 - _FINE))
    return _text(epsilon)


def needed_epsilon(rho: Fraction, delta: Fraction, thresholds: Fraction) -> str:
    """The least epsilon of few digits that must be asked for at this delta so that rho may be spent."""
    epsilon = _UP.create_decimal(_decimal(epsilon_of(PrivacyCost(rho, thresholds), delta)))
    while rho_of(Fraction(epsilon), delta, thresholds).rho < rho:
        epsilon = _UP.create_decimal(epsilon * (1 + _FINE))
    return _text(epsilon)


def number(value: Fraction) -> str:
    """A number that has few digits, as decimal text."""
    return _text(_decimal(value))


def _delta(cost: PrivacyCost) -> str:
    return _text(_UP.create_decimal(_decimal(STATED_DELTA + cost.delta)))


def _decimal(value: Fraction) -> Decimal:
    return Context(prec=50, rounding=ROUND_CEILING).divide(Decimal(value.numerator), Decimal(value.denominator))


def _text(value: Decimal) -> str:
    """Without an exponent where that is short: 0.37, 12, 1E-6."""
    plain = f"{value.normalize():f}"
    return plain if len(plain) <= 8 else f"{value.normalize():E}"
