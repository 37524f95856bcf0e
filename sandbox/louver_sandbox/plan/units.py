"""Whose rows a cell is made of: groups of privacy units that are one and the same in every row.

Every protected scan brings the record key of each of its units (`PrivacyUnit.record_key`, a snapshot column), which
`plan/carry.py` carries up to where it is counted. Scans whose unit columns an inner join or a filter makes equal
share one unit group, so `tax JOIN registry USING (uscc)` counts each enterprise once; a unit behind a foreign key is
the one of the table it leads to. Every other pair of scans keeps groups of their own, each of which must reach its k:
counting one subject twice costs utility, counting two subjects as one would cost privacy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from louver_sandbox.algebra.expressions import Call, Expression
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Project,
    Relation,
    Scan,
    Union,
    scans,
    walk,
)
from louver_sandbox.algebra.types import INTEGER
from louver_sandbox.catalog.model import Catalog, PrivacyUnit, SpaceKind, UnitType
from louver_sandbox.core_plan import CountedUnit
from louver_sandbox.plan.provenance import BaseColumn, Provenance, equal_columns, equated

Units = Mapping[int, tuple[PrivacyUnit, ...]]
"""The privacy units of each protected scan, by scan id."""

Classes = tuple[frozenset[BaseColumn], ...]
"""Columns that hold one value in every row."""


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


def carried_name(base: BaseColumn) -> str:
    """A name no query can spell: the lexical gate refuses NUL."""
    return f"\0{base[0]}\0{base[1]}"


def home(scan: int, unit: PrivacyUnit, relation: Relation, classes: Classes) -> BaseColumn:
    """The column that holds a unit's own value: a column of the scan, or where its foreign keys lead in this query.

    Where they lead nowhere the path itself stands for the column, so that rows with one foreign key are of one unit.
    """
    tables = {node.id: str(node.table) for node in scans(relation)}
    place = (scan, unit.column)
    for hop in range(1, len(unit.via), 2):
        table, _, key = unit.via[hop].rpartition(".")
        same = next((group for group in classes if place in group), frozenset({place}))
        led = [id_ for id_, name in same if tables.get(id_) == table and name == key]
        if not led:
            first = min(same)
            return first[0], f"\0{first[1]}\0" + "\0".join(unit.via[hop:])
        place = (led[0], unit.via[hop + 1])
    return place


def unit_groups(
    relation: Relation, units: Units, carried: Mapping[BaseColumn, Expression], provenance: Provenance
) -> tuple[UnitGroup, ...]:
    """The distinct unit groups of a relation's rows, in order of their first scan."""
    classes = equal_columns(relation, provenance)
    grouped: dict[tuple[UnitType, frozenset[BaseColumn]], list[tuple[int, PrivacyUnit]]] = {}
    for scan, scan_units in units.items():
        for unit in scan_units:
            own = home(scan, unit, relation, classes)
            shared = next((group for group in classes if own in group), frozenset({own}))
            grouped.setdefault((unit.type, shared), []).append((scan, unit))
    extended = null_extended(relation)
    return tuple(
        UnitGroup(
            type_,
            _key(members, carried),
            frozenset(column for column in columns if "\0" not in column[1]),
            tuple(members),
            optional=all(unit.when is not None and scan not in extended for scan, unit in members),
        )
        for (type_, columns), members in grouped.items()
    )


def null_extended(relation: Relation) -> frozenset[int]:
    """Scans and whatever is made of them whose rows can be missing: right sides of LEFT JOINs, both of FULL JOINs."""
    sides: list[Relation] = []
    for node in walk(relation):
        if isinstance(node, Join) and node.kind in (JoinKind.LEFT, JoinKind.FULL):
            sides += [node.right, node.left] if node.kind is JoinKind.FULL else [node.right]
    named = (Scan, Union, Aggregate, Project)
    return frozenset(node.id for side in sides for node in walk(side) if isinstance(node, named))


def _key(members: list[tuple[int, PrivacyUnit]], carried: Mapping[BaseColumn, Expression]) -> Expression:
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
        if scan not in tables:
            continue
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
            if relation.kind in (JoinKind.SEMI, JoinKind.ANTI):
                return on_left and _kept(relation.left, scan, catalog, provenance)
            kept, other = (relation.left, relation.right) if on_left else (relation.right, relation.left)
            if relation.kind is JoinKind.FULL or (not on_left and relation.kind is JoinKind.LEFT):
                return False
            return _kept(kept, scan, catalog, provenance) and _unique(other, relation.condition, catalog, provenance)
        case _:
            return False


def _unique(relation: Relation, condition: Expression, catalog: Catalog, provenance: Provenance) -> bool:
    """Whether at most one row of a join partner satisfies the condition with any given row."""
    while isinstance(relation, (Project, Filter)):
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
