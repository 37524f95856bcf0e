"""Totals are the sums of their cells again, as near as whole steps get to what noise made of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import product

import pytest

from louver_sandbox.perturbation import stored
from louver_sandbox.perturbation.additivity import Limits, Restored, Total, restored

PERSONS = stored.read(stored.supplied(stored.PERSONS))
LIMITS = Limits(threshold=10, base=1, most=12)


def squares(cells: Sequence[int], totals: Sequence[Total], found: Restored) -> int:
    """How far a restored table is from the perturbed one, cells and totals alike."""
    moved = zip((*cells, *(total.value for total in totals)), (*found.cells, *found.totals), strict=True)
    return sum((new - old) ** 2 for old, new in moved)


def two_way(rows: int, columns: int) -> list[tuple[int, ...]]:
    """The cells under each margin of a table with row totals, column totals and a grand total."""
    places = [[row * columns + column for column in range(columns)] for row in range(rows)]
    return [
        *(tuple(row) for row in places),
        *zip(*places, strict=True),
        tuple(range(rows * columns)),
    ]


def perturbed_table(seed: int, rows: int, columns: int) -> tuple[list[int], list[Total]]:
    """A table of true counts of 0 or at least 10, each cell and margin with noise of its own."""
    chance = random.Random(seed)
    true = [chance.choice([0, chance.randint(10, 40), chance.randint(40, 900)]) for _ in range(rows * columns)]
    noisy = [PERSONS.perturbed(count, chance.getrandbits(32)) for count in true]
    totals = [
        Total(PERSONS.perturbed(sum(true[cell] for cell in cells), chance.getrandbits(32)), cells)
        for cells in two_way(rows, columns)
    ]
    return noisy, totals


def check(cells: Sequence[int], totals: Sequence[Total], found: Restored, limits: Limits) -> None:
    """Everything that restoring promises except being near."""
    for total, value in zip(totals, found.totals, strict=True):
        assert value == sum(found.cells[cell] for cell in total.cells)
    for old, new in zip(cells, found.cells, strict=True):
        assert (new == 0) == (old == 0)
        assert new == 0 or new >= limits.threshold
        assert new % limits.base == 0
        assert abs(new - old) <= limits.most
    assert found.most_moved_cell == max(abs(a - b) for a, b in zip(cells, found.cells, strict=True))
    assert found.most_moved_total == max(
        abs(total.value - value) for total, value in zip(totals, found.totals, strict=True)
    )


def test_one_total_shares_what_it_is_off_among_its_cells() -> None:
    found = restored([20, 30, 40], [Total(94, (0, 1, 2))], LIMITS)
    assert found.cells == (21, 31, 41)
    assert found.totals == (93,)


def test_a_table_that_adds_up_is_left_as_it_is() -> None:
    cells = [20, 0, 40, 15]
    totals = [Total(sum(cells[cell] for cell in covered), covered) for covered in two_way(2, 2)]
    found = restored(cells, totals, LIMITS)
    assert found.cells == tuple(cells)
    assert found.most_moved_cell == found.most_moved_total == 0


@pytest.mark.parametrize("seed", range(20))
def test_margins_of_two_ways_add_up_within_the_limits(seed: int) -> None:
    cells, totals = perturbed_table(seed, rows=5, columns=6)
    check(cells, totals, restored(cells, totals, LIMITS), LIMITS)


def test_it_ends_nearer_than_adding_the_cells_up() -> None:
    for seed in range(20):
        cells, totals = perturbed_table(seed, rows=5, columns=6)
        found = restored(cells, totals, LIMITS)
        summed = tuple(sum(cells[cell] for cell in total.cells) for total in totals)
        assert squares(cells, totals, found) < squares(cells, totals, Restored(tuple(cells), summed, 0, 0))


def test_it_is_the_nearest_of_all_additive_tables_or_close_to_it() -> None:
    """Against every table of whole numbers near a small one."""
    for seed in range(8):
        cells, totals = perturbed_table(seed, rows=2, columns=2)
        found = squares(cells, totals, restored(cells, totals, LIMITS))
        best = min(
            squares(cells, totals, Restored(moved, tuple(sum(moved[c] for c in t.cells) for t in totals), 0, 0))
            for moved in product(
                *(
                    [0] if not cell else [n for n in range(cell - 7, cell + 8) if n >= LIMITS.threshold]
                    for cell in cells
                )
            )
        )
        assert best <= found <= best + 4


def test_subtotals_at_three_levels_add_up() -> None:
    """District, city and country; a country lists the districts under its cities."""
    cells = [12, 0, 33, 47, 25, 10]
    totals = [Total(47, (0, 1, 2)), Total(78, (3, 4, 5)), Total(131, (0, 1, 2, 3, 4, 5))]
    found = restored(cells, totals, LIMITS)
    check(cells, totals, found, LIMITS)
    assert found.totals[2] == found.totals[0] + found.totals[1]


def test_rounded_tables_stay_rounded() -> None:
    limits = Limits(threshold=10, base=5, most=15)
    cells = [10, 15, 0, 25, 40, 35]
    totals = [Total(20, (0, 1, 2)), Total(110, (3, 4, 5)), Total(140, tuple(range(6)))]
    check(cells, totals, restored(cells, totals, limits), limits)


def test_a_cell_at_k_is_not_lowered() -> None:
    found = restored([10, 10], [Total(10, (0, 1))], LIMITS)
    assert found.cells == (10, 10)
    assert found.totals == (20,)


def test_no_cell_moves_by_more_than_the_limit() -> None:
    limits = Limits(threshold=10, base=1, most=2)
    found = restored([20, 20], [Total(100, (0, 1))], limits)
    assert found.cells == (22, 22)
    assert (found.most_moved_cell, found.most_moved_total) == (2, 56)


@pytest.mark.parametrize("cells", [[-1, 20], [12, 20]])
def test_cells_that_are_no_multiples_of_the_base_are_an_error(cells: list[int]) -> None:
    with pytest.raises(ValueError, match="multiples"):
        restored(cells, [], Limits(threshold=10, base=5, most=5))


def test_a_table_of_nothing_is_nothing() -> None:
    assert restored([], [], LIMITS) == Restored((), (), 0, 0)
