"""Python Database API 2.0 (PEP 249) over the Louver client, for tools that know nothing else.

    with louver.dbapi.connect(profile="bank-a", purpose="RESEARCH") as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM gov.ent_registry WHERE established_on < :day", {"day": date(1990, 1, 1)})
        print(cursor.fetchall(), cursor.notices)

There is nothing to commit: every question is paid for and logged when it is asked. ``commit`` does nothing,
``rollback`` raises ``NotSupportedError`` because budget is never given back, and so does ``executemany``.
"""

from __future__ import annotations

from louver.dbapi.connection import Connection, connect
from louver.dbapi.cursor import Cursor
from louver.dbapi.exceptions import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,  # noqa: A004 - PEP 249 asks for this name
)
from louver.dbapi.types import (
    BINARY,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Binary,
    Date,
    DateFromTicks,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
)

apilevel = "2.0"
threadsafety = 1
paramstyle = "named"

__all__ = [
    "BINARY",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Binary",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]
