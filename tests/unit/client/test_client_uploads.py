"""A bank's own table goes up from whatever holds it, in pieces, and a table that cannot go up never starts to."""

from __future__ import annotations

import io
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas
import polars
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.sandbox_simulator import Simulation, Trouble, ipc

from louver.client import Client
from louver.encoding import encode
from louver.errors import Refused
from louver.failures import MissingExtra, Misused, Unreachable

ROWS: list[dict[str, Any]] = [
    {"loan": 1, "amount": Decimal("9.50"), "branch": "市南", "since": date(2025, 1, 1), "late": True},
    {"loan": None, "amount": Decimal("-0.005"), "branch": None, "since": None, "late": None},
]
TABLE = pa.Table.from_pylist(ROWS)


def sent(data: object) -> pa.Table:
    """What would be sent, as pyarrow reads it."""
    with encode(data) as content:
        content.seek(0)
        return pa.ipc.open_stream(io.BytesIO(content.read())).read_all()


def test_a_table_goes_up_and_is_listed(sandbox: Simulation, bank: Client) -> None:
    heard: list[tuple[int, int]] = []
    table = bank.upload("loan_book", TABLE, progress=lambda done, total: heard.append((done, total)))
    assert (table.full_name, table.rows, table.space) == ("bank_a.loan_book", 2, "institution")
    assert heard[-1][0] == heard[-1][1] == len(sandbox.service.uploads["loan_book"])
    assert [own.name for own in bank.tables(own_only=True)] == ["loan_book"]
    bank.drop("loan_book")
    assert bank.tables(own_only=True) == []


def test_pieces_stay_under_one_mebibyte(sandbox: Simulation, bank: Client) -> None:
    bank.upload("big", pa.table({"n": list(range(400_000))}))
    assert sandbox.service.largest_piece <= 1 << 20
    assert len(sandbox.service.uploads["big"]) > 3 << 20


def test_an_upload_cut_off_half_way_is_repeated_whole(sandbox: Simulation, bank: Client) -> None:
    sandbox.service.troubles.append(Trouble.CUT_OFF)
    once = pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches())
    bank.upload("loan_book", once)
    assert pa.ipc.open_stream(sandbox.service.uploads["loan_book"]).read_all() == TABLE


def test_a_name_that_is_taken_is_refused_unless_replaced(bank: Client) -> None:
    bank.upload("loan_book", TABLE)
    with pytest.raises(Refused, match="LVR-4201"):
        bank.upload("loan_book", TABLE)
    assert bank.upload("loan_book", TABLE.slice(1), replace=True).rows == 1


def test_no_answer_to_an_upload_is_said_so(sandbox: Simulation, bank: Client) -> None:
    sandbox.service.troubles.extend([Trouble.UNAVAILABLE] * 9)
    with pytest.raises(Unreachable):
        bank.upload("loan_book", TABLE)
    assert sandbox.service.uploads == {}


@pytest.mark.parametrize(
    "data",
    [
        TABLE,
        TABLE.to_batches()[0],
        polars.DataFrame(TABLE),
        TABLE.to_pandas(types_mapper=pandas.ArrowDtype),
        ROWS,
        iter(ROWS),
    ],
    ids=["table", "batch", "polars", "pandas", "rows", "generator"],
)
def test_the_same_values_leave_from_every_holder(data: object) -> None:
    assert [list(row.values()) for row in sent(data).to_pylist()] == [list(row.values()) for row in ROWS]


def test_files_of_three_kinds(tmp_path: Path) -> None:
    numbers = pa.table({"n": [1, 2], "t": ["a", "b"]})
    pa.parquet.write_table(numbers, tmp_path / "t.parquet")
    pa.csv.write_csv(numbers, tmp_path / "t.csv")
    (tmp_path / "stream.arrow").write_bytes(ipc(numbers))
    with pa.ipc.new_file(tmp_path / "file.arrow", numbers.schema) as writer:
        writer.write_table(numbers)
    for name in ("t.parquet", "t.csv", "stream.arrow", "file.arrow"):
        assert sent(tmp_path / name) == numbers, name
        assert sent(str(tmp_path / name)) == numbers, name


def test_ways_to_store_become_plain_types() -> None:
    stored = pa.table(
        {
            "dictionary": pa.array(["a", "b", "a"]).dictionary_encode(),
            "view": pa.array(["a", "b", None], pa.string_view()),
            "large": pa.array(["a", "b", "c"], pa.large_string()),
        }
    )
    assert set(sent(stored).schema.types) == {pa.string()}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "at least one"),
        ([{"a": 1}, {"b": 1}], "same columns"),
        ([{"a": 1}, {"a": "x"}], "several types"),
        ([{"a": None}], "only NULLs"),
        ([{"a": 2**70}], "64 bits"),
        ([{"a": Decimal("NaN")}], "not a number"),
        ([{"a": Decimal(10) ** 40}], "38 digits"),
        ([{"a": Decimal("1E-40")}], "38 digits"),
        ([{"a": b"x"}], "not a type"),
        ([{"a": datetime.fromisoformat("2025-01-01T00:00:00+08:00")}], "zone"),
        (["x"], "list of dicts"),
        (3, "not a table"),
        ("absent.parquet", "no such file"),
    ],
)
def test_what_is_no_table_never_starts_to_go_up(data: object, message: str) -> None:
    with pytest.raises(Misused, match=message):
        encode(data)


def test_a_folder_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(Misused, match="is a folder"):
        encode(tmp_path)


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.arrow", "t.xlsx"])
def test_a_broken_file_is_named_and_not_quoted(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b'ARROW1"370299190001010000",\x00\n1')
    with pytest.raises(Misused) as caught:
        encode(tmp_path / name)
    assert "370299" not in str(caught.value)


@pytest.mark.parametrize("library", ["arrow file", "parquet", "csv"])
def test_without_pyarrow_files_ask_for_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    path = tmp_path / f"t.{library.split()[0]}"
    path.write_bytes(b"ARROW1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra) as caught:
        encode(path)
    assert caught.value.hint == "pip install louver[arrow]"


@pytest.mark.parametrize("data", [ROWS, polars.DataFrame(TABLE), TABLE], ids=["rows", "polars", "arrow"])
def test_without_pyarrow_rows_and_frames_still_go_up(monkeypatch: pytest.MonkeyPatch, data: object) -> None:
    with monkeypatch.context() as bare:
        bare.setitem(sys.modules, "pyarrow", None)
        content = encode(data)
    with content:
        content.seek(0)
        table = pa.ipc.open_stream(content.read()).read_all()
    assert [list(row.values()) for row in table.to_pylist()] == [list(row.values()) for row in ROWS]


cells = {
    "i": st.integers(-(2**63), 2**63 - 1),
    "d": st.decimals(-(10**20), 10**20, places=4, allow_nan=False, allow_infinity=False),
    "t": st.text(max_size=5),
    "day": st.dates(),
    "at": st.datetimes(),
    "b": st.booleans(),
}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.fixed_dictionaries({name: st.none() | value for name, value in cells.items()}), max_size=12))
def test_rows_survive_the_way_up(rows: list[dict[str, Any]]) -> None:
    first = {
        "i": 1,
        "d": Decimal("1.5"),
        "t": "x",
        "day": date(2025, 1, 1),
        "at": datetime(2025, 1, 1),
        "b": True,
    }
    given_rows = [first, *rows]
    assert sent(given_rows).to_pylist() == given_rows
