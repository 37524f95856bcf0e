"""A worker's reply as flags. It is hostile input: whatever is not exactly as planned is a lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from louver_sandbox.release.decode import END_OF_STREAM, WorkerLied

MOST_ROWS_EACH = 16
"""Rows about one subject, at most: a template of warnings has one, and more of them are taken together."""


def decode_flags(reply: bytes, asked: Sequence[str], flags: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """The flags that are raised of each subject that is there, in the order of the template. What is unknown is not
    raised.

    Raises:
        WorkerLied: other columns, types or subjects than planned, or too many rows.
    """
    names = ["id", *(f"c{place}" for place in range(1, len(flags) + 1))]
    planned = pa.schema([("id", pa.string()), *((name, pa.bool_()) for name in names[1:])])
    source = pa.BufferReader(reply)
    known, rows = frozenset(asked), 0
    raised: dict[str, set[int]] = {}
    try:
        reader = pa.ipc.open_stream(source)
        if reader.schema.names != planned.names or reader.schema.types != planned.types:
            raise WorkerLied("not the planned columns")
        for batch in reader:
            batch.validate(full=True)
            rows += batch.num_rows
            if rows > MOST_ROWS_EACH * len(asked):
                raise WorkerLied("too many rows")
            for subject, *told in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if subject not in known:
                    raise WorkerLied("somebody who was not asked about")
                raised.setdefault(subject, set()).update(place for place, one in enumerate(told) if one)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise WorkerLied("not a valid Arrow stream") from error
    if source.tell() != len(reply) or not reply.endswith(END_OF_STREAM):
        raise WorkerLied("a stream without its end, or more than one")
    return {subject: tuple(flags[place] for place in sorted(places)) for subject, places in raised.items()}
