"""Epsilons, deltas and rhos as they are written in policies and questions: exact, positive and of a sensible size."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

from louver_sandbox.privacy.refused import PrivacyRefused, Reason

EPSILON_MOST: Final = 20
"""e^20: whoever may lose more is not protected in any sense that this platform would state."""
PLACES: Final = 18
"""Digits after the point at most."""
_DIGITS: Final = 60


def epsilon(value: object) -> Fraction:
    """An epsilon as an exact number, in (0, 20].

    Raises:
        PrivacyRefused: NOT_EXACT, EPSILON_OUT_OF_RANGE.
    """
    exact = _exact(value, "epsilon")
    if not 0 < exact <= EPSILON_MOST:
        raise PrivacyRefused(
            Reason.EPSILON_OUT_OF_RANGE,
            f"epsilon must be above 0 and at most {EPSILON_MOST}",
            f"epsilon 须大于 0 且不超过 {EPSILON_MOST}",
        )
    return exact


def delta(value: object, units: int | None = None) -> Fraction:
    """A delta as an exact number: above 0, and at most 1 / `units` where the number of privacy units is declared.

    A delta above 1 / units allows to publish somebody's row as it is.

    Raises:
        PrivacyRefused: NOT_EXACT, DELTA_OUT_OF_RANGE.
    """
    exact = _exact(value, "delta")
    most = Fraction(1, max(2, units or 2))
    if not 0 < exact <= most:
        raise PrivacyRefused(
            Reason.DELTA_OUT_OF_RANGE,
            f"delta must be above 0 and at most {most}, one over the number of units",
            f"delta 须大于 0 且不超过 {most}（单元总数的倒数）",
        )
    return exact


def rho(value: object) -> Fraction:
    """A rho as an exact number, in (0, EPSILON_MOST^2 / 2].

    Raises:
        PrivacyRefused: NOT_EXACT, RHO_OUT_OF_RANGE.
    """
    exact = _exact(value, "rho")
    most = Fraction(EPSILON_MOST**2, 2)
    if not 0 < exact <= most:
        raise PrivacyRefused(
            Reason.RHO_OUT_OF_RANGE, f"rho must be above 0 and at most {most}", f"rho 须大于 0 且不超过 {most}"
        )
    return exact


def _exact(value: object, name: str) -> Fraction:
    """The number itself. A float is not what was written, and text is for the reader of policies and questions.

    A Decimal is looked at before it is converted: 1E+999999999 would fill the memory.
    """
    if (
        isinstance(value, Decimal)
        and value.is_finite()
        and _exponent(value) >= -PLACES
        and value.adjusted() < _DIGITS
    ):
        return Fraction(value)
    if isinstance(value, int | Fraction) and not isinstance(value, bool):
        exact = Fraction(value)
        if exact.denominator <= 10**PLACES and abs(exact.numerator) < 10**_DIGITS:
            return exact
    raise PrivacyRefused(
        Reason.NOT_EXACT,
        f"{name} must be a finite whole number, Decimal or Fraction of at most {PLACES} digits after the point",
        f"{name} 须为有限的整数、Decimal 或 Fraction，小数不超过 {PLACES} 位",
    )


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else -PLACES - 1
