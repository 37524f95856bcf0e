"""A worker's reply as bins. It is hostile input: whatever is not exactly as planned is a lie."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from louver_sandbox.release.decode import END_OF_STREAM, WorkerLied


def decode_bins(reply: bytes, subjects: int, bins: Sequence[int]) -> list[tuple[int, ...] | None]:
    """The number of each feature's bin for every place, None for a subject that is not there.

    Raises:
        WorkerLied: other columns, types or places than planned, or a bin that there is not.
    """
    source = pa.BufferReader(reply)
    try:
        reader = pa.ipc.open_stream(source)
        names = ["place", "present", *(f"b{number}" for number, _ in enumerate(bins, start=1))]
        if reader.schema.names != names or any(type_ != pa.int64() for type_ in reader.schema.types):
            raise WorkerLied("not the planned columns")
        columns: list[list[int | None]] = [[] for _ in names]
        for batch in reader:
            batch.validate(full=True)
            if len(columns[0]) + batch.num_rows > subjects:
                raise WorkerLied("too many rows")
            for held, column in zip(columns, batch.columns, strict=True):
                held += column.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise WorkerLied("not a valid Arrow stream") from error
    if source.tell() != len(reply) or not reply.endswith(END_OF_STREAM):
        raise WorkerLied("a stream without its end, or more than one")
    places, present, *taken = columns
    if places != list(range(subjects)) or not set(present) <= {0, 1}:
        raise WorkerLied("not a row for each place")
    for held, most in zip(taken, bins, strict=True):
        if not all(one is not None and 0 <= one < most for one in held):
            raise WorkerLied("a bin that there is not")
    rows: list[tuple[int, ...]] = [tuple(one or 0 for one in row) for row in zip(*taken, strict=True)]
    return [row if there else None for row, there in zip(rows, present, strict=True)]
