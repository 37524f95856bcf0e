"""UNION, INTERSECT and EXCEPT (ISO/IEC 9075-2, 7.17) as relations: columns by position, types unified, names of the
first."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from louver_sandbox.algebra.expressions import ColumnRef, Expression, Named
from louver_sandbox.algebra.relations import Aggregate, Join, JoinKind, Project, Relation, Union, UnionColumn
from louver_sandbox.algebra.types import DATE, NULL, TIMESTAMP, Position, Type
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql import calls
from louver_sandbox.sql.clauses import Item
from louver_sandbox.sql.context import Context
from louver_sandbox.sql.joins import conjunction
from louver_sandbox.sql.rules import unify

_NAMES: dict[type[exp.Expr], str] = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}


def combine(
    context: Context, node: exp.Expr, left: Project, right: Project, at: Position | None
) -> tuple[Relation, list[Item]]:
    """The relation of the set operation and its columns. Raises LVR-1313 and LVR-1304."""
    name = _NAMES[type(node)]
    if len(left.columns) != len(right.columns):
        raise refusals.set_operation_width(name, len(left.columns), len(right.columns), at)
    left, right = _unified(context, name, left, right, at)
    names = [column.name for column in left.columns]
    distinct = bool(node.args.get("distinct"))
    if type(node) is exp.Union:
        union = Union(
            context.new_id(),
            left,
            right,
            tuple(UnionColumn(column.name, column.expression.type) for column in left.columns),
        )
        refs: list[Expression] = [ColumnRef(union.id, column.name, column.type) for column in union.columns]
        return _once(context, union, names, refs) if distinct else (union, _items(names, refs))
    if not distinct:
        instead = f"write {name} without ALL", f"请写 {name}，去掉 ALL"
        raise refusals.never_allowed(f"{name} ALL", *instead, at)
    kind = JoinKind.SEMI if type(node) is exp.Intersect else JoinKind.ANTI
    ours, theirs = _refs(left), _refs(right)
    same = [
        calls.call(context, "not", (calls.call(context, "is_distinct", (one, other)),))
        for one, other in zip(ours, theirs, strict=True)
    ]
    return _once(context, Join(kind, left, right, conjunction(context, same)), names, ours)


def _items(names: list[str], refs: list[Expression]) -> list[Item]:
    return [Item(name, ref) for name, ref in zip(names, refs, strict=True)]


def _refs(project: Project) -> list[Expression]:
    return [ColumnRef(project.id, column.name, column.expression.type) for column in project.columns]


def _once(
    context: Context, relation: Relation, names: list[str], refs: list[Expression]
) -> tuple[Relation, list[Item]]:
    """Each row once."""
    keys = tuple(Named(f"k{index}", ref) for index, ref in enumerate(refs, start=1))
    aggregate = Aggregate(context.new_id(), relation, keys, ())
    return aggregate, [
        Item(name, ColumnRef(aggregate.id, key.name, key.expression.type))
        for name, key in zip(names, keys, strict=True)
    ]


def _unified(
    context: Context, name: str, left: Project, right: Project, at: Position | None
) -> tuple[Project, Project]:
    pairs = [
        (one.expression.type, other.expression.type) for one, other in zip(left.columns, right.columns, strict=True)
    ]
    wanted = [_common(name, one, other, at) for one, other in pairs]
    return _cast(context, left, wanted, at), _cast(context, right, wanted, at)


def _common(name: str, one: Type, other: Type, at: Position | None) -> Type:
    if {one, other} == {DATE, TIMESTAMP}:
        return TIMESTAMP
    found = unify((one, other))
    if found is None:
        raise refusals.type_mismatch(name, [str(one), str(other)], at)
    return found


def _cast(context: Context, project: Project, wanted: list[Type], at: Position | None) -> Project:
    columns = tuple(
        Named(column.name, _as(context, column.expression, type_, at))
        for column, type_ in zip(project.columns, wanted, strict=True)
    )
    return replace(project, columns=columns)


def _as(context: Context, expression: Expression, wanted: Type, at: Position | None) -> Expression:
    return expression if wanted == NULL else calls.cast(context, expression, wanted, at)
