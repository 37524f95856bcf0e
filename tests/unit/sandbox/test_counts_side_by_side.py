"""Several counts in one answer: everyday ones leave, and two that differ by a few subjects do not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.naive_meeting import can_be_met
from tests.support.relations import Row, call, firms, lit, question, ref, returns, run

from louver.errors import Refused
from louver_sandbox.algebra.expressions import Call, Expression, Literal
from louver_sandbox.algebra.types import BOOLEAN, DATE, INTEGER
from louver_sandbox.engines.oracle import Row as Computed
from louver_sandbox.engines.oracle import value_of
from louver_sandbox.plan.conditions import conjunction, disjoint, implies, opposites, present
from louver_sandbox.plan.plan import plan

FIRMS: list[Row] = [
    {**row, "arrears": number % 2 == 0, "staff": 3 + number % 4, "revenue": Decimal(10 + number)}
    for number, row in enumerate(returns("A", 40))
]
"""Forty firms, ten of each staff of 3 to 6, half of them in arrears."""


def answer(measures: str, rows: list[Row] = FIRMS) -> tuple[object, ...]:
    world = firms(rows)
    (row,) = run(world, question(world, f"SELECT {measures} FROM gov.tax")).release.rows
    return row


@pytest.mark.parametrize(
    ("measures", "expected"),
    [
        ("count(*) FILTER (WHERE staff > 3), count(*) FILTER (WHERE staff > 5)", (30, 10)),
        ("count(*), count(*) FILTER (WHERE staff > 3), count(*) FILTER (WHERE staff > 5)", (40, 30, 10)),
        ("count(*), count(*) FILTER (WHERE staff = 3), count(*) FILTER (WHERE staff = 4)", (40, 10, 10)),
        ("count(*), sum(arrears::INT), sum(CASE WHEN arrears THEN 0 ELSE 1 END)", (40, 20, 20)),
        ("count(*), count(staff), count(revenue), sum(revenue + staff)", (40, 40, 40, Decimal("1360.00"))),
        ("count(*), count(*) FILTER (WHERE arrears), avg(revenue), sum(staff)", (40, 20, 29.5, 180)),
        ("count(*) FILTER (WHERE staff > 4), count(*) FILTER (WHERE arrears AND staff = 3)", (20, 10)),
        ("count(CASE WHEN arrears THEN 1 END), count(*) FILTER (WHERE arrears)", (20, 20)),
        ("count(CASE WHEN arrears THEN revenue END), avg(revenue) FILTER (WHERE arrears)", (20, 29.0)),
        (
            "avg(CASE WHEN arrears THEN revenue END), count(*) FILTER (WHERE arrears AND revenue IS NOT NULL)",
            (29.0, 20),
        ),
        ("count(CASE WHEN arrears THEN 1 END), sum(CASE WHEN arrears THEN 1 ELSE 0 END)", (20, 20)),
        ("count(*) FILTER (WHERE staff > 5 OR staff = 4), count(*) FILTER (WHERE staff > 3)", (20, 30)),
        ("count(NOT arrears), count(staff)", (40, 40)),
        ("count(*) FILTER (WHERE coalesce(district, '') IS NOT NULL)", (40,)),
    ],
)
def test_counts_with_many_subjects_between_them_leave(measures: str, expected: tuple[object, ...]) -> None:
    assert answer(measures) == expected


@pytest.mark.parametrize(
    "measures",
    [
        "count(*) FILTER (WHERE staff > 3), count(*) FILTER (WHERE staff > 3 AND staff <> 99)",
        "count(*) FILTER (WHERE staff > 3), count(*) FILTER (WHERE staff IN (4, 5)), count(*) FILTER (WHERE staff = 6)",
        "count(*), count(*) FILTER (WHERE staff < 5), count(*) FILTER (WHERE staff IN (5, 6))",
    ],
)
def test_counts_that_leave_one_subject_over_do_not_leave_together(measures: str) -> None:
    target: Row = {**FIRMS[0], "uscc": "target", "staff": 99}
    assert None in answer(measures, [*FIRMS, target])


def test_more_conditions_that_may_meet_than_are_told_apart_are_refused() -> None:
    counts = ", ".join(f"count(*) FILTER (WHERE staff <> {number})" for number in range(7))
    with pytest.raises(Refused, match="LVR-2311"):
        plan(question(firms(), f"SELECT {counts} FROM gov.tax"))


X = ref(1, "x", INTEGER)
plain = st.builds(
    lambda function, bound: call(function, X, lit(bound)),
    st.sampled_from(["=", "<>", "<", "<=", ">", ">="]),
    st.integers(0, 4),
) | st.builds(
    lambda values: Call("in", (X, *map(lit, values)), BOOLEAN), st.lists(st.integers(0, 4), min_size=1, max_size=3)
)
comparisons = plain | st.builds(
    lambda function, parts: Call(function, tuple(parts), BOOLEAN),
    st.sampled_from(["or", "and"]),
    st.lists(plain | plain.map(lambda one: call("not", one)), min_size=2, max_size=3),
)
EVERY_X = [Computed({(1, "x"): value}, {}) for value in (None, -1, 0, 1, 2, 3, 4, 5)]


@given(st.lists(comparisons, min_size=1, max_size=3), comparisons | st.just(present(X)))
def test_what_is_implied_holds_wherever_the_conditions_do(parts: list[Expression], implied: Expression) -> None:
    if implies(conjunction(parts), (implied,)):
        held = [row for row in EVERY_X if all(value_of(part, row) is True for part in parts)]
        assert all(value_of(implied, row) is True for row in held)


@given(st.lists(comparisons, min_size=1, max_size=2), st.lists(comparisons, min_size=1, max_size=2))
def test_what_excludes_each_other_is_met_by_no_row(left: list[Expression], right: list[Expression]) -> None:
    tests = frozenset((part, True) for part in (*left, *right))
    assert can_be_met(tests) is any(all(value_of(part, row) is True for part, _ in tests) for row in EVERY_X)
    if disjoint(conjunction(left), conjunction(right)):
        assert not can_be_met(tests)


def test_a_list_that_a_column_is_in_may_have_another_value() -> None:
    """5 IN (x, 5) is TRUE where x is missing."""
    assert implies((Call("in", (X, lit(5)), BOOLEAN),), (present(X),))
    assert not implies((Call("in", (lit(5), X, lit(5)), BOOLEAN),), (present(X),))


@given(plain)
def test_of_a_condition_and_its_opposite_one_holds(condition: Expression) -> None:
    for opposite, row in ((opposite, row) for opposite in opposites(condition) for row in EVERY_X[1:]):
        assert (value_of(condition, row) is True) is (value_of(opposite, row) is False)
        assert (value_of(opposite, row) is True) is (value_of(condition, row) is False)


def test_a_range_of_days_is_inside_a_longer_one() -> None:
    day = ref(1, "day", DATE)
    late, later = (Call(">=", (day, Literal(date(2026, month, 1), DATE)), BOOLEAN) for month in (1, 6))
    assert implies((later,), (late,))
    assert not implies((late,), (later,))
