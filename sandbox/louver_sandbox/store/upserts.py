"""Adding rows of which some may be there already, said to each kind of database in its own words."""

from __future__ import annotations

from typing import TypeAlias

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Upsert: TypeAlias = sqlite.Insert | postgresql.Insert
"""An insertion that can say what becomes of a row that is there."""


def insert_into(table: Table, database: str | Connection) -> Upsert:
    """An insertion into the table, for a transaction or the name of a database: `sqlite` or `postgresql`."""
    name = database if isinstance(database, str) else database.dialect.name
    return sqlite.insert(table) if name == "sqlite" else postgresql.insert(table)
