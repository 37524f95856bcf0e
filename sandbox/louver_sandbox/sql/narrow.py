"""Narrowing a bound tree to the columns it uses, and giving inner columns canonical names.

A column that a derived table offers and nobody takes is not read, so no right to it is needed. Inner names are the
caller's own choice and mean nothing, so they become `c1`, `c2`, ...: the same question under other aliases is the
same tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from operator import is_

from louver_sandbox.algebra.expressions import (
    AggregateCall,
    Call,
    ColumnRef,
    Expression,
    Literal,
    Named,
    NamedWindow,
    SortKey,
    WindowCall,
    column_refs,
)
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    Limit,
    Project,
    Relation,
    Scan,
    Sort,
    Union,
    UnionColumn,
    Window,
    window_parts,
)

Column = tuple[int, str]
Renames = Mapping[Column, str]


def substitute(expression: Expression, renames: Renames) -> Expression:
    """The expression with references renamed; the same object where nothing changes."""
    match expression:
        case ColumnRef():
            name = renames.get((expression.relation, expression.name))
            if name is None or name == expression.name:
                return expression
            return ColumnRef(expression.relation, name, expression.type, expression.at)
        case Literal():
            return expression
        case Call():
            arguments = tuple(substitute(part, renames) for part in expression.arguments)
            if all(map(is_, arguments, expression.arguments)):
                return expression
            if expression.function in ("and", "or"):
                # Their order is canonical too, and was chosen under the caller's own names.
                arguments = tuple(sorted(arguments, key=repr))
            return Call(expression.function, arguments, expression.type, expression.at)
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


def _sorted(keys: Iterable[SortKey], renames: Renames) -> tuple[SortKey, ...]:
    return tuple(replace(key, expression=substitute(key.expression, renames)) for key in keys)


def _call(call: WindowCall, renames: Renames) -> WindowCall:
    return replace(
        call,
        arguments=tuple(substitute(part, renames) for part in call.arguments),
        partition=tuple(substitute(part, renames) for part in call.partition),
        order=_sorted(call.order, renames),
    )


def _narrow(relation: Relation, needed: frozenset[Column]) -> tuple[Relation, Renames]:
    match relation:
        case Scan():
            return replace(relation, columns=tuple(sorted(name for scan, name in needed if scan == relation.id))), {}
        case Project():
            return _narrow_project(relation, needed)
        case Filter():
            below, renames = _narrow(relation.input, needed | _needed([relation.predicate]))
            return Filter(below, substitute(relation.predicate, renames)), renames
        case Sort():
            below, renames = _narrow(relation.input, needed | _needed(key.expression for key in relation.keys))
            return Sort(below, _sorted(relation.keys, renames)), renames
        case Limit():
            below, renames = _narrow(relation.input, needed)
            return replace(relation, input=below), renames
        case Join():
            return _narrow_join(relation, needed)
        case Aggregate():
            measures = tuple(column for column in relation.measures if (relation.id, column.name) in needed)
            kept = relation.keys + measures
            below, renames = _narrow(relation.input, _needed(column.expression for column in kept))
            groups, measures = _renamed(relation.keys, renames), _renamed(measures, renames)
            return replace(relation, input=below, keys=groups, measures=measures), {}
        case Window():
            kept_calls = tuple(column for column in relation.columns if (relation.id, column.name) in needed)
            parts = _needed(part for column in kept_calls for part in window_parts(column.call))
            below, renames = _narrow(relation.input, needed | parts)
            columns = tuple(NamedWindow(column.name, _call(column.call, renames)) for column in kept_calls)
            return (replace(relation, input=below, columns=columns) if columns else below), renames
        case Union():
            return _narrow_union(relation, needed)


def _narrow_project(project: Project, needed: frozenset[Column]) -> tuple[Project, Renames]:
    kept = tuple(column for column in project.columns if (project.id, column.name) in needed)
    below, renames = _narrow(project.input, _needed(column.expression for column in kept))
    names = {(project.id, column.name): f"c{index}" for index, column in enumerate(kept, start=1)}
    columns = tuple(Named(names[project.id, column.name], substitute(column.expression, renames)) for column in kept)
    return replace(project, input=below, columns=columns), names


def _narrow_join(join: Join, needed: frozenset[Column]) -> tuple[Join, Renames]:
    needed |= _needed([join.condition])
    left, left_renames = _narrow(join.left, needed)
    right, right_renames = _narrow(join.right, needed)
    renames = {**left_renames, **right_renames}
    return replace(join, left=left, right=right, condition=substitute(join.condition, renames)), renames


def _narrow_union(union: Union, needed: frozenset[Column]) -> tuple[Union, Renames]:
    """Both sides lose the same columns, by position."""
    kept = [index for index, column in enumerate(union.columns) if (union.id, column.name) in needed]
    left, _ = _narrow_project(
        union.left, frozenset((union.left.id, union.left.columns[index].name) for index in kept)
    )
    right, _ = _narrow_project(
        union.right, frozenset((union.right.id, union.right.columns[index].name) for index in kept)
    )
    columns = tuple(UnionColumn(f"c{place}", union.columns[index].type) for place, index in enumerate(kept, start=1))
    renames = {
        (union.id, union.columns[index].name): column.name for index, column in zip(kept, columns, strict=True)
    }
    return replace(union, left=left, right=right, columns=columns), renames
