"""A worker's bytes as exact rows. They are hostile input: whatever is not exactly as planned is a lie.

One physical Arrow type per kind (`plan.emit.wire_type`), the planned number and names of columns, a bound on rows.
Integers come as decimal128(38, 0). A double that is infinite or NaN can only be a stored value; it is read as NULL.
"""

from __future__ import annotations

import math
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.stages import Committed, CoreColumn, Execution

MAX_ROWS = 1_000_000

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
    """The exact rows of an Arrow IPC stream, for the releaser only.

    Raises:
        WorkerLied: not a stream, other columns or types, too many rows, or malformed values.
    """
    columns = committed.plan.core
    try:
        table = _read(reply, max_rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise WorkerLied("not a valid Arrow stream") from error
    if [field.name for field in table.schema] != [f"c{i}" for i, _ in enumerate(columns, start=1)]:
        raise WorkerLied("not the planned columns")
    if any(field.type != _arrow_type(column.type) for field, column in zip(table.schema, columns, strict=True)):
        raise WorkerLied("not the planned types")
    values = [_values(table.column(i), column) for i, column in enumerate(columns)]
    return Execution(committed, columns, tuple(zip(*values, strict=True)))


def _read(reply: bytes, max_rows: int) -> pa.Table:
    batches: list[pa.RecordBatch] = []
    rows = 0
    with pa.ipc.open_stream(pa.BufferReader(reply)) as reader:
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
