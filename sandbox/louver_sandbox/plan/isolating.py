"""Conditions that fit few subjects by their form alone, whatever the rows are."""

from __future__ import annotations

from collections.abc import Collection

from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.model import Catalog, Column, Role
from louver_sandbox.selections import Condition

LEAST_FIXED = 3
"""So many columns that describe a subject, each held to a few values, may leave a single one."""

FEW_VALUES = 3
"""A column is held to a few values by an equality, a short list or a short range."""

LONGEST_LIST = 20
"""A list of more values of a column without a code list names subjects rather than describes them. Values without a
gap are a range and count as one."""

MOST_CONDITIONS = 8
"""More conditions than this are not asked about a group."""

_DESCRIBING = frozenset(
    {Role.QUASI_IDENTIFIER, Role.VALUE, Role.IDENTIFIER, Role.KEY, Role.TEXT, Role.SENSITIVE}
)  # flags halve a group and times say when, so neither counts


def reasons(conditions: Collection[Condition], tables: Collection[TableName], catalog: Catalog) -> tuple[str, ...]:
    """Why the conditions may isolate a subject of the tables: `columns`, `list`, `conditions`, or nothing."""
    fixed: set[str] = set()
    listed = False
    for condition in conditions:
        if len(condition.columns) != 1 or (points := condition.region.points) is None:
            continue
        column = _column(condition.columns[0], tables, catalog)
        if column is None or column.role not in _DESCRIBING:
            continue
        if points <= FEW_VALUES:
            fixed.add(condition.columns[0])
        values = len(condition.region.cuts) // 2
        listed = listed or (values > LONGEST_LIST and column.domain is None)
    found = {
        "columns": len(fixed) >= LEAST_FIXED,
        "list": listed,
        "conditions": len(conditions) > MOST_CONDITIONS,
    }
    return tuple(name for name, applies in found.items() if applies)


def _column(name: str, tables: Collection[TableName], catalog: Catalog) -> Column | None:
    table, _, column = name.rpartition(".")
    return next((catalog.tables[one].column(column) for one in tables if str(one) == table), None)
