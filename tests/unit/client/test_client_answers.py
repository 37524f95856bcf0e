"""An answer comes as rows, Arrow, pandas or polars, exact to the digit, with everything said about it attached."""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas
import polars
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.sandbox_simulator import Recorded, Simulation, ipc
from tests.unit.client.conftest import DISTRICTS, EVERYTHING, districts

from louver.client import Client
from louver.decoding import Undecodable, decode
from louver.errors import Unproven
from louver.failures import MissingExtra
from louver.results import Answer, Notice


def test_rows_are_exact_and_a_withheld_cell_is_none(bank: Client) -> None:
    answer = bank.analyse(DISTRICTS)
    assert answer.rows == [tuple(row.values()) for row in districts().to_pylist()]
    assert list(answer) == answer.rows
    assert len(answer) == 3
    assert answer.rows[0][2] == Decimal("-12.50")


def test_what_was_said_about_the_answer_is_attached(bank: Client) -> None:
    answer = bank.analyse(DISTRICTS)
    assert answer.treatment == "threshold"
    assert answer.notices == (Notice("LVR-N01", 2, "k=10", "2 cells were withheld", "有 2 个单元格未公布"),)
    assert answer.cost == {"query": 1}
    assert answer.remaining == {"hukou/query": 99}
    assert answer.policies == ("hukou-credit@3",)
    assert answer.remainder == (None, 31)
    assert not answer.stored
    assert answer.receipt is not None
    assert [(column.name, column.type) for column in answer.columns] == [
        ("district", "text"),
        ("n", "integer"),
        ("total", "decimal(2)"),
        ("since", "date"),
    ]


def test_progress_is_told(bank: Client) -> None:
    stages: list[str] = []
    bank.analyse(DISTRICTS, progress=stages.append)
    assert stages == ["checked", "running"]


def test_every_library_reads_the_same_values(bank: Client) -> None:
    answer = bank.analyse(DISTRICTS)
    assert answer.to_arrow() == districts()
    assert pa.table(answer) == districts()
    assert answer.to_polars().rows() == answer.rows
    frame = answer.to_pandas()
    assert frame["n"].tolist() == [1200, pandas.NA, 7]
    assert frame["total"].tolist()[2] == Decimal("99999999999999999999999999999999999.99")
    assert polars.DataFrame(answer).shape == (3, 4)


@pytest.mark.parametrize(
    ("library", "method", "command"),
    [
        ("pyarrow", "to_arrow", "louver[arrow]"),
        ("pandas", "to_pandas", "louver[pandas]"),
        ("polars", "to_polars", "louver[polars]"),
    ],
)
def test_a_missing_library_is_named_with_its_command(
    bank: Client, monkeypatch: pytest.MonkeyPatch, library: str, method: str, command: str
) -> None:
    answer = bank.analyse(DISTRICTS)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=library) as caught:
        getattr(answer, method)()
    assert caught.value.hint == f"pip install {command}"


def test_every_type_of_the_platform_is_read(sandbox: Simulation, bank: Client) -> None:
    values: dict[str, Any] = {
        "b": pa.array([True, None]),
        "i": pa.array([2**63 - 1, None]),
        "f": pa.array([0.5, None]),
        "t": pa.array(["", None]),
        "d": pa.array([date(1, 1, 1), None]),
        "ts": pa.array([datetime(2025, 1, 1, 1, 2, 3, 4), None], pa.timestamp("us")),
        "iv": pa.array([timedelta(days=2), None], pa.duration("us")),
        "l": pa.array([["a", None], None], pa.list_(pa.string())),
        "n": pa.nulls(2),
    }
    sandbox.service.answers[EVERYTHING] = Recorded(pa.table(values))
    answer = bank.analyse(EVERYTHING)
    assert answer.rows == [tuple(array[index].as_py() for array in values.values()) for index in (0, 1)]
    assert [column.type for column in answer.columns] == [
        *("boolean", "integer", "double", "text", "date", "timestamp", "interval", "text_list", "null")
    ]


def test_an_answer_without_rows_has_columns(sandbox: Simulation, bank: Client) -> None:
    sandbox.service.answers[EVERYTHING] = Recorded(pa.table({"n": pa.array([], pa.int64())}))
    answer = bank.analyse(EVERYTHING)
    assert answer.rows == []
    assert [column.name for column in answer.columns] == ["n"]
    assert "0 rows" in repr(answer)


decimals = st.decimals(min_value=-(10**34), max_value=10**34, places=3, allow_nan=False, allow_infinity=False)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | decimals, min_size=1), st.integers(0, 3))
def test_decimals_keep_sign_and_digits(values: list[Decimal | None], start: int) -> None:
    column = pa.array(values, pa.decimal128(38, 3))
    table = pa.table({"d": column, "wide": column.cast(pa.decimal256(60, 3))}).slice(start)
    _, rows = decode(ipc(table))
    assert rows == tuple((value, value) for value in values[start:])


@given(st.integers(0, 400))
def test_a_stream_that_is_cut_is_never_half_an_answer(cut: int) -> None:
    whole = ipc(pa.table({"n": [1, 2, 3]}))
    part = whole[: min(cut, len(whole) - 9)]
    with pytest.raises(Undecodable):
        decode(part)


def test_bytes_that_are_no_stream_are_evidence() -> None:
    with pytest.raises(Unproven) as caught:
        Answer("id", "exact", b"not arrow").rows  # noqa: B018 - reading is what must fail
    assert caught.value.evidence == b"not arrow"


def test_shown_text_cannot_act_on_a_terminal_or_a_notebook() -> None:
    table = pa.table({"<b>": ["\x1b[31m<script>\u202e", None]})
    answer = Answer("id", "exact", ipc(table), notices=(Notice("LVR-N01", 1, "k", "<i>withheld</i>"),))
    assert "\\x1b[31m" in repr(answer)
    assert "\x1b" not in repr(answer)
    assert "\u202e" not in repr(answer)
    drawn = answer._repr_html_()
    assert "<script>" not in drawn
    assert "&lt;script&gt;" in drawn
    assert "<i>" not in drawn
    assert "withheld" in repr(answer)


def test_long_answers_are_shown_in_part() -> None:
    answer = Answer("id", "exact", ipc(pa.table({"n": list(range(50))})))
    assert "30 more rows" in repr(answer)
    assert "30 more rows" in answer._repr_html_()
