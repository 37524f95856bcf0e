"""Whatever the seed, size and day: the world's invariants."""

import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.cn import ric, uscc

from louver_sandbox.demo.world import TABLES, Blueprint, build
from louver_sandbox.demo.world.blueprint import MONTHS, month_of, month_starts
from louver_sandbox.demo.world.columns import digits, fixed_strings, money
from louver_sandbox.demo.world.randomness import uniform
from louver_sandbox.demo.world.schema import years_before

plans = st.builds(
    Blueprint,
    persons=st.integers(10, 400),
    seed=st.integers(0, 2**40),
    as_of=st.dates(date(2012, 1, 1), date(2050, 12, 31)),
    dirt=st.sampled_from([0.0, 1.0]),
    person_chunk=st.integers(50, 400),
    firm_chunk=st.integers(20, 100),
    key_parts=st.integers(1, 3),
)


@settings(max_examples=12, deadline=None)
@given(plans)
def test_every_small_world_is_whole(plan: Blueprint) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = build(plan, Path(folder) / "world", processes=1)
        assert world.rows["gov.pop_person"] == plan.persons
        assert world.rows["gov.ent_registry"] == plan.firms
        assert all(world.parts(table) for table in TABLES)
        persons = [pq.read_table(part) for part in world.parts("gov.pop_person")]
        numbers = [number for part in persons for number in part["person_id"].to_pylist()]
        firms = [code for part in world.parts("gov.ent_registry") for code in pq.read_table(part)["uscc"].to_pylist()]
    assert len(set(numbers)) == plan.persons
    assert all(ric.calc_check_digit(number) == number[-1] for number in numbers)
    assert len(set(firms)) == plan.firms
    assert all(uscc.is_valid(code) for code in firms)


@given(st.dates(date(1900, 1, 1), date(2070, 1, 1)))
def test_months_are_counted_as_the_calendar_does(day: date) -> None:
    days = np.array([(day - date(1970, 1, 1)).days])
    month = int(month_of(days)[0])
    assert divmod(month, 12) == (day.year, day.month - 1)
    assert date.fromordinal(date(1970, 1, 1).toordinal() + int(month_starts(np.array([month]))[0])) == day.replace(
        day=1
    )


@given(st.dates(date(2010, 1, 1), date(2060, 1, 1)))
def test_the_window_ends_in_the_month_of_the_day(day: date) -> None:
    plan = Blueprint(100, 1, day)
    months = plan.months()
    assert len(months) == MONTHS
    assert month_of(months).tolist() == list(range(plan.first_month, plan.last_month + 1))
    quarters = plan.quarter_months()
    assert len(quarters) == 8
    assert all(quarter % 3 == 0 for quarter in quarters)
    assert quarters[0] >= plan.first_month
    assert 0 <= plan.last_month - quarters[-1] <= 2


@given(st.dates(date(1950, 1, 1), date(2060, 1, 1)), st.integers(0, 100))
def test_birthdays_survive_leap_years(day: date, years: int) -> None:
    before = years_before(day, years)
    assert before.year == day.year - years
    assert (before.month, before.day) in {(day.month, day.day), (2, 28)}


@given(st.lists(st.integers(0, 10**9 - 1), min_size=1, max_size=50))
def test_numbers_are_spelled_in_full(values: list[int]) -> None:
    assert fixed_strings(digits(np.array(values), 9)).to_pylist() == [f"{value:09d}" for value in values]


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=50))
def test_money_is_exact_to_the_fen(fen: list[int]) -> None:
    stored = money(np.array(fen) / 100)
    assert [int(value * 100) for value in stored.to_pylist()] == fen


@given(st.integers(0, 2**40), st.text(max_size=5), st.lists(st.integers(0, 10**8), min_size=1, max_size=20))
def test_a_hash_depends_on_nothing_but_seed_label_and_row(seed: int, label: str, rows: list[int]) -> None:
    together = uniform(seed, label, np.array(rows))
    alone = [float(uniform(seed, label, np.array([row]))[0]) for row in rows]
    assert together.tolist() == alone
    assert ((together >= 0) & (together < 1)).all()
