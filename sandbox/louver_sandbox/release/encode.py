"""A release as bytes: one Arrow IPC stream without metadata, the same bytes for the same release.

These bytes are stored, sent and digested. Integers are int64, decimals decimal128(38, scale), times have no zone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import pyarrow as pa

from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.release import notices
from louver_sandbox.release.seals import Sealer, check_number, column, encrypted_columns, exactness
from louver_sandbox.stages import Answer, Cell, Committed, Release

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

Carried = tuple[pa.Field, Sequence[object]]
"""A column as it leaves: its Arrow field and its cells."""


def encode(release: Release, committed: Committed, sealer: Sealer | None = None) -> Answer:
    """The released rows and remainder as Arrow IPC streams, with what the answer cost.

    Where the plan seals columns, the `sealer` encrypts them. Without one nothing leaves (`SealMissing`), nor does it
    with more cells than can be sealed in time (`TooManySealed`).
    """
    seal = committed.plan.seal
    told, said = release.notices, release.accuracy
    if seal is not None:
        tables = release.rows, () if release.remainder is None else (release.remainder,)
        check_number(tables, said, seal, sealer)
        told, said = (*told, notices.sealed(seal)), exactness(said, seal, sealer)

    institution = committed.request.subject.institution
    encrypted = encrypted_columns(release.encrypted, sealer, release.columns, institution)

    def carried(place: int, cells: Sequence[Cell]) -> Carried:
        described = release.columns[place]
        if place in encrypted:
            return encrypted[place]
        if seal is not None and place in seal.columns:
            return column(described, cells, seal, sealer)
        return pa.field(described.name, _type(described.type)), cells

    remainder = b"" if release.remainder is None else _stream((release.remainder,), len(release.columns), carried)
    return Answer(
        treatment=release.treatment,
        arrow=_stream(release.rows, len(release.columns), carried),
        remainder=remainder,
        rows=len(release.rows),
        notices=told,
        cost=committed.cost,
        remaining=committed.remaining,
        policies=committed.plan.policies,
        accuracy=said,
        privacy=committed.privacy,
    )


def result_digest(arrow: bytes) -> str:
    """SHA-256 in hex of an answer's rows, as the log records it."""
    return hashlib.sha256(arrow).hexdigest()


def _stream(rows: Sequence[tuple[Cell, ...]], width: int, carried: Callable[[int, Sequence[Cell]], Carried]) -> bytes:
    fields: list[pa.Field] = []
    values: list[Sequence[object]] = []
    for place in range(width):
        field, given = carried(place, [row[place] for row in rows])
        fields.append(field)
        values.append(given)
    schema = pa.schema(fields)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for start in range(0, max(len(rows), 1), BATCH_ROWS):
            arrays = [
                pa.array(each[start : start + BATCH_ROWS], type=field.type, from_pandas=False)
                for each, field in zip(values, schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _type(type_: Type) -> pa.DataType:
    return pa.decimal128(38, type_.scale) if type_.kind is Kind.DECIMAL else _ARROW[type_.kind]
