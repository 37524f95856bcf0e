"""Controlled rounding: a table that adds up is rounded so that it still does, and no value by a whole base."""

from __future__ import annotations

import random
import time
from itertools import product

import pytest

from louver_sandbox.perturbation.additivity import Limits
from louver_sandbox.perturbation.controlled import Method, controlled

LIMITS = Limits(threshold=10, base=5, most=15)


def margins(*sizes: int) -> list[tuple[int, ...]]:
    """All totals of a table: of each way alone, of each pair of three, and of everything."""
    places = {key: number for number, key in enumerate(product(*map(range, sizes)))}
    found: dict[tuple[int | None, ...], list[int]] = {}
    for key, place in places.items():
        for kept in product([True, False], repeat=len(sizes)):
            if not all(kept):
                name = tuple(one if keep else None for one, keep in zip(key, kept, strict=True))
                found.setdefault(name, []).append(place)
    return [tuple(total) for total in found.values()]


def table(seed: int, size: int) -> list[int]:
    chance = random.Random(seed)
    return [chance.choice([0, chance.randint(10, 40), chance.randint(40, 900)]) for _ in range(size)]


@pytest.mark.parametrize("seed", range(15))
def test_cells_and_margins_of_two_ways_go_to_a_multiple_next_to_them(seed: int) -> None:
    cells, totals = table(seed, 42), margins(6, 7)
    found = controlled(cells, totals, LIMITS)
    assert found.method is Method.CONTROLLED
    sums = [sum(cells[place] for place in total) for total in totals]
    for old, new in zip((*cells, *sums), (*found.cells, *found.totals), strict=True):
        assert new % 5 == 0
        assert abs(new - old) < 5
        assert new == 0 or new >= 10
    for total, value in zip(totals, found.totals, strict=True):
        assert value == sum(found.cells[place] for place in total)


@pytest.mark.parametrize("seed", range(6))
def test_no_such_rounding_is_nearer(seed: int) -> None:
    """Against every way of rounding a small table up or down."""
    cells, totals = table(seed, 6), margins(2, 3)
    sums = [sum(cells[place] for place in total) for total in totals]

    def fits(rounded: tuple[int, ...]) -> bool:
        values = [sum(rounded[place] for place in total) for total in totals]
        return all(abs(new - old) < 5 for old, new in zip(sums, values, strict=True))

    ways = product(*({cell - cell % 5, -(-cell // 5) * 5} for cell in cells))
    distance = [sum(abs(a - b) for a, b in zip(way, cells, strict=True)) for way in ways if fits(way)]
    found = controlled(cells, totals, LIMITS)
    assert sum(abs(a - b) for a, b in zip(found.cells, cells, strict=True)) == min(distance)


def test_nested_totals_are_rounded_together() -> None:
    cells = [11, 12, 13, 14, 16, 17]
    totals = [(0, 1, 2), (3, 4, 5), (0, 1, 2, 3, 4, 5)]
    found = controlled(cells, totals, LIMITS)
    assert found.method is Method.CONTROLLED
    assert found.totals[2] == found.totals[0] + found.totals[1]
    assert abs(found.totals[2] - 83) < 5


def test_a_table_without_totals_is_rounded_to_the_nearest() -> None:
    assert controlled([11, 13, 15, 0, 19], [], LIMITS).cells == (10, 15, 15, 0, 20)


def test_a_rounded_table_stays_as_it_is() -> None:
    found = controlled([10, 15, 0, 20], margins(2, 2), LIMITS)
    assert found.cells == (10, 15, 0, 20)
    assert found.totals == tuple(sum((10, 15, 0, 20)[place] for place in total) for total in margins(2, 2))


def test_a_table_that_has_no_controlled_rounding_is_adjusted_and_says_so() -> None:
    """Three cells half way between two multiples whose pairs are multiples: of each pair one goes up, or none fits."""
    limits = Limits(threshold=10, base=10, most=20)
    pairs = [(0, 1), (1, 2), (0, 2)]
    found = controlled([15, 15, 15], pairs, limits)
    assert found.method is Method.ADJUSTED
    assert all(cell % 10 == 0 and cell >= 10 for cell in found.cells)
    assert found.totals == tuple(found.cells[a] + found.cells[b] for a, b in pairs)


def test_equal_tables_are_rounded_alike() -> None:
    cells, totals = table(7, 60), margins(3, 4, 5)
    assert controlled(cells, totals, LIMITS) == controlled(list(cells), list(totals), LIMITS)


def test_ten_thousand_cells_are_rounded_in_seconds() -> None:
    cells, totals = table(1, 10_000), margins(100, 100)
    start = time.process_time()
    assert controlled(cells, totals, LIMITS).method is Method.CONTROLLED
    assert time.process_time() - start < 60


def test_a_negative_cell_is_an_error() -> None:
    with pytest.raises(ValueError, match="negative"):
        controlled([-5], [], LIMITS)
