"""Splits a protected query at its core: the topmost aggregate runs in the engine, what is above it in the releaser.

HAVING, ORDER BY, LIMIT and arithmetic over aggregates are then computed over released values only, so they cannot
tell anything a released value does not (ARCHITECTURE, stage 7b).
"""

from __future__ import annotations

from dataclasses import replace

from louver_sandbox.algebra.relations import Aggregate, Filter, Join, Limit, Project, Relation, Scan, Sort, walk
from louver_sandbox.algebra.types import Position, TableName
from louver_sandbox.refusals.plan import join_above_aggregate, not_an_aggregate

RELEASED = TableName("", "released")
"""The table a shape scans: the released rows. No query can name it."""


def core_of(relation: Relation) -> Aggregate:
    """The topmost aggregate.

    Raises:
        Refused: LVR-2301 when there is none, LVR-2305 when something is joined above it.
    """
    node = relation
    while not isinstance(node, Aggregate):
        match node:
            case Project() | Filter() | Sort() | Limit():
                node = node.input
            case Join() if any(isinstance(below, Aggregate) for below in walk(node)):
                raise join_above_aggregate(node.condition.at)
            case Join() | Scan():
                raise not_an_aggregate(_first_output(relation))
    return node


def _first_output(relation: Relation) -> Position | None:
    columns = relation.columns if isinstance(relation, Project) else ()
    return next((named.expression.at for named in columns), None)


def shape_of(relation: Relation, core: Aggregate) -> Relation:
    """The tree above the core, over a Scan of the released rows with the core's id."""
    if relation is core:
        return Scan(core.id, RELEASED, tuple(named.name for named in core.keys + core.measures))
    match relation:
        case Project() | Filter() | Sort() | Limit():
            return replace(relation, input=shape_of(relation.input, core))
        case _:
            raise join_above_aggregate()
