"""Encrypting columns of a table before it is uploaded: the same Arrow stream, ciphertexts where there were numbers.

An encrypted column is of fixed-size binary, as wide as a ciphertext, and its field's metadata name scheme, key and
decimal scale. Amounts become whole numbers of their smallest unit (fen); nothing goes through a float, so a double or
a number with more digits after the point than were declared is turned away and never rounded.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import IO, Any

from louver.decoding import column_values, open_stream
from louver.failures import Misused
from louver.sealing import processes
from louver.sealing.columns import DIGITS, SCHEME
from louver.sealing.keys import PrivateKey
from louver.sealing.plaintexts import OutOfWindow

METADATA = b"louver.encrypted"
"""The key of the metadata on an encrypted column's field."""

MOST_SCALE = 12
"""Most digits after the point that an encrypted column can have."""

AT_ONCE = 16_384
"""Numbers encrypted between two words about progress."""

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


def with_encrypted(
    content: IO[bytes],
    columns: Mapping[str, int],
    key: PrivateKey,
    progress: Progress | None = None,
    encrypt: Callable[[Sequence[int], PrivateKey], Sequence[Any]] = processes.encrypt,
) -> IO[bytes]:
    """The table with these columns encrypted to the key, in a temporary file that vanishes when closed.

    ``columns`` gives each its decimal places: 2 for yuan in fen. ``encrypt`` is for tests.

    Raises:
        Misused: a column is not there, holds a NULL, a double or text, or a number with more places or digits.
    """
    content.seek(0)
    table = _Table(content.read(), columns)
    encrypted = table.ciphertexts(key, progress, encrypt)
    made = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the caller closes it
    try:
        table.write(made, encrypted, key)
    except BaseException:
        made.close()
        raise
    return made


def numbers_of(content: IO[bytes], columns: Mapping[str, int]) -> dict[str, list[int]]:
    """The numbers of these columns, row by row in their smallest units, as ``with_encrypted`` encrypts them. Raises
    ``Misused`` as it does."""
    content.seek(0)
    return _Table(content.read(), columns).numbers()


class _Table:
    """An Arrow stream whose named columns are to be encrypted."""

    def __init__(self, stream: bytes, columns: Mapping[str, int]) -> None:
        for name, scale in columns.items():
            if type(scale) is not int or not 0 <= scale <= MOST_SCALE:
                raise Misused(
                    f"column {name} is encrypted with 0 to {MOST_SCALE} decimal places", "2 for yuan in fen"
                )
        try:
            arrow = open_stream(stream)
            self._fields = list(arrow.schema.fields)
            self._batches: list[Any] = list(arrow.iter_chunks())
        except (RuntimeError, ValueError):
            raise Misused("the table cannot be read again to encrypt its columns") from None
        names = [field.name for field in self._fields]
        missing = [name for name in columns if name not in names]
        if missing or not columns:
            raise Misused(f"there is no column {', '.join(missing) or 'to encrypt'}", f"there are {', '.join(names)}")
        self._scales = {names.index(name): scale for name, scale in columns.items()}

    def numbers(self) -> dict[str, list[int]]:
        """The numbers of each column, by its name."""
        return {self._name(place): list(self._numbers(place, scale)) for place, scale in self._scales.items()}

    def ciphertexts(
        self, key: PrivateKey, progress: Progress | None, encrypt: Callable[..., Sequence[Any]]
    ) -> dict[int, list[bytes]]:
        """The ciphertexts of each column, by its place. All columns are looked at before any is encrypted."""
        numbers = {place: list(self._numbers(place, scale)) for place, scale in self._scales.items()}
        total, done = sum(map(len, numbers.values())), 0
        found: dict[int, list[bytes]] = {place: [] for place in numbers}
        for place, whole in numbers.items():
            for start in range(0, len(whole), AT_ONCE):
                part = whole[start : start + AT_ONCE]
                try:
                    made = encrypt(part, key)
                except OutOfWindow:
                    raise Misused(f"column {self._name(place)} holds a number that is too large") from None
                found[place] += [int(each).to_bytes(key.public.width, "big") for each in made]
                done += len(part)
                if progress:
                    progress(done, total)
        return found

    def _name(self, place: int) -> str:
        name: str = self._fields[place].name
        return name

    def _numbers(self, place: int, scale: int) -> Iterator[int]:
        kind = self._fields[place].type.name
        if kind != "DECIMAL128" and kind != "BOOL" and "INT" not in kind:
            hint = "make it a decimal, such as decimal128(18, 2), or whole numbers of its smallest unit"
            raise Misused(f"column {self._name(place)} holds no whole numbers or decimals", hint)
        for batch in self._batches:
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

    def write(self, target: IO[bytes], encrypted: Mapping[int, Sequence[bytes]], key: PrivateKey) -> None:
        """The stream with the encrypted columns in their places."""
        import nanoarrow
        from nanoarrow.c_array_stream import CArrayStream
        from nanoarrow.ipc import StreamWriter

        start, batches = 0, []
        for batch in self._batches:
            arrow, rows = nanoarrow.c_array(batch), len(batch)
            children, fields = [], []
            for place, field in enumerate(self._fields):
                child = arrow.child(place)
                schema = child.schema.modify(name=field.name)
                if place in encrypted:
                    told = EncryptedColumn(key.kid, self._scales[place]).to_bytes()
                    kind = nanoarrow.c_schema(nanoarrow.fixed_size_binary(key.public.width))
                    data = b"".join(encrypted[place][start : start + rows])
                    child = nanoarrow.c_array_from_buffers(kind, rows, [None, data])
                    schema = kind.modify(name=field.name, nullable=False, metadata={METADATA: told})
                children.append(child)
                fields.append(schema)
            batches.append(nanoarrow.c_array_from_buffers(nanoarrow.struct(fields), rows, [None], children=children))
            start += rows
        if not batches:
            raise Misused("there are no rows to encrypt")
        with StreamWriter.from_writable(target) as writer:
            writer.write_stream(CArrayStream.from_c_arrays(batches, batches[0].schema))
