"""Inner groups of rows that belong to a person or to an enterprise: a group of its own for each.

Where a condition tells whose a row is (`when`), a person and an enterprise may be written alike. An inner aggregate
that groups by that column would put rows of both into one group, which belongs to neither; taking out one of them
would bring back what the other has. So the record keys become keys of the group.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from louver_sandbox.algebra.expressions import AggregateCall, ColumnRef, Named
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
    Window,
)


def told_apart(relation: Relation, carried: Collection[str]) -> Relation:
    """The relation, whose inner aggregates carry these record keys, with one group for each combination of them."""
    match relation:
        case Aggregate():
            below = told_apart(relation.input, carried)
            own = tuple(
                Named(named.name, key) for named in relation.measures if (key := _key(named, carried)) is not None
            )
            kept = tuple(named for named in relation.measures if _key(named, carried) is None)
            added = tuple(range(len(relation.keys), len(relation.keys) + len(own)))
            sets = tuple((*one, *added) for one in relation.sets)
            return replace(relation, input=below, keys=relation.keys + own, measures=kept, sets=sets)
        case Join():
            return replace(
                relation, left=told_apart(relation.left, carried), right=told_apart(relation.right, carried)
            )
        case Project() | Filter() | Sort() | Limit() | Window():
            return replace(relation, input=told_apart(relation.input, carried))
        case Scan() | Union():
            return relation


def _key(named: Named, carried: Collection[str]) -> ColumnRef | None:
    """The record key that a measure brings up from below."""
    match named.expression:
        case AggregateCall(function="max", arguments=(ColumnRef() as ref,)) if named.name in carried:
            return ref
        case _:
            return None
