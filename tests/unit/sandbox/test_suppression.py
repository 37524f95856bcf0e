"""What else is withheld so that a withheld cell cannot be computed from totals: small tables, answers known by hand."""

import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from tests.support.additive_tables import flat, protected, random_table, table, tree

from louver_sandbox.suppression import linear, proved
from louver_sandbox.suppression.attacker import Interval, attack
from louver_sandbox.suppression.deviations import Deviations
from louver_sandbox.suppression.local import Neighbourhoods
from louver_sandbox.suppression.optimal import Found
from louver_sandbox.suppression.suppress import Method, Reason, Suppressed, WholeTable, suppress
from louver_sandbox.suppression.table import Cell, Protection, Relation, Table

LEVEL = Protection(1, 2)
SQUARE = [flat("T", "ab"), flat("T", "xy")]
NINE = [flat("T", "abc"), flat("T", "xyz")]


def of(hierarchies: list, *, primary: set[str], released: set[str] | None = None, level: Protection = LEVEL) -> Table:  # type: ignore[type-arg]
    """Every leaf is 20; the primary cells have the level; totals may have been released earlier."""
    return table(
        hierarchies,
        lambda _: 20,
        lambda name, value: Cell(
            name, value, level if name in primary else None, released=name in (released or set())
        ),
    )


def margins(names: str) -> set[str]:
    return set(names.split())


def answer(given: Table) -> Suppressed:
    outcome = suppress(given)
    assert isinstance(outcome, Suppressed)
    assert protected(given, given.primary | outcome.secondary)
    return outcome


def test_one_cell_of_four_takes_the_other_three_with_it_when_margins_left_earlier() -> None:
    square = of(SQUARE, primary={"a/x"}, released=margins("a/T b/T T/x T/y T/T"))
    assert answer(square).secondary == {"a/y", "b/x", "b/y"}
    assert suppress(square).method is Method.OPTIMAL  # type: ignore[union-attr]


def test_one_cell_of_nine_makes_a_rectangle() -> None:
    found = answer(of(NINE, primary={"a/x"}, released=margins("a/T b/T c/T T/x T/y T/z T/T")))
    assert found.cost == found.bound == 3
    assert found.gap == 0


def test_two_cells_on_a_diagonal_need_only_the_other_diagonal() -> None:
    found = answer(of(NINE, primary={"a/x", "b/y"}, released=margins("a/T b/T c/T T/x T/y T/z T/T")))
    assert found.secondary == {"a/y", "b/x"}


def test_cells_that_protect_each_other_need_no_others() -> None:
    found = answer(of(NINE, primary={"a/x", "a/y", "b/x", "b/y"}))
    assert found.secondary == frozenset()
    assert found.cost == 0


def test_cells_too_small_to_make_room_are_passed_over() -> None:
    values = {"a/x": 20, "a/y": 1, "a/z": 20, "b/x": 20, "b/y": 20, "b/z": 20}
    rows = table(
        [flat("T", "ab"), flat("T", "xyz")],
        lambda place: values["/".join(place)],
        lambda name, value: Cell(name, value, Protection(5, 5) if name == "a/x" else None, released="T" in name),
    )
    assert answer(rows).secondary == {"a/z", "b/x", "b/z"}


def test_a_district_is_not_computed_from_its_city() -> None:
    city = {
        "all": ("bay", "hill"),
        "bay": ("b1", "b2", "b3"),
        "hill": ("h1", "h2"),
        **dict.fromkeys(("b1", "b2", "b3", "h1", "h2"), ()),
    }
    found = answer(of([city], primary={"b1"}, released={"bay", "hill", "all"}))
    assert len(found.secondary) == 1
    assert found.secondary < {"b2", "b3"}
    # Withholding the city costs another city as well, when the sum of the cities stays.
    without_districts = of([city], primary={"b1"}, released={"b2", "b3", "all"})
    assert answer(without_districts).secondary >= {"bay", "hill"}


def test_months_that_are_in_a_quarter_and_in_a_half_year_are_tied_twice() -> None:
    months = [f"m{number}" for number in range(1, 7)]
    cells = [Cell(month, 20, LEVEL if month == "m1" else None) for month in months]
    cells += [Cell("q1", 60, released=True), Cell("q2", 60, released=True), Cell("odd", 60, released=True)]
    given = Table(
        tuple(cells),
        (
            Relation("q1", ("m1", "m2", "m3")),
            Relation("q2", ("m4", "m5", "m6")),
            Relation("odd", ("m1", "m3", "m5")),
        ),
    )
    # m3 makes up for m1 in the quarter and in the odd months at once; any other way takes three more months.
    assert answer(given).secondary == {"m3"}


def test_weights_say_what_is_cheap_to_withhold() -> None:
    square = of(NINE, primary={"a/x"}, released=margins("a/T b/T c/T T/x T/y T/z T/T"))
    dear = {"a/y": 50, "b/x": 50}
    weighted = replace(square, cells=tuple(replace(cell, weight=dear.get(cell.name, 1)) for cell in square.cells))
    assert answer(weighted).secondary == {"a/z", "c/x", "c/z"}


def test_what_left_earlier_is_never_withheld() -> None:
    open_margins = of(NINE, primary={"a/x"})
    for name in sorted(answer(open_margins).secondary):
        cells = tuple(replace(cell, released=cell.name == name) for cell in open_margins.cells)
        assert name not in answer(replace(open_margins, cells=cells)).secondary


def test_a_primary_cell_that_left_earlier_holds_back_the_table() -> None:
    assert suppress(of(SQUARE, primary={"T/x", "a/x"}, released={"T/x"})) == WholeTable(
        Reason.RELEASED_EARLIER, frozenset({"T/x"})
    )


def test_a_table_whose_other_cells_have_left_is_held_back_and_says_which_cell_is_exposed() -> None:
    given = of(SQUARE, primary={"a/x"}, released=margins("a/T b/T T/x T/y T/T a/y"))
    assert suppress(given) == WholeTable(Reason.TOO_MUCH_KNOWN, frozenset({"a/x"}))


def test_a_cell_that_is_known_too_well_beforehand_is_exposed_whatever_is_withheld() -> None:
    given = of(SQUARE, primary={"a/x"})
    cells = tuple(replace(cell, known_upper=21) if cell.name == "a/x" else cell for cell in given.cells)
    assert suppress(replace(given, cells=cells)) == WholeTable(Reason.TOO_MUCH_KNOWN, frozenset({"a/x"}))


def test_negative_values_are_protected_too() -> None:
    given = Table(
        (
            Cell("loss", -5, Protection(2, 2), known_lower=None),
            Cell("gain", 9, known_lower=None),
            Cell("small", 1, known_lower=0, known_upper=2),
            Cell("sum", 5, known_lower=None, released=True),
        ),
        (Relation("sum", ("loss", "gain", "small")),),
    )
    assert answer(given).secondary == {"gain"}


def test_a_sliding_level_asks_for_width_and_not_for_either_side() -> None:
    given = of([flat("T", "abc")], primary={"a"}, released={"T"}, level=Protection(0, 0, 30))
    found = answer(given)
    assert len(found.secondary) == 1
    interval = found.intervals["a"]
    assert (interval.lower, interval.upper) == (0, 40)


def test_nothing_withheld_needs_nothing() -> None:
    assert suppress(of(NINE, primary=set())) == Suppressed(frozenset(), {}, 0, 0, Method.NONE_NEEDED)


def test_room_is_found_nearby_in_a_table_of_many_families() -> None:
    """Two crossed hierarchies of 31 nodes: most room is found among the 20 cells around, and the attacker agrees."""
    for seed in (1, 2):
        given = random_table(seed, [tree(6, 4), tree(6, 4)], share=0.15)
        all_ = Deviations.of(given)
        near = [Neighbourhoods(all_).of(demand.cell) for demand in all_.demands]
        assert sum(each is not None for each in near) > len(near) / 2
        found = answer(given)
        assert found.method is Method.HEURISTIC
        assert protected(given, given.primary | found.secondary)


@pytest.mark.parametrize("others", [0, 600])
def test_a_cell_that_is_in_no_total_is_withheld_alone(others: int) -> None:
    names = tuple(f"p{number:03}" for number in range(others))
    cells = (Cell("alone", 3, Protection(1, 7, 10)), *(Cell(name, 20) for name in names))
    given = Table((*cells, Cell("t", 20 * others)), (Relation("t", names),)) if others else Table(cells, ())
    found = answer(given)
    assert found.secondary == frozenset()
    assert attack(given, {"alone"})["alone"] == Interval(0, None)


def test_a_neighbourhood_is_a_part_of_the_table_with_every_relation_of_its_cells() -> None:
    given = table([tree(4, 3), tree(4, 3)], lambda _: 5)
    near = Neighbourhoods(Deviations.of(given)).of(given.place["t0000/t0101"])
    assert near is not None
    names = {given.cells[place].name for place in near.cells.tolist()}
    assert {"t0000/t0101", "t0001/t0100", "t00/t01", "t0002/t01"} <= names
    assert "t0100/t0200" not in names
    # A plain table is its own neighbourhood, and nothing is saved.
    assert Neighbourhoods(Deviations.of(of(NINE, primary={"a/x"}))).of(0) is None


@pytest.mark.parametrize("level", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("seed", range(3))
def test_the_heuristic_protects_a_width_of_any_whole_number(level: int, seed: int) -> None:
    """Half of an odd level is no number of subjects, and two such halves are less than the level."""
    made = random_table(seed, [flat("T", "abc"), flat("T", "xyz"), flat("T", "pq")], share=0.3)
    given = Table(
        tuple(replace(cell, protection=cell.protection and Protection(0, 0, level)) for cell in made.cells),
        made.relations,
    )
    found = proved.suppress(given, optimal=False)
    assert isinstance(found, Suppressed)
    assert protected(given, given.primary | found.secondary)


def test_the_order_of_rows_does_not_matter() -> None:
    given = of([tree(3, 2), flat("T", "xyz")], primary={"t0000/x", "t0101/y", "t02/z"})
    first = answer(given)
    for seed in range(5):
        cells, relations = list(given.cells), list(given.relations)
        random.Random(seed).shuffle(cells)
        random.Random(seed).shuffle(relations)
        relations = [replace(each, parts=tuple(reversed(each.parts))) for each in relations]
        assert suppress(Table(tuple(cells), tuple(relations))) == first


def test_a_set_that_does_not_stand_the_attack_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(all_: Deviations) -> Found:
        return Found(all_.primary, 0.0, 0.0)

    monkeypatch.setattr(proved, "optimise", careless)
    found = answer(of(NINE, primary={"a/x"}))
    assert len(found.secondary) >= 3
    assert found.method is Method.NODE_LIMIT


def test_a_set_that_cannot_be_completed_holds_back_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    class Careless:
        def __init__(self, all_: Deviations) -> None:
            pass

        def complete(self, withheld: np.ndarray, degrees: object, prunings: int) -> tuple[np.ndarray, None]:
            return withheld, None

    monkeypatch.setattr(proved, "optimise", lambda all_: Found(all_.primary, 0.0, 0.0))
    monkeypatch.setattr(proved, "Completion", Careless)
    assert suppress(of(NINE, primary={"a/x"})) == WholeTable(Reason.NOT_PROVED, frozenset())


@pytest.mark.parametrize("optimal", [True, False])
def test_a_solver_at_its_limit_holds_back_the_table(monkeypatch: pytest.MonkeyPatch, optimal: bool) -> None:
    monkeypatch.setattr(linear, "SIMPLEX_ITERATIONS", 0)
    given = of(NINE, primary={"a/x"}, released=margins("a/T b/T c/T T/x T/y T/z T/T"))
    assert proved.suppress(given, optimal=optimal) == WholeTable(Reason.NOT_PROVED, frozenset())


def test_the_attacker_computes_a_lone_withheld_cell() -> None:
    given = of(NINE, primary={"a/x"})
    assert attack(given, {"a/x"}) == {"a/x": Interval(20, 20)}
    assert not protected(given, frozenset({"a/x"}))


def test_the_attacker_bounds_a_rectangle_by_its_least_corners() -> None:
    values = {"a/x": 3, "a/y": 5, "b/x": 7, "b/y": 4}
    square = table(SQUARE, lambda place: values["/".join(place)])
    assert attack(square, {"a/x", "a/y", "b/x", "b/y"}) == {
        "a/x": Interval(0, 8),
        "a/y": Interval(0, 8),
        "b/x": Interval(2, 10),
        "b/y": Interval(1, 9),
    }


def test_the_attacker_sees_no_limit_where_there_is_none() -> None:
    given = Table(
        (Cell("a", 5, known_lower=None), Cell("b", 5), Cell("t", 10, known_lower=None)), (Relation("t", ("a", "b")),)
    )
    assert attack(given, {"a", "b", "t"}) == {
        "a": Interval(None, None),
        "b": Interval(0, None),
        "t": Interval(None, None),
    }


def test_the_attacker_accepts_no_recall_of_what_left() -> None:
    with pytest.raises(ValueError, match="released earlier"):
        attack(of(SQUARE, primary=set(), released={"a/T"}), {"a/T"})


@pytest.mark.parametrize(
    ("cells", "relations", "message"),
    [
        ((Cell("a", 1), Cell("a", 1)), (), "same name"),
        ((Cell("a", 1), Cell("t", 2)), (Relation("t", ("a",)),), "not the sum"),
        ((Cell("a", 1),), (Relation("t", ("a",)),), "unknown cell"),
    ],
)
def test_a_table_that_does_not_add_up_is_no_table(
    cells: tuple[Cell, ...], relations: tuple[Relation, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Table(cells, relations)


def test_parts_of_a_table_are_checked_as_they_are_made() -> None:
    with pytest.raises(ValueError, match="below"):
        Cell("a", -1)
    with pytest.raises(ValueError, match="above"):
        Cell("a", 3, known_upper=2)
    with pytest.raises(ValueError, match="weight"):
        Cell("a", 3, weight=-1)
    with pytest.raises(ValueError, match="no parts"):
        Relation("t", ())
    with pytest.raises(ValueError, match="twice"):
        Relation("t", ("a", "t"))
    with pytest.raises(ValueError, match="protects nothing"):
        Protection(0, 0)
    with pytest.raises(ValueError, match="negative"):
        Protection(-1, 2)


def test_the_solver_is_not_loaded_before_a_table_needs_it() -> None:
    lines = (
        "import sys",
        "from louver_sandbox.suppression import levels, suppress, table",
        "cells = (table.Cell('a', 5),)",
        "print(suppress.suppress(table.Table(cells, ())).method)",
        "print(sorted({'highspy', 'numpy'} & sys.modules.keys()))",
    )
    run = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["none-needed", "[]"]
