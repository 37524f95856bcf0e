"""What releases cost together: rho adds up under zCDP (Bun and Steinke 2016, lemma 1.7), and so do deltas."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from louver_sandbox.privacy.refused import PrivacyRefused, Reason


@dataclass(frozen=True, slots=True)
class PrivacyCost:
    """delta-approximate rho-zCDP for one privacy unit. `delta` is what thresholds spend; noise alone spends none.

    Raises:
        PrivacyRefused: RHO_OUT_OF_RANGE, DELTA_OUT_OF_RANGE: a negative part would give budget back.
    """

    rho: Fraction
    delta: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if not isinstance(self.rho, Fraction) or self.rho < 0:
            raise PrivacyRefused(
                Reason.RHO_OUT_OF_RANGE, "a cost is an exact rho of at least 0", "成本须为非负精确值"
            )
        if not isinstance(self.delta, Fraction) or self.delta < 0:
            raise PrivacyRefused(
                Reason.DELTA_OUT_OF_RANGE, "a cost has an exact delta of at least 0", "成本的 delta 须为非负精确值"
            )

    def __add__(self, other: PrivacyCost) -> PrivacyCost:
        return PrivacyCost(self.rho + other.rho, self.delta + other.delta)

    def within(self, budget: PrivacyCost) -> bool:
        """Whether the budget covers it, in both parts."""
        return self.rho <= budget.rho and self.delta <= budget.delta


NOTHING: Final = PrivacyCost(Fraction(0))


def composed(costs: Iterable[PrivacyCost]) -> PrivacyCost:
    """What several releases about the same units cost together, chosen one after the other or not."""
    return sum(costs, NOTHING)


def of_pure(epsilon: Fraction) -> PrivacyCost:
    """What an epsilon-differentially private release costs: epsilon^2 / 2 (Bun and Steinke 2016, proposition 1.4)."""
    if epsilon < 0:
        raise PrivacyRefused(Reason.EPSILON_OUT_OF_RANGE, "epsilon is negative", "epsilon 为负")
    return PrivacyCost(epsilon * epsilon / 2)
