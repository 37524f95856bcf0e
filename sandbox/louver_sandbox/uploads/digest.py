"""The content digest of a table: equal for equal columns, names and rows in order, however they were batched.

Per column SHA-256 streams run over the rows: over the lengths of lists, over which values are null and how long they
are, and over the values themselves with nulls as zeros or nothing. A stream sees one kind of thing only, so where a
batch ends leaves no trace. The digest of the table is over names, types and the streams of each column.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds


class ColumnDigest:
    """The running digest of one column of a stored type (see `arrow_types`)."""

    def __init__(self, name: str, type_: pa.DataType) -> None:
        self._name = name
        self._type = str(type_)
        self._lists = hashlib.sha256()
        self._shape = hashlib.sha256()
        self._values = hashlib.sha256()

    def update(self, array: pa.Array) -> None:
        """Add the next rows."""
        if kinds.is_large_list(array.type):
            self._lists.update(_numbers(pc.fill_null(pc.list_value_length(array), -1)))
            self._texts(array.flatten())
        elif kinds.is_large_string(array.type):
            self._texts(array)
        else:
            self._shape.update(_numbers(pc.cast(pc.is_valid(array), pa.int64())))
            self._values.update(_fixed(array))

    def _texts(self, array: pa.Array) -> None:
        self._shape.update(_numbers(pc.fill_null(pc.binary_length(array), -1)))
        present = pa.concat_arrays([pc.drop_null(array)])  # a copy without offset
        if len(present):
            offsets = np.frombuffer(present.buffers()[1], dtype="<i8", count=len(present) + 1)
            self._values.update(memoryview(present.buffers()[2] or b"")[offsets[0] : offsets[-1]])

    def summary(self) -> str:
        """Name, type and the digests of the streams as one line."""
        streams = "\0".join(stream.hexdigest() for stream in (self._lists, self._shape, self._values))
        return f"{self._name}\0{self._type}\0{streams}\n"


def table_digest(columns: list[ColumnDigest]) -> str:
    """The content digest, SHA-256 in hex."""
    digest = hashlib.sha256(b"louver own table 1\n")
    for column in columns:
        digest.update(column.summary().encode())
    return digest.hexdigest()


def _numbers(array: Any) -> bytes:
    return np.ascontiguousarray(array.to_numpy(zero_copy_only=False), dtype="<i8").tobytes()


def _fixed(array: pa.Array) -> bytes:
    """Little-endian values, 16 bytes for decimals, nulls as zero; ciphertexts and tokens as they are."""
    if kinds.is_fixed_size_binary(array.type):
        return b"".join(value for value in array.to_pylist() if value is not None)
    if kinds.is_decimal128(array.type):
        whole = pa.concat_arrays([pc.fill_null(array, pa.scalar(0, array.type))])  # a copy without offset
        return bytes(whole.buffers()[1])[: 16 * len(whole)]
    if kinds.is_boolean(array.type):
        return bytes(pc.fill_null(array, False).cast(pa.uint8()).to_numpy().tobytes())
    if kinds.is_float64(array.type):
        return np.ascontiguousarray(pc.fill_null(array, 0.0).to_numpy(), dtype="<f8").tobytes()
    width = pa.int32() if kinds.is_date32(array.type) else pa.int64()
    return _numbers(pc.fill_null(array.cast(width), 0).cast(pa.int64()))
