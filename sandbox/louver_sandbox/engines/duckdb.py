"""DuckDB 2.0, locked down (SECURITY section 2.3; ECOSYSTEM 6.1 and 6.2).

A connection is made and hardened once, in the zygote, before any data or question exists, with settings that
make DuckDB start no thread; so a fork of the zygote has it ready. In the child one job's snapshots are
attached read-only, then external access, the file system and the configuration are shut for good, then the
job's statements run. None of this is a boundary against SQL that means harm to the process: that is what the
function allow-list before and the process around it are for.
"""

import json
import os
import stat
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import duckdb
import pyarrow as pa

from louver_sandbox.engines.duckdb_tree import read_statement
from louver_sandbox.engines.engine import EngineFailed, Job, Source
from louver_sandbox.engines.shape import Shape, ShapeRefused

_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    # One thread is the caller's own, so with these two DuckDB has none of its own and may be forked.
    "threads": "1",
    "async_threads": "0",
    "memory_limit": "256MiB",
    "temp_directory": "",
    "max_temp_directory_size": "0KB",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_unsigned_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
    "python_scan_all_frames": "false",
}
_UNSOUND: Final = "common_subplan,join_elimination"
"""DuckDB 2.0 runs what two subqueries share only once, and then gives one of them a column in another's place; and it
leaves joins out whose columns a simplified outer join above them still wants."""
KEEP_ROWS: Final = f"SET disabled_optimizers = '{_UNSOUND}'"
_HARDEN: Final = (
    "SET max_expression_depth = 500",
    "SET errors_as_json = false",
    "SET allow_extension_repositories = 'forbidden'",
    KEEP_ROWS,
)
_SHUT_ACCESS: Final = "SET enable_external_access = false"
_SHUT_FILES: Final = "SET disabled_filesystems = 'LocalFileSystem'"
_LOCK: Final = (
    # With a database attached, DuckDB checks its path when external access is shut, so the file system must
    # be taken away after and not, as with tables in memory, before.
    _SHUT_ACCESS,
    _SHUT_FILES,
    "SET lock_configuration = true",
)
_HARDENED: Final[Mapping[str, str]] = {
    "access_mode": "automatic",
    "active_grammar_extensions": "[]",
    "allow_community_extensions": "false",
    "allow_extension_repositories": "forbidden",
    "allow_persistent_secrets": "false",
    "allow_unsigned_extensions": "false",
    "allowed_configs": "[]",
    "allowed_directories": "[]",
    "allowed_paths": "[]",
    "async_threads": "0",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "dialect_compatibility_mode": "NONE",
    "error_on_division_by_zero": "true",
    "errors_as_json": "false",
    "ieee_floating_point_ops": "true",
    "integer_division": "false",
    "max_expression_depth": "500",
    "max_temp_directory_size": "0 bytes",
    "python_enable_replacements": "false",
    "python_scan_all_frames": "false",
    "temp_directory": "",
    "threads": "1",
}
# `disabled_filesystems` reads back empty whatever it is, so it is proved by trying (`prove_lock`).
_LOCKED: Final[Mapping[str, str]] = {
    "enable_external_access": "false",
    "lock_configuration": "true",
}
_READ_FILE: Final = "SELECT count(*) FROM read_text('/proc/self/status')"
_FORBIDDEN: Final = (
    _READ_FILE,
    "SET threads = 1",
    "SELECT * FROM replacement_probe",
)
_REHEARSAL: Final = (
    "SELECT k, count(*) AS n, count(DISTINCT v) AS d, sum(CAST(v AS HUGEINT)) AS s, avg(v) AS a "
    "FROM (VALUES ('x', 1), ('y', 2)) AS t (k, v) WHERE v > 0 GROUP BY k HAVING count(*) > 0 ORDER BY k"
)
KEEP_LIMITS: Final = f"SET disabled_optimizers = '{_UNSOUND},statistics_propagation'"
"""DuckDB 2.0 drops a LIMIT over an outer join whose other side it knows to be empty: it takes the join for empty."""
_LARGE: Final = 16 * 1024 * 1024
"""Bytes of snapshots from which threads save more than starting them costs, some milliseconds as measured."""
_OPERATOR_SHARE: Final = 0.8
_BATCH_ROWS: Final = 65_536
_READ_LOCK: Final = "SELECT " + ", ".join(f"current_setting('{name}')::VARCHAR" for name in _LOCKED)


class NotLocked(Exception):
    """A setting does not read back as it was set, or a forbidden act succeeded: no job may run here."""


def open_hardened() -> duckdb.DuckDBPyConnection:
    """A hardened in-memory connection that owns no thread; made in the zygote and used by its children.

    Raises:
        NotLocked: this DuckDB does not take the settings the lock-down consists of.
    """
    connection = duckdb.connect(":memory:", config=_CONFIG)
    try:
        for statement in _HARDEN:
            connection.execute(statement)
        connection.sql(_REHEARSAL).to_arrow_reader(_BATCH_ROWS).read_all()
        read_back = dict(connection.execute("SELECT name, value FROM duckdb_settings()").fetchall())
    except duckdb.Error:
        connection.close()
        raise NotLocked("the engine refused a setting") from None
    if any(read_back.get(name) != value for name, value in _HARDENED.items()):
        connection.close()
        raise NotLocked("a setting reads back otherwise")
    return connection


def prove_lock() -> None:
    """Try a file read, a SET and a replacement scan under the lock, and a file read under half of it.

    All must fail. Done once per zygote: it costs some tens of milliseconds, and every child is a copy of
    what was proved.

    Raises:
        NotLocked: one of them succeeded.
    """
    replacement_probe = pa.table({"a": [1]})
    with open_hardened() as connection:
        lock(connection)
        _must_fail(connection, _FORBIDDEN)
    for half in (_SHUT_ACCESS, _SHUT_FILES):
        with open_hardened() as connection:
            connection.execute(half)
            _must_fail(connection, (_READ_FILE,))
    del replacement_probe


def _must_fail(connection: duckdb.DuckDBPyConnection, statements: Iterable[str]) -> None:
    for statement in statements:
        try:
            connection.execute(statement).fetchall()
        except duckdb.Error:
            continue
        raise NotLocked("a forbidden act succeeded")


def lock(connection: duckdb.DuckDBPyConnection) -> None:
    """Shut external access, the file system and the configuration, and read back that they are shut.

    Raises:
        NotLocked: they are not.
    """
    try:
        for statement in _LOCK:
            connection.execute(statement)
        read_back = connection.execute(_READ_LOCK).fetchall()
    except duckdb.Error:
        raise NotLocked("the engine refused the lock") from None
    if read_back != [tuple(_LOCKED.values())]:
        raise NotLocked("the lock reads back otherwise")


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "''") + "'"


def _checked_size(path: str) -> int:
    """Bytes of a snapshot: a plain file without a write-ahead log, which DuckDB would replay, read-only or not."""
    try:
        found = os.lstat(path)
    except OSError:
        raise EngineFailed("error") from None
    if not stat.S_ISREG(found.st_mode) or os.path.lexists(path + ".wal"):
        raise EngineFailed("error")
    return found.st_size


class DuckDbEngine:
    """The Engine over one hardened connection, which runs one job and is then good for nothing else.

    `seal` is called when the job's data is open and the connection locked, before its SQL is looked at: the
    place for what a process can only give up after it has opened its files and started its threads.
    """

    dialect = "duckdb"

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, seal: Callable[[], None] = lambda: None) -> None:
        self._connection = connection
        self._seal = seal
        self._large = False

    def warm(self) -> None:
        """Touch what every query touches, ahead of the job."""
        # A query like the job's would warm more, and cost more in all than it saves, as measured.
        self._connection.execute("SELECT 1").fetchall()

    def parse(self, sql: str) -> Shape:
        """What DuckDB's parser sees; binds nothing and opens nothing. May be called any number of times.

        Raises:
            ShapeRefused: not exactly one SELECT of the parts our generator may emit.
        """
        try:
            rows = self._connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
            return read_statement(json.loads(rows[0][0]))
        except (duckdb.Error, ValueError, RecursionError):
            raise ShapeRefused("syntax") from None

    def execute(self, job: Job) -> bytes:
        """The statements' answers, each as an Arrow IPC stream, together within the job's caps.

        Raises:
            EngineFailed: there is none: "error", "memory", "too_large" or "timeout".
        """
        try:
            self._open(job)
            self._seal()
            return self._run_all(job)
        except duckdb.InterruptException:
            raise EngineFailed("timeout") from None
        except (duckdb.OutOfMemoryException, pa.ArrowMemoryError, MemoryError):
            raise EngineFailed("memory") from None
        except (duckdb.Error, pa.ArrowException, NotLocked):
            raise EngineFailed("error") from None

    def _open(self, job: Job) -> None:
        size = sum(_checked_size(path) for source in job.sources for path in source.files)
        self._large = size >= _LARGE and not job.few
        operator_mib = max(1, int(job.memory_mib * _OPERATOR_SHARE))
        self._connection.execute(
            f"SET memory_limit = '{job.memory_mib}MiB';"
            f"SET operator_memory_limit = '{operator_mib}MiB';"
            f"SET max_execution_time = {job.timeout_ms};"
            f"SET threads = {job.threads if self._large else 1}"
        )
        if any(" LIMIT " in sql for sql in job.statements):
            self._connection.execute(KEEP_LIMITS)
        for source in job.sources:
            if source.tokens:
                self._open_translated(source)
            else:
                self._attach(source.path, source.alias)
        lock(self._connection)

    def _attach(self, path: str, alias: str) -> None:
        self._connection.execute(f'ATTACH {_quoted(path)} AS "{alias}" (TYPE duckdb, READ_ONLY)')

    def _open_translated(self, source: Source) -> None:
        """The source as a view in which tokens that are known are ids."""
        # The job's SQL names aliases of the job and nothing else (`plan.verify`), so it reaches the file by the view.
        given = f"GIVEN_{source.alias}"
        self._attach(source.path, given)
        tables: dict[str, str] = {}
        for path in source.files[1:]:
            tables[path] = f"TOKENS_{source.alias}_{len(tables)}"
            self._attach(path, tables[path])
        joins, columns = [], []
        for place, one in enumerate(source.tokens):
            ids = []
            for number, path in enumerate(one.tables):
                name = f"t_{place}_{number}"
                joins.append(f'LEFT JOIN "{tables[path]}".main.data AS {name} ON {name}.token = given."{one.column}"')
                ids.append(f"{name}.id")
            told = f"'token:' || lower(hex(given.\"{one.column}\"))"
            columns.append(f'COALESCE({", ".join([*ids, told])}) AS "{one.column}"')
        self._connection.execute(f"ATTACH ':memory:' AS \"{source.alias}\"")
        self._connection.execute(
            f'CREATE VIEW "{source.alias}".main.data AS SELECT given.* REPLACE ({", ".join(columns)}) '  # noqa: S608
            f'FROM "{given}".main.data AS given {" ".join(joins)}'
        )

    def _run_all(self, job: Job) -> bytes:
        sink = pa.BufferOutputStream()
        rows = 0
        for sql in job.statements:
            rows += self._run(sql, job, sink, rows)
        answer: bytes = sink.getvalue().to_pybytes()
        if len(answer) > job.byte_cap:
            raise EngineFailed("too_large")
        return answer

    def _run(self, sql: str, job: Job, sink: pa.BufferOutputStream, before: int) -> int:
        """Writes one statement's answer behind the earlier ones, which have `before` rows; returns its rows."""
        statements = self._connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise EngineFailed("error")
        # A batch is made whole before it can be counted, so it is kept small where the cap is.
        reader = self._reader(statements[0], min(_BATCH_ROWS, job.row_cap + 1))
        rows = 0
        with pa.ipc.new_stream(sink, reader.schema) as writer:
            for batch in reader:
                rows += batch.num_rows
                if before + rows > job.row_cap:
                    raise EngineFailed("too_large")
                writer.write_batch(batch)
                if sink.tell() > job.byte_cap:
                    raise EngineFailed("too_large")
        return rows

    def _reader(self, statement: duckdb.Statement, batch_rows: int) -> pa.RecordBatchReader:
        """The answer, batch by batch.

        A relation streams it, but is bound and planned twice, which costs as much as a small query does. A result is
        planned once and copied whole, which is nothing where the data is small.
        """
        if self._large:
            return self._connection.sql(statement).to_arrow_reader(batch_rows)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Arrow output on a DB-API result", category=UserWarning)
            return self._connection.execute(statement).to_arrow_reader(batch_rows)
