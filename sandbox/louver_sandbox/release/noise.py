"""Noise in the releaser (PRIVACY 5.6): what may leave of a cell, perturbed and rounded; suppression comes first.

Every number that a measure is made of is replaced by its perturbed one before the measure is put together, so that
averages, rates and whatever a question computes from them are made of numbers that may leave. The secret of cell keys
is an argument: workers and tables know nothing of it.

The noise of a sum is decided by its set of units, by what is added up, and by the exact sum and its largest
contributions. Without these, two sums over the same units would have the same draws: where their largest
contributions are alike, their difference, a single row, would have no noise; else a combination would have none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal
from typing import Any

from louver_sandbox.core_plan import Amounts, KeyedUnits, NoisyTotal, Part
from louver_sandbox.obligations import NoiseRules, RoundingKind, ThresholdRules
from louver_sandbox.perturbation.keys import COUNT, CellKey, Statistic, StatisticKind, UnitSet, cell_keys
from louver_sandbox.perturbation.magnitudes import Contributed, MagnitudeNoise
from louver_sandbox.perturbation.named import magnitudes_of, rounding_of, table_of
from louver_sandbox.perturbation.rounding import Rounding, rounded
from louver_sandbox.perturbation.table import PerturbationTable
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.parts import Core, Exact

Perturb = Callable[[Exact], Exact]
"""A cell's exact parts with those that leave replaced by perturbed ones."""

ROWS = "rows"
"""What a number of rows adds up."""

_EXACT = Context(prec=200)
"""Far more digits than the 38 of a sum, so that moving the point rounds nothing."""


class NoiseSecretMissing(Exception):
    """Noise is asked for and the releaser has no secret to draw it by. A fault of the installation."""


def perturbing(core: Core, rules: ThresholdRules, secret: bytes | None) -> Perturb | None:
    """How the cells of a core are perturbed; None where no policy asks for it.

    Raises:
        NoiseSecretMissing: there is no secret.
        WorkerLied: the plan leaves a number without its noise.
    """
    if rules.noise is None:
        return None
    if secret is None:
        raise NoiseSecretMissing("no secret of cell keys")
    leaving = {addend.total.value for measure in core.measures for addend in measure.addends}
    leaving |= {measure.count for measure in core.measures if measure.count}
    if leaving != {total.value for total in core.noisy}:
        raise WorkerLied("a number without its noise")
    places = {column.name: place for place, column in enumerate(core.columns)}
    rounding = None if is_rounded_together(core, rules.noise) else rounding_of(rules.noise)
    scales = {column.name: column.type.scale for column in core.columns}
    noisy = [
        (places[total.value], _Number(total, places, rules.noise, secret, scales[total.value], rounding).perturbed)
        for total in core.noisy
    ]

    def perturb(cell: Exact) -> Exact:
        shown: list[Any] = list(cell)
        for place, perturbed in noisy:
            shown[place] = perturbed(cell)
        return tuple(shown)

    return perturb


def is_rounded_together(core: Core, rules: NoiseRules) -> bool:
    """Whether the numbers of a core leave as a table with totals that is rounded as a whole (`release.additive`)."""
    return rules.rounding is RoundingKind.CONTROLLED and any(column.part is Part.SET for column in core.columns)


class _Number:
    """One column that leaves with noise: units, rows, or a sum."""

    def __init__(
        self,
        total: NoisyTotal,
        places: Mapping[str, int],
        rules: NoiseRules,
        secret: bytes,
        scale: int,
        rounding: Rounding | None,
    ) -> None:
        self._exact, self._of, self._scale = places[total.value], total.of, scale
        self._sets = [(keyed, places[keyed.units], places[keyed.combined]) for keyed in total.sets]
        self._amounts = [_places(amounts, places) for amounts in total.amounts]
        self._tables = [] if total.of else [_found(keyed, rules) for keyed in total.sets]
        self._rounding, self._secret, self._counts = rounding, secret, cell_keys(secret, COUNT)
        self._magnitudes: MagnitudeNoise | None = None
        if total.amounts:
            if rules.share is None:
                raise WorkerLied("a sum under noise that has none")
            self._magnitudes = magnitudes_of(rules.share)

    def perturbed(self, cell: Exact) -> Any:
        """The number as it may leave; None where there is none."""
        exact = cell[self._exact]
        if exact is None:
            return None
        if self._of:
            return _written(self._summed(cell, _whole(exact, self._scale), self._of)[0], exact, self._scale)
        if self._magnitudes is None:
            if exact != sum(cell[units] for _, units, _ in self._sets):
                raise WorkerLied("a number that is not that of its units")
            return sum(self._counted(cell, number) for number, _ in enumerate(self._sets))
        alike = next((number for number, (_, units, _) in enumerate(self._sets) if cell[units] == exact), None)
        if alike is not None:
            return self._counted(cell, alike)
        whole, key = self._summed(cell, exact, ROWS)
        return _rounded(whole, self._rounding, key)

    def _counted(self, cell: Exact, number: int) -> int:
        keyed, units, combined = self._sets[number]
        count: int = cell[units]
        if type(count) is not int or count < 0:
            raise WorkerLied("a number of units that is none")
        key = self._counts([UnitSet(keyed.type, count, cell[combined])])
        return _rounded(self._tables[number].perturbed(count, key.noise()), self._rounding, key)

    def _summed(self, cell: Exact, exact: int, of: str) -> tuple[int, CellKey]:
        """A sum of smallest units with the noise of the unit group whose contributions need most, and its key."""
        if self._magnitudes is None:
            raise WorkerLied("a sum without its contributions")
        contributed = max(
            (_contributed(cell, amounts, self._scale) for amounts in self._amounts),
            key=lambda one: (one.largest, one.magnitude),
        )
        largest = " ".join(map(str, contributed.largest))
        statistic = Statistic(StatisticKind.MAGNITUDE, f"{of} = {exact} by {largest}")
        sets = [UnitSet(keyed.type, cell[units], cell[combined]) for keyed, units, combined in self._sets]
        key = cell_keys(self._secret, statistic)(sets)
        return self._magnitudes.perturbed(exact, contributed, key), key


def _places(amounts: Amounts, places: Mapping[str, int]) -> tuple[int, int, int]:
    return places[amounts.largest], places[amounts.second], places[amounts.magnitude]


def _contributed(cell: Exact, amounts: Sequence[int], scale: int) -> Contributed:
    largest, second, magnitude = (_whole(cell[place] or 0, scale) for place in amounts)
    if not 0 <= second <= largest or largest + second > magnitude:
        raise WorkerLied("contributions that contradict each other")
    return Contributed((largest, second), magnitude)


def _whole(value: int | Decimal, scale: int) -> int:
    """An exact number in its smallest units. Raises `WorkerLied` where it has more digits than planned."""
    if isinstance(value, int):
        units: int = 10**scale
        return value * units
    found = _EXACT.scaleb(value, scale)
    whole = int(found)
    if whole != found:
        raise WorkerLied("more digits than planned")
    return whole


def _written(whole: int, like: int | Decimal, scale: int) -> int | Decimal:
    return whole if isinstance(like, int) else _EXACT.scaleb(Decimal(whole), -scale)


def _found(keyed: KeyedUnits, rules: NoiseRules) -> PerturbationTable:
    table = table_of(rules, keyed.type)
    if table is None:
        raise WorkerLied("units without a perturbation table")
    return table


def _rounded(value: int, rounding: Rounding | None, key: CellKey) -> int:
    return value if rounding is None else rounded(value, rounding, key)
