"""Whose rows a cell is made of: privacy-unit columns carried from protected scans up to the core.

Every protected scan brings the record key of each of its units (`PrivacyUnit.record_key`, a snapshot column). Scans
whose unit columns an inner join or a filter makes equal share one unit group, so `tax JOIN registry USING (uscc)`
counts each enterprise once. Every other pair of scans keeps groups of their own, and each group must reach its k:
counting one subject twice costs utility, counting two subjects as one would cost privacy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Named
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Limit,
    Project,
    Relation,
    Scan,
    Sort,
    scans,
    walk,
)
from louver_sandbox.algebra.types import INTEGER
from louver_sandbox.catalog.model import Catalog, PrivacyUnit, SpaceKind, UnitType
from louver_sandbox.plan.provenance import BaseColumn, Provenance, equal_columns, equated
from louver_sandbox.refusals.plan import limit_below_aggregate, unit_lost
from louver_sandbox.stages import CountedUnit

Units = Mapping[int, tuple[PrivacyUnit, ...]]
"""The privacy units of each protected scan, by scan id."""

Carried = dict[BaseColumn, ColumnRef]
"""Where each record key of a scan is found at some height of the tree."""


@dataclass(frozen=True, slots=True)
class UnitGroup:
    """Units of one type that are one and the same in every row.

    `key` is the record key over the core's input, `columns` the base columns that hold the unit's own value (none
    when the table holds a foreign key to it instead).
    """

    type: UnitType
    key: Expression
    columns: frozenset[BaseColumn]
    members: tuple[tuple[int, PrivacyUnit], ...]
    optional: bool = False

    @property
    def counted(self) -> CountedUnit:
        """The group as the releaser judges it."""
        return CountedUnit(self.type, self.optional)


def protected_units(relation: Relation, protected: frozenset[int], catalog: Catalog) -> Units:
    """The units every protected scan declares. A protected table without one cannot be registered."""
    found: dict[int, tuple[PrivacyUnit, ...]] = {}
    for scan in scans(relation):
        if scan.id in protected:
            found[scan.id] = catalog.tables[scan.table].units
    return found


def carry(relation: Relation, units: Units, provenance: Provenance) -> tuple[Relation, Carried]:
    """The tree with the record keys added to each node's columns, and where they are at its top.

    Raises:
        Refused: LVR-2304 when an inner aggregate merges units, LVR-2307 for a LIMIT over protected rows.
    """
    match relation:
        case Scan():
            keys = tuple(unit.record_key for unit in units.get(relation.id, ()))
            carried = {(relation.id, key): ColumnRef(relation.id, key, INTEGER) for key in keys}
            return replace(relation, columns=tuple(sorted({*relation.columns, *keys}))), carried
        case Join():
            left, from_left = carry(relation.left, units, provenance)
            right, from_right = carry(relation.right, units, provenance)
            return replace(relation, left=left, right=right), from_left | from_right
        case Project():
            below, carried = carry(relation.input, units, provenance)
            added = tuple(Named(_carried_name(base), ref) for base, ref in carried.items())
            return replace(relation, input=below, columns=relation.columns + added), _lifted(carried, relation.id)
        case Aggregate():
            return _carry_aggregate(relation, units, provenance)
        case Filter() | Sort() | Limit():
            below, carried = carry(relation.input, units, provenance)
            if carried and isinstance(relation, Limit):
                raise limit_below_aggregate()
            return replace(relation, input=below), carried


def _carry_aggregate(relation: Aggregate, units: Units, provenance: Provenance) -> tuple[Relation, Carried]:
    """An inner aggregate keeps a unit when it groups by the unit's own column: then its rows have one record key."""
    below, carried = carry(relation.input, units, provenance)
    grouped = {provenance.column(key.expression) for key in relation.keys}
    grouped_classes = grouped.union(
        *(group for group in equal_columns(relation.input, provenance) if group & grouped)
    )
    for scan, scan_units in units.items():
        for unit in scan_units:
            if (scan, unit.record_key) in carried and (scan, unit.column) not in grouped_classes:
                raise unit_lost(unit.column, next((key.expression.at for key in relation.keys), None))
    added = tuple(Named(_carried_name(base), AggregateCall("max", (ref,), INTEGER)) for base, ref in carried.items())
    return replace(relation, input=below, measures=relation.measures + added), _lifted(carried, relation.id)


def _carried_name(base: BaseColumn) -> str:
    """A name no query can spell: the lexical gate refuses NUL."""
    return f"\0{base[0]}\0{base[1]}"


def _lifted(carried: Carried, relation: int) -> Carried:
    return {base: ColumnRef(relation, _carried_name(base), INTEGER) for base in carried}


def unit_groups(relation: Relation, units: Units, carried: Carried, provenance: Provenance) -> tuple[UnitGroup, ...]:
    """The distinct unit groups of the core's input, in order of their first scan."""
    classes = equal_columns(relation, provenance)
    grouped: dict[tuple[UnitType, frozenset[BaseColumn]], list[tuple[int, PrivacyUnit]]] = {}
    for scan, scan_units in units.items():
        for unit in scan_units:
            own = frozenset({(scan, unit.column)})
            shared = next((group for group in classes if group & own), own) if not unit.via else own
            grouped.setdefault((unit.type, shared), []).append((scan, unit))
    extended = null_extended(relation)
    return tuple(
        UnitGroup(
            type_,
            _key(members, carried),
            frozenset() if members[0][1].via else columns,
            tuple(members),
            optional=all(unit.when is not None and scan not in extended for scan, unit in members),
        )
        for (type_, columns), members in grouped.items()
    )


def null_extended(relation: Relation) -> frozenset[int]:
    """Scans whose rows can be missing: those on the right of a LEFT JOIN."""
    return frozenset(
        scan.id
        for node in walk(relation)
        if isinstance(node, Join) and node.kind is JoinKind.LEFT
        for scan in scans(node.right)
    )


def _key(members: list[tuple[int, PrivacyUnit]], carried: Carried) -> Expression:
    """One record key for all members: of one that always has it, else the first that is there."""
    for scan, unit in members:
        if unit.when is None:
            return carried[scan, unit.record_key]
    keys = tuple(carried[scan, unit.record_key] for scan, unit in members)
    return keys[0] if len(keys) == 1 else Call("coalesce", keys, INTEGER)


def one_row_per_unit(relation: Relation, group: UnitGroup, catalog: Catalog, provenance: Provenance) -> bool:
    """Whether every row of the core's input is a different unit, known from the catalogue alone.

    True for a scan whose unit has one row each, under joins whose other side has at most one partner per row. An
    upload's own declaration is not trusted for this: duplicated keys are an attack (SECURITY 2.5).
    """
    tables = {scan.id: catalog.tables[scan.table] for scan in scans(relation)}
    for scan, unit in group.members:
        column = tables[scan].column(unit.column)
        declared = unit.rows_per_unit == 1 and unit.when is None and not unit.via
        if declared and column is not None and not column.nullable and _kept(relation, scan, catalog, provenance):
            return True
    return False


def _kept(relation: Relation, scan: int, catalog: Catalog, provenance: Provenance) -> bool:
    """Whether each row of the scan appears at most once, and never as a null row of a LEFT JOIN."""
    match relation:
        case Scan():
            return relation.id == scan
        case Project() | Filter():
            return _kept(relation.input, scan, catalog, provenance)
        case Join():
            on_left = any(node.id == scan for node in scans(relation.left))
            kept, other = (relation.left, relation.right) if on_left else (relation.right, relation.left)
            if not on_left and relation.kind is JoinKind.LEFT:
                return False
            return _kept(kept, scan, catalog, provenance) and _unique(other, relation.condition, catalog, provenance)
        case _:
            return False


def _unique(relation: Relation, condition: Expression, catalog: Catalog, provenance: Provenance) -> bool:
    """Whether at most one row of a join partner satisfies the condition with any given row."""
    while isinstance(relation, Project | Filter):
        relation = relation.input
    if not isinstance(relation, Scan):
        return False
    table = catalog.tables[relation.table]
    if table.space is SpaceKind.INSTITUTION:
        return False
    pairs = list(equated(condition, provenance))
    matched = {pair[i][1] for pair in pairs for i in (0, 1) if pair[i][0] == relation.id != pair[1 - i][0]}
    return any(
        unit.rows_per_unit == 1 and unit.when is None and not unit.via and unit.column in matched
        for unit in table.units
    )
