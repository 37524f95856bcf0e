"""The catalogue for people: found by words, department, theme and level; samples that no data were needed for."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louver.catalogue import MADE_UP, found, sample
from louver.results import Column, Table
from louver_sandbox.elements.dictionary import ELEMENTS

TAXES = Table(
    "gov",
    "tax_quarter",
    title="税费申报",
    owner="市税务局",
    space="government",
    as_of="2026-06-30",
    themes=("税务", "信用"),
    columns=(
        Column("uscc", "text", level=1, element="uscc"),
        Column("quarter", "date", level=2, domain=("2026-01-01", "2026-04-01")),
        Column("revenue", "decimal(2)", level=3, description="销售收入", bounds="[0, 2E+7]"),
        Column("rate", "double", level=3, bounds="[-1.5, 2]"),
        Column("n", "integer", level=3, bounds="[5, 9]"),
        Column("zero_declared", "boolean", level=3),
        Column("seen", "timestamp", level=2),
        Column("measures", "text_list", level=1),
        Column("note", "text", level=3),
    ),
)
FUND = Table(
    "gov",
    "hf_account",
    owner="市住房公积金管理中心",
    themes=("住房",),
    columns=(Column("balance", "decimal(2)", level=4),),
)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["tax_quarter", "hf_account"]),
        ({"words": "销售 税务局"}, ["tax_quarter"]),
        ({"words": "TAX 住房"}, []),
        ({"words": "住房"}, ["hf_account"]),
        ({"department": "市税务局"}, ["tax_quarter"]),
        ({"department": "税务"}, []),
        ({"theme": "信用"}, ["tax_quarter"]),
        ({"level": 4}, ["hf_account"]),
        ({"level": 5}, []),
    ],
)
def test_tables_are_found(asked: dict[str, object], names: list[str]) -> None:
    assert [table.name for table in found([TAXES, FUND], **asked)] == names  # type: ignore[arg-type]


def test_a_sample_is_the_same_for_everybody_and_says_what_it_is() -> None:
    made = sample(TAXES)
    assert made == sample(TAXES)
    assert made.note == MADE_UP
    assert made.columns[0] == "uscc"
    assert len(made.rows) == 5
    for uscc, quarter, revenue, rate, n, zero, seen, measures, note in made.rows:
        assert ELEMENTS["uscc"].defect(str(uscc)) is None
        assert str(uscc)[2:7] == "37029", "a county that is nobody's"
        assert quarter in (date(2026, 1, 1), date(2026, 4, 1))
        assert isinstance(revenue, Decimal)
        assert 0 <= revenue <= 20_000_000
        assert revenue.as_tuple().exponent == -2
        assert isinstance(rate, float)
        assert -1.5 <= rate <= 2
        assert n in range(5, 10)
        assert isinstance(zero, bool)
        assert isinstance(seen, date)
        assert seen <= date(2026, 6, 30)
        assert (measures, str(note)[:2]) == (["示例"], "示例")
    assert len({row[0] for row in made.rows}) == 5


@given(st.sampled_from(sorted(ELEMENTS)), st.integers(0, 40))
def test_made_up_values_are_of_their_element_or_say_that_they_are_none(element: str, rows: int) -> None:
    table = Table("gov", "t", columns=(Column("c", "text", element=element),))
    for (value,) in sample(table, rows).rows:
        assert ELEMENTS[element].defect(str(value)) is None or str(value).startswith("示例")
