"""The log as one file that an auditor can keep and verify with nothing but the log's key.

One JSON object per line:

    {"format":"louver-log/1","origin":"..."}
    {"head":"<checkpoint>"}                     every head signed, by size
    {"entry":"<canonical JSON of the entry>","leaf":"<hex>"}   every entry, by index, and its leaf hash
    {"pruned":"<what is left of it>","by":1742}   in its place where an entry was pruned, as entry 1742 says

Private texts stay behind: the file holds their commitments.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, select

from louver_sandbox.audit import pruned
from louver_sandbox.store import State, schema

FORMAT = "louver-log/1"
"""What the first line says, as long as nothing was pruned."""
PRUNED_FORMAT = "louver-log/2"
"""What it says of a log with lines of pruned entries."""

_PAGE = 1000


def export_log(state: State, origin: str) -> Iterator[bytes]:
    """The lines of the export, newline included, as one consistent snapshot and in bounded memory."""
    with state.reading() as tx:
        yield _line({"format": PRUNED_FORMAT if pruned.any_there(tx) else FORMAT, "origin": origin})
        for note in tx.execute(select(schema.heads.c.note).order_by(schema.heads.c.size)).scalars():
            yield _line({"head": note.decode()})
        yield from _entries(tx)


def _entries(tx: Connection) -> Iterator[bytes]:
    table, following = schema.entries.c, 0
    while True:
        query = select(table.index, table.body, schema.nodes.c.hash).where(table.index >= following)
        query = query.outerjoin_from(schema.entries, schema.nodes, schema.nodes.c.id == table.index)
        rows = tx.execute(query.order_by(table.index).limit(_PAGE)).all()
        if not rows:
            return
        lefts = pruned.between(tx, rows[0][0], rows[-1][0] + 1)
        for index, body, leaf in rows:
            left = None if body else lefts.get(index)
            if left is not None:
                yield _line({"pruned": left.residue, "by": left.by})
            else:
                yield _line({"entry": body.decode(), "leaf": (leaf or b"").hex()})
        following = rows[-1][0] + 1


def _line(item: Mapping[str, str | int]) -> bytes:
    return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
