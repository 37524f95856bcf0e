"""Ids for relations that the planner adds to a query: negative, so that they are none of the binder's."""

from __future__ import annotations

from enum import IntEnum


class Purpose(IntEnum):
    """What a relation is added for; each at most once for one relation of the query."""

    SEMI_JOIN = 0
    UNION_SIDE = 1
    PARTIAL = 2
    CELL = 3
    MET = 4


def synthetic(relation: int, purpose: Purpose) -> int:
    """An id that no relation of the query and no other purpose has."""
    return -(relation * len(Purpose) + purpose) - 1
