"""Exponentials, logarithms and roots that are certainly not below, or not above, the true value.

To fifty digits. `Decimal` rounds exp, ln and sqrt to the nearest number whatever the context says, so each result is
moved by one unit of its last place; the functions grow with their argument, so arguments are rounded the same way.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from math import isqrt
from typing import Final

_UP: Final = Context(prec=50, rounding=ROUND_CEILING)
_DOWN: Final = Context(prec=50, rounding=ROUND_FLOOR)
_SMALLEST: Final = Fraction(-2000)
"""Below it exp is taken for exp(-2000), or for nothing: what it stands for is far below every delta."""


def exp_up(exponent: Fraction) -> Fraction:
    """At least e to this power."""
    return Fraction(_UP.exp(_decimal(max(exponent, _SMALLEST), _UP)).next_plus(_UP))


def exp_down(exponent: Fraction) -> Fraction:
    """At most e to this power."""
    if exponent < _SMALLEST:
        return Fraction(0)
    return Fraction(_DOWN.exp(_decimal(exponent, _DOWN)).next_minus(_DOWN))


def ln_up(value: Fraction) -> Fraction:
    """At least the natural logarithm of a positive value."""
    return Fraction(_UP.ln(_decimal(value, _UP)).next_plus(_UP))


def ln_down(value: Fraction) -> Fraction:
    """At most the natural logarithm of a positive value."""
    return Fraction(_DOWN.ln(_decimal(value, _DOWN)).next_minus(_DOWN))


def root_up(square: Fraction) -> Fraction:
    """At least the square root, by less than one part in 2^60."""
    shift = 1 << max(60, square.denominator.bit_length() - square.numerator.bit_length() + 60)
    scaled = -(-square.numerator * shift * shift // square.denominator)
    root = isqrt(scaled)
    return Fraction(root + (root * root < scaled), shift)


def rounded_up(value: Fraction, places: int) -> Fraction:
    """The next multiple of 10^-places that is not below."""
    step = 10**places
    return Fraction(-(-value.numerator * step // value.denominator), step)


def rounded_down(value: Fraction, places: int) -> Fraction:
    """The next multiple of 10^-places that is not above."""
    step = 10**places
    return Fraction(value.numerator * step // value.denominator, step)


def _decimal(value: Fraction, context: Context) -> Decimal:
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))
