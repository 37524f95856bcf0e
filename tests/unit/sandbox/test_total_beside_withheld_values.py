"""A grand total beside cells of which some, or the values of some, are withheld: known are all of these as one sum."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from tests.support.relations import RULES_5, Row, firms, question, returns, run

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.core_plan import CountedUnit, JudgedTotal
from louver_sandbox.release import margins
from louver_sandbox.release.margins import Children, TooManyMargins, total_gives_away
from louver_sandbox.release.rules import Contributions
from louver_sandbox.stages import Cell

SQL = "SELECT district, sum(revenue) FROM gov.tax GROUP BY district UNION ALL SELECT 'all', sum(revenue) FROM gov.tax"


def firm(name: str, district: str, revenue: str) -> Row:
    return {**returns(district, 1, revenue=Decimal(revenue))[0], "uscc": name}


def told(rows: Sequence[Row]) -> dict[Cell, Cell]:
    """The sums that left, by district."""
    world = firms(rows)
    return {row[0]: row[1] for row in run(world, question(world, SQL, rules=RULES_5)).release.rows}


SHOWN = returns("shown", 8)
GIANT = [*returns("giant", 5), firm("g", "giant", "100.00")]
"""One firm holds two thirds of the district."""
SMALL = [row for number in range(10) for row in returns(f"small{number}", 2)]
"""Twenty firms in districts that are not shown."""


def test_one_withheld_value_is_not_told_by_the_total() -> None:
    assert told([*SHOWN, *GIANT]) == {"shown": Decimal("80.00"), "giant": None, "all": None}


def test_a_large_firm_beside_one_small_district_is_not_told_by_the_total() -> None:
    assert told([*SHOWN, *GIANT, *returns("small", 1)])["all"] is None


def test_a_withheld_value_among_many_small_districts_is_no_longer_known() -> None:
    assert told([*SHOWN, *GIANT, *SMALL]) == {"shown": Decimal("80.00"), "giant": None, "all": Decimal("430.00")}


def test_a_firm_that_may_be_large_in_every_withheld_part_is_taken_to_be() -> None:
    """The same firm may be the large one of both districts, so its shares are added up."""
    two = [*GIANT, *({**row, "district": "giant2"} for row in GIANT)]
    assert told([*SHOWN, *two, *SMALL[:2]])["all"] is None
    assert told([*SHOWN, *two, *SMALL])["all"] is not None


def test_the_same_few_firms_in_many_parts_are_few() -> None:
    few = [firm(f"f{number % 4}", f"small{number}", "10.00") for number in range(40)]
    assert told([*SHOWN, *few])["all"] is None


def test_amounts_of_both_signs_may_take_each_other_away() -> None:
    """What the small districts hold could be what the large firm owes, so nothing is certain of their magnitude."""
    owing = [{**row, "revenue": -row["revenue"]} for row in GIANT]  # type: ignore[operator]  # a Decimal
    assert told([*SHOWN, *owing, *SMALL])["all"] is None
    assert told([*SHOWN, *GIANT, *SMALL])["all"] is not None


def test_a_guard_of_which_a_bound_leaves_nothing_is_not_thought_to_be_empty() -> None:
    whole, one, none = (Contributions(units, some) for units, some in ((40, 9), (20, 9), (20, 0)))
    guard = JudgedTotal("n2", ("z2_1",), optional=True)
    groups = (CountedUnit(UnitType.ENTERPRISE),)
    few = Contributions(20, 1)
    assert not total_gives_away((whole,), Children(2, (one,), (none,)), groups, RULES_5, guard)
    assert total_gives_away((whole,), Children(2, (one,), (few,)), groups, RULES_5, guard)


def test_judging_many_cells_in_many_sets_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    sql = "SELECT district, staff, count(*) FROM gov.tax GROUP BY CUBE (district, staff)"
    world = firms([*SHOWN, *GIANT, *SMALL])
    assert run(world, question(world, sql)).release.rows
    monkeypatch.setattr(margins.Work.__init__, "__defaults__", (10,))
    with pytest.raises(TooManyMargins):
        run(world, question(world, sql))
