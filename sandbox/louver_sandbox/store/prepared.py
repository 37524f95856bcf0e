"""Statements whose text is made once and run on the database's own connection.

A question passes a score of small statements on its way to a receipt. SQLAlchemy takes ten times as long to prepare
and wrap each of them as SQLite to run it, so those on the line are compiled when their module is loaded. They are
still written in SQLAlchemy Core over `store.schema`, run in the transactions of `State` and fail with its errors.

Only column types whose values the driver takes and gives as they are may be used: integers, text and bytes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, LargeBinary, Select, Text
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.sql.dml import Insert, Update

Values = Mapping[str, object]
"""What a statement's parameters stand for, by name; names it does not have are ignored."""

_PLAIN = (BigInteger, Integer, LargeBinary, Text)


class Prepared:
    """A statement of SQLAlchemy Core, ready to run. Raises ``TypeError`` for columns that need converting."""

    def __init__(self, statement: Select[*tuple[Any, ...]] | Insert | Update) -> None:
        compiled = statement.compile(dialect=pysqlite.dialect())
        columns = statement.selected_columns if isinstance(statement, Select) else statement.table.columns
        if not all(isinstance(column.type, _PLAIN) for column in columns):
            raise TypeError("a prepared statement takes and gives integers, text and bytes only")
        self._text = str(compiled)
        self._names: Sequence[str] = compiled.positiontup or ()
        self._constants = {name: item.value for name, item in compiled.binds.items() if not item.required}

    def rows(self, tx: Connection, values: Values) -> list[tuple[Any, ...]]:
        """Every row it finds. Raises the store's errors when the transaction ends, and ``KeyError`` for a value
        that is not given."""
        return driver_of(tx).execute(self._text, self._bound(values)).fetchall()

    def row(self, tx: Connection, values: Values) -> tuple[Any, ...] | None:
        """The first row it finds, if any."""
        found: tuple[Any, ...] | None = driver_of(tx).execute(self._text, self._bound(values)).fetchone()
        return found

    def run(self, tx: Connection, *each: Values) -> None:
        """Runs it once for each set of values."""
        driver_of(tx).executemany(self._text, [self._bound(values) for values in each])

    def _bound(self, values: Values) -> tuple[object, ...]:
        constants = self._constants
        return tuple(constants[name] if name in constants else values[name] for name in self._names)


def driver_of(connection: Connection) -> sqlite3.Connection:
    """The connection of the database's own driver. Raises ``TypeError`` for any driver but SQLite's."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError("the state store is a SQLite file")
    return driver
