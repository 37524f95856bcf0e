"""DuckDB for tests: connections are lent and used again, and rows come in all at once.

Opening a connection takes thirty times as long as attaching an empty database, and an INSERT for each row a hundred
times as long as one for all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

_IDLE: list[duckdb.DuckDBPyConnection] = []
_ARROW = {
    "BOOLEAN": pa.bool_(),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "VARCHAR[]": pa.list_(pa.string()),
}
_INCOMING = "incoming_rows"


@contextmanager
def lent_engine() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with one thread and nothing attached. Whoever has it may attach databases, and changes no setting
    and nothing in its own database; where anything fails it is not lent again."""
    connection = _IDLE.pop() if _IDLE else duckdb.connect(config={"threads": 1})
    try:
        yield connection
        _emptied(connection)
    except BaseException:
        connection.close()
        raise
    _IDLE.append(connection)


def _emptied(connection: duckdb.DuckDBPyConnection) -> None:
    attached = connection.execute(
        "SELECT database_name FROM duckdb_databases() WHERE NOT internal AND database_name <> 'memory'"
    ).fetchall()
    for (name,) in attached:
        connection.execute(f'DETACH "{name}"')


def fill(
    connection: duckdb.DuckDBPyConnection, place: str, types: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    """Puts rows of Python values into the table at `place`, whose columns have these types of the engine."""
    if not rows:
        return
    try:
        columns = [
            pa.array(values, _arrow(type_)) for values, type_ in zip(zip(*rows, strict=True), types, strict=True)
        ]
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        # The engine converts more than Arrow does.
        marks = ", ".join("?" for _ in types)
        for row in rows:
            connection.execute(f"INSERT INTO {place} VALUES ({marks})", list(row))
        return
    connection.register(_INCOMING, pa.table(columns, names=[f"c{number}" for number in range(len(types))]))
    try:
        connection.execute(f"INSERT INTO {place} FROM {_INCOMING}")
    finally:
        connection.unregister(_INCOMING)


def _arrow(type_: str) -> pa.DataType:
    decimal = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", type_)
    return pa.decimal128(int(decimal[1]), int(decimal[2])) if decimal else _ARROW[type_]
