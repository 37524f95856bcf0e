"""What a cell may say of all its subjects at once: the keys that are attributes, and what selected the rows.

A bank that uploads six subjects and is told "B: 6" knows the grade of each (class disclosure, PRIVACY 5.4). So where
the requester's own tables take part, a cell is judged beside its margins: for each key that is an attribute of
subjects the cells that agree on all other keys, and for the conditions that look at attributes the rows that would be
there without them. Units outside the cell must be enough in each.

Attributes are the columns of protected tables above L1 that neither say who a subject is (units, roles `id` and
`key`) nor the period that a row is about (role `time`, never null, L2). What is found by an attribute, as a table of
the requester with a name for every grade, says no more and no less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from louver_sandbox.algebra.expressions import Call, Expression, Literal, column_refs
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
from louver_sandbox.algebra.types import BOOLEAN
from louver_sandbox.catalog.model import Catalog, Role, SpaceKind, Table
from louver_sandbox.obligations import ClassDisclosure, ThresholdRules
from louver_sandbox.plan.conditions import all_of, conjunction
from louver_sandbox.plan.provenance import ROWS, BaseColumn, Provenance, conjuncts
from louver_sandbox.plan.units import Units

PERIOD_LEVEL = 2
"""The highest level of a column that says which period a row is about."""


@dataclass(frozen=True, slots=True)
class Classes:
    """The keys of a core that are attributes, by index, and the conditions on attributes that selected its rows."""

    keys: tuple[int, ...] = ()
    conditions: frozenset[Expression] = frozenset()


def classes_of(
    core: Aggregate, units: Units, catalog: Catalog, provenance: Provenance, rules: ThresholdRules
) -> Classes:
    """What the cells of a core are judged beside; nothing where policy asks for it with own tables only and there are
    none."""
    tables = {scan.id: catalog.tables[scan.table] for scan in scans(core.input)}
    own = any(table.space is SpaceKind.INSTITUTION for table in tables.values())
    if not own and rules.class_disclosure is ClassDisclosure.OWN:
        return Classes()
    attributes = _Attributes.of(core, tables, units, provenance)
    keys = tuple(index for index, key in enumerate(core.keys) if attributes.tell(key.expression))
    conditions = filter(attributes.select, _selecting(core.input)) if own else ()
    return Classes(keys, frozenset(conditions))


@dataclass(frozen=True, slots=True)
class _Attributes:
    """`told` are the tables beside protected ones whose rows are found by an attribute."""

    tables: Mapping[int, Table]
    units: Units
    provenance: Provenance
    told: frozenset[int] = frozenset()

    @classmethod
    def of(cls, core: Aggregate, tables: Mapping[int, Table], units: Units, provenance: Provenance) -> _Attributes:
        """All that is told by attributes, directly or through others."""
        found = cls(tables, units, provenance)
        parts = [provenance.columns(part) for part in _conditions(core.input)]
        while True:
            telling = [columns for columns in parts if any(map(found.is_one, columns))]
            told = frozenset(scan for columns in telling for scan, _ in columns) - units.keys()
            if told == found.told:
                return found
            found = replace(found, told=told)

    def is_one(self, base: BaseColumn) -> bool:
        """Whether a column says something of subjects that the requester need not know."""
        scan, name = base
        if scan not in self.units:
            return scan in self.told
        column = self.tables[scan].column(name)
        if name == ROWS or column is None:
            return True
        if column.level <= 1 or column.role in (Role.IDENTIFIER, Role.KEY):
            return False
        is_period = column.role is Role.TIME and not column.nullable and column.level <= PERIOD_LEVEL
        return not is_period and all(unit.column != name for unit in self.units[scan])

    def tell(self, expression: Expression) -> bool:
        """Whether an expression depends on one."""
        return any(map(self.is_one, self.provenance.columns(expression)))

    def select(self, condition: Expression) -> bool:
        """Whether a condition asks for an attribute, and not who is meant: by that rows of one subject meet."""
        return self.tell(condition) and not any(map(self._identifies, self.provenance.columns(condition)))

    def _identifies(self, base: BaseColumn) -> bool:
        scan, name = base
        return any(unit.column == name for unit in self.units.get(scan, ()))


def _conditions(relation: Relation) -> Iterator[Expression]:
    for node in walk(relation):
        match node:
            case Join(condition=condition) | Filter(predicate=condition):
                yield from conjuncts(condition)
            case _:
                continue


def _selecting(relation: Relation) -> Iterator[Expression]:
    """The conditions that can be asked of rows at the top instead: WHERE, and ON of inner joins."""
    match relation:
        case Filter():
            yield from conjuncts(relation.predicate)
            yield from _selecting(relation.input)
        case Project():
            yield from _selecting(relation.input)
        case Join(kind=JoinKind.INNER):
            yield from conjuncts(relation.condition)
            yield from _selecting(relation.left)
            yield from _selecting(relation.right)
        case Join(kind=JoinKind.LEFT | JoinKind.SEMI | JoinKind.ANTI):
            yield from _selecting(relation.left)
        case _:
            return


def without_conditions(relation: Relation, wanted: frozenset[Expression]) -> tuple[Relation, tuple[Expression, ...]]:
    """The tree without these conditions where rows can be asked for them at the top, and those that it had.

    A join keeps what it meets by: one condition that compares both sides.
    """
    if not wanted:
        return relation, ()
    match relation:
        case Filter():
            below, found = without_conditions(relation.input, wanted)
            kept, taken = _parted(relation.predicate, wanted)
            return (Filter(below, all_of(kept)) if kept else below), (*found, *taken)
        case Project():
            below, found = without_conditions(relation.input, wanted)
            return replace(relation, input=below), found
        case Join(kind=JoinKind.INNER):
            left, of_left = without_conditions(relation.left, wanted)
            right, of_right = without_conditions(relation.right, wanted)
            kept, taken = _parted(relation.condition, wanted)
            if not any(_compares(part, left, right) for part in kept):
                kept, taken = tuple(conjuncts(relation.condition)), ()
            joined = replace(relation, left=left, right=right, condition=all_of(kept))
            return joined, (*of_left, *of_right, *taken)
        case Join(kind=JoinKind.LEFT | JoinKind.SEMI | JoinKind.ANTI):
            left, found = without_conditions(relation.left, wanted)
            return replace(relation, left=left), found
        case _:
            return relation, ()


def _compares(part: Expression, left: Relation, right: Relation) -> bool:
    """Whether rows of both sides meet by this condition."""
    if not isinstance(part, Call) or part.function != "=":
        return False
    met = {ref.relation for ref in column_refs(part)}
    return all(met & {node.id for node in walk(side) if isinstance(node, _NAMED)} for side in (left, right))


_NAMED = (Scan, Project, Aggregate, Union)


def _parted(
    condition: Expression, wanted: frozenset[Expression]
) -> tuple[tuple[Expression, ...], tuple[Expression, ...]]:
    parts = tuple(conjuncts(condition))
    return tuple(part for part in parts if part not in wanted), tuple(part for part in parts if part in wanted)


def selected(conditions: tuple[Expression, ...]) -> Expression:
    """TRUE for the rows that the conditions select, FALSE for all others."""
    yes, no = Literal(True, BOOLEAN), Literal(False, BOOLEAN)
    return Call("case", (all_of(conjunction(conditions)), yes, no), BOOLEAN)
