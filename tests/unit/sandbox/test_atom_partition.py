"""Which atoms are merged with which: small ones only, with the nearest, within the narrowest grouping that has any."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from louver_sandbox.catalog.atoms import AtomRules, Dimension, Grouping
from louver_sandbox.publishing.atoms import Amounts, Asked, Atom, Counted, Unmergeable, Value, partition

K = 5
UNITS_ONLY = Asked((K,), (K,), (), 60, 10)
SUMMED = Asked((K,), (K,), (True,), 60, 10)
DISTRICT = Dimension(column="district", merge=(Grouping(prefix=4),))
YEAR = Dimension(column="year")
SECTION = Dimension(
    column="section", merge=(Grouping.model_validate({"groups": {"A": "1", "B": "1", "C": "2", "D": "2"}}),)
)


def rules(*dimensions: Dimension) -> AtomRules:
    return AtomRules(dimensions=dimensions, person=10, enterprise=K, dominance_percent=60, p_percent=10)


def atom(units: int, *values: Value) -> Atom:
    return Atom(values, units, (Counted(units),))


def merged(
    dimensions: Sequence[Dimension], *atoms: Atom, asked: Asked = UNITS_ONLY
) -> dict[tuple[Value, ...], object]:
    """By the values of each atom that moved, the values it takes."""
    takes = partition(atoms, rules(*dimensions), asked, None)
    return {atoms[place].values: atoms[taken].values for place, taken in enumerate(takes) if taken != place}


def test_atoms_that_are_large_enough_stay_as_they_are() -> None:
    assert merged([YEAR], atom(5, 2019), atom(9, 2020)) == {}


def test_a_small_atom_takes_the_values_of_the_nearer_neighbour() -> None:
    found = merged([YEAR], atom(50, 2001), atom(2, 2018), atom(60, 2019), atom(7, 2020))
    assert found == {(2018,): (2019,)}, "a year away, not seventeen"


def test_of_two_neighbours_as_near_the_smaller_is_taken() -> None:
    assert merged([YEAR], atom(50, 2018), atom(2, 2019), atom(7, 2020)) == {(2019,): (2020,)}


def test_the_smallest_goes_first_and_small_ones_may_be_enough_together() -> None:
    found = merged([YEAR], atom(40, 2017), atom(3, 2018), atom(2, 2019), atom(40, 2020))
    assert found == {(2019,): (2018,)}, "two years make five units, and the larger of them keeps its name"


def test_a_declared_grouping_comes_before_everything_else() -> None:
    found = merged([DISTRICT], atom(2, "310199"), atom(50, "310101"), atom(6, "3102"), atom(8, "310201"))
    assert found == {("310199",): ("310101",)}
    alone = merged([DISTRICT], atom(50, "310101"), atom(2, "310201"), atom(6, "310301"))
    assert alone == {("310201",): ("310301",)}, "nobody shares its grouping, so the next in order is taken"


def test_groups_are_listed_and_what_is_in_none_stands_alone() -> None:
    found = merged([SECTION], atom(9, "A"), atom(2, "C"), atom(30, "D"), atom(8, "X"))
    assert found == {("C",): ("D",)}
    alone = merged([SECTION], atom(9, "A"), atom(30, "D"), atom(1, "X"))
    assert alone == {("X",): ("D",)}


def test_what_gives_way_first_stands_first() -> None:
    """One small atom with a neighbour in either dimension."""
    atoms = (atom(2, 2019, "A"), atom(20, 2020, "A"), atom(30, 2019, "B"))
    assert merged([YEAR, Dimension(column="section")], *atoms) == {(2019, "A"): (2020, "A")}
    turned = tuple(Atom(one.values[::-1], one.rows, one.counted) for one in atoms)
    assert merged([Dimension(column="section"), YEAR], *turned) == {("A", 2019): ("B", 2019)}


def test_no_value_is_a_value_of_its_own_and_the_last_in_order() -> None:
    assert merged([YEAR], atom(9, None), atom(9, 2020)) == {}
    assert merged([YEAR], atom(2, None), atom(9, 2019), atom(30, 2020)) == {(None,): (2020,)}


def test_a_table_without_rows_has_no_atoms_and_one_that_is_too_small_no_partition() -> None:
    assert partition((), rules(YEAR), UNITS_ONLY, None) == ()
    with pytest.raises(Unmergeable):
        merged([YEAR], atom(2, 2019), atom(2, 2020))


def test_units_of_every_type_are_enough_or_there_are_none() -> None:
    asked = Asked((K, 10), (K, 10), (), 60, 10)

    def both(firms: int, persons: int, year: int) -> Atom:
        return Atom((year,), firms + persons, (Counted(firms), Counted(persons)))

    assert merged([YEAR], both(6, 0, 2018), both(0, 12, 2019), both(7, 11, 2020), asked=asked) == {}
    found = merged([YEAR], both(60, 0, 2018), both(20, 3, 2019), both(20, 30, 2020), asked=asked)
    assert found == {(2019,): (2020,)}
    chained = merged([YEAR], both(90, 0, 2018), both(20, 3, 2019), both(95, 10, 2020), asked=asked)
    assert chained == {(2018,): (2020,), (2019,): (2020,)}, "three persons came along, so it goes on"


def held(units: int, *amounts: int, year: int, lacking: int = 0) -> Atom:
    ranked = sorted((Decimal(amount) for amount in amounts), reverse=True)
    of = Amounts(len([one for one in ranked if one]), lacking, sum(ranked, Decimal(0)), ranked[0], ranked[1])
    return Atom((year,), units, (Counted(units, (of,)),))


@pytest.mark.parametrize(
    ("why", "unsafe"),
    [
        ("one unit has most of it", held(6, 90, 10, 10, 10, 10, 10, year=2019)),
        ("without two nothing is left of it", held(6, 50, 50, 1, 1, 1, 1, year=2019)),
        ("few have any", held(6, 10, 10, 0, 0, 0, 0, year=2019)),
        ("few lack it", held(6, 10, 10, 10, 10, 10, lacking=1, year=2019)),
    ],
)
def test_what_no_answer_could_show_is_no_atom_however_many_units_there_are(why: str, unsafe: Atom) -> None:
    safe = held(8, 10, 10, 10, 10, 10, 10, 10, 10, year=2020)
    others = held(90, *[10] * 90, lacking=20, year=2021)
    found = merged([YEAR], unsafe, safe, others, asked=SUMMED)
    assert found, why
    assert merged([YEAR], safe, others, asked=SUMMED) == {}
    counted = Asked((K,), (K,), (False,), 60, 10)
    only_counted = why in ("few have any", "few lack it")
    assert bool(merged([YEAR], unsafe, safe, others, asked=counted)) is only_counted


def test_where_a_unit_may_be_in_several_atoms_they_are_counted_again() -> None:
    """The same three firms in two years are three firms."""
    firms = {0: {1, 2, 3}, 1: {1, 2, 3}, 2: {4, 5, 6, 7, 8, 9}}
    asked: list[list[int]] = []

    def count(sets: Sequence[Sequence[int]]) -> list[tuple[Counted, ...]]:
        asked.extend(sorted(one) for one in sets)
        return [(Counted(len(set().union(*(firms[place] for place in one)))),) for one in sets]

    atoms = (atom(3, 2018), atom(3, 2019), atom(6, 2021))
    assert partition(atoms, rules(YEAR), UNITS_ONLY, None) == (0, 0, 2)
    assert partition(atoms, rules(YEAR), UNITS_ONLY, count) == (2, 2, 2)
    assert asked == [[0, 1], [0, 1, 2]]
