"""From an Arrow IPC stream to Python rows, with nanoarrow alone: a bank needs no pyarrow to read an answer.

Decimals are read here rather than by nanoarrow, whose release 0.9 takes the two's complement of a negative
decimal for a huge positive number.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import nanoarrow

Cell = Any
"""None (withheld or NULL), bool, int, Decimal, float, str, date, datetime, timedelta or a list of str."""

Row = tuple[Cell, ...]

_TYPE_NAMES = {
    "NULL": "null",
    "BOOL": "boolean",
    "INT8": "integer",
    "INT16": "integer",
    "INT32": "integer",
    "INT64": "integer",
    "UINT8": "integer",
    "UINT16": "integer",
    "UINT32": "integer",
    "UINT64": "integer",
    "HALF_FLOAT": "double",
    "FLOAT": "double",
    "DOUBLE": "double",
    "STRING": "text",
    "LARGE_STRING": "text",
    "STRING_VIEW": "text",
    "DATE32": "date",
    "DATE64": "date",
    "TIMESTAMP": "timestamp",
    "DURATION": "interval",
    "INTERVAL_MONTH_DAY_NANO": "interval",
    "LIST": "text_list",
    "LARGE_LIST": "text_list",
}


END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""The end-of-stream marker (Arrow columnar format, "IPC Streaming Format"): there optional, in an answer demanded,
because a stream that breaks off between two batches would otherwise pass for a shorter answer."""


@dataclass(frozen=True, slots=True)
class AnswerColumn:
    """A column of an answer: its name and its type in the platform's words, such as ``decimal(2)``."""

    name: str
    type: str


class Undecodable(ValueError):
    """The bytes are not one whole Arrow IPC stream."""


def open_stream(data: bytes) -> nanoarrow.ArrayStream:
    """The stream as nanoarrow sees it; it can be read once."""
    return open_stream_of(io.BytesIO(data))


def open_stream_of(file: IO[bytes]) -> nanoarrow.ArrayStream:
    """The stream in a file, from where it stands; read as it is asked for."""
    import nanoarrow
    from nanoarrow.ipc import InputStream

    return nanoarrow.ArrayStream(InputStream.from_readable(file))


def decode(data: bytes) -> tuple[tuple[AnswerColumn, ...], tuple[Row, ...]]:
    """Columns and rows of an Arrow IPC stream. Raises ``Undecodable``."""
    if not data.endswith(END_OF_STREAM):
        raise Undecodable("the bytes are not one whole Arrow IPC stream")
    try:
        stream = open_stream(data)
        columns = tuple(AnswerColumn(field.name, _type_name(field)) for field in stream.schema.fields)
        rows: list[Row] = []
        for batch in stream.iter_chunks():
            values = [column_values(batch.child(index)) for index in range(batch.n_children)]
            rows.extend(zip(*values, strict=True))
    except (RuntimeError, ValueError, TypeError, KeyError, OverflowError):
        # nanoarrow's own exception is a RuntimeError; its text may quote bytes of the answer.
        raise Undecodable("the bytes are not one whole Arrow IPC stream") from None
    return columns, tuple(rows)


def _type_name(field: Any) -> str:
    if field.type.name in ("DECIMAL128", "DECIMAL256"):
        return f"decimal({field.scale})"
    return _TYPE_NAMES.get(field.type.name, str(field.type.name).lower())


def column_values(column: Any) -> list[Cell]:
    """One column of a batch as Python values."""
    if column.schema.type.name in ("DECIMAL128", "DECIMAL256"):
        return _decimals(column)
    return list(column.iter_py())


def _decimals(column: Any) -> list[Decimal | None]:
    import nanoarrow

    view = nanoarrow.c_array(column).view()
    width = 16 if column.schema.type.name == "DECIMAL128" else 32
    data = bytes(view.buffer(1))[view.offset * width : (view.offset + view.length) * width]
    unscaled = (int.from_bytes(data[at : at + width], "little", signed=True) for at in range(0, len(data), width))
    valid: Iterable[bool] = (
        list(view.buffer(0).elements())[view.offset : view.offset + view.length]
        if view.buffer(0).size_bytes
        else (True,) * view.length
    )
    scale = column.schema.scale
    return [exact(number, scale) if present else None for number, present in zip(unscaled, valid, strict=True)]


def exact(unscaled: int, scale: int) -> Decimal:
    """``unscaled`` times ten to the minus ``scale``, whatever the precision of the current decimal context."""
    digits = tuple(int(digit) for digit in str(abs(unscaled)))
    return Decimal((int(unscaled < 0), digits, -scale))
