"""NumPy arrays to Arrow columns, without a Python object per row.

Strings are built as a `uint8` matrix (one row per string) whose memory becomes the Arrow data buffer, or as codes
into a small dictionary; decimals as pairs of 64-bit words. Nothing here knows the domain.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Array = npt.NDArray[Any]
"""A NumPy array; the docstring or the name of each use says of what."""

_DIGITS = np.frombuffer(b"0123456789", dtype=np.uint8)
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


def _validity(missing: Array | None) -> tuple[pa.Buffer | None, int]:
    if missing is None or not missing.any():
        return None, 0
    return pa.py_buffer(np.packbits(~missing, bitorder="little")), int(missing.sum())


def _primitive(values: Array, kind: pa.DataType, missing: Array | None = None) -> pa.Array:
    # `pa.array` would import pandas on first use, a second per worker process.
    validity, nulls = _validity(missing)
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(values), [validity, data], nulls)


def fixed_strings(matrix: Array, missing: Array | None = None) -> pa.Array:
    """Strings of one common byte length; row i of the `uint8` matrix is string i."""
    n, width = matrix.shape
    offsets = np.arange(0, (n + 1) * width, width, dtype=np.int32) if width else np.zeros(n + 1, np.int32)
    validity, nulls = _validity(missing)
    buffers = [validity, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(matrix))]
    return pa.Array.from_buffers(pa.string(), n, buffers, nulls)


def ragged_strings(matrix: Array, lengths: Array) -> pa.Array:
    """Strings of different byte lengths: the first `lengths[i]` bytes of row i."""
    n, width = matrix.shape
    offsets = np.zeros(n + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    data = matrix[np.arange(width) < lengths[:, None]]
    return pa.Array.from_buffers(pa.string(), n, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def texts(words: Sequence[str]) -> pa.Array:
    """A few Python strings as an Arrow column."""
    encoded = [word.encode() for word in words]
    offsets = np.cumsum([0, *map(len, encoded)]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def utf8_matrix(characters: Sequence[str]) -> Array:
    """One row of bytes per text; all texts must encode to the same length, else ValueError."""
    encoded = [text.encode() for text in characters]
    if len({len(text) for text in encoded}) != 1:
        raise ValueError("texts of a matrix must have one common byte length")
    return np.frombuffer(b"".join(encoded), dtype=np.uint8).reshape(len(encoded), -1)


def digits(numbers: Array, width: int) -> Array:
    """Decimal digits, zero-padded to `width`, as a byte matrix; higher digits are dropped."""
    rest = np.asarray(numbers).astype(np.int64)
    matrix = np.empty((len(rest), width), dtype=np.uint8)
    for position in range(width - 1, -1, -1):
        rest, digit = np.divmod(rest, 10)
        matrix[:, position] = _DIGITS[digit]
    return matrix


def beside(*parts: Array | bytes) -> Array:
    """Byte matrices side by side; a `bytes` part is repeated on every row."""
    n = next(len(part) for part in parts if not isinstance(part, bytes))
    wide = [
        np.broadcast_to(np.frombuffer(part, np.uint8), (n, len(part))) if isinstance(part, bytes) else part
        for part in parts
    ]
    return np.concatenate(wide, axis=1)


def numbered(prefix: str, numbers: Array, width: int) -> pa.Array:
    """Identifiers like `LN0000000017`."""
    return fixed_strings(beside(prefix.encode(), digits(numbers, width)))


def hexadecimal(octets: Array) -> pa.Array:
    """Lower-case hexadecimal of each row of octets."""
    matrix = np.empty((len(octets), 2 * octets.shape[1]), dtype=np.uint8)
    matrix[:, 0::2] = _HEX[octets >> 4]
    matrix[:, 1::2] = _HEX[octets & 15]
    return fixed_strings(matrix)


def spelled(codes: Array, words: Sequence[str] | pa.Array) -> pa.Array:
    """The words of the codes, spelled out; a negative code is null."""
    indices = np.asarray(codes).astype(np.int32)
    dictionary = words if isinstance(words, pa.Array) else texts(words)
    return dictionary.take(_primitive(indices, pa.int32(), indices < 0))


def coded(codes: Array, words: Sequence[str] | pa.Array) -> pa.Array:
    """The words of the codes as a dictionary column, or spelled out where that is shorter.

    The values of an Arrow array must differ from each other: Parquet files of a dictionary with a value in it twice
    vary from run to run (seen with Arrow 26). Python words may repeat.
    """
    indices = np.asarray(codes).astype(np.int32)
    if isinstance(words, pa.Array):
        dictionary = words
    else:
        place = {word: number for number, word in enumerate(dict.fromkeys(words))}
        merged = np.array([place[word] for word in words], dtype=np.int32)
        indices = np.where(indices < 0, indices, merged[indices])
        dictionary = texts(list(place))
    if len(indices) < len(dictionary):
        return spelled(indices, dictionary)
    return pa.DictionaryArray.from_arrays(_primitive(indices, pa.int32(), indices < 0), dictionary)


def decimals(units: Array, precision: int = 18, scale: int = 2, missing: Array | None = None) -> pa.Array:
    """DECIMAL(precision, scale) from whole numbers of the last decimal place."""
    words = np.empty((len(units), 2), dtype=np.int64)
    words[:, 0] = units
    words[:, 1] = words[:, 0] >> 63
    validity, nulls = _validity(missing)
    return pa.Array.from_buffers(pa.decimal128(precision, scale), len(units), [validity, pa.py_buffer(words)], nulls)


def money(yuan: Array, missing: Array | None = None) -> pa.Array:
    """DECIMAL(18,2), rounded to the fen."""
    return decimals(np.rint(np.asarray(yuan, dtype=np.float64) * 100), missing=missing)


def integers(values: Array, kind: pa.DataType, missing: Array | None = None) -> pa.Array:
    """Whole numbers of the given Arrow type."""
    return _primitive(np.asarray(values).astype(f"int{kind.bit_width}"), kind, missing)


def flags(values: Array) -> pa.Array:
    """BOOLEAN."""
    bits = pa.py_buffer(np.packbits(np.asarray(values, dtype=bool), bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, bits])


def dates(days: Array, missing: Array | None = None) -> pa.Array:
    """DATE from days since 1970-01-01."""
    return _primitive(np.asarray(days).astype(np.int32), pa.date32(), missing)


def timestamps(seconds: Array) -> pa.Array:
    """TIMESTAMP without zone, microseconds, from seconds since 1970-01-01."""
    return _primitive(np.asarray(seconds).astype(np.int64) * 1_000_000, pa.timestamp("us"))


def lists(choices: Array, values: Sequence[Sequence[str]]) -> pa.Array:
    """VARCHAR[]: row i is `values[choices[i]]`."""
    flat = texts([text for value in values for text in value])
    ends = np.cumsum([0, *(len(value) for value in values)]).astype(np.int32)
    menu = pa.ListArray.from_arrays(_primitive(ends, pa.int32()), flat)
    return menu.take(_primitive(np.asarray(choices).astype(np.int32), pa.int32()))
