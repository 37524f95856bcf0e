"""What leaves of a protected question: whole cells, single values, the remainder, and what the caller is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pyarrow as pa
import pytest
from tests.support.relations import RULES_5, Ran, Row, committed, firms, question, returns, run

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.core_plan import CountedUnit, JudgedTotal, Part
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.encode import encode, result_digest
from louver_sandbox.release.release import release
from louver_sandbox.release.rules import Contributions, Rule, reaches, withheld_by
from louver_sandbox.stages import Execution

FIRMS = (CountedUnit(UnitType.ENTERPRISE),)


def ask(sql: str, rows: Sequence[Row], rules: ThresholdRules = RULES_5) -> Ran:
    world = firms(rows)
    return run(world, question(world, sql, rules=rules))


BY_DISTRICT = "SELECT district, count(*) AS n, sum(revenue) AS r FROM gov.tax GROUP BY district"


def test_a_cell_needs_k_units_not_k_rows() -> None:
    ran = ask(BY_DISTRICT, returns("a", 5) + returns("b", 4, quarters=8))
    assert ran.release.rows == (("a", 5, Decimal("50.00")),)
    assert ran.codes() == {"CELLS_UNTOLD": 0}


def test_two_unsafe_cells_leave_together_when_they_are_safe_together() -> None:
    ran = ask(BY_DISTRICT, returns("a", 5) + returns("b", 3) + returns("c", 2))
    assert ran.release.remainder == (None, 5, Decimal("50.00"))
    assert ran.codes() == {"CELLS_WITHHELD": 2, "REMAINDER_RELEASED": 1}


def test_one_unsafe_cell_is_never_its_own_remainder() -> None:
    assert ask(BY_DISTRICT, returns("a", 9) + returns("b", 4)).release.remainder is None


def test_a_unit_in_two_unsafe_cells_counts_once_in_the_remainder() -> None:
    same: list[Row] = [{**row, "district": "c"} for row in returns("b", 3)]
    ran = ask(BY_DISTRICT, returns("a", 9) + returns("b", 3) + same)
    assert ran.release.remainder is None, "three firms twice are three firms"


def test_a_policy_can_do_without_a_remainder() -> None:
    ran = ask(BY_DISTRICT, returns("b", 3) + returns("c", 2), replace(RULES_5, remainder=False))
    assert ran.release.remainder is None
    assert ran.codes() == {"CELLS_UNTOLD": 0}


@pytest.mark.parametrize("rows", [[], returns("a", 4)])
def test_a_grand_total_below_k_keeps_its_form(rows: list[Row]) -> None:
    ran = ask("SELECT count(*), sum(revenue), avg(staff) FROM gov.tax", rows)
    assert ran.release.rows == ((None, None, None),)
    assert ran.codes() == {"CELLS_WITHHELD": 1}


def test_a_dominated_sum_is_empty_and_its_count_stays() -> None:
    giant: list[Row] = [{**returns("a", 1)[0], "uscc": "giant", "revenue": Decimal("90.00")}]
    ran = ask(BY_DISTRICT, returns("a", 5) + giant)
    assert ran.release.rows == (("a", 6, None),)
    assert [(notice.code, notice.rule) for notice in ran.release.notices] == [
        ("CELLS_UNTOLD", "units"),
        ("VALUES_WITHHELD", "dominance"),
    ]


@pytest.mark.parametrize("lie", [True, "5", -1, 5.0])
@pytest.mark.parametrize("part", [Part.UNITS, Part.VALUE])
def test_a_part_that_is_no_number_is_a_lie(part: Part, lie: object) -> None:
    ran = ask(BY_DISTRICT, returns("a", 5))
    (core,), (rows,) = ran.plan.cores, ran.execution.rows
    place = next(index for index, column in enumerate(core.columns) if column.part is part)
    told = tuple(tuple(lie if index == place else value for index, value in enumerate(row)) for row in rows)
    with pytest.raises(WorkerLied):
        release(Execution(ran.execution.committed, (told,)))


def test_a_row_of_other_columns_is_a_lie() -> None:
    ran = ask(BY_DISTRICT, returns("a", 5))
    (rows,) = ran.execution.rows
    with pytest.raises(WorkerLied):
        release(Execution(ran.execution.committed, (tuple(row[:-1] for row in rows),)))


def test_notices_tell_no_one_from_one_or_four() -> None:
    """A count of missing cells over few subjects would answer "is this firm in it?"."""
    said = {size: ask(BY_DISTRICT, returns("a", size)).release.notices for size in (0, 1, 4)}
    assert said[0] == said[1] == said[4]


def test_having_order_and_limit_see_released_values_only() -> None:
    giant: list[Row] = [{**returns("c", 1)[0], "uscc": "giant", "revenue": Decimal("900.00")}]
    rows = returns("a", 5) + returns("b", 7) + returns("c", 5) + giant + returns("d", 2)
    shaped = "SELECT district, sum(revenue) / count(*) AS mean FROM gov.tax GROUP BY 1"
    ran = ask(shaped + " HAVING sum(revenue) > 0 ORDER BY sum(revenue) DESC", rows)
    assert ran.release.rows == (("b", 10.0), ("a", 10.0)), "a withheld sum is greater than nothing"
    assert ask(shaped + " ORDER BY 2 DESC NULLS FIRST, 1 LIMIT 1", rows).release.rows == (("c", None),)
    assert ask(shaped + " ORDER BY 1 LIMIT 1 OFFSET 1", rows).release.rows == (("b", 10.0),)


def test_without_an_order_rows_come_by_value() -> None:
    rows = returns("c", 5) + returns("a", 5) + returns("b", 5)
    assert [row[0] for row in ask(BY_DISTRICT, rows).release.rows] == ["a", "b", "c"]


def test_sums_of_doubles_are_exact_decimals() -> None:
    rows = [{**row, "score": 0.1} for row in returns("a", 10)]
    ran = ask("SELECT sum(score), avg(score) FROM gov.tax", rows)
    assert [str(value) for value in ran.release.rows[0]] == ["1.00", "0.1"]


def test_extreme_values_are_missing_and_never_an_error() -> None:
    rows = returns("a", 6)
    rows[0] = {**rows[0], "staff": -(2**63), "score": float("nan")}
    ran = ask("SELECT district, count(*) n, sum(staff), avg(score) FROM gov.tax GROUP BY 1", rows)
    assert [row[:2] for row in ran.release.rows] == [("a", 6)]


def parts(units: int, contributors: int, *ranked: int) -> tuple[Contributions, ...]:
    return (Contributions(units, contributors, *ranked),)


@pytest.mark.parametrize(
    ("found", "own", "ranked", "rule"),
    [
        (parts(9, 5, 10, 10, 50), False, True, None),
        (parts(9, 4, 10, 10, 40), False, True, Rule.CONTRIBUTORS),
        (parts(9, 0, 0, 0, 0), False, True, Rule.CONTRIBUTORS),
        (parts(9, 9, 61, 10, 100), False, True, Rule.DOMINANCE),
        (parts(9, 9, 60, 34, 100), False, True, None),
        (parts(9, 9, 50, 46, 100), False, True, Rule.P_PERCENT),
        (parts(9, 5), False, False, Rule.CONTRIBUTORS),
        (parts(10, 5), False, False, None),
        (parts(5, 5), False, False, Rule.CONTRIBUTORS),
        (parts(5, 5), True, False, Rule.OWN_KNOWLEDGE),
        (parts(10, 5), True, False, None),
        (parts(63, 3), True, False, Rule.CONTRIBUTORS),
        (parts(63, 60), True, False, Rule.OWN_KNOWLEDGE),
    ],
)
def test_each_rule_at_its_edge(found: tuple[Contributions, ...], own: bool, ranked: bool, rule: Rule | None) -> None:
    largest = ("l1_1",) if ranked else ()
    total = JudgedTotal("s1", ("z1_1",), largest, own=own)
    assert withheld_by(found, FIRMS, RULES_5, total) is rule


def test_having_a_value_is_no_property_when_all_have_one() -> None:
    total = JudgedTotal("n1", ("z1_1",), presence=True)
    assert withheld_by(parts(5, 5), FIRMS, RULES_5, total) is None
    assert withheld_by(parts(9, 5), FIRMS, RULES_5, total) is Rule.CONTRIBUTORS


def test_a_group_that_must_be_there_is_missed() -> None:
    """None matched by a LEFT JOIN is withheld like one; a table that declares units for some rows only may have none."""
    assert not reaches((9, 0), (CountedUnit(UnitType.ENTERPRISE), CountedUnit(UnitType.PERSON)), RULES_5)
    assert reaches((9, 0), (CountedUnit(UnitType.ENTERPRISE), CountedUnit(UnitType.PERSON, optional=True)), RULES_5)
    assert not reaches((0,), (CountedUnit(UnitType.PERSON, optional=True),), RULES_5)


def test_the_same_release_is_the_same_bytes() -> None:
    ran = ask(BY_DISTRICT, returns("b", 3) + returns("a", 5) + returns("c", 3))
    again = ask(BY_DISTRICT, returns("c", 3) + returns("a", 5) + returns("b", 3))
    first, second = (encode(one.release, committed(one.plan)) for one in (ran, again))
    assert first == second
    assert len(result_digest(first.arrow)) == 64
    table = pa.ipc.open_stream(first.arrow).read_all()
    assert table.schema == pa.schema([("district", pa.string()), ("n", pa.int64()), ("r", pa.decimal128(38, 2))])
    assert table.to_pylist() == [{"district": "a", "n": 5, "r": Decimal("50.00")}]
    assert pa.ipc.open_stream(first.remainder).read_all().num_rows == 1


def test_an_empty_answer_has_its_columns() -> None:
    ran = ask(BY_DISTRICT, [])
    assert pa.ipc.open_stream(encode(ran.release, committed(ran.plan)).arrow).read_all().column_names == [
        "district",
        "n",
        "r",
    ]


def test_releasing_takes_an_execution_and_gives_a_release() -> None:
    ran = ask(BY_DISTRICT, returns("a", 5))
    assert "rows" not in repr(ran.execution).split("committed=")[0]
    assert isinstance(ran.execution, Execution)
    assert release(ran.execution) == ran.release
