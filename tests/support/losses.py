"""Privacy charges and terms for tests, in hundredths of a rho."""

from __future__ import annotations

from fractions import Fraction

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import Period, PrivacyCharge, PrivacyTerms
from louver_sandbox.privacy.cost import PrivacyCost


def rho(hundredths: int, delta: Fraction = Fraction(0)) -> PrivacyCost:
    return PrivacyCost(Fraction(hundredths, 100), delta)


def terms(
    lifetime: int = 100,
    allowance: int = 50,
    period: Period = Period.DAY,
    most: int = 30,
    *,
    shared: bool = True,
    unit: UnitType = UnitType.ENTERPRISE,
    **purposes: int,
) -> PrivacyTerms:
    """A lifetime cap of 1, half of it a day to each institution, and at most 0.3 a question."""
    parts = {name: rho(part) for name, part in purposes.items()}
    return PrivacyTerms(unit, rho(lifetime), rho(allowance), period, rho(most), parts, shared)


def loss(
    hundredths: int, of: PrivacyTerms | None = None, purpose: str = "RESEARCH", dataset: str = "gov.firm"
) -> PrivacyCharge:
    return PrivacyCharge(dataset, purpose, rho(hundredths), of or terms())
