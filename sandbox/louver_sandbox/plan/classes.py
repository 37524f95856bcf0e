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

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from louver_sandbox.algebra.expressions import Call, Expression
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Project,
    Relation,
    Union,
    scans,
    walk,
)
from louver_sandbox.catalog.model import Catalog, Role, SpaceKind, Table
from louver_sandbox.obligations import ClassDisclosure, ThresholdRules
from louver_sandbox.plan.provenance import ROWS, BaseColumn, Provenance, conjuncts
from louver_sandbox.plan.unconditional import compares, is_about, outside
from louver_sandbox.plan.units import Units
from louver_sandbox.refusals.plan import class_not_judged

PERIOD_LEVEL = 2
"""The highest level of a column that says which period a row is about."""


@dataclass(frozen=True, slots=True)
class Classes:
    """The keys of a core that are attributes, by index, and the conditions on attributes that selected its rows."""

    keys: tuple[int, ...] = ()
    conditions: frozenset[Expression] = frozenset()


def classes_of(
    core: Aggregate,
    units: Units,
    guarded: frozenset[int],
    catalog: Catalog,
    provenance: Provenance,
    rules: ThresholdRules,
) -> Classes:
    """What the cells of a core are judged beside; nothing where policy asks for it with own tables only and there are
    none. `guarded` are the inner aggregates that the engine judges.

    Raises:
        Refused: LVR-2316, where own tables take part and an attribute selects rows where no margin can be taken.
    """
    tables = {scan.id: catalog.tables[scan.table] for scan in scans(core.input)}
    keys = attribute_keys(core, units, catalog, provenance, rules)
    if not _has_own(tables.values()):
        return Classes(keys)
    attributes = Attributes.of(core, tables, units, provenance)
    for condition in Unjudged(core.input, attributes, guarded).below(core.input):
        raise class_not_judged(condition.at)
    found = frozenset(filter(attributes.select, _selecting(core.input, guarded)))
    return Classes(keys, found - frozenset(_shown_by_keys(core, found, attributes, guarded)))


def attribute_keys(
    core: Aggregate, units: Units, catalog: Catalog, provenance: Provenance, rules: ThresholdRules
) -> tuple[int, ...]:
    """The keys, by index, that cells are judged beside each other on."""
    tables = {scan.id: catalog.tables[scan.table] for scan in scans(core.input)}
    if rules.class_disclosure is ClassDisclosure.OWN and not _has_own(tables.values()):
        return ()
    attributes = Attributes.of(core, tables, units, provenance)
    return tuple(index for index, key in enumerate(core.keys) if attributes.tell(key.expression))


def _has_own(tables: Iterable[Table]) -> bool:
    return any(table.space is SpaceKind.INSTITUTION for table in tables)


def _shown_by_keys(
    core: Aggregate, wanted: frozenset[Expression], attributes: Attributes, guarded: frozenset[int]
) -> Iterator[Expression]:
    """How rows meet a table by attributes, where each cell is judged on a key from that table, or is a total of
    such: a row without a partner is then only of one class more."""
    sets = core.sets or (tuple(range(len(core.keys))),)
    for join in walk(core.input):
        if not isinstance(join, Join) or join.kind is not JoinKind.INNER:
            continue
        for known in (join.left, join.right):
            if is_about(known, attributes.units, guarded):
                continue
            tables = {scan.id for scan in scans(known)}
            of_table = {
                index
                for index, key in enumerate(core.keys)
                if any(scan in tables for scan, _ in attributes.provenance.columns(key.expression))
            }
            finer = [set(one) for one in sets if of_table & set(one)]
            if all(any(set(one) <= other for other in finer) for one in sets):
                parts = (part for part in conjuncts(join.condition) if part in wanted)
                yield from (part for part in parts if compares(part, join.left, join.right))


@dataclass(frozen=True, slots=True)
class Attributes:
    """What says something of subjects. `told` are the tables beside protected ones whose rows are found by an
    attribute."""

    tables: Mapping[int, Table]
    units: Units
    provenance: Provenance
    told: frozenset[int] = frozenset()

    @classmethod
    def of(cls, core: Aggregate, tables: Mapping[int, Table], units: Units, provenance: Provenance) -> Attributes:
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
        """Whether a condition asks for an attribute, and does more than to let rows of one subject meet."""
        return self.tell(condition) and not self._meets(condition)

    def _meets(self, condition: Expression) -> bool:
        """Whether a condition is the equality of two columns of which one says who is meant."""
        match condition:
            case Call(function="=", arguments=(one, other)):
                sides = [self.provenance.column(one), self.provenance.column(other)]
                return None not in sides and any(map(self._identifies, sides))
            case _:
                return False

    def _identifies(self, base: BaseColumn | None) -> bool:
        return base is not None and any(unit.column == base[1] for unit in self.units.get(base[0], ()))


def _conditions(relation: Relation) -> Iterator[Expression]:
    for node in walk(relation):
        match node:
            case Join(condition=condition) | Filter(predicate=condition):
                yield from conjuncts(condition)
            case _:
                continue


def _selecting(relation: Relation, guarded: frozenset[int]) -> Iterator[Expression]:
    """The conditions that can be asked of rows at the top instead: WHERE, ON of inner joins, and both below an
    aggregate whose rows are of one subject."""
    match relation:
        case Filter():
            yield from conjuncts(relation.predicate)
            yield from _selecting(relation.input, guarded)
        case Join(kind=JoinKind.INNER):
            yield from conjuncts(relation.condition)
            yield from _selecting(relation.left, guarded)
            yield from _selecting(relation.right, guarded)
        case Join(kind=JoinKind.LEFT | JoinKind.SEMI | JoinKind.ANTI):
            yield from _selecting(relation.left, guarded)
        case Project():
            yield from _selecting(relation.input, guarded)
        case Aggregate() if relation.id not in guarded:
            yield from _selecting(relation.input, guarded)
        case _:
            return


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Finds the conditions on attributes that choose among a requester's subjects and cannot be asked at the top."""

    root: Relation
    attributes: Attributes
    guarded: frozenset[int]

    def below(self, relation: Relation) -> Iterator[Expression]:
        """Those in a tree whose rows are the core's."""
        match relation:
            case Filter() | Project():
                yield from self.below(relation.input)
            case Aggregate() if relation.id not in self.guarded:
                yield from self.below(relation.input)
            case Join(kind=JoinKind.INNER):
                yield from self._met(relation)
                yield from self.below(relation.left)
                yield from self.below(relation.right)
            case Join(kind=JoinKind.LEFT):
                yield from self.below(relation.left)
                if is_about(relation.right, self.attributes.units, self.guarded):
                    yield from self._selecting(relation.condition)
                    yield from self._anywhere(relation.right)
                else:
                    yield from self._in_cells(relation.right)
            case Join(kind=JoinKind.SEMI | JoinKind.ANTI):
                yield from self.below(relation.left)
                yield from self._selecting(relation.condition)
                yield from self._anywhere(relation.right)
            case Union() if self._own(self.root) <= self._own(relation):
                yield from self._sides(relation)
            case _:
                yield from self._anywhere(relation)

    def _sides(self, union: Union) -> Iterator[Expression]:
        """In the sides of a UNION that have own rows: those of others meet none."""
        for side in filter(self._own, (union.left, union.right)):
            below = side.input
            yield from self._sides(below) if isinstance(below, Union) else self._anywhere(side)

    def _own(self, relation: Relation) -> frozenset[int]:
        """The own tables in a tree."""
        tables = self.attributes.tables
        return frozenset(scan.id for scan in scans(relation) if tables[scan.id].space is SpaceKind.INSTITUTION)

    def _met(self, join: Join) -> Iterator[Expression]:
        """Rows of several subjects that meet by attributes alone."""
        units, guarded = self.attributes.units, self.guarded
        if all(is_about(side, units, guarded) for side in (join.left, join.right)):
            others = [part for part in conjuncts(join.condition) if not self.attributes.select(part)]
            if not any(compares(part, join.left, join.right) for part in others):
                yield from self._selecting(join.condition)

    def _selecting(self, condition: Expression) -> Iterator[Expression]:
        return filter(self.attributes.select, conjuncts(condition))

    def _anywhere(self, relation: Relation) -> Iterator[Expression]:
        for node in outside(relation, self.guarded):
            match node:
                case Join(condition=condition) | Filter(predicate=condition):
                    yield from self._selecting(condition)
                case _:
                    yield from self._cells(node)

    def _in_cells(self, relation: Relation) -> Iterator[Expression]:
        for node in outside(relation, self.guarded):
            yield from self._cells(node)

    def _cells(self, node: Relation) -> Iterator[Expression]:
        """In a table of judged cells: there are cells of own subjects or not, by what is in them."""
        if not isinstance(node, Aggregate) or node.id not in self.guarded:
            return
        if self._own(node):
            yield from (key.expression for key in node.keys if self.attributes.tell(key.expression))
            yield from filter(self.attributes.select, _conditions(node.input))
