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
from louver_sandbox.perturbation.refused import PerturbationRefused, Reason
from louver_sandbox.perturbation.rounding import Rounding, RoundingMode
from louver_sandbox.perturbation.table import MagnitudeTable, PerturbationTable

SUPPLIED: Final[Mapping[str, str]] = MappingProxyType({"persons": stored.PERSONS, "enterprises": stored.ENTERPRISES})
"""The tables that come with the program, by the name a policy gives them."""

_REGISTERED: Final[dict[str, PerturbationTable]] = {}
"""Tables that an operator has computed, by their references. A reference holds the digest of the document, so it
means the same table wherever it is known."""

_MODES: Final = MappingProxyType(
    {
        RoundingKind.BASE: RoundingMode.NEAREST,
        RoundingKind.RANDOM: RoundingMode.RANDOM,
        RoundingKind.CONTROLLED: RoundingMode.NEAREST,
    }
)


def register(name: str, document: bytes) -> str:
    """Verifies a table and makes it known in this process; the reference by which policies use it, NAME@sha256:...

    Raises:
        PerturbationRefused: it is no table, does not hold what it says, or is not in canonical form.
    """
    table = stored.read(document)
    if stored.written(table) != document:
        raise PerturbationRefused(
            Reason.TABLE_UNSOUND,
            "the document of the perturbation table is not in canonical form (RFC 8785)",
            "扰动表文档不是规范形式（RFC 8785）",
        )
    reference = f"{name}@{stored.digest(table)}"
    _REGISTERED[reference] = table
    return reference


def is_known(name: str) -> bool:
    """Whether a policy may name this table: a supplied one, or one that is registered."""
    return name in SUPPLIED or name in _REGISTERED


def named(name: str) -> PerturbationTable:
    """The table of that name or reference. Raises KeyError for one that nobody knows."""
    return _supplied(name) if name in SUPPLIED else _REGISTERED[name]


@cache
def _supplied(name: str) -> PerturbationTable:
    return stored.read(stored.supplied(SUPPLIED[name]))


def fitting(names: Collection[str], k: int) -> str | None:
    """The table that protects as much as each of those named and is made for cells of k units, or None.

    It is one of them or a supplied one, so that the answer does not depend on what else is registered. As much: a
    variance and a largest noise that are at least theirs. Of several the one with the least of both.
    """
    variance = max((named(name).terms.variance for name in names), default=None)
    maximum = max((named(name).terms.maximum for name in names), default=0)
    if variance is None:
        return None
    found = [
        name
        for name in sorted({*SUPPLIED, *names})
        if named(name).terms.threshold == k
        and named(name).terms.variance >= variance
        and named(name).terms.maximum >= maximum
    ]
    return min(found, key=lambda name: (named(name).terms.variance, named(name).terms.maximum, name), default=None)


def mode_of(rules: NoiseRules) -> RoundingMode | None:
    """How numbers find their multiple, counts and sums alike; None where they are not rounded."""
    return None if rules.rounding is RoundingKind.NONE else _MODES[rules.rounding]


def rounding_of(rules: NoiseRules) -> Rounding | None:
    """The rounding after the noise of a count by itself; None for none."""
    mode = mode_of(rules)
    return None if mode is None else Rounding(mode, rules.base)


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
