"""Relations: the nodes of a bound query.

The binder always builds one SELECT as the same tower, from the top:
Project, [Limit], [Sort], [Filter (HAVING)], [Aggregate], [Filter (WHERE)], then its FROM: a Scan, a Join, or the
Project of a derived table or CTE. SELECT DISTINCT is an Aggregate without measures. Expressions in a node refer
to relation ids below it; Scan, Project and Aggregate carry an id, unique in the query.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from louver_sandbox.algebra.expressions import Expression, Named
from louver_sandbox.algebra.types import TableName


class JoinKind(StrEnum):
    """How rows without a partner are treated."""

    INNER = "inner"
    LEFT = "left"


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
    """Pairs of rows for which the condition is true; at least one conjunct is an equality across both sides."""

    kind: JoinKind
    left: Relation
    right: Relation
    condition: Expression


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One row per combination of the keys; one row in all when there are no keys. Measures are aggregate calls.

    `keys` expressions are over the input; each measure's expression is one AggregateCall. Above it, only its own
    columns (id, name) may be referred to.
    """

    id: int
    input: Relation
    keys: tuple[Named, ...]
    measures: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class SortKey:
    """One ORDER BY item, over the columns the Sort's input offers."""

    expression: Expression
    descending: bool = False
    nulls_first: bool = False


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


Relation = Scan | Project | Filter | Join | Aggregate | Sort | Limit


def inputs(relation: Relation) -> tuple[Relation, ...]:
    """The relations directly below."""
    match relation:
        case Scan():
            return ()
        case Join():
            return (relation.left, relation.right)
        case _:
            return (relation.input,)


def walk(relation: Relation) -> Iterator[Relation]:
    """The relation and everything below it, parents first, left before right."""
    yield relation
    for below in inputs(relation):
        yield from walk(below)


def expressions(relation: Relation) -> tuple[Expression, ...]:
    """The expressions that stand in this node itself, in reading order."""
    match relation:
        case Scan() | Limit():
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


def scans(relation: Relation) -> tuple[Scan, ...]:
    """Every use of a table below, left to right."""
    return tuple(node for node in walk(relation) if isinstance(node, Scan))
