"""Totals beside their parts under noise: made the sums of the parts that leave with them, and rounded together.

Cells of several grouping sets have noise of their own, so parts do not add up. Where the policy asks for controlled
rounding, numbers of rows are moved until they do (`perturbation.additivity`) and rounded so that they still do
(`perturbation.controlled`). Only perturbed numbers that leave go in. A total over a part that is withheld is left as
it is, and so is the whole column where one number would have to be moved by more than the accuracy that is stated.

A sum's noise is the secret of its largest contributions, so nobody may say by how much it could be moved. Its totals
are made of the parts instead, which anybody could add up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from louver_sandbox.core_plan import NoisyTotal
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.perturbation.additivity import Limits, Restored, Total, restored
from louver_sandbox.perturbation.keys import CellKey
from louver_sandbox.perturbation.named import table_of
from louver_sandbox.perturbation.rounding import Rounding, RoundingMode, rounded
from louver_sandbox.release.decode import WorkerLied

MOST_PARTS: Final = 5_000
"""Parts of one table that are adjusted together: a table of this size takes a tenth of a second."""

MOST_SUMMANDS: Final = 50_000
"""How often parts may stand in totals."""

_NO_KEY: Final = CellKey(bytes(64))


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The numbers of one column as they leave, by cell; whether the totals of shown parts add up, and by how much a
    number was moved at most to make them."""

    numbers: Mapping[int, int]
    adds_up: bool
    most_moved: int


def adjusted(numbers: Mapping[int, int], totals: Mapping[int, Sequence[int]], limits: Limits) -> Adjusted:
    """One column of perturbed numbers, by cell, rounded to multiples of the base. `totals` are the cells that are
    sums, with the cells that they sum: all of these leave and are no sums themselves.

    Pure, and never fails on data: what cannot be made to add up is rounded to the nearest.
    """
    parts = sorted(numbers.keys() - totals.keys())
    place = {cell: number for number, cell in enumerate(parts)}
    sums = [tuple(place[part] for part in totals[cell]) for cell in totals]
    nearest = Rounding(RoundingMode.NEAREST, limits.base)
    alone = {cell: rounded(number, nearest, _NO_KEY) for cell, number in numbers.items()}
    if not totals or len(parts) > MOST_PARTS or sum(map(len, sums)) > MOST_SUMMANDS:
        return Adjusted(alone, adds_up=not totals, most_moved=0)
    wanted = [Total(numbers[cell], cells) for cell, cells in zip(totals, sums, strict=True)]
    moved = restored([numbers[cell] for cell in parts], wanted, Limits(limits.threshold, 1, limits.most))
    found = dict(zip((*parts, *totals), _rounded(moved, sums, limits), strict=True))
    if any(abs(found[cell] - numbers[cell]) > limits.most + limits.base for cell in numbers):
        return Adjusted(alone, adds_up=False, most_moved=0)
    return Adjusted(found, adds_up=True, most_moved=max(moved.most_moved_cell, moved.most_moved_total))


def summed(
    numbers: Mapping[int, int | Decimal | None], totals: Mapping[int, Sequence[int]]
) -> dict[int, int | Decimal]:
    """The totals of one column of perturbed sums, as sums of their parts; of parts without a value, none."""
    found: dict[int, int | Decimal] = {}
    for cell, parts in totals.items():
        shown = [number for part in parts if (number := numbers[part]) is not None]
        if shown and numbers[cell] is not None:
            found[cell] = sum(shown)
    return found


def _rounded(moved: Restored, totals: Sequence[Sequence[int]], limits: Limits) -> tuple[int, ...]:
    # Its solver takes long to import, and few installations ask for it.
    from louver_sandbox.perturbation.controlled import controlled

    found = controlled(moved.cells, totals, limits)
    return (*found.cells, *found.totals)


def parts_of_totals(
    sets: Mapping[tuple[int, ...], Sequence[int]], values: Callable[[int], tuple[object, ...]]
) -> dict[int, tuple[int, ...]] | None:
    """The cells of the finest grouping set that each other cell sums; None if no set has all keys of the others.

    `sets` are the cells of each set, by its keys, withheld ones too; `values` gives the values of a cell's keys.
    """
    finest = max(sets, key=len, default=())
    if not all(set(keys) <= set(finest) for keys in sets):
        return None
    found: dict[int, tuple[int, ...]] = {}
    for keys in sets:
        if keys == finest:
            continue
        parts: dict[tuple[object, ...], list[int]] = {}
        for cell in sets[finest]:
            parts.setdefault(tuple(values(cell)[key] for key in keys), []).append(cell)
        for cell in sets[keys]:
            found[cell] = tuple(parts.get(tuple(values(cell)[key] for key in keys), ()))
    return found


def limits_of(total: NoisyTotal, rules: ThresholdRules) -> Limits:
    """By how much the numbers of a column may be moved: no more than noise could have moved them."""
    noise = rules.noise
    if noise is None:
        raise WorkerLied("noise that nobody asked for")
    types = {keyed.type for keyed in total.sets}
    tables = [table.terms for type_ in types if (table := table_of(noise, type_)) is not None]
    return Limits(max(rules.k[type_] for type_ in types), noise.base, max(terms.maximum for terms in tables))
