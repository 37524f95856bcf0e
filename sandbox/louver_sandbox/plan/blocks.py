"""How a relation tree divides into SELECT blocks, and which columns each relation offers to the one above it."""

from __future__ import annotations

from dataclasses import dataclass

from louver_sandbox.algebra.expressions import Call, Expression, Literal, SortKey, column_refs
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
from louver_sandbox.algebra.types import Type


@dataclass(frozen=True, slots=True)
class Block:
    """One SELECT: the clauses of the binder's tower that are present, over a FROM."""

    project: Project | None
    limit: Limit | None
    sort: tuple[SortKey, ...]
    having: tuple[Expression, ...]
    aggregate: Aggregate | None
    where: tuple[Expression, ...]
    source: Relation
    window: Window | None = None


def block_of(relation: Relation) -> Block:
    """Peels one tower off the top of the tree. An Aggregate with grouping sets is never part of one."""
    if isinstance(relation, Window):
        where, source = _filters(relation.input)
        return Block(None, None, (), (), None, where, source, relation)
    project = relation if isinstance(relation, Project) else None
    below = project.input if project else relation
    limit = below if isinstance(below, Limit) else None
    below = limit.input if limit else below
    sort: tuple[SortKey, ...] = ()
    if isinstance(below, Sort):
        sort, below = below.keys, below.input
    filters, below = _filters(below)
    if not isinstance(below, Aggregate) or below.sets:
        return Block(project, limit, sort, (), None, filters, below)
    where, source = _filters(below.input)
    return Block(project, limit, sort, filters, below, where, source)


def _filters(relation: Relation) -> tuple[tuple[Expression, ...], Relation]:
    predicates: list[Expression] = []
    while isinstance(relation, Filter):
        predicates.append(relation.predicate)
        relation = relation.input
    return tuple(reversed(predicates)), relation


@dataclass(frozen=True, slots=True)
class Output:
    """A column a relation offers to the one above it."""

    relation: int
    name: str
    type: Type | None


def outputs(relation: Relation) -> tuple[Output, ...]:
    """The columns a relation offers, in order. A Scan's types are the catalogue's, so they are None here."""
    match relation:
        case Scan():
            return tuple(Output(relation.id, name, None) for name in relation.columns)
        case Project():
            return tuple(Output(relation.id, named.name, named.expression.type) for named in relation.columns)
        case Aggregate():
            named_columns = relation.keys + relation.measures
            return tuple(Output(relation.id, named.name, named.expression.type) for named in named_columns)
        case Window():
            added = tuple(Output(relation.id, column.name, column.call.type) for column in relation.columns)
            return outputs(relation.input) + added
        case Union():
            return tuple(Output(relation.id, column.name, column.type) for column in relation.columns)
        case Join(kind=JoinKind.SEMI | JoinKind.ANTI):
            return outputs(relation.left)
        case Join():
            return outputs(relation.left) + outputs(relation.right)
        case Filter() | Sort() | Limit():
            return outputs(relation.input)


@dataclass(frozen=True, slots=True)
class Membership:
    """NOT IN as an anti join: a left row stays unless `sought` is, or may be, a `found` of a row meeting `rest`."""

    sought: Expression
    found: Expression
    rest: tuple[Expression, ...]


def membership(join: Join) -> Membership | None:
    """The NOT IN that an anti join on `coalesce(sought = found, TRUE)` is, if it is one."""
    if join.kind is not JoinKind.ANTI:
        return None
    left, right = ({output.relation for output in outputs(side)} for side in (join.left, join.right))
    parts = conjuncts(join.condition)
    for index, part in enumerate(parts):
        match part:
            case Call("coalesce", (Call("=", (one, other)), Literal(True))):
                rest = parts[:index] + parts[index + 1 :]
                if _only(one, left) and _only(other, right):
                    return Membership(one, other, rest)
                if _only(other, left) and _only(one, right):
                    return Membership(other, one, rest)
    return None


def _only(expression: Expression, relations: set[int]) -> bool:
    return {ref.relation for ref in column_refs(expression)} <= relations


def conjuncts(predicate: Expression) -> tuple[Expression, ...]:
    """The parts of an AND, or the predicate itself."""
    return predicate.arguments if isinstance(predicate, Call) and predicate.function == "and" else (predicate,)
