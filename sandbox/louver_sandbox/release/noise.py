"""Noise in the releaser (PRIVACY 5.6): what may leave of a cell, perturbed and rounded; suppression comes first.

Every number that a measure is made of is replaced by its perturbed one before the measure is put together, so that
averages, rates and whatever a question computes from them are made of numbers that may leave. The secret of cell keys
is an argument: workers and tables know nothing of it.

The noise of a sum is decided by its set of units, by what is added up, and by the exact sum and its largest
contributions. Without these, two sums over the same units would have the same draws: where their largest
contributions are alike, their difference, a single row, would have no noise; else a combination would have none.

Counts are rounded to the base that a policy names, sums to one of their own that is coarser than twice their noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

from louver_sandbox.core_plan import Amounts, KeyedUnits, NoisyTotal, Part
from louver_sandbox.obligations import NoiseRules, RoundingKind, ThresholdRules
from louver_sandbox.perturbation.keys import COUNT, CellKey, Statistic, StatisticKind, UnitSet, cell_keys
from louver_sandbox.perturbation.magnitudes import Contributed, MagnitudeNoise
from louver_sandbox.perturbation.named import magnitudes_of, mode_of, rounding_of, table_of
from louver_sandbox.perturbation.rounding import Rounding, rounded
from louver_sandbox.perturbation.table import PerturbationTable
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.parts import Core, Exact

ROWS = "rows"
"""What a number of rows adds up."""

_EXACT = Context(prec=200)
"""Far more digits than the 38 of a sum, so that moving the point rounds nothing."""


class NoiseSecretMissing(Exception):
    """Noise is asked for and the releaser has no secret to draw it by. A fault of the installation."""


@dataclass(frozen=True, slots=True)
class Perturb:
    """A cell's exact parts with those that leave replaced by perturbed ones; None where noise leaves nothing to show.

    `numbers` are the columns that leave, by their places.
    """

    numbers: Mapping[int, _Number]

    def __call__(self, cell: Exact) -> Exact:
        """The cell as it may be seen."""
        shown: list[Any] = list(cell)
        for place, number in self.numbers.items():
            shown[place] = number.perturbed(cell)
        return tuple(shown)

    def base(self, place: int, cells: Iterable[Exact]) -> int:
        """The base to which the numbers of a column are rounded together: the coarsest that one of them needs."""
        return max((self.numbers[place].base(cell) for cell in cells), default=1)


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
    scales = {column.name: column.type.scale for column in core.columns}
    together = is_rounded_together(core, rules.noise)
    numbers = {
        places[total.value]: _Number(total, places, rules.noise, secret, scales[total.value], together)
        for total in core.noisy
    }
    return Perturb(numbers)


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
        together: bool,
    ) -> None:
        self._exact, self._of, self._scale = places[total.value], total.of, scale
        self._sets = [(keyed, places[keyed.units], places[keyed.combined]) for keyed in total.sets]
        self._amounts = [_places(amounts, places) for amounts in total.amounts]
        self._tables = [] if total.of else [_found(keyed, rules) for keyed in total.sets]
        self._mode, self._unit, self._base = mode_of(rules), rules.base, total.base
        self._rounding = None if together else rounding_of(rules)
        self._secret, self._counts = secret, cell_keys(secret, COUNT)
        self._magnitudes: MagnitudeNoise | None = None
        if total.amounts:
            if rules.share is None:
                raise WorkerLied("a sum under noise that has none")
            self._magnitudes = magnitudes_of(rules.share)

    def perturbed(self, cell: Exact) -> Any:
        """The number as it may leave; None where there is none, or where the declared bounds do not hide it."""
        exact = cell[self._exact]
        if exact is None:
            return None
        if self._of:
            whole = self._sum(cell, exact)
            return None if whole is None else _written(whole, exact, self._scale)
        if self._magnitudes is None:
            if exact != sum(cell[units] for _, units, _ in self._sets):
                raise WorkerLied("a number that is not that of its units")
            return sum(self._counted(cell, number) for number, _ in enumerate(self._sets))
        alike = self._alike(cell)
        if alike is not None:
            return self._counted(cell, alike)
        contributed, key = self._drawn(cell, exact, ROWS)
        whole = self._magnitudes.perturbed(exact, contributed, key)
        if self._rounding is None:
            return whole
        base = self._magnitudes.base(contributed, key, self._unit)
        return rounded(whole, Rounding(self._rounding.mode, base), key)

    def base(self, cell: Exact) -> int:
        """The base that hides the noise of a number of units or rows."""
        if self._magnitudes is None or self._of or cell[self._exact] is None or self._alike(cell) is not None:
            return self._unit
        contributed, key = self._drawn(cell, cell[self._exact], ROWS)
        return self._magnitudes.base(contributed, key, self._unit)

    def _alike(self, cell: Exact) -> int | None:
        """The set whose units are as many as the rows, each of which then is another unit."""
        exact = cell[self._exact]
        return next((number for number, (_, units, _) in enumerate(self._sets) if cell[units] == exact), None)

    def _sum(self, cell: Exact, exact: int | Decimal) -> int | None:
        """A sum in smallest units, rounded to the column's base or one of its cell's noise."""
        whole = _whole(exact, self._scale)
        contributed, key = self._drawn(cell, whole, self._of)
        magnitudes = self._noise()
        if self._mode is None:
            return magnitudes.perturbed(whole, contributed, key)
        if self._base and not magnitudes.is_hidden_by(self._base, contributed):
            return None
        base = self._base or magnitudes.base(contributed, key)
        return rounded(magnitudes.perturbed(whole, contributed, key), Rounding(self._mode, base), key)

    def _counted(self, cell: Exact, number: int) -> int:
        keyed, units, combined = self._sets[number]
        count: int = cell[units]
        if type(count) is not int or count < 0:
            raise WorkerLied("a number of units that is none")
        key = self._counts([UnitSet(keyed.type, count, cell[combined])])
        whole = self._tables[number].perturbed(count, key.noise())
        return whole if self._rounding is None else rounded(whole, self._rounding, key)

    def _drawn(self, cell: Exact, exact: int, of: str) -> tuple[Contributed, CellKey]:
        """The contributions of the unit group that needs most noise, and the key of the sum."""
        contributed = max(
            (_contributed(cell, amounts, self._scale) for amounts in self._amounts),
            key=lambda one: (one.largest, one.magnitude),
        )
        largest = " ".join(map(str, contributed.largest))
        statistic = Statistic(StatisticKind.MAGNITUDE, f"{of} = {exact} by {largest}")
        sets = [UnitSet(keyed.type, cell[units], cell[combined]) for keyed, units, combined in self._sets]
        return contributed, cell_keys(self._secret, statistic)(sets)

    def _noise(self) -> MagnitudeNoise:
        if self._magnitudes is None:
            raise WorkerLied("a sum without its contributions")
        return self._magnitudes


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
