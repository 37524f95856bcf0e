"""A worker's bytes as exact rows. They are hostile input: whatever is not exactly as planned is a lie.

One Arrow IPC stream per core, one after the other, each with its end mark and nothing after the last. One physical
Arrow type per kind (`plan.emit.wire_type`), the planned number and names of columns, a bound on rows. Integers come
as decimal128(38, 0). A double that is infinite or NaN can only be a stored value; it is read as NULL.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.core_plan import CoreColumn
from louver_sandbox.encrypted_core import EncryptedPlan
from louver_sandbox.release.members import NotMembers, columns_of, members
from louver_sandbox.stages import Committed, Execution, Members

MAX_ROWS = 1_000_000
"""Rows of all cores of a plan together."""

END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""How an Arrow IPC stream ends (Arrow columnar format, "IPC Streaming Format")."""

_ARROW = {
    Kind.NULL: pa.string(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.INTEGER: pa.decimal128(38, 0),
    Kind.DOUBLE: pa.float64(),
    Kind.TEXT: pa.string(),
    Kind.DATE: pa.date32(),
    Kind.TIMESTAMP: pa.timestamp("us"),
}


class WorkerLied(Exception):
    """A worker's reply is not what the plan says it must be. A fault; the text holds nothing of the reply."""


def decode(reply: bytes, committed: Committed, *, max_rows: int = MAX_ROWS) -> Execution:
    """The exact rows of a plan's cores, for the releaser only.

    Raises:
        WorkerLied: not one stream per core, other columns or types, too many rows, or malformed values.
    """
    source = pa.BufferReader(reply)
    tables: list[tuple[tuple[object, ...], ...]] = []
    for core in committed.plan.cores:
        types = [column.type for column in core.columns]
        table = _next(source, reply, types, max_rows - sum(map(len, tables)))
        values = [_values(table.column(i), column) for i, column in enumerate(core.columns)]
        tables.append(tuple(zip(*values, strict=True)))
    found = None if committed.plan.encrypted is None else _members(source, reply, committed.plan.encrypted)
    if source.tell() != len(reply):
        raise WorkerLied("more than the planned streams")
    return Execution(committed, tuple(tables), found)


def _members(source: pa.BufferReader, reply: bytes, plan: EncryptedPlan) -> Members:
    """Which rows of an upload are in which cell: a stream behind those of the cores."""
    table = _next(source, reply, columns_of(plan), MAX_ROWS + 2 * plan.rows)
    try:
        return members(table, plan, _values)
    except NotMembers as error:
        raise WorkerLied("not the planned rows of an upload") from error


def _next(source: pa.BufferReader, reply: bytes, types: Sequence[Type], max_rows: int) -> pa.Table:
    """The table of the next stream, which must end with its mark. Raises `WorkerLied`."""
    try:
        table = _read(source, types, max_rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise WorkerLied("not a valid Arrow stream") from error
    end = source.tell()
    if reply[end - len(END_OF_STREAM) : end] != END_OF_STREAM:
        raise WorkerLied("a stream without its end")
    return table


def _read(source: pa.BufferReader, types: Sequence[Type], max_rows: int) -> pa.Table:
    """The next stream's table; its schema is looked at before any of its rows."""
    reader = pa.ipc.open_stream(source)
    if reader.schema.names != [f"c{i}" for i, _ in enumerate(types, start=1)]:
        raise WorkerLied("not the planned columns")
    if reader.schema.types != [_arrow_type(type_) for type_ in types]:
        raise WorkerLied("not the planned types")
    batches: list[pa.RecordBatch] = []
    rows = 0
    for batch in reader:
        batch.validate(full=True)
        rows += batch.num_rows
        if rows > max_rows:
            raise WorkerLied("too many rows")
        batches.append(batch)
    return pa.Table.from_batches(batches, schema=reader.schema)


def _arrow_type(type_: Type) -> pa.DataType:
    if type_.kind is Kind.DECIMAL:
        return pa.decimal128(38, type_.scale)
    if type_.kind not in _ARROW:
        raise WorkerLied("a kind no answer can carry")
    return _ARROW[type_.kind]


def _values(column: pa.ChunkedArray, described: CoreColumn) -> list[object]:
    match described.type.kind:
        case Kind.INTEGER:
            return _integers(column)
        case Kind.DECIMAL:
            # Twice as fast as through Arrow's own scalars, and as exact.
            texts = pc.cast(column, pa.string()).to_pylist()
            return [None if text is None else Decimal(text) for text in texts]
        case Kind.DOUBLE:
            return [value if value is None or math.isfinite(value) else None for value in column.to_pylist()]
        case _:
            values: list[object] = column.to_pylist()
            return values


def _integers(column: pa.ChunkedArray) -> list[object]:
    try:
        narrow: list[object] = pc.cast(column, pa.int64()).to_pylist()
    except pa.ArrowInvalid:
        wide: list[Decimal | None] = column.to_pylist()
        return [None if value is None else int(value) for value in wide]
    return narrow
