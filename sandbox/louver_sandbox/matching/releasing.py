"""What leaves of a number or a sum: thresholds first, then noise by the set of subjects that met, then rounding.

The same subjects have the same noise for ever, whatever else a batch holds, so that asking again, or with ids that
are nobody's added, tells nothing. The rules are those of official statistics (PRIVACY 5); this is not differential
privacy, and `answers_per_month` bounds how often it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import NoiseRules, ThresholdRules
from louver_sandbox.perturbation.keys import COUNT, Statistic, StatisticKind, UnitSet, cell_keys
from louver_sandbox.perturbation.magnitudes import Contributed
from louver_sandbox.perturbation.named import magnitudes_of, rounding_of, table_of
from louver_sandbox.perturbation.rounding import Rounding, rounded
from louver_sandbox.policy.match_terms import MatchMode
from louver_sandbox.stages import Accuracy

AMOUNTS = "amounts of a match"
"""What a sum adds up, for its key."""


class NoNoise(Exception):
    """A number would leave without noise: a fault of the installation, never an answer."""


@dataclass(frozen=True, slots=True)
class Met:
    """The subjects of one unit type on both sides, exactly."""

    type: UnitType
    units: int
    combined: int
    total: int
    largest: int
    second: int


@dataclass(frozen=True, slots=True)
class Number:
    """What leaves: a number and how exact it is, or None where a rule withholds it, and the rule (`threshold` or
    `dominance`). `of_largest`: how far a sum is from the true one in proportion to the requester's own amounts."""

    value: int | None
    withheld_by: str = ""
    accuracy: Accuracy | None = None
    of_largest: str = ""


def met_from(found: Mapping[str, Sequence[int]]) -> tuple[Met, ...]:
    """What a matcher has found. Raises ValueError or TypeError for what is no such thing."""
    return tuple(_checked(Met(UnitType(kind), *numbers)) for kind, numbers in sorted(found.items()))


def _checked(met: Met) -> Met:
    whole = all(type(value) is int and value >= 0 for value in (met.units, met.combined, met.total))
    if not whole or not 0 <= met.second <= met.largest <= met.total or met.largest + met.second > met.total:
        raise ValueError("numbers that contradict each other")
    return met


def release(met: Sequence[Met], mode: MatchMode, rules: ThresholdRules, secret: bytes | None) -> Number:
    """The number as it may leave. Nobody on both sides is too few as well: nothing tells none from few.

    Raises:
        NoNoise: the rules name no noise, or there is no secret to draw it by.
    """
    noise = rules.noise
    if noise is None or secret is None or any(table_of(noise, one.type) is None for one in met):
        raise NoNoise("a number without noise")
    if not met or any(one.units < rules.k[one.type] for one in met):
        return Number(None, "threshold")
    if mode is MatchMode.COUNT:
        return Number(sum(_count(one, noise, secret) for one in met))
    if noise.share is None:
        raise NoNoise("a sum without noise")
    largest = sorted((amount for one in met for amount in (one.largest, one.second)), reverse=True)[:2]
    total = sum(one.total for one in met)
    if _dominated(total, largest, rules):
        return Number(None, "dominance")
    return Number(_sum(met, total, largest, noise, secret))


def _count(met: Met, noise: NoiseRules, secret: bytes) -> int:
    key = cell_keys(secret, COUNT)([UnitSet(met.type, met.units, met.combined)])
    table = table_of(noise, met.type)
    if table is None:
        raise NoNoise("units without a table")
    whole = table.perturbed(met.units, key.noise())
    rounding = rounding_of(noise)
    return whole if rounding is None else rounded(whole, rounding, key)


def _dominated(total: int, largest: Sequence[int], rules: ThresholdRules) -> bool:
    """(n,k) and p% as in PRIVACY 5.2, and a total of nothing."""
    first, second = largest
    of_two = rules.dominance_of_two
    rest = total - first - second
    return (
        total == 0
        or 100 * first > rules.dominance_percent * total
        or (of_two is not None and 100 * (first + second) > of_two * total)
        or rest * rules.prior_percent < rules.p_percent * first
    )


def _sum(met: Sequence[Met], total: int, largest: Sequence[int], noise: NoiseRules, secret: bytes) -> int:
    if noise.share is None:
        raise NoNoise("a sum without noise")
    said = f"{AMOUNTS} = {total} by {largest[0]} {largest[1]}"
    sets = [UnitSet(one.type, one.units, one.combined) for one in met]
    key = cell_keys(secret, Statistic(StatisticKind.MAGNITUDE, said))(sets)
    magnitudes, contributed = magnitudes_of(noise.share), Contributed(tuple(largest), total)
    whole = magnitudes.perturbed(total, contributed, key)
    rounding = rounding_of(noise)
    if rounding is None:
        return whole
    return rounded(whole, Rounding(rounding.mode, magnitudes.base(contributed, key)), key)
