"""Whatever the table: no withheld cell is recovered, the optimum is one, and equal tables get equal answers."""

from __future__ import annotations

import itertools
import multiprocessing
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.additive_tables import flat, least_cost, protected, random_table, table
from tests.support.attacked_tables import SHAPES, attacked
from tests.support.lengths import at_length

from louver_sandbox.suppression import proved
from louver_sandbox.suppression.attacker import Interval, attack
from louver_sandbox.suppression.suppress import Reason, Suppressed, WholeTable, suppress
from louver_sandbox.suppression.table import Cell, Protection, Relation, Table

few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])

RANDOM_TABLES = at_length(300, 1_000)


@st.composite
def small_tables(draw: st.DrawFn) -> Table:
    """At most 12 cells: two rows of two or three, their margins, some of them released earlier or bounded."""
    hierarchies = [flat("T", "ab"), flat("T", draw(st.sampled_from(["xy", "xyz"])))]

    def cell(name: str, value: int) -> Cell:
        made = Cell(name, value, weight=draw(st.integers(0, 4)))
        match draw(st.sampled_from(["open", "open", "open", "primary", "released", "bounded"])):
            case "primary":
                lower, upper = draw(st.integers(0, 3)), draw(st.integers(1, 4))
                return replace(made, protection=Protection(lower, upper, draw(st.sampled_from([0, 0, 5, 6]))))
            case "released":
                return replace(made, released=True)
            case "bounded":
                return replace(made, known_lower=max(0, value - 2), known_upper=value + 3)
            case _:
                return made

    return table(hierarchies, lambda _: draw(st.integers(0, 9)), cell)


@few
@given(small_tables())
def test_no_set_is_cheaper_than_the_optimum(given_table: Table) -> None:
    outcome, least = suppress(given_table), least_cost(given_table)
    if isinstance(outcome, WholeTable):
        assert least is None
        assert outcome.reason is Reason.TOO_MUCH_KNOWN
    else:
        assert outcome.cost == outcome.bound == least
        assert protected(given_table, given_table.primary | outcome.secondary)


@few
@given(small_tables())
def test_the_heuristic_protects_too_and_its_bound_holds(given_table: Table) -> None:
    least = least_cost(given_table)
    outcome = proved.suppress(given_table, optimal=False)
    if least is None:
        assert isinstance(outcome, WholeTable)
    else:
        assert isinstance(outcome, Suppressed)
        assert outcome.bound <= least <= outcome.cost
        exact = attack(given_table, given_table.primary | outcome.secondary)
        assert all(interval.protects(given_table[name]) for name, interval in exact.items())
        assert all(_within(outcome.intervals[name], interval) for name, interval in exact.items())


@few
@given(st.lists(st.integers(0, 4), min_size=6, max_size=6), st.sets(st.integers(0, 5), min_size=1))
def test_the_attacker_knows_what_counting_all_tables_tells(values: list[int], withheld: set[int]) -> None:
    cells = [f"{row}/{column}" for row in "ab" for column in "xyz"]
    of = dict(zip(cells, values, strict=True))
    whole = table([flat("T", "ab"), flat("T", "xyz")], lambda place: of["/".join(place)])
    names = sorted(cells[index] for index in withheld)
    possible = (
        [
            guess
            for guess in itertools.product(range(sum(values) + 1), repeat=len(names))
            if _adds_up(whole, dict(zip(names, guess, strict=True)))
        ]
        if len(names) <= 3
        else None
    )
    intervals = attack(whole, names)
    for index, name in enumerate(names):
        interval = intervals[name]
        assert interval.lower is not None
        assert interval.upper is not None
        assert interval.lower <= whole[name].value <= interval.upper
        if possible is not None:
            seen = {guess[index] for guess in possible}
            assert (min(seen), max(seen)) == (interval.lower, interval.upper)


@few
@given(st.integers(0, 10**6), st.sampled_from(SHAPES), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(seed: int, shape: list, chance: object) -> None:  # type: ignore[type-arg]
    given_table = random_table(seed, shape, share=0.2, amounts=True)
    cells, relations = list(given_table.cells), list(given_table.relations)
    chance.shuffle(cells)  # type: ignore[attr-defined]
    chance.shuffle(relations)  # type: ignore[attr-defined]
    for optimal in (True, False):
        first = proved.suppress(given_table, optimal=optimal)
        assert proved.suppress(Table(tuple(cells), tuple(relations)), optimal=optimal) == first


@pytest.mark.slow
def test_none_of_hundreds_of_random_tables_gives_a_withheld_cell_away() -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(attacked, range(RANDOM_TABLES), chunksize=20)
    assert [cell for one in found for cell in one.recovered] == []
    assert sum(one.needed for one in found) > RANDOM_TABLES / 2, "tables that need no secondary cells test nothing"


def test_the_same_tables_without_secondary_cells_give_cells_away() -> None:
    tables = [random_table(seed, SHAPES[seed % len(SHAPES)], share=0.25, amounts=True) for seed in range(30)]
    given_away = sum(not protected(each, each.primary) for each in tables)
    assert given_away > len(tables) / 2


def _within(inner: Interval, outer: Interval) -> bool:
    return (outer.lower is None or (inner.lower is not None and outer.lower <= inner.lower)) and (
        outer.upper is None or (inner.upper is not None and inner.upper <= outer.upper)
    )


def _adds_up(whole: Table, guess: dict[str, int]) -> bool:
    def value(name: str) -> int:
        return guess.get(name, whole[name].value)

    def holds(relation: Relation) -> bool:
        return value(relation.total) == sum(value(part) for part in relation.parts)

    return all(holds(relation) for relation in whole.relations)
