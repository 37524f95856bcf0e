"""Relations: the nodes of a bound query.

The binder always builds one SELECT as the same tower, from the top:
Project, [Limit], [Sort], [Filter (QUALIFY)], [Window], [Filter (HAVING)], [Aggregate], [Filter (WHERE)], then its
FROM: a Scan, a Join, a Union, or the Project of a derived table or CTE. SELECT DISTINCT is an Aggregate without
measures. Expressions in a node refer to relation ids below it; Scan, Project, Aggregate, Window and Union carry an
id, unique in the query.

Subqueries are joins: IN and EXISTS are semi joins, NOT EXISTS is an anti join, a scalar subquery is a left join to an
Aggregate that has one row for each row it meets. INTERSECT and EXCEPT are the distinct rows of a semi or anti join.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from louver_sandbox.algebra.expressions import Expression, Named, NamedWindow, SortKey, WindowCall
from louver_sandbox.algebra.types import TableName, Type


class JoinKind(StrEnum):
    """How rows without a partner are treated. A right join is a left join written the other way round.

    SEMI keeps the left rows that have a partner, once each, and ANTI those that have none; both offer the left
    side's columns only.
    """

    INNER = "inner"
    LEFT = "left"
    FULL = "full"
    SEMI = "semi"
    ANTI = "anti"


@dataclass(frozen=True, slots=True)
class Scan:
    """One use of a table. `columns` are the columns the query uses, sorted by name."""

    id: int
    table: TableName
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Project:
    """The select list of a block: names and expressions over the input."""

    id: int
    input: Relation
    columns: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows (or groups, above an Aggregate) for which the predicate is true."""

    input: Relation
    predicate: Expression


@dataclass(frozen=True, slots=True)
class Join:
    """Pairs of rows for which the condition is true. It compares the two sides in at least one conjunct, unless the
    right side is an Aggregate of one row."""

    kind: JoinKind
    left: Relation
    right: Relation
    condition: Expression


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One row per combination of the keys; one row in all when there are no keys. Measures are aggregate calls.

    `keys` expressions are over the input; each measure's expression is one AggregateCall. Above it, only its own
    columns (id, name) may be referred to.

    `sets` are the grouping sets, each the sorted indexes of its keys, none twice; empty means the one set of all
    keys. In a set that leaves a key out, the key is null; the measure `grouping` (its arguments are keys) tells.
    """

    id: int
    input: Relation
    keys: tuple[Named, ...]
    measures: tuple[Named, ...]
    sets: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """The input's rows, each with one more column per window call. The input's own columns stay in sight."""

    id: int
    input: Relation
    columns: tuple[NamedWindow, ...]


@dataclass(frozen=True, slots=True)
class UnionColumn:
    """A column of a Union."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Union:
    """The rows of both inputs, duplicates kept (UNION ALL).

    Each input is a Project with as many columns as the Union, of the Union's types, in the same order.
    """

    id: int
    left: Project
    right: Project
    columns: tuple[UnionColumn, ...]


@dataclass(frozen=True, slots=True)
class Sort:
    """The input's rows in order."""

    input: Relation
    keys: tuple[SortKey, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` rows after skipping `offset`; None means no bound."""

    input: Relation
    count: int | None
    offset: int = 0


Relation = Scan | Project | Filter | Join | Aggregate | Window | Union | Sort | Limit


def inputs(relation: Relation) -> tuple[Relation, ...]:
    """The relations directly below."""
    match relation:
        case Scan():
            return ()
        case Join() | Union():
            return (relation.left, relation.right)
        case _:
            return (relation.input,)


def walk(relation: Relation) -> Iterator[Relation]:
    """The relation and everything below it, parents first, left before right."""
    # A stack and a list, since generators inside one another pass every node up through all of them.
    found: list[Relation] = []
    waiting = [relation]
    while waiting:
        node = waiting.pop()
        found.append(node)
        match node:
            case Scan():
                continue
            case Join() | Union():
                waiting += (node.right, node.left)
            case _:
                waiting.append(node.input)
    return iter(found)


def expressions(relation: Relation) -> tuple[Expression, ...]:
    """The expressions that stand in this node itself, in reading order."""
    match relation:
        case Scan() | Limit() | Union():
            return ()
        case Project():
            return tuple(column.expression for column in relation.columns)
        case Filter():
            return (relation.predicate,)
        case Join():
            return (relation.condition,)
        case Aggregate():
            return tuple(column.expression for column in relation.keys + relation.measures)
        case Sort():
            return tuple(key.expression for key in relation.keys)
        case Window():
            return tuple(part for column in relation.columns for part in window_parts(column.call))


def window_parts(call: WindowCall) -> tuple[Expression, ...]:
    """The expressions of a window call, in reading order."""
    return (*call.arguments, *call.partition, *(key.expression for key in call.order))


def scans(relation: Relation) -> tuple[Scan, ...]:
    """Every use of a table below, left to right."""
    return tuple([node for node in walk(relation) if isinstance(node, Scan)])
