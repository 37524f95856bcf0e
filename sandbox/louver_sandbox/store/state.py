"""Opening the state store and writing to it durably.

SQLite in write-ahead mode with ``synchronous=FULL``: when ``transaction()`` has returned, what was written is on
the disk. Writers are serialised, by a lock between threads and by ``BEGIN IMMEDIATE`` between processes; readers
see the snapshot of their first statement and never block.

Fail closed: after a write that could not be made durable every further write is refused, until ``probe()`` has
written something and found that it stays. A disk that has lied once is not believed again by itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from louver_sandbox.store import schema
from louver_sandbox.store.errors import DATABASE_ERRORS, StoreBusy, StoreError, StoreUnavailable, translate
from louver_sandbox.store.prepared import driver_of

BUSY_TIMEOUT_S = 5.0
"""How long a writer waits, unless told otherwise, for its turn before it learns that the store is busy."""

_READERS = 8
_MIGRATING = threading.Lock()  # Alembic keeps the migration under way in module globals
_MIGRATIONS = Path(__file__).parent / "migrations"

_COMMON_PRAGMAS = ("PRAGMA foreign_keys=ON", "PRAGMA trusted_schema=OFF")
_WRITER_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA recursive_triggers=ON",  # else REPLACE deletes rows past the append-only triggers
    "PRAGMA secure_delete=ON",  # an erased text must not survive in a free page
)


class State:
    """An open state store. Threads may share it. Use ``State.open``; close it when done.

    Every method may raise ``StoreUnavailable`` (fail closed), ``StoreBusy`` (nothing written, try again) or
    ``StoreConflict`` (a rule of the schema).
    """

    def __init__(self, location: Path, writer: Engine, reader: Engine, busy_timeout_s: float) -> None:
        self.location = location
        self._busy_timeout_s = busy_timeout_s
        self._writer = writer
        self._reader = reader
        self._lock = threading.Lock()
        self._holder: int | None = None
        self._failed = False

    @classmethod
    def open(cls, location: str | Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> State:
        """Open the store at a path or ``sqlite:///`` URL, create it if need be, and bring its schema up to date.

        Raises ``StoreUnavailable`` when that cannot be done, ``ValueError`` for a URL of another database.
        """
        path = _path(location)
        try:
            # Readable by the service alone from its first byte on; SQLite gives its side files the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError:
            raise StoreUnavailable("the state store's file cannot be opened for writing") from None
        writer = _engine(path, writes=True, busy_timeout_s=busy_timeout_s)
        reader = _engine(path, writes=False, busy_timeout_s=busy_timeout_s)
        state = cls(path, writer, reader, busy_timeout_s)
        try:
            state._migrate()
        except StoreError:
            state.close()
            raise
        return state

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Write: all of the block becomes durable when it ends, or none of it does.

        One thread at a time. Opening a second transaction inside the first is a programming error
        (``RuntimeError``), for it would wait for itself.
        """
        with self._turn():
            if self._failed:
                raise StoreUnavailable("the state store has failed before and has not passed a health probe since")
            try:
                with self._writer.connect() as connection, connection.begin():
                    yield connection
            except DATABASE_ERRORS as error:
                raise self._record(translate(error)) from None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read one consistent snapshot; the connection cannot write."""
        try:
            with self._reader.connect() as connection, connection.begin():
                yield connection
        except DATABASE_ERRORS as error:
            raise translate(error) from None
        except PoolTimeout:
            raise StoreBusy("too many readers of the state store") from None

    def probe(self) -> None:
        """Write durably and read it back; after success the store takes writes again. Else ``StoreUnavailable``."""
        with self._turn():
            try:
                # A connection that has seen a failed sync may hold pages the disk does not.
                self._writer.dispose()
                with self._writer.connect() as connection, connection.begin():
                    connection.execute(update(schema.health).values(beats=schema.health.c.beats + 1))
            except DATABASE_ERRORS as error:
                raise self._record(translate(error)) from None
            self._failed = False

    @property
    def healthy(self) -> bool:
        """Whether writes are taken."""
        return not self._failed

    def scrub(self) -> None:
        """Move everything out of the write-ahead file and empty it, so that erased text is gone from it too.

        Raises ``StoreBusy`` while a reader still needs the old pages.
        """
        with self._turn():
            try:
                with self._writer.connect() as connection:
                    raw = connection.connection.cursor()
                    blocked = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
                    raw.close()
            except DATABASE_ERRORS as error:
                raise self._record(translate(error)) from None
        if blocked:
            raise StoreBusy("a reader still holds the pages to be scrubbed")

    def close(self) -> None:
        """Close every connection. Nothing may use the store afterwards."""
        self._reader.dispose()
        self._writer.dispose()

    def __enter__(self) -> State:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        me = threading.get_ident()
        if self._holder == me:
            raise RuntimeError("this thread is already inside a transaction of the state store")
        if not self._lock.acquire(timeout=self._busy_timeout_s):
            raise StoreBusy("the state store is held by another writer")
        self._holder = me
        try:
            yield
        finally:
            self._holder = None
            self._lock.release()

    def _record(self, error: StoreError) -> StoreError:
        if isinstance(error, StoreUnavailable):
            self._failed = True
        return error

    def _migrate(self) -> None:
        with _MIGRATING, self.transaction() as connection:
            if _revision(connection) != newest_revision():
                _upgrade(connection)


def newest_revision() -> str:
    """The revision of the schema that this release brings a store to."""
    return max(path.name[1:5] for path in (_MIGRATIONS / "versions").glob("v????_*.py"))


def _revision(connection: Connection) -> str | None:
    """The one revision of the store's schema, None where it has none or several."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    return str(found[0]) if len(found) == 1 else None


def _upgrade(connection: Connection) -> None:
    # Every process of the platform imports this module, and hardly any has a schema to change.
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise StoreUnavailable("the state store's schema is not one this release knows") from None


def _path(location: str | Path) -> Path:
    if isinstance(location, Path) or "://" not in location:
        return Path(location)
    try:
        url = make_url(location)
    except ArgumentError:
        raise ValueError("not a database URL") from None
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise ValueError("the state store is a SQLite file: sqlite:///path")
    return Path(url.database)


def _engine(path: Path, *, writes: bool, busy_timeout_s: float) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        hide_parameters=True,
        pool_size=1 if writes else _READERS,
        max_overflow=0,
        pool_timeout=busy_timeout_s,
        connect_args={"timeout": busy_timeout_s},
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
