"""Statements whose text is made once and run on the database's own connection.

A question passes a score of small statements on its way to a receipt. SQLAlchemy takes ten times as long to prepare
and wrap each of them as SQLite to run it, so those on the line are compiled once for each kind of database. They are
still written in SQLAlchemy Core over `store.schema`, run in the transactions of `State` and fail with its errors.

Only column types whose values the drivers take and give as they are may be used: integers, text and bytes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, Connection, Dialect, Integer, LargeBinary, Select, Text
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.sql.dml import Insert, Update

Values = Mapping[str, object]
"""What a statement's parameters stand for, by name; names it does not have are ignored."""

Statement: TypeAlias = Select[*tuple[Any, ...]] | Insert | Update

_PLAIN = (BigInteger, Integer, LargeBinary, Text)
_SQLITE = pysqlite.dialect()


class Prepared:
    """A statement of SQLAlchemy Core, ready to run. Raises ``TypeError`` for columns that need converting.

    Where databases differ in how a statement is said, it is given as what makes it for the name of a dialect.
    """

    def __init__(self, statement: Statement | Callable[[str], Statement]) -> None:
        self._made = statement if callable(statement) else lambda dialect: statement
        self._sqlite = _Compiled(self._made(_SQLITE.name), _SQLITE)
        self._other: _Compiled | None = None

    def rows(self, tx: Connection, values: Values) -> list[tuple[Any, ...]]:
        """Every row it finds. Raises the store's errors when the transaction ends, and ``KeyError`` for a value
        that is not given."""
        return list(self._executed(tx, values).fetchall())

    def row(self, tx: Connection, values: Values) -> tuple[Any, ...] | None:
        """The first row it finds, if any."""
        found: tuple[Any, ...] | None = self._executed(tx, values).fetchone()
        return found

    def run(self, tx: Connection, *each: Values) -> None:
        """Runs it once for each set of values."""
        driver = tx.connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            driver.executemany(self._sqlite.text, [self._sqlite.bound(values) for values in each])
            return
        compiled = self._compiled(tx)
        for values in each:
            _driver(tx).execute(compiled.text, compiled.bound(values))

    def _executed(self, tx: Connection, values: Values) -> Any:
        driver = tx.connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            return driver.execute(self._sqlite.text, self._sqlite.bound(values))
        compiled = self._compiled(tx)
        return _driver(tx).execute(compiled.text, compiled.bound(values))

    def _compiled(self, tx: Connection) -> _Compiled:
        if self._other is None:
            self._other = _Compiled(self._made(tx.dialect.name), tx.dialect)
        return self._other


class _Compiled:
    """The text for one kind of database, and how it takes its parameters: by place, or by name."""

    def __init__(self, statement: Statement, dialect: Dialect) -> None:
        columns = statement.selected_columns if isinstance(statement, Select) else statement.table.columns
        if not all(isinstance(column.type, _PLAIN) for column in columns):
            raise TypeError("a prepared statement takes and gives integers, text and bytes only")
        compiled = statement.compile(dialect=dialect)
        self.text = str(compiled)
        self._places: Sequence[str] = compiled.positiontup or ()
        self._names: Sequence[str] = () if compiled.positional else tuple(compiled.binds)
        self._constants = {name: item.value for name, item in compiled.binds.items() if not item.required}

    def bound(self, values: Values) -> Any:
        """The parameters as the driver takes them."""
        constants = self._constants
        if self._names:
            return {name: constants[name] if name in constants else values[name] for name in self._names}
        return tuple(constants[name] if name in constants else values[name] for name in self._places)


def driver_of(connection: Connection) -> sqlite3.Connection:
    """The connection of SQLite's own driver. Raises ``TypeError`` for any other."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError("the state store is no SQLite file")
    return driver


def _driver(connection: Connection) -> Any:
    """The connection of the database's own driver, which executes a text with its parameters."""
    return connection.connection.driver_connection
