"""Most rows of one unit in a relation, by what publishing has checked: rows per unit, unique columns, `once_per`.

Where a unit has one row at most for each value of some columns and a question demands that they are of short lists
(`quarter = DATE '2026-04-01'`), it has as many rows as the lists have combinations. A demand holds in every row that
arrives at an aggregate, so of a scan's rows only those that satisfy it are part of one; inner groups too, whose own
keys it is about. Rows where a column is NULL satisfy no demand (ADR 49).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from louver_sandbox.algebra.expressions import Call
from louver_sandbox.algebra.relations import Aggregate, Filter, Join, JoinKind, Project, Relation, Scan, Union, walk
from louver_sandbox.algebra.types import Kind
from louver_sandbox.catalog.model import Catalog, PrivacyUnit, SpaceKind
from louver_sandbox.plan.demands import ANYTHING, Demanded, demands
from louver_sandbox.plan.provenance import BaseColumn, Provenance, conjuncts, equated
from louver_sandbox.plan.units import UnitGroup


@dataclass(frozen=True, slots=True)
class DeclaredRows:
    """Counts the rows of units that arrive at one core."""

    catalog: Catalog
    provenance: Provenance
    demanded: Mapping[BaseColumn, Demanded]
    keys: frozenset[BaseColumn] = frozenset()

    @classmethod
    def arriving(cls, relation: Relation, catalog: Catalog, provenance: Provenance) -> DeclaredRows:
        """Of what arrives at the aggregate over this relation."""
        return cls(catalog, provenance, demands(relation, provenance))

    def within(self, keys: Iterable[BaseColumn | None]) -> DeclaredRows:
        """Of what arrives with one value for each of these stored columns: rows of one cell, if they are its keys."""
        return replace(self, keys=frozenset(key for key in keys if key is not None))

    def of(self, relation: Relation, group: UnitGroup) -> int | str:
        """Most rows of one unit; else the name of what is not declared."""
        found = self._counted(relation, group)
        return "rows" if found is None else found

    def _stored(self, scan: int, unit: PrivacyUnit) -> int | None:
        """Most rows of a unit in one table that satisfy what the question demands; None where nothing says so."""
        known = [] if unit.rows_per_unit is None else [unit.rows_per_unit]
        values = [self._values((scan, name)) for name in unit.once_per]
        found = [number for number in values if number is not None]
        if unit.once_per and len(found) == len(values):
            known.append(max(1, math.prod(found)))
        return min(known, default=None)

    def _values(self, column: BaseColumn) -> int | None:
        """How many values a stored column has in all that arrives."""
        listed = self.demanded.get(column, ANYTHING).listed
        return 1 if column in self.keys else None if listed is None else len(listed)

    def _counted(self, relation: Relation, group: UnitGroup) -> int | str | None:
        """The same; None for a relation without rows of the group."""
        match relation:
            case Scan():
                declared = [self._stored(scan, unit) for scan, unit in group.members if scan == relation.id]
                if not declared:
                    return None
                known = [rows for rows in declared if rows is not None]
                return min(known) if known else f"rows_per_unit of {relation.table}"
            case Aggregate():
                below = self._counted(relation.input, group)
                own = {self.provenance.column(key.expression) for key in relation.keys}
                alone = (
                    below is not None and len(relation.keys) == len(own & set(group.columns)) and not relation.sets
                )
                if alone:
                    return 1
                # A row is in one group of each grouping set.
                return below * max(1, len(relation.sets)) if isinstance(below, int) else below
            case Join(kind=JoinKind.SEMI | JoinKind.ANTI):
                return self._counted(relation.left, group)
            case Join():
                return self._joined(relation, group)
            case Union():
                return "UNION"
            case _:
                return self._counted(relation.input, group)

    def _joined(self, join: Join, group: UnitGroup) -> int | str | None:
        sides = [self._counted(side, group) for side in (join.left, join.right)]
        left, right = sides
        if left is None and right is None:
            return None
        if isinstance(left, str) or isinstance(right, str):
            return left if isinstance(left, str) else right
        if left is not None and right is not None:
            return left * right
        other, rows = (join.right, left) if right is None else (join.left, right)
        missing = self._not_unique(other, join, _holders(other))
        return rows if missing is None else f"unique of {missing}"

    def _not_unique(self, relation: Relation, join: Join, side: frozenset[int]) -> str | None:
        """None where a row has at most one partner in this side of a join; else what is not declared unique. `side`
        are the holders of its columns: what they equal must come from the other one.

        In a join within the side it has if one of the two has at most one partner for the row, and the other one for
        that.
        """
        while isinstance(relation, Project | Filter):
            relation = relation.input
        if isinstance(relation, Aggregate) and not relation.keys and not relation.sets:
            return None
        if isinstance(relation, Join) and relation.kind is JoinKind.INNER:
            orders = ((relation.left, relation.right), (relation.right, relation.left))
            missing = [
                self._not_unique(first, join, side) or self._not_unique(then, relation, _holders(then))
                for first, then in orders
            ]
            return next((None for one in missing if one is None), missing[0])
        if not isinstance(relation, Scan):
            return "a joined subquery"
        table = self.catalog.tables[relation.table]
        matched = sorted(set(_matched(relation, join, side, self.provenance)))
        if any((column := table.column(name)) is not None and column.unique for name in matched):
            return None
        whole = (unit for unit in table.units if unit.when is None and not unit.via)
        once = (unit for unit in whole if self._stored(relation.id, unit) == 1)
        if table.space is SpaceKind.GOVERNMENT and any(unit.column in matched for unit in once):
            return None
        return f"{table.name}.{matched[0]}" if matched else str(table.name)


def _holders(relation: Relation) -> frozenset[int]:
    """Whose the base columns of a relation are."""
    return frozenset(node.id for node in walk(relation) if isinstance(node, Scan | Union))


def _matched(scan: Scan, join: Join, side: frozenset[int], provenance: Provenance) -> Iterator[str]:
    """The columns of a scan that a join compares with its other side's, each of whose values equals one at most.

    Not where a double is compared with something else: large whole numbers are many to a double.
    """
    for part in conjuncts(join.condition):
        kinds = {argument.type.kind for argument in part.arguments} if isinstance(part, Call) else set()
        if Kind.DOUBLE in kinds and len(kinds) > 1:
            continue
        for pair in equated(part, provenance):
            for place in (0, 1):
                if pair[place][0] == scan.id and pair[1 - place][0] not in side:
                    yield pair[place][1]
