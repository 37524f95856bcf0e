"""A release as bytes: one Arrow IPC stream without metadata, the same bytes for the same release.

These bytes are stored, sent and digested. Integers are int64, decimals decimal128(38, scale), times have no zone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pyarrow as pa

from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.stages import Answer, Cell, Committed, OutputColumn, Release

_ARROW = {
    Kind.NULL: pa.null(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.INTEGER: pa.int64(),
    Kind.DOUBLE: pa.float64(),
    Kind.TEXT: pa.string(),
    Kind.DATE: pa.date32(),
    Kind.TIMESTAMP: pa.timestamp("us"),
}

BATCH_ROWS = 65_536


def encode(release: Release, committed: Committed) -> Answer:
    """The released rows and remainder as Arrow IPC streams, with what the answer cost."""
    remainder = b"" if release.remainder is None else _stream(release.columns, (release.remainder,))
    return Answer(
        treatment=release.treatment,
        arrow=_stream(release.columns, release.rows),
        remainder=remainder,
        rows=len(release.rows),
        notices=release.notices,
        cost=committed.cost,
        remaining=committed.remaining,
        policies=committed.plan.policies,
        accuracy=release.accuracy,
        privacy=committed.privacy,
    )


def result_digest(arrow: bytes) -> str:
    """SHA-256 in hex of an answer's rows, as the log records it."""
    return hashlib.sha256(arrow).hexdigest()


def _stream(columns: tuple[OutputColumn, ...], rows: Sequence[tuple[Cell, ...]]) -> bytes:
    schema = pa.schema([pa.field(column.name, _type(column.type)) for column in columns])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for start in range(0, max(len(rows), 1), BATCH_ROWS):
            part = rows[start : start + BATCH_ROWS]
            arrays = [
                pa.array([row[i] for row in part], type=field.type, from_pandas=False)
                for i, field in enumerate(schema)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _type(type_: Type) -> pa.DataType:
    return pa.decimal128(38, type_.scale) if type_.kind is Kind.DECIMAL else _ARROW[type_.kind]
