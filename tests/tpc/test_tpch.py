"""TPC-H with customers and suppliers as privacy units: fifteen queries answered, seven refused by name.

An answer is checked twice. Without protection (the asker holds the rows itself) it is what plain DuckDB answers to the
original text; with protection it is what the rules leave of the cells, judged by definition in plain SQL.
"""

from pathlib import Path

import pytest
from tests.support import tpch
from tests.support.lengths import at_length_only
from tests.support.naive_cells import NO_RULES, Rules, released
from tests.support.same_rows import agree
from tests.support.tpc import UNITS
from tests.support.tpch_cells import CELLS
from tests.tpc.conftest import World

pytestmark = pytest.mark.slow

PAGES = Path(__file__).parents[2] / "docs" / "reference" / "refusals.d"


def test_every_query_is_either_answered_or_refused_by_name() -> None:
    assert sorted([*CELLS, *tpch.REFUSED]) == sorted(tpch.queries())
    assert len(CELLS) == 15


@at_length_only
@pytest.mark.parametrize("number", CELLS)
def test_the_cells_written_by_hand_are_those_of_the_query(world: World, number: int) -> None:
    assert agree(
        released(world.plain, CELLS[number], NO_RULES), world.plain.execute(tpch.queries()[number]).fetchall()
    )


@pytest.mark.parametrize("number", range(1, 23))
def test_without_protection_the_answer_is_that_of_plain_duckdb(world: World, number: int) -> None:
    sql = tpch.queries()[number]
    answer = world.ask_unprotected(sql)
    assert answer.treatment == "exact"
    assert agree(answer.rows, world.plain.execute(sql).fetchall())


@pytest.mark.parametrize("purpose", UNITS)
@pytest.mark.parametrize("number", CELLS)
def test_with_protection_exactly_the_safe_cells_leave(world: World, number: int, purpose: str) -> None:
    answer = world.ask(tpch.queries()[number], purpose)
    assert answer.treatment == "threshold"
    assert agree(answer.rows, released(world.plain, CELLS[number], Rules(UNITS[purpose])))


@pytest.mark.parametrize("number", tpch.REFUSED)
def test_what_would_show_individuals_is_refused_by_name(data: Path, number: int) -> None:
    code = tpch.REFUSED[number]
    assert tpch.judge_of(data).verdict(tpch.queries()[number]) == code
    assert any(f"\n## {code} " in f"\n{page.read_text(encoding='utf-8')}" for page in PAGES.glob("*.md"))
