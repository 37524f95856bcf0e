"""Protection levels from the rule that made a cell primary.

A level is how far an attacker's bound must stay from the value, so that the rule would hold for the value bounded
(Hundepool et al., Statistical Disclosure Control, Wiley 2012, section 4.2.2; tau-ARGUS user's manual, 2.2 and 4.3).
Contributions are absolute, in the unit of the value; levels are whole units, rounded up, and at least 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import ceil

from louver_sandbox.suppression.table import Protection

Number = int | Decimal


@dataclass(frozen=True, slots=True)
class Parts:
    """What a cell is made of: its units, their largest contributions in descending order, and the sum of all."""

    units: int
    largest: tuple[Number, ...]
    total: Number

    def __post_init__(self) -> None:
        if min((self.units, self.total, *self.largest)) < 0:
            raise ValueError("a part is negative")
        if list(self.largest) != sorted(self.largest, reverse=True) or sum(self.largest) > self.total:
            raise ValueError("the largest contributions are out of order or more than the total")


def p_percent_protection(parts: Parts, percent: int) -> Protection:
    """p%: the second largest unit must not estimate the largest to within `percent` of it.

    The level is (p/100) x1 - (X - x1 - x2). ValueError unless 1 <= percent <= 100.
    """
    return prior_posterior_protection(parts, percent, 100)


def prior_posterior_protection(parts: Parts, percent: int, prior: int) -> Protection:
    """(p,q): the same where everyone knows each contribution to within `prior` (q) percent beforehand.

    The level is (p/q) x1 - (X - x1 - x2). ValueError unless 1 <= percent <= prior <= 100.
    """
    if not 1 <= percent <= prior <= 100:
        raise ValueError("the percentages are not 1 <= p <= q <= 100")
    first, second = (*parts.largest, 0, 0)[:2]
    # Over the common denominator, so that no amount passes through a float.
    return _both_ways(percent * first - prior * (parts.total - first - second), prior)


def dominance_protection(parts: Parts, largest: int, percent: int) -> Protection:
    """(n,k): the `largest` (n) largest units must not hold more than `percent` (k) of the total.

    The level is (100/k) (x1 + ... + xn) - X. ValueError unless 1 <= percent < 100 and 1 <= largest.
    """
    if not (1 <= percent < 100 and largest >= 1):
        raise ValueError("the rule is not 1 <= k < 100, n >= 1")
    return _both_ways(100 * sum(parts.largest[:largest]) - percent * parts.total, percent)


def units_protection(units: int, least: int) -> Protection:
    """A count below its threshold `least`: it must seem possible that it reaches it, and that it is less than it is.

    The interval is at least `least` wide, as the interval of a cell is that nobody knows anything of but that it is
    below the threshold. ValueError unless 0 <= units < least.
    """
    if not 0 <= units < least:
        raise ValueError("the count is not below its threshold")
    return Protection(min(units, 1), least - units, least)


def magnitude_protection(parts: Parts, percent: int) -> Protection:
    """An amount of too few units, for which no rule of its own says how far: `percent` of it on either side.

    The safety range of tau-ARGUS. ValueError unless 1 <= percent <= 100.
    """
    if not 1 <= percent <= 100:
        raise ValueError("the percentage is not 1 <= p <= 100")
    return _both_ways(percent * parts.total, 100)


def strictest(*protections: Protection) -> Protection:
    """What fulfils all of them: a cell may be primary by several rules. ValueError where there are none."""
    if not protections:
        raise ValueError("no protection")
    return Protection(
        max(each.lower for each in protections),
        max(each.upper for each in protections),
        max(each.sliding for each in protections),
    )


def _both_ways(numerator: Number, denominator: int) -> Protection:
    """The same level downward and upward, as tau-ARGUS does."""
    level = max(
        1, ceil(numerator / Decimal(denominator)) if isinstance(numerator, Decimal) else -(-numerator // denominator)
    )
    return Protection(level, level)
