"""The perturbation tables a policy can name, and the settings of a `threshold` answer as noise that can be drawn."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import Final

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import NoiseRules, RoundingKind
from louver_sandbox.perturbation import stored
from louver_sandbox.perturbation.magnitudes import MagnitudeNoise, MagnitudeTerms
from louver_sandbox.perturbation.rounding import Rounding, RoundingMode
from louver_sandbox.perturbation.table import MagnitudeTable, PerturbationTable

SUPPLIED: Final[Mapping[str, str]] = MappingProxyType({"persons": stored.PERSONS, "enterprises": stored.ENTERPRISES})
"""The tables that come with the program, by the name a policy gives them."""

_MODES: Final = MappingProxyType(
    {
        RoundingKind.BASE: RoundingMode.NEAREST,
        RoundingKind.RANDOM: RoundingMode.RANDOM,
        RoundingKind.CONTROLLED: RoundingMode.NEAREST,
    }
)


@cache
def named(name: str) -> PerturbationTable:
    """The table of that name, read and verified once. Raises KeyError for a name that nobody knows."""
    return stored.read(stored.supplied(SUPPLIED[name]))


def fitting(names: Collection[str], k: int) -> str | None:
    """The table that protects as much as each of those named and is made for cells of k units, or None.

    As much: a variance and a largest noise that are at least theirs. Of several the one with the least of both.
    """
    variance = max((named(name).terms.variance for name in names), default=None)
    maximum = max((named(name).terms.maximum for name in names), default=0)
    if variance is None:
        return None
    found = [
        name
        for name in SUPPLIED
        if named(name).terms.threshold == k
        and named(name).terms.variance >= variance
        and named(name).terms.maximum >= maximum
    ]
    return min(found, key=lambda name: (named(name).terms.variance, named(name).terms.maximum, name), default=None)


def rounding_of(rules: NoiseRules) -> Rounding | None:
    """The rounding after the noise of a number by itself; None for none."""
    return None if rules.rounding is RoundingKind.NONE else Rounding(_MODES[rules.rounding], rules.base)


def magnitudes_of(share: Decimal) -> MagnitudeNoise:
    """Noise of so many standard deviations for each of the largest two contributions, whatever the sum."""
    return MagnitudeNoise(_magnitudes(), MagnitudeTerms(flexpoint=1, small=Fraction(share), large=Fraction(share)))


@cache
def _magnitudes() -> MagnitudeTable:
    return stored.read_for_magnitudes(stored.supplied(stored.MAGNITUDE))


def table_of(rules: NoiseRules, unit: UnitType) -> PerturbationTable | None:
    """The table for counts of these units, None where the policies that met have none."""
    name = rules.tables.get(unit)
    return None if name is None else named(name)
