"""A state store in a SQLite file: for one service on one machine.

Write-ahead mode with ``synchronous=FULL``: what was committed is on the disk. Writers are serialised by ``BEGIN
IMMEDIATE``; readers see the snapshot of their first statement and never block.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from louver_sandbox.store.errors import StoreUnavailable
from louver_sandbox.store.prepared import driver_of

READERS = 8

_COMMON_PRAGMAS = ("PRAGMA foreign_keys=ON", "PRAGMA trusted_schema=OFF")
_WRITER_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA recursive_triggers=ON",  # else REPLACE deletes rows past the append-only triggers
    "PRAGMA secure_delete=ON",  # an erased text must not survive in a free page
)


class Sqlite:
    """The database in a file, created if need be. Raises ``StoreUnavailable`` where that cannot be done."""

    errors: tuple[type[Exception], ...] = (DBAPIError, sqlite3.Error)

    def __init__(self, path: Path, busy_timeout_s: float) -> None:
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        try:
            # Readable by the service alone from its first byte on; SQLite gives its side files the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError:
            raise StoreUnavailable("the state store's file cannot be opened for writing") from None

    def engine(self, *, writes: bool) -> Engine:
        """One connection that writes, or several that cannot."""
        engine = create_engine(
            URL.create("sqlite", database=str(self.path)),
            hide_parameters=True,
            pool_size=1 if writes else READERS,
            max_overflow=0,
            pool_timeout=self._busy_timeout_s,
            connect_args={"timeout": self._busy_timeout_s},
        )

        def configure(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
            # None: the driver shall not open transactions of its own; we do, below.
            connection.isolation_level = None
            cursor = connection.cursor()
            for pragma in (*_COMMON_PRAGMAS, *(_WRITER_PRAGMAS if writes else ("PRAGMA query_only=ON",))):
                cursor.execute(pragma)
            if writes:
                cursor.execute("PRAGMA journal_mode")
                if cursor.fetchone() != ("wal",):
                    raise StoreUnavailable("the state store's file system does not support write-ahead logging")
            cursor.close()

        def begin(connection: Connection) -> None:
            # On the driver itself: it costs a tenth, and every transaction pays it.
            driver_of(connection).execute("BEGIN IMMEDIATE" if writes else "BEGIN")

        event.listen(engine, "connect", configure)
        event.listen(engine, "begin", begin)
        return engine

    def is_lost(self, connection: Connection) -> bool:
        """Whether the connection is of no more use. One to a file never is."""
        return False

    def scrub(self, writer: Engine) -> bool:
        """Moves everything out of the write-ahead file and empties it; whether no reader stood in the way."""
        with writer.connect() as connection:
            raw = connection.connection.cursor()
            blocked = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            raw.close()
        return not blocked
