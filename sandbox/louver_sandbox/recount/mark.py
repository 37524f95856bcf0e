"""The ledgers' high-water mark: how many charges they hold, said by every admission and so by every signed head.

A ledger with fewer charges than its log's last admission says has lost some, and would give budget back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, select

from louver_sandbox.audit.entries import JSON
from louver_sandbox.audit.stored import entry_of
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
    of = {"request": request_id}
    return Mark(*((query.row(tx, of) or (0,))[0] for query in (_CHARGES_OF, _PRIVACY_OF)))


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
    if row is None:
        return None
    found: Any = entry_of(*row).fields.get("ledger")
    return None if found is None else Mark(found["charges"], found["privacy"])


def counted(tx: Connection) -> Mark:
    """How many charges the ledgers hold."""
    return Mark(*((query.row(tx, {}) or (0,))[0] for query in (_CHARGES, _PRIVACY)))


def _of(table: Table) -> Prepared:
    return Prepared(select(func.count()).select_from(table).where(table.c.request_id == bindparam("request")))


_CHARGES_OF, _PRIVACY_OF = _of(schema.ledger), _of(schema.privacy_ledger)
_CHARGES, _PRIVACY = (
    Prepared(select(func.count()).select_from(one)) for one in (schema.ledger, schema.privacy_ledger)
)
_e = schema.entries.c
_LAST = Prepared(select(_e.index, _e.body).where(_e.kind == "admission").order_by(_e.index.desc()).limit(1))
