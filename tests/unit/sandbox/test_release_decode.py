"""A worker's reply is hostile input: whatever is not exactly as planned is a lie, found before a value is used."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from tests.support.relations import committed, firms, question

from louver_sandbox.plan.plan import plan
from louver_sandbox.release.decode import WorkerLied, decode
from louver_sandbox.release.release import release
from louver_sandbox.stages import Committed

WIDE = pa.decimal128(38, 0)
NUMBER = pa.int64()


def exact() -> Committed:
    sql = "SELECT district, staff, revenue, score FROM gov.tax"
    return committed(plan(question(firms(), sql, protected=frozenset())))


def stream(schema: pa.Schema, *rows: tuple[object, ...]) -> bytes:
    arrays = [pa.array([row[i] for row in rows], type=field.type) for i, field in enumerate(schema)]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch(arrays, schema=schema))
    content: bytes = sink.getvalue().to_pybytes()
    return content


PLANNED = pa.schema([("c1", pa.string()), ("c2", WIDE), ("c3", pa.decimal128(38, 2)), ("c4", pa.float64())])
ROW = ("a", Decimal(10) ** 30, Decimal("1.50"), 0.5)


def test_planned_columns_become_values() -> None:
    assert decode(stream(PLANNED, ROW), exact()).rows == (("a", 10**30, Decimal("1.50"), 0.5),)


def test_a_stored_infinity_is_null() -> None:
    execution = decode(stream(PLANNED, ("a", Decimal(1), None, float("inf"))), exact())
    assert execution.rows == (("a", 1, None, None),)


def test_an_integer_beyond_64_bits_is_lost_with_a_notice() -> None:
    made = release(decode(stream(PLANNED, ROW), exact()))
    assert made.rows == (("a", None, Decimal("1.50"), 0.5),)
    assert [(notice.code, notice.count) for notice in made.notices] == [("OUT_OF_RANGE", 1)]


@pytest.mark.parametrize(
    "schema",
    [
        pa.schema([("c1", pa.string())]),
        pa.schema([("c1", pa.string()), ("c2", NUMBER), ("c3", pa.decimal128(38, 2)), ("c4", pa.float64())]),
        pa.schema([("c1", pa.string()), ("c2", WIDE), ("c3", pa.decimal128(38, 3)), ("c4", pa.float64())]),
        pa.schema([("c1", pa.string()), ("c9", WIDE), ("c3", pa.decimal128(38, 2)), ("c4", pa.float64())]),
        pa.schema([*PLANNED, ("c5", pa.string())]),
        pa.schema([("c1", pa.binary()), ("c2", WIDE), ("c3", pa.decimal128(38, 2)), ("c4", pa.float64())]),
    ],
)
def test_other_columns_or_types_are_a_lie(schema: pa.Schema) -> None:
    with pytest.raises(WorkerLied):
        decode(stream(schema), exact())


@pytest.mark.parametrize("part", [slice(0), slice(3), slice(40), slice(9, None), slice(-9)])
def test_bytes_cut_off_or_made_up_are_a_lie(part: slice) -> None:
    content = stream(PLANNED, ROW)
    with pytest.raises(WorkerLied):
        decode(content[part], exact())


def test_too_many_rows_are_a_lie() -> None:
    with pytest.raises(WorkerLied, match="too many rows"):
        decode(stream(PLANNED, ROW, ROW, ROW), exact(), max_rows=2)


def test_text_that_is_not_utf8_is_a_lie() -> None:
    bad = pa.StringArray.from_buffers(1, pa.py_buffer(b"\x00\x00\x00\x00\x01\x00\x00\x00"), pa.py_buffer(b"\xff"))
    arrays = [bad, *(pa.array([None], type=field.type) for field in list(PLANNED)[1:])]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, PLANNED) as writer:
        writer.write_batch(pa.record_batch(arrays, schema=PLANNED))
    with pytest.raises(WorkerLied):
        decode(sink.getvalue().to_pybytes(), exact())
