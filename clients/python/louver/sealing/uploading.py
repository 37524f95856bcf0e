"""Encrypting columns of a table before it is uploaded: the same Arrow stream, ciphertexts where there were numbers.

An encrypted column is of fixed-size binary, as wide as a ciphertext, and its field's metadata name scheme, key and
decimal scale. Amounts become whole numbers of their smallest unit (fen); nothing goes through a float, so a double or
a number with more digits after the point than were declared is turned away and never rounded.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import IO, Any

from louver.decoding import column_values, open_stream_of
from louver.failures import Misused
from louver.sealing import processes
from louver.sealing.columns import DIGITS, SCHEME
from louver.sealing.keys import PrivateKey
from louver.sealing.plaintexts import OutOfWindow
from louver.sending import Outgoing

METADATA = b"louver.encrypted"
"""The key of the metadata on an encrypted column's field."""

MOST_SCALE = 12
"""Most digits after the point that an encrypted column can have."""

AT_ONCE = 4096
"""Rows of one batch: numbers encrypted between two words about progress."""

_IN_MEMORY = 32 << 20

Progress = Callable[[int, int], None]
"""Hears numbers done and numbers in all."""


class NotEncrypted(ValueError):
    """The metadata of a field do not say of an encrypted column what they must."""


@dataclass(frozen=True, slots=True)
class EncryptedColumn:
    """What the field of an encrypted column says: the key's id, and the decimal places its numbers stand for."""

    kid: str
    scale: int = 0
    scheme: str = SCHEME

    def to_bytes(self) -> bytes:
        """As the field's metadata hold it."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> EncryptedColumn:
        """Raises ``NotEncrypted``."""
        try:
            fields: Any = json.loads(content)
            found = cls(**fields)
        except (ValueError, TypeError, RecursionError):
            raise NotEncrypted("not the metadata of an encrypted column") from None
        scaled = type(found.scale) is int and 0 <= found.scale <= MOST_SCALE
        if found.scheme != SCHEME or not scaled or not isinstance(found.kid, str):
            raise NotEncrypted("not the metadata of an encrypted column")
        return found


Encrypt = Callable[[Sequence[int]], Sequence[Any]]


def encrypting(
    content: IO[bytes],
    columns: Mapping[str, int],
    key: PrivateKey,
    progress: Progress | None = None,
    encrypt: Encrypt | None = None,
) -> Outgoing:
    """The table with these columns encrypted to the key, batch by batch while it is sent.

    ``columns`` gives each its decimal places: 2 for yuan in fen. The whole table is looked at first, so nothing of
    one that cannot be encrypted leaves. ``encrypt`` is for tests. ``content`` is closed with what is returned.

    Raises:
        Misused: a column is not there, holds a NULL, a double or text, or a number with more places or digits.
    """
    clear = _in_small_batches(content)
    try:
        table = _Table(clear, columns)
        table.check()
    except BaseException:
        clear.close()
        raise
    made = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed with what is returned
    return Outgoing(made, table.made(made, key, progress, encrypt), table.size)


def with_encrypted(
    content: IO[bytes],
    columns: Mapping[str, int],
    key: PrivateKey,
    progress: Progress | None = None,
    encrypt: Encrypt | None = None,
) -> IO[bytes]:
    """The same at once: the whole stream in a temporary file that vanishes when closed."""
    outgoing = encrypting(content, columns, key, progress, encrypt)
    try:
        return outgoing.whole()
    except BaseException:
        outgoing.close()
        raise


def _in_small_batches(content: IO[bytes]) -> IO[bytes]:
    """The stream in batches of about as many rows as are encrypted at once, where something is there that can cut
    and join them."""
    content.seek(0)
    try:
        import pyarrow as pa
    except ImportError:
        return content
    made = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the caller closes it
    try:
        given = pa.ipc.open_stream(pa.PythonFile(content, "r"))
        with pa.ipc.new_stream(pa.PythonFile(made, "w"), given.schema) as smaller:
            held: list[Any] = []
            for batch in given:
                held.append(batch)
                if sum(each.num_rows for each in held) >= AT_ONCE:
                    smaller.write_table(pa.Table.from_batches(held).combine_chunks(), AT_ONCE)
                    held = []
            if held:
                smaller.write_table(pa.Table.from_batches(held).combine_chunks(), AT_ONCE)
    except (pa.ArrowException, OSError):
        made.close()
        content.seek(0)
        return content
    content.close()
    return made


def numbers_of(content: IO[bytes], columns: Mapping[str, int]) -> dict[str, list[int]]:
    """The numbers of these columns, row by row in their smallest units, as ``with_encrypted`` encrypts them. Raises
    ``Misused`` as it does."""
    content.seek(0)
    return _Table(content, columns).numbers()


class _Table:
    """An Arrow stream whose named columns are to be encrypted. It is read batch by batch, twice."""

    def __init__(self, content: IO[bytes], columns: Mapping[str, int]) -> None:
        for name, scale in columns.items():
            if type(scale) is not int or not 0 <= scale <= MOST_SCALE:
                raise Misused(
                    f"column {name} is encrypted with 0 to {MOST_SCALE} decimal places", "2 for yuan in fen"
                )
        self._content = content
        with _readable():
            self._fields = list(self._stream().schema.fields)
        names = [field.name for field in self._fields]
        missing = [name for name in columns if name not in names]
        if missing or not columns:
            raise Misused(f"there is no column {', '.join(missing) or 'to encrypt'}", f"there are {', '.join(names)}")
        self._scales = {names.index(name): scale for name, scale in columns.items()}
        self._rows = 0
        self._done = 0

    def numbers(self) -> dict[str, list[int]]:
        """The numbers of each column, by its name."""
        found: dict[str, list[int]] = {self._name(place): [] for place in self._scales}
        for batch in self._batches():
            for place, scale in self._scales.items():
                found[self._name(place)].extend(self._numbers(batch, place, scale))
        return found

    def _stream(self) -> Any:
        self._content.seek(0)
        return open_stream_of(self._content)

    def _batches(self) -> Iterator[Any]:
        """The batches from the first on. The file must not be used otherwise meanwhile."""
        with _readable():
            yield from self._stream().iter_chunks()

    def check(self) -> None:
        """Looks at every number, and counts rows. Raises ``Misused``."""
        for batch in self._batches():
            for place, scale in self._scales.items():
                for _ in self._numbers(batch, place, scale):
                    pass
            self._rows += len(batch)
        if not self._rows:
            raise Misused("there are no rows to encrypt")

    def size(self, made: int) -> int:
        """About how many bytes there will be, ``made`` being those of the rows that are done."""
        return made if not self._done else max(made, made * self._rows // self._done)

    def made(
        self, target: IO[bytes], key: PrivateKey, progress: Progress | None, encrypt: Encrypt | None
    ) -> Iterator[None]:
        """Writes a batch each time it is stepped."""
        from nanoarrow.c_array_stream import CArrayStream
        from nanoarrow.ipc import StreamWriter

        total = self._rows * len(self._scales)
        with self._content, ExitStack() as held, StreamWriter.from_writable(target) as writer:
            encrypt = encrypt or held.enter_context(processes.encrypting(key, total))
            for first, batch in enumerate(self._batches()):
                rows, done = len(batch), self._done * len(self._scales)
                cells = {}
                for place, scale in self._scales.items():
                    numbers = list(self._numbers(batch, place, scale))
                    cells[place] = self._cells(place, numbers, key, encrypt)
                    done += rows
                    if progress:
                        progress(done, total)
                array = self._encrypted(batch, cells, key)
                one = CArrayStream.from_c_arrays([array], array.schema)
                writer.write_stream(one, write_schema=first == 0)
                self._done += rows
                yield
        # The end mark is written by now.
        yield

    def _cells(self, place: int, numbers: Sequence[int], key: PrivateKey, encrypt: Encrypt) -> bytes:
        width = key.public.width
        try:
            return b"".join(
                int(each).to_bytes(width, "big")
                for start in range(0, len(numbers), AT_ONCE)
                for each in encrypt(numbers[start : start + AT_ONCE])
            )
        except OutOfWindow:
            raise Misused(f"column {self._name(place)} holds a number that is too large") from None

    def _name(self, place: int) -> str:
        name: str = self._fields[place].name
        return name

    def _numbers(self, batch: Any, place: int, scale: int) -> Iterator[int]:
        kind = self._fields[place].type.name
        if kind != "DECIMAL128" and kind != "BOOL" and "INT" not in kind:
            hint = "make it a decimal, such as decimal128(18, 2), or whole numbers of its smallest unit"
            raise Misused(f"column {self._name(place)} holds no whole numbers or decimals", hint)
        for value in column_values(batch.child(place)):
            if value is None:
                raise Misused(f"column {self._name(place)} holds a NULL", "leave such rows out, or put 0 there")
            yield self._whole(place, value, scale)

    def _whole(self, place: int, value: Any, scale: int) -> int:
        sign, digits, exponent = (Decimal(int(value)) if isinstance(value, bool | int) else value).as_tuple()
        shift = int(exponent) + scale
        number: int = int("".join(map(str, digits)) or "0")
        if shift < 0:
            number, rest = divmod(number, 10**-shift)
            if rest:
                raise Misused(f"column {self._name(place)} holds a number with more than {scale} decimal places")
        else:
            number *= 10**shift
        if number >= 10**DIGITS:
            raise Misused(f"column {self._name(place)} holds a number of more than {DIGITS} digits")
        return -number if sign else number

    def _encrypted(self, batch: Any, cells: Mapping[int, bytes], key: PrivateKey) -> Any:
        """A batch with ciphertexts in the places of numbers."""
        import nanoarrow

        arrow, rows = nanoarrow.c_array(batch), len(batch)
        children, fields = [], []
        for place, field in enumerate(self._fields):
            child = arrow.child(place)
            schema = child.schema.modify(name=field.name)
            if place in cells:
                told = EncryptedColumn(key.kid, self._scales[place]).to_bytes()
                kind = nanoarrow.c_schema(nanoarrow.fixed_size_binary(key.public.width))
                child = nanoarrow.c_array_from_buffers(kind, rows, [None, cells[place]])
                schema = kind.modify(name=field.name, nullable=False, metadata={METADATA: told})
            children.append(child)
            fields.append(schema)
        return nanoarrow.c_array_from_buffers(nanoarrow.struct(fields), rows, [None], children=children)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError):
        raise Misused("the table cannot be read again to encrypt its columns") from None
