"""What is told of a table's quality beside answers: counts that tell nothing of one subject, and their grade."""

from __future__ import annotations

import hashlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louver_sandbox.algebra.types import INTEGER, TEXT, TableName
from louver_sandbox.catalog.model import Column, PrivacyUnit, Role, SpaceKind, Table, UnitType
from louver_sandbox.quality.model import Dimension, Grade, Measured, Report
from louver_sandbox.quality.telling import BASE, LEAST, published

NAME = TableName("gov", "tax")
KEYS = [hashlib.sha256(bytes([one, two])).digest() for one in range(8) for two in range(250)]


def column(name: str, role: Role = Role.VALUE, level: int = 3) -> Column:
    return Column(name, INTEGER if role is Role.VALUE else TEXT, nullable=True, level=level, role=role)


def table(rows_per_unit: int | None, when: str | None = None) -> Table:
    return Table(
        NAME, SpaceKind.GOVERNMENT, "tax", "Tax", "有条件共享", "不予开放", frozenset(), "month", date(2026, 6, 30),
        (PrivacyUnit(UnitType.ENTERPRISE, "uscc", rows_per_unit, when),),
        (column("uscc", Role.IDENTIFIER), column("amount"), column("faith", Role.SENSITIVE)),
    )  # fmt: skip


def report(*measured: Measured, rows: int = 100_000, most_rows: int = 1) -> Report:
    return Report(NAME, rows, measured, most_rows)


def rule(faulty: int, rows: int = 100_000, column: str = "amount", **more: bool) -> Measured:
    return Measured(Dimension.VALIDITY, column, "is within bounds", rows, faulty, **more)


@given(st.integers(0, 10_000), st.sampled_from([1, 4, 24]), st.sampled_from(KEYS))
def test_a_count_is_rounded_to_a_multiple_of_five_times_what_one_subject_can_change(
    faulty: int, most: int, key: bytes
) -> None:
    told = published(report(rule(faulty)), table(most), key)
    assert told.within == BASE * most
    (one,) = told.told
    assert one.faulty % told.within == 0
    assert one.rows % told.within == 0
    assert abs(one.faulty - faulty) < told.within
    assert abs(one.rows - 100_000) < told.within
    assert told == published(report(rule(faulty)), table(most), key)  # asked again, it is the same


@pytest.mark.parametrize("faulty", [0, 7, 12, 24, 25, 1_000])
def test_a_count_with_one_subject_more_is_told_as_it_is_without_but_for_one_time_in_five(faulty: int) -> None:
    # Of all keys: no rounded count is more than a fifth likelier with the subject than without it.
    without, beside = (
        [published(report(rule(count)), table(1), key).told[0].faulty for key in KEYS]
        for count in (faulty, faulty + 1)
    )
    for count in {*without, *beside}:
        assert abs(without.count(count) - beside.count(count)) / len(KEYS) <= 1 / BASE + 0.03
    assert abs(sum(without) / len(KEYS) - faulty) < 0.2  # and the mean is the count


def test_a_grade_is_that_of_what_is_told() -> None:
    for key in KEYS[:100]:
        (one,) = published(report(rule(11)), table(1), key).told
        assert one.grade is (Grade.A if one.faulty <= 10 else Grade.B)


def test_the_worst_rule_of_a_dimension_is_told_without_its_name() -> None:
    said = published(report(rule(50), rule(2_000)), table(1), KEYS[0]).plain()
    assert said["dimensions"] == {"validity": ["D", 2_000, 100_000]}
    assert "amount" not in str(said)
    assert "bounds" not in str(said)


@pytest.mark.parametrize(
    "hidden",
    [
        rule(2_000, column="faith"),
        rule(2_000, binding=False),
        rule(1, rows=BASE * (LEAST - 1) - 1),
        Measured(Dimension.VALIDITY, "", "refreshed", 1, 1, whole=True),
    ],
    ids=["of a sensitive column", "that binds nobody", "of few rows", "of the table as one"],
)
def test_what_is_not_told(hidden: Measured) -> None:
    assert published(report(hidden), table(1), KEYS[0]).told == ()


@pytest.mark.parametrize(("most", "within"), [(1, 5), (3, 25), (24, 250), (600, 5_000)])
def test_where_nothing_is_declared_of_rows_a_subject_they_are_counted_and_told_by_one_digit(
    most: int, within: int
) -> None:
    assert published(report(rule(0), most_rows=most), table(None), KEYS[0]).within == within
    assert published(report(rule(0), most_rows=most), table(1, "uscc IS NOT NULL"), KEYS[0]).within == within
