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

MOST_KEPT = 10_000
"""Parts of tables kept per bundle before all are forgotten."""
MOST_CATALOGS = 256
"""Catalogues as somebody may see them kept per bundle before all are forgotten."""


def visible(catalog: Catalog, bundle: Bundle, subject: Subject) -> Catalog:
    """The catalogue as this subject may see it: granted government tables, its own, and the platform's.

    What was derived for this very catalogue object and an equal subject is kept with the bundle.
    """
    kept = bundle.kept_catalogs
    key = (id(catalog), subject.institution, subject.type, subject.groups)
    if key in kept and kept[key][0] is catalog:
        return kept[key][1]
    if len(kept) >= MOST_CATALOGS:
        kept.clear()
    seen = _derived(catalog, bundle, subject)
    kept[key] = (catalog, seen)
    return seen


def _derived(catalog: Catalog, bundle: Bundle, subject: Subject) -> Catalog:
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
    """What was derived for this very table object and an equal subject is kept with the bundle."""
    kept = bundle.kept_parts
    key = (id(table), subject.institution, subject.type, subject.groups)
    if key in kept and kept[key][0] is table:
        return kept[key][1]
    if len(kept) >= MOST_KEPT:
        kept.clear()
    part = _derived_part(table, bundle, subject)
    kept[key] = (table, part)
    return part


def _derived_part(table: Table, bundle: Bundle, subject: Subject) -> Table | None:
    covering = bundle.rulebook.covering(table, subject)
    if not covering.permits:
        return None
    if table.view is not None:
        return table
    named = {name for permit in covering.permits for name in permit.grant.rights}
    listed = {column.name for column in table.columns if any(item.names(column.name) for item in covering.negatives)}
    return replace(table, columns=tuple(column for column in table.columns if column.name in named | listed))
