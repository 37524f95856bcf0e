"""The log as one file that an auditor can keep and verify with nothing but the log's key.

One JSON object per line:

    {"format":"louver-log/1","origin":"..."}
    {"head":"<checkpoint>"}                     every head signed, by size
    {"entry":"<canonical JSON of the entry>","leaf":"<hex>"}   every entry, by index, and its leaf hash

Private texts stay behind: the file holds their commitments.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from sqlalchemy import Connection, select

from louver_sandbox.store import State, schema

FORMAT = "louver-log/1"
"""What the first line says."""

_PAGE = 1000


def export_log(state: State, origin: str) -> Iterator[bytes]:
    """The lines of the export, newline included, as one consistent snapshot and in bounded memory."""
    with state.reading() as tx:
        yield _line({"format": FORMAT, "origin": origin})
        for note in tx.execute(select(schema.heads.c.note).order_by(schema.heads.c.size)).scalars():
            yield _line({"head": note.decode()})
        for body, leaf in _entries(tx):
            yield _line({"entry": body.decode(), "leaf": (leaf or b"").hex()})


def _entries(tx: Connection) -> Iterator[tuple[bytes, bytes | None]]:
    table, following = schema.entries.c, 0
    while True:
        query = select(table.index, table.body, schema.nodes.c.hash).where(table.index >= following)
        query = query.outerjoin_from(schema.entries, schema.nodes, schema.nodes.c.id == table.index)
        rows = tx.execute(query.order_by(table.index).limit(_PAGE)).all()
        for _, body, leaf in rows:
            yield body, leaf
        if not rows:
            return
        following = rows[-1][0] + 1


def _line(item: dict[str, str]) -> bytes:
    return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
