"""Opening a sealed answer: the same Arrow stream with numbers where there were ciphertexts."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gmpy2 import mpz

from louver.decoding import open_stream
from louver.encoding import validity
from louver.errors import Unproven
from louver.sealing import ends, interchange, processes
from louver.sealing.ciphertexts import NotACiphertext, Owner
from louver.sealing.columns import DIGITS, METADATA, SCHEME, WINDOWED, Mark, NotAMark, to_double
from louver.sealing.keys import PrivateKey, PublicKey


@dataclass(frozen=True)
class Sealed:
    """The ciphertexts of an answer: ``columns`` are the sealed ones, ``rows`` theirs, None where nothing left.

    ``kid`` is the key they are sealed to, ``scales`` the decimal places that each column's integers stand for.
    """

    kid: str
    columns: tuple[str, ...]
    scales: tuple[int, ...]
    rows: tuple[tuple[int | None, ...], ...]

    def column(self, name: str) -> list[int | None]:
        """One column's ciphertexts. KeyError for one that is not sealed."""
        if name not in self.columns:
            raise KeyError(name)
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def to_json(self, name: str, key: PublicKey) -> str:
        """One column as python-paillier's JSON, without the cells that hold nothing."""
        return interchange.to_json([mpz(each) for each in self.column(name) if each is not None], key)


def is_sealed(stream: bytes) -> bool:
    """Whether any column of the stream may be; cheap, and never wrong about one that is not."""
    return METADATA in stream


def sealed(stream: bytes) -> Sealed | None:
    """The ciphertexts of an answer, None where it has none. Raises ``Unproven`` for bytes that are no answer."""
    if not is_sealed(stream):
        return None
    reading = _Reading(stream)
    # What is computed from an upload opens by its window only, which no other system knows of.
    plain = {at: mark for at, mark in reading.marks.items() if mark.scheme == SCHEME}
    if not reading.marks:
        return None
    columns = [[None if cell is None else int.from_bytes(cell, "big") for cell in reading.cells(at)] for at in plain]
    marks = plain.values()
    return Sealed(
        next(iter(reading.marks.values())).kid,
        tuple(reading.names[at] for at in plain),
        tuple(mark.scale for mark in marks),
        tuple(zip(*columns, strict=True)),
    )


def opened(stream: bytes, private: Callable[[str], PrivateKey]) -> bytes:
    """The stream with every sealed column opened, by the private key of the id that stands in it.

    Raises:
        Unproven: a cell is no ciphertext of the key or holds what its column cannot.
        Misused: whatever ``private`` raises where the key is not at hand.
    """
    if not is_sealed(stream):
        return stream
    reading = _Reading(stream)
    if not reading.marks:
        return stream
    key = private(next(iter(reading.marks.values())).kid)
    columns = dict(zip(reading.marks, reading.numbers(key), strict=True))
    return reading.with_columns(columns)


def opened_ends(content: bytes, rows: int, key: PrivateKey, stream: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The lower and upper ends of a column's intervals, empty text where a row has none.

    Raises:
        Unproven: the content is not the ends of so many rows, sealed to the key.
    """
    width, bytes_each = key.public.width, ends.room(key.public)
    if len(content) != ends.blocks(rows, bytes_each) * width:
        raise broken(stream)
    parts = [mpz(int.from_bytes(content[at : at + width], "big")) for at in range(0, len(content), width)]
    try:
        return ends.unpacked(processes.decrypt(parts, key), rows, bytes_each)
    except (NotACiphertext, ends.NotEnds):
        raise broken(stream) from None


def broken(stream: bytes) -> Unproven:
    """One error for everything that can be wrong: which ciphertext failed how is for no one to learn."""
    return Unproven("a sealed cell does not open to a number that it may hold", stream)


class _Reading:
    """A sealed answer's fields and cells. All its columns are sealed to one key."""

    def __init__(self, stream: bytes) -> None:
        self._stream = stream
        try:
            arrow = open_stream(stream)
            fields = arrow.schema.fields
            self.batches: list[Any] = list(arrow.iter_chunks())
            self.names = [field.name for field in fields]
            self.marks = dict(_marks(fields))
        except (RuntimeError, ValueError, TypeError, KeyError, OverflowError):
            raise Unproven("the bytes are not one whole Arrow IPC stream", stream) from None
        if len({mark.kid for mark in self.marks.values()}) > 1:
            raise self._broken()

    def cells(self, place: int) -> list[bytes | None]:
        """The cells of one column, from all batches."""
        return [cell for batch in self.batches for cell in batch.child(place).iter_py()]

    def numbers(self, key: PrivateKey) -> Iterator[list[int | None]]:
        """The integers of each sealed column. Everything is decrypted before anything is given."""
        plain = {place: self.cells(place) for place, mark in self.marks.items() if mark.scheme == SCHEME}
        ciphertexts = [
            mpz(int.from_bytes(cell, "big")) for cells in plain.values() for cell in cells if cell is not None
        ]
        try:
            numbers_of = iter(processes.decrypt(ciphertexts, key))
            opened = {
                place: [None if cell is None else next(numbers_of) for cell in cells]
                for place, cells in plain.items()
            }
            opened |= {
                place: list(_windowed(self.cells(place), mark, key))
                for place, mark in self.marks.items()
                if mark.scheme == WINDOWED
            }
        except (NotACiphertext, ValueError):
            raise self._broken() from None
        found = [opened[place] for place in self.marks]
        for numbers, mark in zip(found, self.marks.values(), strict=True):
            if not all(number is None or mark.holds(number) for number in numbers):
                raise self._broken()
        yield from found

    def with_columns(self, columns: Mapping[int, Sequence[int | None]]) -> bytes:
        """The stream again, these columns in place of the sealed ones."""
        import nanoarrow
        from nanoarrow.c_array_stream import CArrayStream
        from nanoarrow.ipc import StreamWriter

        start, batches = 0, []
        for batch in self.batches:
            arrow, rows = nanoarrow.c_array(batch), len(batch)
            children = [
                _array(columns[at][start : start + rows], self.marks[at]) if at in columns else arrow.child(at)
                for at in range(len(self.names))
            ]
            fields = [child.schema.modify(name=name) for name, child in zip(self.names, children, strict=True)]
            batches.append(nanoarrow.c_array_from_buffers(nanoarrow.struct(fields), rows, [None], children=children))
            start += rows
        content = io.BytesIO()
        with StreamWriter.from_writable(content) as writer:
            writer.write_stream(CArrayStream.from_c_arrays(batches, batches[0].schema))
        return content.getvalue()

    def _broken(self) -> Unproven:
        return broken(self._stream)


def _windowed(cells: Sequence[bytes | None], mark: Mark, key: PrivateKey) -> Iterator[int | None]:
    """The numbers of a column that was computed from ciphertexts. Raises ``NotACiphertext``, ValueError."""
    width, count = key.public.width, 2 if mark.divided else 1
    there = [cell for cell in cells if cell is not None]
    if any(len(cell) != count * width for cell in there):
        raise NotACiphertext
    parts = [mpz(int.from_bytes(cell[at : at + width], "big")) for cell in there for at in range(0, len(cell), width)]
    plain = iter(Owner(key).decrypt_windowed(parts, mark.window))
    for cell in cells:
        if cell is None:
            yield None
            continue
        number = next(plain)
        yield mark.opened(number, next(plain) if mark.divided else 1)


def _marks(fields: Sequence[Any]) -> Iterator[tuple[int, Mark]]:
    for place, field in enumerate(fields):
        told = dict(field.metadata.items()) if field.metadata is not None else {}
        if METADATA in told:
            if field.type.name != "FIXED_SIZE_BINARY":
                raise NotAMark("a sealed column is not of ciphertexts")
            yield place, Mark.from_bytes(bytes(told[METADATA]))


def _array(numbers: Sequence[int | None], mark: Mark) -> Any:
    """Integers as an Arrow array of the type that the sealed cells had."""
    import nanoarrow

    plain = [0 if number is None else number for number in numbers]
    match mark.kind:
        case "decimal":
            kind, width = nanoarrow.decimal128(DIGITS, mark.scale), 16
        case "boolean":
            bits = sum(1 << place for place, number in enumerate(plain) if number)
            data = bits.to_bytes((len(plain) + 7) // 8, "little")
            return nanoarrow.c_array_from_buffers(nanoarrow.bool_(), len(plain), [validity(numbers), data])
        case "double":
            data = struct.pack(f"<{len(plain)}d", *map(to_double, plain))
            return nanoarrow.c_array_from_buffers(nanoarrow.float64(), len(plain), [validity(numbers), data])
        case _:
            kind, width = nanoarrow.int64(), 8
    data = b"".join(number.to_bytes(width, "little", signed=True) for number in plain)
    return nanoarrow.c_array_from_buffers(kind, len(plain), [validity(numbers), data])
