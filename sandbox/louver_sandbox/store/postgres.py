"""A state store in a PostgreSQL database: for several service processes that share one ledger and one log.

Writers are serialised by one advisory lock that each transaction takes first and holds until it has ended, so that
the log has one order and every statement behind it sees all that was written before. Readers see the snapshot of
their first statement and never block. A server that would lose what it has acknowledged, or that orders texts in
another way than by their bytes, is refused.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from louver_sandbox.store.errors import StoreMisnamed, StoreUnavailable, translate
from louver_sandbox.store.texts import findable

if TYPE_CHECKING:
    import psycopg

SCHEMES = ("postgresql", "postgres")
READERS = 8

WRITERS = 0x6C6F7576
"""First half of the advisory lock that writers take: `louv`. The other half tells schemas of one database apart."""

STALLED_S = 60
"""How long a transaction may stand still before the server ends it: a process that was stopped in the middle of one
must not hold up all the others."""

_DEFAULTS = {"connect_timeout": "5", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3"}
_TCP_USER_TIMEOUT_MS = 20_000
_FITNESS = (
    "SELECT current_setting('fsync'), current_setting('full_page_writes'), "
    "(SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()), "
    "'a' < 'B' COLLATE \"default\", pg_is_in_recovery()"
)
_LOCK = "SELECT pg_advisory_xact_lock(%s, hashtext(current_schema()))"
_REWRITTEN = ("openings", "selections", "selected_ranges", "audit_terms", "audit_words")
"""Tables that texts are erased from."""


class Postgres:
    """The database at a libpq URL. Raises ``StoreUnavailable`` without the driver, ``StoreMisnamed`` for a URL that
    would send the log in clear or has a password in it."""

    path = None

    def __init__(self, url: str, busy_timeout_s: float) -> None:
        _check(url)
        try:
            import psycopg
        except ImportError:
            raise StoreUnavailable("PostgreSQL needs `pip install louver[postgres]`") from None
        self.errors: tuple[type[Exception], ...] = (DBAPIError, psycopg.Error)
        self._driver = psycopg
        self._texts = _text_dumper()
        self._url = url
        self._busy_ms = max(1, int(busy_timeout_s * 1000))
        self._busy_timeout_s = busy_timeout_s

    def engine(self, *, writes: bool) -> Engine:
        """One connection that writes, or several that cannot."""
        engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: self._connected(writes=writes),
            hide_parameters=True,
            pool_size=1 if writes else READERS,
            max_overflow=0,
            pool_timeout=self._busy_timeout_s,
        )

        def check(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
            problem = _unfit(connection)
            if problem:
                raise StoreUnavailable(problem)

        def begin(connection: Connection) -> None:
            # The driver begins before its first statement; of a reader's this is the one that may find the connection
            # gone, so that it can be made anew before anything has been read.
            raw: Any = connection.connection.driver_connection
            raw.execute(_LOCK, (WRITERS,)) if writes else raw.execute("SELECT 1")

        if writes:
            event.listen(engine, "connect", check)
        event.listen(engine, "begin", begin)
        return engine

    def _connected(self, *, writes: bool) -> psycopg.Connection[Any]:
        driver = self._driver
        given = driver.conninfo.conninfo_to_dict(self._url)
        more: dict[str, Any] = {name: value for name, value in _DEFAULTS.items() if name not in given}
        if driver.pq.version() >= 120000:
            more.setdefault("tcp_user_timeout", _TCP_USER_TIMEOUT_MS)
        made: psycopg.Connection[Any] = driver.connect(
            self._url, application_name="louver-sandbox", client_encoding="utf8", **more
        )
        settings = {
            "lock_timeout": f"{self._busy_ms}ms",
            "idle_in_transaction_session_timeout": f"{STALLED_S}s",
            "client_min_messages": "error",
            # The server notices a client's machine that is gone, and gives up its transaction.
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
        }
        with made.transaction():
            for name, value in settings.items():
                made.execute("SELECT set_config(%s, %s, false)", (name, value))
            # Whatever is stronger than this, such as a standby that has applied it, stays.
            made.execute(
                "SELECT set_config('synchronous_commit', 'on', false) "
                "WHERE current_setting('synchronous_commit') IN ('off', 'local')"
            )
        made.adapters.register_dumper(str, self._texts)
        made.isolation_level = (
            driver.IsolationLevel.READ_COMMITTED if writes else driver.IsolationLevel.REPEATABLE_READ
        )
        made.read_only = not writes
        return made

    def claims(self) -> Claims:
        """Names for this process to hold."""
        return Claims(lambda: self._connected(writes=False), self.errors)

    def is_lost(self, connection: Connection) -> bool:
        """Whether the connection is of no more use: the server is gone, or was restarted."""
        raw: Any = connection.connection.driver_connection
        return raw is None or bool(raw.closed)

    def scrub(self, writer: Engine) -> bool:
        """Writes the tables anew that texts are erased from; whether no reader stood in the way.

        The server's write-ahead log has the texts until it is recycled, and so has what was archived of it.
        """
        with writer.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.rollback()
            raw.autocommit = True
            try:
                for table in _REWRITTEN:
                    raw.execute(f"VACUUM (FULL) {table}")
                raw.execute("SELECT pg_switch_wal()") if _may_switch(raw) else None
            except self._driver.errors.LockNotAvailable:
                return False
            finally:
                if not raw.closed:
                    raw.autocommit = False
        return True


class Claims:
    """Names that one service at a time may hold, by advisory locks of a connection of their own.

    They save work and money, and guard nothing: where the server is away every name is free.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], errors: tuple[type[Exception], ...]) -> None:
        self._connect = connect
        self._errors = errors
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None

    def take(self, name: str) -> bool:
        """Whether nobody else holds the name; then it is held by us."""
        return self._asked("SELECT pg_try_advisory_lock(%s)", name)

    def give_back(self, name: str) -> None:
        """Lets others have it."""
        self._asked("SELECT pg_advisory_unlock(%s)", name)

    def close(self) -> None:
        """Gives all of them back."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def _asked(self, question: str, name: str) -> bool:
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        with self._lock:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = self._connect()
                    self._connection.autocommit = True
                row = self._connection.execute(question.encode(), (key,)).fetchone()
            except self._errors:
                return True
        return row is not None and bool(row[0])


def _may_switch(raw: Any) -> bool:
    return bool(raw.execute("SELECT has_function_privilege('pg_switch_wal()', 'EXECUTE')").fetchone()[0])


def _text_dumper() -> Any:
    """What hands texts to the driver: a NUL in one, which no column holds, must not keep a refusal from the log."""
    from psycopg.types.string import StrDumperUnknown

    class Texts(StrDumperUnknown):
        def dump(self, obj: str) -> Any:
            return super().dump(findable(obj))

    return Texts


def _unfit(connection: Any) -> str:
    """Why nothing may be kept there; empty is good."""
    try:
        fsync, full_pages, encoding, by_language, standby = connection.execute(_FITNESS).fetchone()
        connection.rollback()
    except Exception as error:
        raise translate(error) from None
    if fsync != "on" or full_pages != "on":
        return "the state store's server loses what it has acknowledged: set fsync and full_page_writes to on"
    if encoding != "UTF8" or by_language:
        return "the state store's database must have encoding UTF8, locale C: createdb -T template0 -E UTF8 -l C"
    if standby:
        return "the state store's server is a standby, which takes no writes"
    return ""


def _check(url: str) -> None:
    """Raises ``StoreMisnamed`` for a URL that is none, tells a password, or speaks to another machine in clear."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or len(parts.path) < 2:
        raise StoreMisnamed("the state store is postgresql://user@host/database")
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if parts.password or "password" in asked:
        raise StoreMisnamed("the state store's password does not belong in its URL: secrets/pgpass holds it")
    hosts = asked.get("host") or parts.netloc.rpartition("@")[2]
    if all(map(_is_here, hosts.split(","))):
        return
    if asked.get("sslmode") not in ("verify-ca", "verify-full"):
        raise StoreMisnamed("a state store on another machine needs sslmode=verify-full and sslrootcert in its URL")


def _is_here(host: str) -> bool:
    """Whether a host of the URL is this machine: a socket's folder, none, or a loopback address."""
    name = host if host.startswith("/") else host.rpartition("]")[0].lstrip("[") or host.partition(":")[0]
    if not name or name.startswith("/") or name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
