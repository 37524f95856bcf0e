"""Entries that were pruned, as rows: their bodies are empty, and what is left of them stands beside.

What may be pruned, and by whom, is decided above (`retention`). The tree's nodes are never touched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from louver_sandbox.store import schema
from louver_sandbox.store.prepared import Prepared

NOTHING = b""
"""The body of an entry that was pruned."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What is left of an entry, as a line of canonical JSON, and the index of the entry that says so."""

    by: int
    residue: str

    @property
    def fields(self) -> Mapping[str, Any]:
        """What the line says, not looked at closely."""
        try:
            found = json.loads(self.residue)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def find(tx: Connection, index: int) -> Pruned | None:
    """What is left of an entry, None where it was not pruned."""
    row = _FIND.row(tx, {"wanted": index})
    return None if row is None else Pruned(*row)


def between(tx: Connection, start: int, end: int) -> Mapping[int, Pruned]:
    """What is left of the entries from `start` up to, not including, `end`."""
    return {index: Pruned(by, line) for index, by, line in _BETWEEN.rows(tx, {"start": start, "end": end})}


def admissions(tx: Connection, start: int, limit: int) -> Sequence[tuple[int, Pruned]]:
    """What is left of admissions, by index from `start` on, at most `limit`."""
    found = _ADMISSIONS.rows(tx, {"start": start, "limit": limit})
    return [(index, Pruned(by, line)) for index, by, line in found]


def any_there(tx: Connection) -> bool:
    """Whether anything of the log was pruned."""
    return _ANY.row(tx, {}) is not None


def empty(tx: Connection, lines: Mapping[int, str], by: int) -> None:
    """Takes the bodies and request ids out of these entries, of which the lines are what is left."""
    _INSERT.run(tx, *({"entry": index, "by": by, "residue": line} for index, line in lines.items()))
    _EMPTY.run(tx, *({"wanted": index} for index in lines))


def left(tx: Connection, index: int, line: str, by: int) -> None:
    """Adds what is left of an entry that was pruned elsewhere, whose row is empty already."""
    _INSERT.run(tx, {"entry": index, "by": by, "residue": line})


_p, _e = schema.pruned.c, schema.entries.c
_FIND = Prepared(select(_p.by, _p.residue).where(_p.entry == bindparam("wanted")))
_BETWEEN = Prepared(
    select(_p.entry, _p.by, _p.residue)
    .where(_p.entry >= bindparam("start"), _p.entry < bindparam("end"))
    .order_by(_p.entry)
)
_ADMISSIONS = Prepared(
    select(_p.entry, _p.by, _p.residue)
    .join_from(schema.pruned, schema.entries, _e.index == _p.entry)
    .where(_e.kind == "admission", _p.entry >= bindparam("start"))
    .order_by(_p.entry)
    .limit(bindparam("limit"))
)
_ANY = Prepared(select(_p.entry).limit(1))
_INSERT = Prepared(insert(schema.pruned))
_EMPTY = Prepared(update(schema.entries).where(_e.index == bindparam("wanted")).values(body=NOTHING, request_id=None))
