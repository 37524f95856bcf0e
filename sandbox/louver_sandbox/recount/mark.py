"""The ledgers' high-water mark: how many charges they hold, said by every admission and so by every signed head.

A ledger with fewer charges than its log's last admission says has lost some, and would give budget back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from louver_sandbox.audit.entries import JSON
from louver_sandbox.store import schema
from louver_sandbox.store.prepared import Prepared


@dataclass(frozen=True, slots=True)
class Mark:
    """How many charges of access budget and released cells there are, and how many of privacy loss."""

    charges: int
    privacy: int

    def body(self) -> dict[str, JSON]:
        """As an admission says it."""
        return {"charges": self.charges, "privacy": self.privacy}


def rows(tx: Connection, request_id: str) -> Mark:
    """How many charges bear this request's id, to be asked before and after it is charged."""
    return Mark(*(_OF_REQUEST.row(tx, {"request": request_id}) or (0, 0)))


def after(tx: Connection, request_id: str, before: Mark) -> Mark:
    """The mark that a request's charges reach: the last admission's, and what has come since `before`."""
    last, now = said(tx), rows(tx, request_id)
    if last is None:
        return counted(tx)
    return Mark(
        last.charges + now.charges - before.charges,
        last.privacy + now.privacy - before.privacy,
    )


def said(tx: Connection) -> Mark | None:
    """What the log's last admission says; None where there is none that does."""
    row = _LAST.row(tx, {})
    # Not parsed strictly: every question looks at it, and whoever can alter entries is found by the tree.
    found: Any = None if row is None else json.loads(row[0]).get("ledger")
    return None if found is None else Mark(found["charges"], found["privacy"])


def counted(tx: Connection) -> Mark:
    """How many charges the ledgers hold."""
    return Mark(*(_ALL.row(tx, {}) or (0, 0)))


_TABLES = (schema.ledger, schema.privacy_ledger)
_REQUEST: BindParameter[str] = bindparam("request")
_COUNTS = [select(func.count()).select_from(table) for table in _TABLES]
_OF = [count.where(table.c.request_id == _REQUEST) for count, table in zip(_COUNTS, _TABLES, strict=True)]
_ALL = Prepared(select(*(count.scalar_subquery() for count in _COUNTS)))
_OF_REQUEST = Prepared(select(*(count.scalar_subquery() for count in _OF)))
_e = schema.entries.c
_LAST = Prepared(select(_e.body).where(_e.kind == "admission").order_by(_e.index.desc()).limit(1))
