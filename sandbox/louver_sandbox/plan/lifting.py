"""Makes columns of scans and inner aggregates visible above the select lists that left them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, Named
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
    Union,
    Window,
)

Places = Mapping[ColumnRef, ColumnRef]
"""Where a column from below is found at the top."""


def lift(relation: Relation, wanted: Iterable[ColumnRef]) -> tuple[Relation, Places]:
    """The tree with the wanted columns added to its select lists, and where they are at its top."""
    refs = frozenset(wanted)
    match relation:
        case Scan() | Aggregate() | Union():
            return relation, {ref: ref for ref in refs if ref.relation == relation.id}
        case Project():
            return _lift_project(relation, refs)
        case Join():
            left, from_left = lift(relation.left, refs)
            if relation.kind in (JoinKind.SEMI, JoinKind.ANTI):
                return replace(relation, left=left), from_left
            right, from_right = lift(relation.right, refs)
            return replace(relation, left=left, right=right), {**from_left, **from_right}
        case Filter() | Sort() | Limit() | Window():
            below, places = lift(relation.input, refs)
            return replace(relation, input=below), places


def _lift_project(project: Project, refs: frozenset[ColumnRef]) -> tuple[Relation, Places]:
    shown = {ref: ref for ref in refs if ref.relation == project.id}
    below, found = lift(project.input, refs - shown.keys())
    named = {column.expression: column.name for column in project.columns}
    added: list[Named] = []
    for ref, place in sorted(found.items(), key=lambda item: (item[0].relation, item[0].name)):
        if place not in named:
            # No query can spell this name: the lexical gate refuses NUL.
            named[place] = f"\0v{ref.relation}\0{ref.name}"
            added.append(Named(named[place], place))
        shown[ref] = ColumnRef(project.id, named[place], ref.type)
    return replace(project, input=below, columns=(*project.columns, *added)), shown


def placed(expression: Expression, places: Places) -> Expression:
    """The expression with its columns named where they are at the top."""
    match expression:
        case ColumnRef():
            return places[expression]
        case Call():
            arguments = tuple(placed(argument, places) for argument in expression.arguments)
            return Call(expression.function, arguments, expression.type)
        case Literal():
            return expression
        case AggregateCall():
            raise TypeError("an aggregate inside another")
