"""What a caller may know of: the part of the catalogue that names are resolved against.

A table nobody granted to the caller does not exist for it, and looks like one that never did. Of a granted table
the caller sees the granted columns, whatever the purpose or day, so that a refusal can say what is missing, and the
columns on the published negative list, so that asking for them is told apart from a misspelling. Privacy units and
the digest stay as they are: thresholds and log entries need them.
"""

from __future__ import annotations

from dataclasses import replace

from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.model import Catalog, SpaceKind, Table
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.levels import is_own
from louver_sandbox.stages import Subject


def visible(catalog: Catalog, bundle: Bundle, subject: Subject) -> Catalog:
    """The catalogue as this subject may see it: granted government tables, its own, and the platform's."""
    seen: dict[TableName, Table] = {}
    for name, table in catalog.tables.items():
        part = _visible_part(table, bundle, subject)
        if part is not None:
            seen[name] = part
    return Catalog(tables=seen, digest=catalog.digest)


def _visible_part(table: Table, bundle: Bundle, subject: Subject) -> Table | None:
    match table.space:
        case SpaceKind.INSTITUTION:
            return table if is_own(table, subject.institution) else None
        case SpaceKind.PLATFORM:
            return table
        case SpaceKind.GOVERNMENT:
            return _granted_part(table, bundle, subject)


def _granted_part(table: Table, bundle: Bundle, subject: Subject) -> Table | None:
    covering = bundle.rulebook.covering(table, subject)
    if not covering.permits:
        return None
    if table.view is not None:
        return table
    named = {name for permit in covering.permits for name in permit.grant.rights}
    listed = {column.name for column in table.columns if any(item.names(column.name) for item in covering.negatives)}
    return replace(table, columns=tuple(column for column in table.columns if column.name in named | listed))
