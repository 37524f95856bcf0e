"""How the state store fails. No message holds a stored value or the text of the database library."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

DATABASE_ERRORS = (DBAPIError, sqlite3.Error)
"""How the database fails: as SQLAlchemy wraps it, and bare from a prepared statement."""

_PRIMARY_CODE = 0xFF  # SQLite packs the extended result code above the primary one
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class StoreError(Exception):
    """The base of the state store's errors."""


class StoreUnavailable(StoreError):
    """The store cannot read or write durably: disk full, IO error, read-only, damaged, or closed after such.

    Whatever was being written must be taken as in doubt, and nothing may be released on the strength of it.
    """


class StoreBusy(StoreError):
    """Another writer held the store for too long. Nothing was written; trying again is sound."""


class StoreConflict(StoreError):
    """A rule of the schema forbids the write: a key exists already, or a row of an append-only table was touched."""


def translate(error: DBAPIError | sqlite3.Error) -> StoreError:
    """Our own error for one of the database's, wrapped by SQLAlchemy or not, keeping only its symbolic name."""
    original = error.orig if isinstance(error, DBAPIError) else error
    name = str(getattr(original, "sqlite_errorname", "unknown"))
    code = getattr(original, "sqlite_errorcode", None)
    if isinstance(original, sqlite3.IntegrityError):
        return StoreConflict(f"the state store's rules forbid this write ({name})")
    if isinstance(code, int) and code & _PRIMARY_CODE in _BUSY:
        return StoreBusy("the state store is held by another writer")
    return StoreUnavailable(f"the state store failed ({name})")
