"""A store that was copied before something was erased, and gets the rest of its log back from an export."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.support.audit_logs import SettableClock

from louver_sandbox.audit import export_log
from louver_sandbox.audit.restore import restore_log
from louver_sandbox.journal import Books
from louver_sandbox.operator.forgetting import Forgotten
from louver_sandbox.store import State


def copied(books: Books, target: Path) -> Path:
    """The state as it is now."""
    with closing(sqlite3.connect(books.state.location)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
    return target


@contextmanager
def restored(books: Books, copy: Path) -> Iterator[State]:
    """The copy, taken as far as the log goes now."""
    file, head = copy.with_suffix(".jsonl"), books.log.head()
    file.write_bytes(b"".join(export_log(books.state, books.log.origin)))
    with State.open(copy) as back:
        restore_log(back, books.log.key, file, (head,), SettableClock(), Forgotten())
        yield back
