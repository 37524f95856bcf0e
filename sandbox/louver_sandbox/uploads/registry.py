"""Which own tables an institution has: rows in the state store, and their form in the catalogue.

Every function takes a connection inside the caller's transaction. A row is never deleted: dropping sets a time, and a
new upload under a name drops the one before. Files are shared by content and may be removed when no live row names
them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from functools import lru_cache

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    insert,
    select,
    update,
)

from louver_sandbox.algebra.types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    TEXT,
    TEXT_LIST,
    TIMESTAMP,
    TableName,
    Type,
    decimal,
)
from louver_sandbox.catalog import model
from louver_sandbox.catalog.model import Role, SpaceKind, Verb
from louver_sandbox.catalog.schema import NOT_APPLICABLE
from louver_sandbox.refusals.catalog import unknown_own_table, upload_table_name
from louver_sandbox.store.prepared import Prepared
from louver_sandbox.uploads.held import Held
from louver_sandbox.uploads.ingest import NAME, Taken, TakenColumn
from louver_sandbox.uploads.tokens import element_of

OWN_LEVEL = 3
"""Level of every own column: the institution's business, nobody else's."""

ENCRYPTED = "encrypted("
"""Begins the type of an encrypted column."""

REMEMBERED = 1024
"""Own tables of all institutions whose rows are not read from JSON again for every question."""

metadata = MetaData()

uploads = Table(
    "uploads",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("institution", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("columns", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created", Text, nullable=False),
    Column("dropped", Text),
    Index("uploads_by_institution", "institution", "name"),
)
"""Own tables, live while `dropped` is null. `columns` is a JSON list of [name, type, nullable, unique, distinct, key]
(without the last in rows of older versions)."""

Index(
    "uploads_live_name",
    uploads.c.institution,
    uploads.c.name,
    unique=True,
    sqlite_where=uploads.c.dropped.is_(None),
    postgresql_where=uploads.c.dropped.is_(None),
)

_TYPES = {str(type_): type_ for type_ in (BOOLEAN, DATE, DOUBLE, INTEGER, TEXT, TEXT_LIST, TIMESTAMP)}


@dataclass(frozen=True, slots=True)
class OwnTable:
    """A live own table. `created` is the time of the upload, in UTC."""

    institution: str
    name: str
    digest: str
    columns: tuple[TakenColumn, ...]
    rows: int
    bytes: int
    created: datetime
    held: tuple[Held, ...] = ()
    """What the scanner found when it was taken in; of tables that were read from the store it is not known."""


def register(connection: Connection, institution: str, name: str, taken: Taken, now: datetime) -> OwnTable:
    """Give what was taken in a name; a live table of that name is dropped first.

    The same content under the same name changes nothing.

    Raises:
        Refused: LVR-4006, the name cannot be written in SQL.
    """
    if not NAME.match(name):
        raise upload_table_name({})
    current = find(connection, institution, name)
    if current is not None and current.digest == taken.digest:
        return current
    _drop(connection, institution, name, now)
    connection.execute(
        insert(uploads).values(
            institution=institution,
            name=name,
            digest=taken.digest,
            columns=json.dumps([astuple(item) for item in taken.columns], ensure_ascii=False),
            rows=taken.rows,
            bytes=taken.bytes,
            created=_text(now),
        )
    )
    return OwnTable(institution, name, taken.digest, taken.columns, taken.rows, taken.bytes, now)


def own_tables(connection: Connection, institution: str) -> tuple[OwnTable, ...]:
    """The institution's live tables, by name."""
    return tuple(_own(*row) for row in _LIVE.rows(connection, {"of": institution}))


def ever(connection: Connection, institution: str) -> tuple[OwnTable, ...]:
    """Every table the institution has had, live or dropped, oldest first: for replaying an old decision."""
    return tuple(_own(*row) for row in _EVER.rows(connection, {"of": institution}))


def find(connection: Connection, institution: str, name: str) -> OwnTable | None:
    """The institution's live table of that exact name, or None."""
    row = _NAMED.row(connection, {"of": institution, "name": name})
    return None if row is None else _own(*row)


def of_content(connection: Connection, institution: str, name: str, digest: str) -> OwnTable | None:
    """The table of that name with that content, live, dropped or replaced, or None."""
    row = _OF_CONTENT.row(connection, {"of": institution, "name": name, "digest": digest})
    return None if row is None else _own(*row)


def drop(connection: Connection, institution: str, name: str, now: datetime) -> None:
    """End a live table.

    Raises:
        Refused: LVR-4008, the institution has none of that name.
    """
    if not _drop(connection, institution, name, now):
        raise unknown_own_table({})


def live_digests(connection: Connection, institution: str) -> frozenset[str]:
    """The contents some live table of the institution still names; other files of its folder may go."""
    query = select(uploads.c.digest).where(uploads.c.institution == institution, uploads.c.dropped.is_(None))
    return frozenset(connection.execute(query).scalars())


def dropped_encrypted(connection: Connection, institution: str, since: datetime) -> dict[str, datetime]:
    """The contents with encrypted columns that were dropped or replaced since then and no live table names: when each
    was last named."""
    query = select(uploads.c.digest, uploads.c.columns, uploads.c.dropped).where(
        uploads.c.institution == institution, uploads.c.dropped > _text(since)
    )
    live = live_digests(connection, institution)
    return {
        digest: datetime.fromisoformat(dropped)
        for digest, columns, dropped in connection.execute(query.order_by(uploads.c.dropped))
        if digest not in live and any(TakenColumn(*item).type.startswith(ENCRYPTED) for item in json.loads(columns))
    }


def used_bytes(connection: Connection, institution: str) -> int:
    """Bytes of the institution's live tables, equal contents counted once."""
    query = select(uploads.c.digest, uploads.c.bytes).where(
        uploads.c.institution == institution, uploads.c.dropped.is_(None)
    )
    return sum({row.digest: row.bytes for row in connection.execute(query)}.values())


@lru_cache(maxsize=REMEMBERED)
def catalog_table(own: OwnTable) -> model.Table:
    """The own table as the catalogue has it: level 3, no privacy units, its content digest as data version."""
    return model.Table(
        name=TableName(own.institution, own.name),
        space=SpaceKind.INSTITUTION,
        owner=own.institution,
        title=own.name,
        share_type=NOT_APPLICABLE,
        open_type=NOT_APPLICABLE,
        operable=frozenset(Verb),
        refresh="live",
        as_of=own.created.date(),
        units=(),
        columns=tuple(_column(item) for item in own.columns),
        data_version=own.digest,
    )


def with_own_tables(catalog: model.Catalog, own: Iterable[OwnTable]) -> model.Catalog:
    """The catalogue with these tables added or put in place of declared ones. The digest stays the registered one's:
    an own table's version is in the question through its snapshot."""
    tables = dict(catalog.tables) | {table.name: table for table in map(catalog_table, own)}
    return model.Catalog(tables, catalog.digest)


def _column(item: TakenColumn) -> model.Column:
    known = (item.name, _type(item.type), item.nullable, OWN_LEVEL, Role.VALUE)
    if element := element_of(item.type):
        return model.Column(*known, unique=item.unique, distinct=item.distinct, element=element, tokens=item.key)
    return model.Column(*known, unique=item.unique, distinct=item.distinct, encrypted=item.key)


def _type(text: str) -> Type:
    """The catalogue's type; of an encrypted column that of the numbers inside, of tokens that of the ids."""
    if element_of(text):
        return TEXT
    if text in _TYPES:
        return _TYPES[text]
    scale = int(text.partition("(")[2].removesuffix(")"))
    return INTEGER if text == "encrypted(0)" else decimal(scale)


@lru_cache(maxsize=REMEMBERED)
def _own(institution: str, name: str, digest: str, columns: str, rows: int, size: int, created: str) -> OwnTable:
    """A row as a value. Which rows are live is asked anew each time, so what is remembered cannot be out of date."""
    taken = tuple(TakenColumn(*item) for item in json.loads(columns))
    return OwnTable(institution, name, digest, taken, rows, size, datetime.fromisoformat(created))


def _drop(connection: Connection, institution: str, name: str, now: datetime) -> bool:
    live = (uploads.c.institution == institution, uploads.c.name == name, uploads.c.dropped.is_(None))
    return connection.execute(update(uploads).where(*live).values(dropped=_text(now))).rowcount > 0


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")


_u = uploads.c
_ROWS = select(_u.institution, _u.name, _u.digest, _u.columns, _u.rows, _u.bytes, _u.created).where(
    _u.institution == bindparam("of")
)
_LIVE = Prepared(_ROWS.where(_u.dropped.is_(None)).order_by(_u.name))
_NAMED = Prepared(_ROWS.where(_u.name == bindparam("name"), _u.dropped.is_(None)))
_OF_CONTENT = Prepared(
    _ROWS.where(_u.name == bindparam("name"), _u.digest == bindparam("digest")).order_by(_u.id.desc()).limit(1)
)
_EVER = Prepared(_ROWS.order_by(_u.id))
