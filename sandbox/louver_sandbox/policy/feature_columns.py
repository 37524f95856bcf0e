"""Which columns of which tables a feature set reads."""

from __future__ import annotations

from collections.abc import Mapping

from louver_sandbox.algebra.expressions import column_refs
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.model import Catalog, Table, UnitType
from louver_sandbox.policy.features import FeatureSet
from louver_sandbox.refusals import scoring as refuse
from louver_sandbox.sql.predicates import bind_predicate


def read_columns(features: FeatureSet, catalog: Catalog) -> Mapping[TableName, tuple[str, ...]]:
    """The columns that are read of each table, sorted: subjects, values, orders, and those of conditions.

    Raises `Refused` LVR-5206 where the catalogue does not have them; lint says which.
    """
    found: dict[TableName, set[str]] = {}
    for text in features.tables:
        table = _table(text, catalog)
        unit = unit_column(table, features.unit)
        if unit is None:
            raise refuse.feature_set({})
        found[table.name] = {unit}
    for one in features.features:
        table = _table(one.table, catalog)
        found[table.name] |= {*one.columns}
        if one.where is not None:
            found[table.name] |= {ref.name for ref in column_refs(bind_predicate(one.where, table, 0))}
        if any(table.column(column) is None for column in found[table.name]):
            raise refuse.feature_set({})
    return {name: tuple(sorted(columns)) for name, columns in sorted(found.items(), key=lambda item: str(item[0]))}


def unit_column(table: Table, unit: UnitType) -> str | None:
    """The table's own column with subjects of this kind."""
    return next((one.column for one in table.units if one.type is unit and not one.via), None)


def _table(text: str, catalog: Catalog) -> Table:
    table = catalog.table(table_named(text))
    if table is None or table.view is not None:
        raise refuse.feature_set({})
    return table


def table_named(text: str) -> TableName:
    """The table's name out of its text."""
    schema, _, name = text.partition(".")
    return TableName(schema, name)
