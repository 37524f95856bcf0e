"""Legal holds: what stands in the log may not be pruned, redacted or erased until the hold is released.

A hold is an entry and its release another; there is no table of them that somebody could edit. Whoever has the log
can tell what was held when, and offline verification names what was pruned in spite of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from louver.transparency.retention import HOLD, RELEASE, Hold, Holds
from louver_sandbox import journal
from louver_sandbox.audit import stored
from louver_sandbox.audit.entries import parse
from louver_sandbox.journal import Books
from louver_sandbox.store import schema


class Held(Exception):
    """What was asked for would touch what a hold covers, or a hold is not as it has to be; the text says which."""


def standing(tx: Connection) -> Holds:
    """The holds as the log says them. Raises ``Held`` for an entry that cannot be read: nothing may go then."""
    found, table = Holds(), schema.entries.c
    query = select(table.index, table.body).where(table.kind.in_((HOLD, RELEASE))).order_by(table.index)
    for index, body in tx.execute(query):
        wrong = found.take(parse(body))
        if wrong:
            raise Held(f"entry {index}: {wrong}")
    return found


def place(books: Books, hold: Hold) -> int:
    """Places a hold from now on; the index of its entry. Raises ``Held`` where one of that name stands."""
    if not hold.name or not hold.reason:
        raise Held("a hold has a name and a reason")
    with books.state.transaction() as tx:
        if hold.name in standing(tx).standing:
            raise Held(f"the hold {hold.name!r} stands already")
        body = hold.body()
        return journal.noted(books, tx, str(body.pop("kind")), **body)


def release(books: Books, name: str, reason: str) -> int:
    """Ends a hold; the index of the entry that says so. Raises ``Held`` where there is none of that name."""
    if not reason:
        raise Held("a release has a reason")
    with books.state.transaction() as tx:
        if name not in standing(tx).standing:
            raise Held(f"there is no hold {name!r}")
        return journal.noted(books, tx, RELEASE, hold=name, reason=reason)


def demand_free(tx: Connection, index: int) -> None:
    """Raises ``Held`` if the entry is under a hold, ``UnknownEntry`` where there is none."""
    fields: Mapping[str, Any] = stored.find(tx, index).fields
    said = (str(fields["kind"]), str(fields.get("institution", "")), str(fields["time"]))
    hold = standing(tx).over(index, *said)
    if hold is not None:
        raise Held(f"entry {index} is under the hold {hold.name!r}: {hold.reason}")
