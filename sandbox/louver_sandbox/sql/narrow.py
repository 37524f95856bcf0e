"""Narrowing a bound tree to the columns it uses, and giving inner columns canonical names.

A column that a derived table offers and nobody takes is not read, so no right to it is needed. Inner names are the
caller's own choice and mean nothing, so they become `c1`, `c2`, ...: the same question under other aliases is the
same tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, Named, column_refs
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    Limit,
    Project,
    Relation,
    Scan,
    Sort,
)

Column = tuple[int, str]
Renames = Mapping[Column, str]


def substitute(expression: Expression, renames: Renames) -> Expression:
    """The expression with references renamed; the same object where nothing changes."""
    match expression:
        case ColumnRef():
            name = renames.get((expression.relation, expression.name))
            return expression if name is None or name == expression.name else replace(expression, name=name)
        case Literal():
            return expression
        case Call():
            arguments = tuple(substitute(part, renames) for part in expression.arguments)
            if expression.function in ("and", "or"):
                # Their order is canonical too, and was chosen under the caller's own names.
                arguments = tuple(sorted(arguments, key=repr))
            return expression if arguments == expression.arguments else replace(expression, arguments=arguments)
        case AggregateCall():
            arguments = tuple(substitute(part, renames) for part in expression.arguments)
            where = None if expression.where is None else substitute(expression.where, renames)
            return replace(expression, arguments=arguments, where=where)


def narrow(project: Project) -> Project:
    """The outermost Project, all of whose columns and names stay, over inputs that offer only what is used."""
    below, renames = _narrow(project.input, _needed(column.expression for column in project.columns))
    return replace(project, input=below, columns=_renamed(project.columns, renames))


def _needed(expressions: Iterable[Expression]) -> frozenset[Column]:
    return frozenset((ref.relation, ref.name) for item in expressions for ref in column_refs(item))


def _renamed(columns: Iterable[Named], renames: Renames) -> tuple[Named, ...]:
    return tuple(Named(column.name, substitute(column.expression, renames)) for column in columns)


def _narrow(relation: Relation, needed: frozenset[Column]) -> tuple[Relation, Renames]:
    match relation:
        case Scan():
            return replace(relation, columns=tuple(sorted(name for scan, name in needed if scan == relation.id))), {}
        case Project():
            kept = tuple(column for column in relation.columns if (relation.id, column.name) in needed)
            below, renames = _narrow(relation.input, _needed(column.expression for column in kept))
            names = {(relation.id, column.name): f"c{index}" for index, column in enumerate(kept, start=1)}
            columns = tuple(
                Named(names[relation.id, column.name], substitute(column.expression, renames)) for column in kept
            )
            return replace(relation, input=below, columns=columns), names
        case Filter():
            below, renames = _narrow(relation.input, needed | _needed([relation.predicate]))
            return Filter(below, substitute(relation.predicate, renames)), renames
        case Sort():
            below, renames = _narrow(relation.input, needed | _needed(key.expression for key in relation.keys))
            keys = tuple(replace(key, expression=substitute(key.expression, renames)) for key in relation.keys)
            return Sort(below, keys), renames
        case Limit():
            below, renames = _narrow(relation.input, needed)
            return replace(relation, input=below), renames
        case Join():
            needed |= _needed([relation.condition])
            left, left_renames = _narrow(relation.left, needed)
            right, right_renames = _narrow(relation.right, needed)
            renames = {**left_renames, **right_renames}
            return replace(
                relation, left=left, right=right, condition=substitute(relation.condition, renames)
            ), renames
        case Aggregate():
            measures = tuple(column for column in relation.measures if (relation.id, column.name) in needed)
            kept = relation.keys + measures
            below, renames = _narrow(relation.input, _needed(column.expression for column in kept))
            groups, measures = _renamed(relation.keys, renames), _renamed(measures, renames)
            return replace(relation, input=below, keys=groups, measures=measures), {}
