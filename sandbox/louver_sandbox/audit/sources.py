"""Where verification reads a log from: the state store, or a file made by ``export_log``."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, NoReturn, Protocol

from sqlalchemy import Connection, func, select

from louver.receipt import commitment
from louver_sandbox.audit import pruned
from louver_sandbox.audit.entries import InvalidEntry, commitments_of, parse
from louver_sandbox.audit.export import FORMAT, PRUNED_FORMAT
from louver_sandbox.audit.pruned import Pruned
from louver_sandbox.audit.tree import NodeId
from louver_sandbox.store import schema
from louver_sandbox.store.texts import told

_PAGE = 4096
_MAX_LINE = 1 << 20


class MalformedExport(Exception):
    """A line of the file is not what an export holds."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as it lies there, believed or not.

    ``leaf_hash`` is the tree's leaf, empty when the tree has none. ``columns`` are the copies of the entry's
    fields by which it is found. ``left`` is what is left of an entry that was pruned.
    """

    index: int
    leaf_hash: bytes
    body: bytes
    columns: Mapping[str, str | None] = field(default_factory=dict)
    left: Pruned | None = None


class LogSource(Protocol):
    """What verification needs of a log, in bounded memory."""

    def heads(self) -> Iterator[tuple[int | None, bytes]]:
        """Every stored checkpoint, with the size it is filed under if it is filed under one. Read first."""

    def pages(self) -> Iterator[Sequence[StoredEntry]]:
        """All entries by index, in pages that are not empty. Read second."""

    def nodes(self, start: int, end: int) -> Mapping[NodeId, bytes] | None:
        """The stored leaves from ``start`` up to ``end`` and the nodes they complete; None where none are stored."""

    def leaves(self) -> int | None:
        """How many leaves the stored tree has; None where none is stored."""

    def unkept(self, values: Collection[str]) -> Collection[str]:
        """The commitments among these whose openings are neither kept nor recorded as erased."""

    def is_kept(self, index: int, name: str) -> bool:
        """Whether the text behind a field of an entry is kept."""

    def openings(self) -> Iterator[str]:
        """What is wrong with stored openings, one sentence each."""


def _held(value: object) -> bytes:
    """Stored bytes. A damaged page may have anything in their place, which then is not what anybody signed."""
    return value if isinstance(value, bytes) else b""


def _opens(value: object, field: object, salt: object, text: object) -> bool:
    """Whether they open the commitment; whatever a damaged page has in their place does not."""
    if not (isinstance(field, str) and isinstance(salt, bytes) and isinstance(text, str)):
        return False
    try:
        return commitment(field, salt, told(text)) == value
    except ValueError:
        return False


class StateSource:
    """The log in a state store, read in the caller's snapshot."""

    def __init__(self, tx: Connection) -> None:
        self._tx = tx

    def heads(self) -> Iterator[tuple[int | None, bytes]]:
        table = schema.heads.c
        for row in self._tx.execute(select(table.size, table.note).order_by(table.size)):
            yield row.size, _held(row.note)

    def pages(self) -> Iterator[Sequence[StoredEntry]]:
        table, following = schema.entries.c, -1
        names = ("kind", "request_id", "institution", "time")
        while True:
            query = (
                select(schema.entries, schema.nodes.c.hash)
                .outerjoin_from(schema.entries, schema.nodes, schema.nodes.c.id == table.index)
                .where(table.index > following)
                .order_by(table.index)
                .limit(_PAGE)
            )
            rows = self._tx.execute(query).all()
            if not rows:
                return
            lefts = pruned.between(self._tx, rows[0][0], rows[-1][0] + 1)
            yield [
                StoredEntry(
                    row[0],
                    _held(row.hash),
                    _held(row.body),
                    {name: getattr(row, name) for name in names},
                    lefts.get(row[0]),
                )
                for row in rows
            ]
            following = rows[-1][0]

    def nodes(self, start: int, end: int) -> Mapping[NodeId, bytes]:
        table, level = schema.nodes.c, 0
        found: dict[NodeId, bytes] = {}
        while end >> level:
            first, last = NodeId(level, start >> level), NodeId(level, end >> level)
            query = select(table.id, table.hash).where(table.id >= first.key, table.id < last.key)
            found.update((NodeId.of(key), _held(value)) for key, value in self._tx.execute(query))
            level += 1
        return found

    def leaves(self) -> int:
        table = schema.nodes.c
        last = self._tx.execute(select(func.max(table.id)).where(table.id < NodeId(1, 0).key)).scalar_one()
        return 0 if last is None else int(last) + 1

    def unkept(self, values: Collection[str]) -> Collection[str]:
        table = schema.openings.c
        kept = self._tx.execute(select(table.commitment).where(table.commitment.in_(values))).scalars()
        return set(values).difference(kept)

    def is_kept(self, index: int, name: str) -> bool:
        body = self._tx.execute(select(schema.entries.c.body).where(schema.entries.c.index == index)).scalar()
        try:
            value = commitments_of(parse(_held(body))).get(name)
        except InvalidEntry:
            return False
        table = schema.openings.c
        query = select(table.commitment).where(table.commitment == value, table.erased.is_(None))
        return value is not None and self._tx.execute(query).first() is not None

    def openings(self) -> Iterator[str]:
        table = schema.openings.c
        for row in self._tx.execute(select(schema.openings).where(table.erased.is_(None))):
            if not _opens(row.commitment, row.field, row.salt, row.text):
                yield f"the text kept for a commitment to {row.field} is not the one committed to"


class ExportSource:
    """The log in an exported file. It stores no nodes and no openings."""

    def __init__(self, lines: BinaryIO) -> None:
        self._lines = lines
        self._number = 0
        self._held: dict[str, object] | None = None

    def heads(self) -> Iterator[tuple[int | None, bytes]]:
        first = self._next()
        if first is None or first.get("format") not in (FORMAT, PRUNED_FORMAT):
            raise MalformedExport("the file is not the export of a log")
        while (item := self._next()) is not None and "head" in item:
            yield None, self._text(item, "head")
        self._held = item

    def pages(self) -> Iterator[Sequence[StoredEntry]]:
        index, item = 0, self._held
        page: list[StoredEntry] = []
        try:
            while item is not None:
                page.append(self._entry(index, item))
                index += 1
                if len(page) == _PAGE:
                    yield page
                    page = []
                item = self._next()
        except MalformedExport:
            # What comes before the damage is still worth verifying, and tells where it is.
            if page:
                yield page
            raise
        if page:
            yield page

    def nodes(self, start: int, end: int) -> None:
        return None

    def leaves(self) -> None:
        return None

    def unkept(self, values: Collection[str]) -> Collection[str]:
        return ()

    def is_kept(self, index: int, name: str) -> bool:
        return False

    def openings(self) -> Iterator[str]:
        return iter(())

    def _entry(self, index: int, item: dict[str, object]) -> StoredEntry:
        if "pruned" not in item:
            return StoredEntry(index, self._hash(item), self._text(item, "entry"))
        left = Pruned(_number(item.get("by")), self._text(item, "pruned").decode())
        leaf = left.fields.get("leaf")
        return StoredEntry(index, self._hash({"leaf": leaf}), pruned.NOTHING, left=left)

    def _next(self) -> dict[str, object] | None:
        line = self._lines.readline(_MAX_LINE)
        self._number += 1
        if not line:
            return None
        try:
            item = json.loads(line.decode())
        except (ValueError, RecursionError):
            item = None
        return item if isinstance(item, dict) and line.endswith(b"\n") else self._damaged()

    def _text(self, item: dict[str, object], name: str) -> bytes:
        value = item.get(name)
        try:
            return value.encode() if isinstance(value, str) else self._damaged()
        except UnicodeEncodeError:
            return self._damaged()

    def _hash(self, item: dict[str, object]) -> bytes:
        try:
            return bytes.fromhex(self._text(item, "leaf").decode())
        except ValueError:
            return self._damaged()

    def _damaged(self) -> NoReturn:
        raise MalformedExport(f"line {self._number} of the file is damaged")


def _number(value: object) -> int:
    return value if type(value) is int else -1
