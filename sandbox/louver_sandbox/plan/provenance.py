"""Where a column of a relation tree comes from: the base columns behind an expression, and which are equal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Named, column_refs
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

BaseColumn = tuple[int, str]
"""A scan id and a column name of its table."""

ROWS = "*"
"""Stands for the rows of a scan themselves, where they are counted or added up."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Traces columns of one tree. Made by `trace`."""

    scans: frozenset[int]
    derived: Mapping[int, tuple[Named, ...]]
    below: Mapping[int, tuple[int, ...]]
    unions: Mapping[int, Union]

    def column(self, expression: Expression) -> BaseColumn | None:
        """The base column an expression merely renames, or None when it computes something. A Union's are its own."""
        while isinstance(expression, ColumnRef):
            if expression.relation in self.scans or expression.relation in self.unions:
                return expression.relation, expression.name
            expression = self.definition(expression)
        return None

    def columns(self, expression: Expression) -> frozenset[BaseColumn]:
        """Every base column the value of an expression depends on.

        An inner aggregate depends on which rows there are in every table below it: that is the column `ROWS`.
        """
        found: set[BaseColumn] = set()
        for ref in column_refs(expression):
            if ref.relation in self.scans:
                found.add((ref.relation, ref.name))
                continue
            if ref.relation in self.unions:
                found = found.union(*(self.columns(side) for side in self.sides(ref)))
                continue
            definition = self.definition(ref)
            found |= self.columns(definition)
            if isinstance(definition, AggregateCall):
                found |= {(scan, ROWS) for scan in self.below[ref.relation]}
        return frozenset(found)

    def deciding(self, expressions: Iterable[Expression], relation: Relation) -> frozenset[BaseColumn]:
        """The base columns behind some expressions, and those that equal one of them in every row of a relation."""
        found = frozenset[BaseColumn]().union(*map(self.columns, expressions))
        return found.union(*(same for same in equal_columns(relation, self) if same & found))

    def sides(self, ref: ColumnRef) -> tuple[Expression, Expression]:
        """What the two sides of a Union put into one of its columns."""
        union = self.unions[ref.relation]
        index = next(i for i, column in enumerate(union.columns) if column.name == ref.name)
        return union.left.columns[index].expression, union.right.columns[index].expression

    def definition(self, ref: ColumnRef) -> Expression:
        """What a column of a Project or Aggregate computes."""
        return next(named.expression for named in self.derived[ref.relation] if named.name == ref.name)


def trace(relation: Relation) -> Provenance:
    """The provenance of every column in the tree."""
    nodes = tuple(walk(relation))
    derived = {node.id: node.columns for node in nodes if isinstance(node, Project)}
    derived |= {node.id: node.keys + node.measures for node in nodes if isinstance(node, Aggregate)}
    below = {node.id: tuple(scan.id for scan in scans(node)) for node in nodes if isinstance(node, Aggregate)}
    unions = {node.id: node for node in nodes if isinstance(node, Union)}
    return Provenance(frozenset(node.id for node in nodes if isinstance(node, Scan)), derived, below, unions)


def conjuncts(expression: Expression) -> Iterator[Expression]:
    """The parts of a conjunction, in order."""
    if isinstance(expression, Call) and expression.function == "and":
        for argument in expression.arguments:
            yield from conjuncts(argument)
    else:
        yield expression


def equal_columns(relation: Relation, provenance: Provenance) -> tuple[frozenset[BaseColumn], ...]:
    """Classes of base columns that hold the same value in every row, by inner joins and filters.

    The condition of a LEFT JOIN makes no class: a row without a partner does not satisfy it.
    """
    return merged(_equalities(relation, provenance))


def merged(pairs: Iterable[tuple[BaseColumn, BaseColumn]]) -> tuple[frozenset[BaseColumn], ...]:
    """The classes that pairs of equal columns make."""
    classes: list[frozenset[BaseColumn]] = []
    for left, right in pairs:
        touched = [group for group in classes if group & {left, right}]
        classes = [group for group in classes if group not in touched]
        classes.append(frozenset({left, right}).union(*touched))
    return tuple(classes)


def _equalities(relation: Relation, provenance: Provenance) -> Iterator[tuple[BaseColumn, BaseColumn]]:
    for node in walk(relation):
        match node:
            case Join(kind=JoinKind.INNER, condition=condition) | Filter(predicate=condition):
                yield from equated(condition, provenance)
            case _:
                continue


def equated(condition: Expression, provenance: Provenance) -> Iterator[tuple[BaseColumn, BaseColumn]]:
    """Pairs of base columns a condition says are equal."""
    for part in conjuncts(condition):
        if isinstance(part, Call) and part.function == "=":
            left, right = (provenance.column(argument) for argument in part.arguments)
            if left is not None and right is not None:
                yield left, right
