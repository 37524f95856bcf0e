"""Opening the state store and writing to it durably: a SQLite file (`store.sqlite`) or PostgreSQL (`store.postgres`).

When ``transaction()`` has returned, what was written is on the disk. Writers are serialised, by a lock between
threads and by the database between processes; readers see the snapshot of their first statement and never block.

Fail closed: after a write that could not be made durable every further write is refused, until ``probe()`` has
written something and found that it stays. A disk that has lied once is not believed again by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from sqlalchemy import Connection, Engine, RootTransaction, inspect, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from louver_sandbox.store import schema
from louver_sandbox.store.errors import StoreBusy, StoreError, StoreMisnamed, StoreUnavailable, translate
from louver_sandbox.store.postgres import SCHEMES, Claims, Postgres
from louver_sandbox.store.sqlite import Sqlite

BUSY_TIMEOUT_S = 5.0
"""How long a writer waits, unless told otherwise, for its turn before it learns that the store is busy."""

_MIGRATING = threading.Lock()  # Alembic keeps the migration under way in module globals
_MIGRATIONS = Path(__file__).parent / "migrations"


class State:
    """An open state store. Threads may share it. Use ``State.open``; close it when done.

    Every method may raise ``StoreUnavailable`` (fail closed), ``StoreBusy`` (nothing written, try again) or
    ``StoreConflict`` (a rule of the schema).
    """

    def __init__(self, database: Sqlite | Postgres, busy_timeout_s: float) -> None:
        self._database = database
        self._busy_timeout_s = busy_timeout_s
        self._writer = database.engine(writes=True)
        self._reader = database.engine(writes=False)
        self._lock = threading.Lock()
        self._holder: int | None = None
        self._failed = False
        self._claims = database.claims() if isinstance(database, Postgres) else None

    @classmethod
    def open(cls, location: str | Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> State:
        """Open the store at a path, ``sqlite:///`` or ``postgresql://`` URL, and bring its schema up to date.

        A file is created if need be, a database is not. Raises ``StoreUnavailable`` when that cannot be done,
        ``StoreMisnamed`` for a URL of neither.
        """
        state = cls(_database(location, busy_timeout_s), busy_timeout_s)
        try:
            state._migrate()
        except StoreError:
            state.close()
            raise
        return state

    @property
    def location(self) -> Path:
        """The file of a store that is one. Raises ``TypeError`` for one on PostgreSQL."""
        if self._database.path is None:
            raise TypeError("the state store is no file")
        return self._database.path

    @property
    def is_shared(self) -> bool:
        """Whether several services may write to it at the same time."""
        return self._database.path is None

    def claims(self) -> Claims | None:
        """What tells services apart that would do the same at the same time; None where there is only one."""
        return self._claims

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
                with self._begun(self._writer) as connection:
                    yield connection
            except self._database.errors as error:
                raise self._record(translate(error)) from None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read one consistent snapshot; the connection cannot write."""
        try:
            with self._begun(self._reader) as connection:
                yield connection
        except self._database.errors as error:
            raise translate(error) from None
        except PoolTimeout:
            raise StoreBusy("too many readers of the state store") from None

    @contextmanager
    def _begun(self, engine: Engine) -> Iterator[Connection]:
        """A connection in a transaction, which is committed unless the block raises.

        A connection that is found gone before anything was asked of it is made anew, once: the server was restarted.
        """
        connection, transaction = self._begin(engine, again=True)
        with connection:
            try:
                with transaction:
                    yield connection
            except self._database.errors:
                if not connection.invalidated and self._database.is_lost(connection):
                    connection.invalidate()
                raise

    def _begin(self, engine: Engine, *, again: bool) -> tuple[Connection, RootTransaction]:
        connection = engine.connect()
        try:
            return connection, connection.begin()
        except self._database.errors:
            lost = self._database.is_lost(connection)
            if lost:
                connection.invalidate()
            connection.close()
            if not lost or not again:
                raise
        engine.dispose()
        return self._begin(engine, again=False)

    def probe(self) -> None:
        """Write durably and read it back; after success the store takes writes again. Else ``StoreUnavailable``."""
        with self._turn():
            try:
                # A connection that has seen a failed sync may hold pages the disk does not.
                self._writer.dispose()
                with self._begun(self._writer) as connection:
                    connection.execute(update(schema.health).values(beats=schema.health.c.beats + 1))
            except self._database.errors as error:
                raise self._record(translate(error)) from None
            self._failed = False

    @property
    def healthy(self) -> bool:
        """Whether writes are taken."""
        return not self._failed

    def scrub(self) -> None:
        """Let erased text be gone from what the database keeps beside its tables: its write-ahead file, free pages.

        Raises ``StoreBusy`` while a reader still needs the old pages.
        """
        with self._turn():
            try:
                done = self._database.scrub(self._writer)
            except self._database.errors as error:
                raise self._record(translate(error)) from None
        if not done:
            raise StoreBusy("a reader still holds the pages to be scrubbed")

    def close(self) -> None:
        """Close every connection. Nothing may use the store afterwards."""
        self._reader.dispose()
        self._writer.dispose()
        if self._claims is not None:
            self._claims.close()

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


def _upgrade(connection: Connection, revision: str = "head") -> None:
    # Every process of the platform imports this module, and hardly any has a schema to change.
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError:
        raise StoreUnavailable("the state store's schema is not one this release knows") from None


def _database(location: str | Path, busy_timeout_s: float) -> Sqlite | Postgres:
    if isinstance(location, Path) or "://" not in location:
        return Sqlite(Path(location), busy_timeout_s)
    if location.partition("://")[0] in SCHEMES:
        return Postgres(location, busy_timeout_s)
    try:
        url = make_url(location)
    except ArgumentError:
        raise StoreMisnamed("not a database URL") from None
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise StoreMisnamed("the state store is a SQLite file, sqlite:///path, or postgresql://user@host/database")
    return Sqlite(Path(url.database), busy_timeout_s)
