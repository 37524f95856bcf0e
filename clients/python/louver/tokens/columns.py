"""A table's id columns as tokens: the same Arrow stream, sixteen bytes where there was an id.

A token is the same for the same id, so rows of one customer stay rows of one customer; it says nothing of the id to
anybody without the platform's key of this institution. What is no id becomes NULL, which joins with nothing.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import IO, Any

from louver.decoding import column_values, open_stream
from louver.encoding import validity
from louver.failures import Misused
from louver.matching.subjects import value_of

METADATA = b"louver.tokens"
"""The key of the metadata on a token column's field."""
SCHEME = "louver.dev/join-token/v1"
TOKEN_BYTES = 16
"""Bytes of a token in a table, the first of those that the function gives. Two of ten million ids have the same with
a chance below 2^-80."""
KEY_DIGITS = 64
"""Hexadecimal digits of a public key."""

_IN_MEMORY = 32 << 20

Evaluate = Callable[[str, Sequence[bytes]], tuple[Sequence[bytes], str]]
"""The tokens of inputs under the platform's key of an element, and that key's public part in hex."""


class NotTokens(ValueError):
    """The metadata of a field do not say of a token column what they must."""


@dataclass(frozen=True, slots=True)
class TokenColumn:
    """What the field of a token column says: of which data element its ids were, and the public key in hex by which
    they were evaluated."""

    element: str
    key: str
    scheme: str = SCHEME

    def to_bytes(self) -> bytes:
        """As the field's metadata hold it."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> TokenColumn:
        """Raises ``NotTokens``."""
        try:
            fields: Any = json.loads(content)
            found = cls(**fields)
        except (ValueError, TypeError, RecursionError):
            raise NotTokens("not the metadata of a token column") from None
        if not all(isinstance(part, str) for part in (found.element, found.key)) or found.scheme != SCHEME:
            raise NotTokens("not the metadata of a token column")
        if len(found.key) != KEY_DIGITS or not set(found.key) <= set("0123456789abcdef"):
            raise NotTokens("not the metadata of a token column")
        return found


@dataclass(frozen=True)
class Tokenised:
    """The table as it is sent, and how many values of each column are no ids and became NULL."""

    content: IO[bytes]
    skipped: Mapping[str, int]


def with_tokens(content: IO[bytes], columns: Mapping[str, str], evaluate: Evaluate) -> Tokenised:
    """The table with tokens in these columns, in a temporary file that vanishes when closed.

    ``columns`` gives each the data element its ids are values of. Different columns of one element have tokens of one
    key, so they can be compared. Raises ``Misused`` where a column is not there, holds no text, or no id at all.
    """
    content.seek(0)
    table = _Table(content.read(), columns)
    inputs = {place: table.inputs(place) for place in table.elements}
    tokens: dict[int, TokenColumn] = {}
    found: dict[str, Mapping[bytes, bytes]] = {}
    for element in dict.fromkeys(table.elements.values()):
        places = [place for place, other in table.elements.items() if other == element]
        distinct = list(dict.fromkeys(value for place in places for value in inputs[place] if value is not None))
        if not distinct:
            raise Misused(f"column {table.name(places[0])} holds no id", "an id has letters and digits, at most 64")
        made, key = evaluate(element, distinct)
        found[element] = {value: bytes(token[:TOKEN_BYTES]) for value, token in zip(distinct, made, strict=True)}
        tokens |= dict.fromkeys(places, TokenColumn(element, key))
    target = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the caller closes it
    try:
        values = {
            place: [None if value is None else found[tokens[place].element][value] for value in inputs[place]]
            for place in tokens
        }
        table.write(target, values, tokens)
    except BaseException:
        target.close()
        raise
    return Tokenised(target, {table.name(place): count for place, count in table.skipped.items() if count})


class _Table:
    """An Arrow stream whose named columns are ids. ``elements`` and ``skipped`` are by a column's place."""

    def __init__(self, stream: bytes, columns: Mapping[str, str]) -> None:
        try:
            arrow = open_stream(stream)
            self._fields = list(arrow.schema.fields)
            self._batches: list[Any] = list(arrow.iter_chunks())
        except (RuntimeError, ValueError):
            raise Misused("the table cannot be read again to make tokens of its ids") from None
        names = [field.name for field in self._fields]
        if missing := [name for name in columns if name not in names]:
            raise Misused(f"there is no column {', '.join(missing)}", f"there are {', '.join(names)}")
        self.elements = {names.index(name): element for name, element in columns.items()}
        self.skipped = dict.fromkeys(self.elements, 0)

    def name(self, place: int) -> str:
        name: str = self._fields[place].name
        return name

    def inputs(self, place: int) -> list[bytes | None]:
        """What of each id the function is applied to; None for NULL and for what is no id, which is counted."""
        kind = self._fields[place].type.name
        if kind not in ("STRING", "LARGE_STRING", "STRING_VIEW"):
            raise Misused(f"column {self.name(place)} holds no text", "ids are text, also where they are digits only")
        return [self._input(place, value) for batch in self._batches for value in column_values(batch.child(place))]

    def _input(self, place: int, value: str | None) -> bytes | None:
        if value is None:
            return None
        try:
            return value_of(value)
        except ValueError:
            self.skipped[place] += 1
            return None

    def write(
        self, target: IO[bytes], values: Mapping[int, Sequence[bytes | None]], columns: Mapping[int, TokenColumn]
    ) -> None:
        """The stream with tokens in their places."""
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
                if place in columns:
                    child, kind = _tokens(nanoarrow, values[place][start : start + rows])
                    told = {METADATA: columns[place].to_bytes()}
                    schema = kind.modify(name=field.name, nullable=True, metadata=told)
                children.append(child)
                fields.append(schema)
            batches.append(nanoarrow.c_array_from_buffers(nanoarrow.struct(fields), rows, [None], children=children))
            start += rows
        with StreamWriter.from_writable(target) as writer:
            writer.write_stream(CArrayStream.from_c_arrays(batches, batches[0].schema))


def _tokens(nanoarrow: Any, values: Sequence[bytes | None]) -> tuple[Any, Any]:
    """One batch of a token column, and its type."""
    kind = nanoarrow.c_schema(nanoarrow.fixed_size_binary(TOKEN_BYTES))
    data = b"".join(value or bytes(TOKEN_BYTES) for value in values)
    return nanoarrow.c_array_from_buffers(kind, len(values), [validity(values), data]), kind


def pieces(values: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    """So many at a time."""
    return (values[start : start + size] for start in range(0, len(values), size))
