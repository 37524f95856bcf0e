"""Every balance from the log alone, and what the ledgers say otherwise.

The log's admissions are charged again, in their order, into an empty store beside; then the two stores are compared
row by row. Nothing is trusted but the log, which `audit.verify` verifies by itself.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from louver_sandbox import journal
from louver_sandbox.audit import pruned, stored
from louver_sandbox.audit.log import MAX_PAGE
from louver_sandbox.journal import Books
from louver_sandbox.recount import charged
from louver_sandbox.store import State, schema

TABLES: tuple[Table, ...] = (schema.ledger, schema.privacy_ledger)


@dataclass(frozen=True, slots=True)
class Difference:
    """A charge that log and ledger do not both know, or know otherwise.

    `missing` is the row that a table of the ledger lacks. Only that can be mended: a ledger only grows.
    """

    where: str
    what: str
    missing: tuple[Table, Mapping[str, Any]] | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def differences(state: State) -> Iterator[Difference]:
    """What the ledgers say otherwise than the log, charge by charge. Empty is good."""
    with state.reading() as tx:
        yield from _differences(tx)


def rebuild(books: Books) -> int:
    """Adds the charges that the log knows and the ledgers lack, and logs that it did; returns how many.

    What differs otherwise stays as it is, for nothing may be taken out of a ledger.
    """
    with books.state.transaction() as tx:
        lacking = [found.missing for found in _differences(tx) if found.missing is not None]
        for table, row in lacking:
            tx.execute(insert(table), row)
        if lacking:
            journal.noted(books, tx, "ledger-rebuilt", added=len(lacking))
    return len(lacking)


def _differences(tx: Connection) -> Iterator[Difference]:
    with _scratch() as scratch:
        with scratch.transaction() as counted:
            yield from _charge_again(tx, counted)
        with scratch.reading() as counted:
            for table in TABLES:
                yield from _compared(table, tx, counted)


@contextmanager
def _scratch() -> Iterator[State]:
    with tempfile.TemporaryDirectory(prefix="louver-recount-") as folder, State.open(Path(folder) / "s.db") as state:
        yield state


def _charge_again(tx: Connection, counted: Connection) -> Iterator[Difference]:
    for index, fields in heapq.merge(_whole(tx), _pruned(tx), key=_index):
        try:
            charged.again(counted, fields)
        except charged.Unreadable as unreadable:
            yield Difference(f"log entry {index}", str(unreadable))


def _whole(tx: Connection) -> Iterator[tuple[int, Mapping[str, Any]]]:
    start = 0
    while page := stored.entries(tx, start, MAX_PAGE, {"kind": "admission"}):
        yield from ((entry.index, entry.fields) for entry in page)
        start = page[-1].index + 1


def _pruned(tx: Connection) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """What pruned admissions were charged is left of them, bound by the entries that say that they were pruned."""
    start = 0
    while page := pruned.admissions(tx, start, MAX_PAGE):
        yield from ((index, left.fields) for index, left in page)
        start = page[-1][0] + 1


def _index(item: tuple[int, Mapping[str, Any]]) -> int:
    return item[0]


def _compared(table: Table, tx: Connection, counted: Connection) -> Iterator[Difference]:
    """The rows of both in the order of their keys, side by side."""
    sides = (_keyed(table, side, source) for side, source in (("ledger", tx), ("log", counted)))
    for _, alike in groupby(heapq.merge(*sides, key=_first), key=_first):
        found = {side: row for _, side, row in alike}
        booked, logged = found.get("ledger"), found.get("log")
        if logged is None and booked is not None:
            yield Difference(_where(table, booked), "in the ledger, and in no admission of the log")
        elif booked is None and logged is not None:
            yield Difference(_where(table, logged), "in the log, and not in the ledger", (table, logged))
        elif booked is not None and logged is not None and booked != logged:
            yield Difference(_where(table, booked), _unlike(booked, logged))


_Keyed = tuple[tuple[Any, ...], str, Mapping[str, Any]]


def _keyed(table: Table, side: str, tx: Connection) -> Iterator[_Keyed]:
    names = [column.name for column in table.primary_key.columns]
    for row in tx.execute(select(table).order_by(*table.primary_key.columns)):
        found = dict(row._mapping)
        yield tuple(found[name] for name in names), side, found


def _first(item: _Keyed) -> tuple[Any, ...]:
    return item[0]


def _where(table: Table, row: Mapping[str, Any]) -> str:
    *account, sequence = (row[column.name] for column in table.primary_key.columns)
    return f"{', '.join(map(str, account))}, charge {sequence}"


def _unlike(booked: Mapping[str, Any], logged: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{name} is {booked[name]}, by the log {logged[name]}" for name in logged if booked[name] != logged[name]
    )
