"""Every row of one state store into an empty one, on either kind of database, and whether it is the same.

It is copied from one moment of the source, in one transaction of the target.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, MetaData, Table, func, insert, select, text

from louver_sandbox.store.errors import StoreConflict
from louver_sandbox.store.state import State
from louver_sandbox.store.texts import findable, storable

ROWS = 1000
"""Rows that are held in memory at once."""
_OWN = ("alembic_version", "health")
"""Tables that every store fills itself."""


def copy_store(source: State, target: State) -> int:
    """Copies everything; returns how many rows. Raises ``StoreConflict`` where the target holds any already, or where
    it does not hold the same afterwards."""
    with source.reading() as given, target.transaction() as taken:
        tables = _tables(given)
        theirs = {table.name: table for table in _tables(taken)}
        if theirs.keys() != {table.name for table in tables}:
            raise StoreConflict("the stores do not have the same tables")
        if filled := [name for name, table in theirs.items() if taken.execute(select(table).limit(1)).first()]:
            raise StoreConflict(f"the store to copy into holds something already: {filled[0]}")
        copied = sum(_copy(given, taken, table, theirs[table.name]) for table in tables)
        for table in tables:
            if _digest(given, table) != _digest(taken, theirs[table.name]):
                raise StoreConflict(f"the copy of {table.name} is not what was copied")
    return copied


def _tables(tx: Connection) -> Sequence[Table]:
    """The tables that are there, each behind those that it refers to."""
    metadata = MetaData()
    metadata.reflect(tx)
    return [table for table in metadata.sorted_tables if table.name not in _OWN]


def _copy(given: Connection, taken: Connection, table: Table, target: Table) -> int:
    copied = 0
    for rows in _pages(given, table):
        taken.execute(insert(target), rows)
        copied += len(rows)
    if taken.dialect.name == "postgresql":
        _count_on(taken, target)
    return copied


def _pages(tx: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    """The table's rows in the order of its key."""
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=ROWS)
    for page in tx.execute(query).partitions():
        yield [{name: _kept(table, name, value) for name, value in row._mapping.items()} for row in page]


def _kept(table: Table, name: str, value: object) -> object:
    """A value as every kind of database keeps it."""
    if not isinstance(value, str) or "\0" not in value:
        return value
    return storable(value) if (table.name, name) == ("openings", "text") else findable(value)


def _count_on(tx: Connection, table: Table) -> None:
    """Numbers that the database draws go on behind those that were copied."""
    for column in table.primary_key.columns:
        of = {"name": f'"{table.name}"', "key": column.name}
        sequence = tx.execute(text("SELECT pg_get_serial_sequence(:name, :key)"), of).scalar_one()
        last = tx.execute(select(func.max(column))).scalar_one() if sequence else None
        if last is not None:
            tx.execute(text("SELECT setval(:sequence, :last)"), {"sequence": sequence, "last": last})


def _digest(tx: Connection, table: Table) -> str:
    """What all rows of the table are, whichever database they lie in."""
    found = hashlib.sha256()
    names = sorted(column.name for column in table.columns)
    for rows in _pages(tx, table):
        for row in rows:
            found.update(repr([row[name] for name in names]).encode())
    return found.hexdigest()
