"""A worker's reply is hostile input: whatever is not exactly as planned is a lie, found before a value is used."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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
    assert decode(stream(PLANNED, ROW), exact()).rows == ((("a", 10**30, Decimal("1.50"), 0.5),),)


def test_a_stored_infinity_is_null() -> None:
    execution = decode(stream(PLANNED, ("a", Decimal(1), None, float("inf"))), exact())
    assert execution.rows == ((("a", 1, None, None),),)


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


SIDES = "SELECT a.district, a.n FROM (SELECT district, count(*) AS n FROM gov.tax GROUP BY district) AS a "
SIDES += "JOIN (SELECT branch, count(*) AS m FROM bank_a.loan GROUP BY branch) AS b ON a.district = b.branch"
OWN = pa.schema([("c1", pa.string())])


def two_cores() -> Committed:
    """A question whose second core is the bank's own rows."""
    made = plan(question(firms(), SIDES))
    assert [core.protected for core in made.cores] == [True, False]
    return committed(made)


def streams() -> list[bytes]:
    """What an honest worker replies to it."""
    parts = []
    for core in two_cores().plan.cores:
        types = {"text": pa.string(), "integer": WIDE}
        fields = [(f"c{i}", types[column.type.kind.value]) for i, column in enumerate(core.columns, start=1)]
        parts.append(stream(pa.schema(fields)))
    return parts


def test_each_core_has_its_stream() -> None:
    assert decode(b"".join(streams()), two_cores()).rows == ((), ())


def test_missing_added_swapped_or_torn_streams_are_a_lie() -> None:
    first, second = streams()
    hostile = {
        "none": b"",
        "one": first,
        "swapped": second + first,
        "twice": first + second + second,
        "followed": first + second + b"\x00",
        "preceded": b"\x00" + first + second,
        "without the first end": first[:-8] + second,
        "without the last end": first + second[:-8],
        "ended twice": first + second + second[-8:],
        "an end in between": first + first[-8:] + second,
    }
    for name, reply in hostile.items():
        with pytest.raises(WorkerLied):
            print(name, decode(reply, two_cores()))


@given(place=st.integers(0, 4000), byte=st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_is_a_lie_or_an_answer_but_never_a_crash(place: int, byte: int) -> None:
    reply = bytearray(b"".join(streams()))
    reply[place % len(reply)] = byte
    try:
        found = decode(bytes(reply), two_cores())
    except WorkerLied:
        return
    assert len(found.rows) == 2


def test_the_cap_on_rows_is_for_all_cores_together() -> None:
    first, _ = streams()
    with pytest.raises(WorkerLied, match="too many rows"):
        decode(first + stream(OWN, ("a",), ("b",)), two_cores(), max_rows=1)
