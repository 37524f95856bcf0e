"""How the state store fails. No message holds a stored value or the text of the database library."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

_PRIMARY_CODE = 0xFF  # SQLite packs the extended result code above the primary one
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_BUSY_STATES = ("40", "55P03", "57014")
"""PostgreSQL's SQLSTATE of a transaction that was rolled back for another one's sake, or waited for too long."""
_CONFLICT_STATES = ("22", "23")
"""The same where a rule of the schema, or of what a column can hold, forbids the write."""


class StoreError(Exception):
    """The base of the state store's errors."""


class StoreUnavailable(StoreError):
    """The store cannot read or write durably: disk full, IO error, read-only, damaged, unreachable, or closed after
    such.

    Whatever was being written must be taken as in doubt, and nothing may be released on the strength of it.
    """


class StoreBusy(StoreError):
    """Another writer held the store for too long. Nothing was written; trying again is sound."""


class StoreConflict(StoreError):
    """A rule of the schema forbids the write: a key exists already, or a row of an append-only table was touched."""


class StoreMisnamed(StoreError, ValueError):
    """What should say where the store is says something else, or too much."""


def translate(error: Exception) -> StoreError:
    """Our own error for one of the database's, wrapped by SQLAlchemy or not, keeping only its symbolic name."""
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, sqlite3.Error):
        return _of_sqlite(original)
    state = str(getattr(original, "sqlstate", None) or "")
    name = state or type(original).__name__
    # A value that no column can hold is found by the driver, which then has no state of the server's to tell.
    if state.startswith(_CONFLICT_STATES) or name == "DataError":
        return StoreConflict(f"the state store's rules forbid this write ({name})")
    if state.startswith(_BUSY_STATES):
        return StoreBusy("the state store is held by another writer")
    return StoreUnavailable(f"the state store failed ({name})")


def _of_sqlite(error: sqlite3.Error) -> StoreError:
    name = str(getattr(error, "sqlite_errorname", "unknown"))
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(error, sqlite3.IntegrityError):
        return StoreConflict(f"the state store's rules forbid this write ({name})")
    if isinstance(code, int) and code & _PRIMARY_CODE in _BUSY:
        return StoreBusy("the state store is held by another writer")
    return StoreUnavailable(f"the state store failed ({name})")
