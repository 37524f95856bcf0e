"""What a snapshot is called: the digest of everything that decides its content."""

from __future__ import annotations

import hashlib
import json

from louver_sandbox.catalog.atoms import AtomRules
from louver_sandbox.catalog.model import SpaceKind, Table

FORMAT = 1
"""Version of the snapshot layout; raised when the same inputs would be laid out differently."""


def snapshot_id(
    table: Table, columns: tuple[str, ...], row_filter: str | None, atoms: AtomRules | None = None
) -> str:
    """The identity of the snapshot of these columns and rows: SHA-256 in hex, or an upload's content digest.

    Equal for the same table name, data version, set of columns, row filter text, unit declarations, atom rules, and
    the unique columns, code lists and bounds that the publisher checks, and the record key's fingerprint where it is
    not the first one, whatever the order of the columns. An
    institution's own table is one immutable file already: its data version is the identity.
    """
    if table.space is SpaceKind.INSTITUTION:
        return table.data_version
    content = {
        "format": FORMAT,
        "table": str(table.name),
        "data_version": table.data_version,
        "as_of": table.as_of.isoformat(),
        "columns": [(name, str(column.type)) for name in sorted(set(columns)) if (column := table.column(name))],
        "row_filter": row_filter,
        "units": sorted(
            [unit.type.value, unit.column, unit.rows_per_unit or 0, unit.when or "", *unit.via]
            for unit in table.units
        ),
    }
    if unique := sorted(column.name for column in table.columns if column.unique and column.name in columns):
        content["unique"] = unique
    if table.record_key is not None:
        content["record_key"] = table.record_key
    if atoms is not None:
        content["atoms"] = atoms.model_dump(mode="json")
    promised = [column for column in table.columns if column.name in columns]
    if domains := {column.name: column.domain for column in promised if column.domain is not None}:
        content["domains"] = domains
    if bounds := {column.name: str(column.bounds) for column in promised if column.bounds_hold}:
        content["bounds"] = bounds
    if numbers := [[unit.column, unit.at_least] for unit in table.units if unit.at_least is not None]:
        content["at_least"] = sorted(numbers)
    if once := [
        [unit.type.value, unit.column, *sorted(unit.once_per)]
        for unit in table.units
        if unit.once_per and set(unit.once_per) <= set(columns)
    ]:
        content["once_per"] = sorted(once)
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
