"""A worker's reply as bins. It is hostile input: whatever is not exactly as planned is a lie."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from louver_sandbox.lookups import NOBODY
from louver_sandbox.release.decode import END_OF_STREAM, WorkerLied


def decode_bins(reply: bytes, asked: Sequence[str | None], bins: Sequence[int]) -> list[tuple[int, ...] | None]:
    """The number of each feature's bin for every place, None for nobody and for a subject that is not there.

    Raises:
        WorkerLied: other columns, types or subjects than planned, or a bin that there is not.
    """
    planned = pa.schema([("id", pa.string()), *((f"b{number}", pa.int64()) for number in range(1, len(bins) + 1))])
    source = pa.BufferReader(reply)
    found: dict[str, tuple[int, ...]] = {}
    try:
        reader = pa.ipc.open_stream(source)
        if reader.schema.names != planned.names or reader.schema.types != planned.types:
            raise WorkerLied("not the planned columns")
        for batch in reader:
            batch.validate(full=True)
            if len(found) + batch.num_rows > len(asked):
                raise WorkerLied("too many rows")
            for subject, *taken in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if subject in found or not _within(taken, bins):
                    raise WorkerLied("a subject twice, or a bin that there is not")
                found[subject] = tuple(taken)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise WorkerLied("not a valid Arrow stream") from error
    if source.tell() != len(reply) or not reply.endswith(END_OF_STREAM):
        raise WorkerLied("a stream without its end, or more than one")
    if not found.keys() <= {NOBODY if one is None else one for one in asked}:
        raise WorkerLied("somebody who was not asked about")
    return [None if one is None else found.get(one) for one in asked]


def _within(taken: Sequence[int | None], bins: Sequence[int]) -> bool:
    return all(one is not None and 0 <= one < most for one, most in zip(taken, bins, strict=True))
