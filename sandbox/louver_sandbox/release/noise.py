"""Noise in the releaser (PRIVACY 5.6): what may leave of a cell, perturbed and rounded; suppression comes first.

Every number that a measure is made of is replaced by its perturbed one before the measure is put together, so that
averages, rates and whatever a question computes from them are made of numbers that may leave. The secret of cell keys
is an argument: workers and tables know nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from louver_sandbox.perturbation.keys import COUNT, CellKey, UnitSet, cell_keys
from louver_sandbox.perturbation.named import rounding_of, table_of
from louver_sandbox.perturbation.rounding import Rounding, rounded
from louver_sandbox.perturbation.table import PerturbationTable
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.parts import Core, Exact
from louver_sandbox.stages import KeyedUnits, NoiseRules, NoisyTotal, ThresholdRules

Perturb = Callable[[Exact], Exact]
"""A cell's exact parts with those that leave replaced by perturbed ones."""


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
    noisy = [(places[total.value], _counts(total, places, rules.noise, secret)) for total in core.noisy]

    def perturb(cell: Exact) -> Exact:
        shown: list[Any] = list(cell)
        for place, count in noisy:
            shown[place] = count(cell)
        return tuple(shown)

    return perturb


def _counts(total: NoisyTotal, places: dict[str, int], rules: NoiseRules, secret: bytes) -> Callable[[Exact], int]:
    """The perturbed number of a cell's units, each set by itself."""
    rounding, key_of = rounding_of(rules), cell_keys(secret, COUNT)
    sets = [(_found(keyed, rules), keyed.type, places[keyed.units], places[keyed.combined]) for keyed in total.sets]
    exact = places[total.value]

    def of(cell: Exact) -> int:
        if cell[exact] != sum(cell[units] for _, _, units, _ in sets):
            raise WorkerLied("a number that is not that of its units")
        found = 0
        for table, type_, units, combined in sets:
            key = key_of([UnitSet(type_, cell[units], cell[combined])])
            found += _rounded(table.perturbed(cell[units], key.noise()), rounding, key)
        return found

    return of


def _found(keyed: KeyedUnits, rules: NoiseRules) -> PerturbationTable:
    table = table_of(rules, keyed.type)
    if table is None:
        raise WorkerLied("units without a perturbation table")
    return table


def _rounded(value: int, rounding: Rounding | None, key: CellKey) -> int:
    return value if rounding is None else rounded(value, rounding, key)
