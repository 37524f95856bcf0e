"""What is told of the quality of the data in a snapshot (`quality.telling`), recorded when it was published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from louver_sandbox.store.prepared import Prepared
from louver_sandbox.store.schema import qualities


@dataclass(frozen=True, slots=True)
class Data:
    """One version of the data of a table."""

    table: str
    version: str


def keep(tx: Connection, snapshot: str, data: Data, told: Mapping[str, Any], entry: int) -> None:
    """Keeps what is told of one snapshot, with the log entry that says so. The first stays."""
    if find(tx, snapshot) is None:
        text = json.dumps(told, ensure_ascii=False, sort_keys=True)
        row = {"snapshot": snapshot, "table_name": data.table, "data_version": data.version}
        _INSERT.run(tx, {**row, "told": text, "entry": entry})


def find(tx: Connection, snapshot: str) -> dict[str, Any] | None:
    """What is told of the snapshot; None where nobody has measured its data."""
    row = _OF.row(tx, {"of_snapshot": snapshot})
    if row is None:
        return None
    told: dict[str, Any] = json.loads(row[0])
    return told


def share(tx: Connection, snapshot: str, data: Data) -> bool:
    """Keeps for a snapshot what was told of another of the same data; whether there was any."""
    row = _LIKE.row(tx, {"of_table": data.table, "of_version": data.version})
    if row is not None:
        keep(tx, snapshot, data, json.loads(row[0]), row[1])
    return row is not None


_OF = Prepared(select(qualities.c.told).where(qualities.c.snapshot == bindparam("of_snapshot")))
_LIKE = Prepared(
    select(qualities.c.told, qualities.c.entry)
    .where(qualities.c.table_name == bindparam("of_table"), qualities.c.data_version == bindparam("of_version"))
    .order_by(qualities.c.entry)
    .limit(1)
)
_INSERT = Prepared(insert(qualities))
