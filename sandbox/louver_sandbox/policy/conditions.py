"""Conditions on rows that the decision can prove from the query alone, without reading one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

from louver.errors import Refused
from louver_sandbox.algebra.expressions import Expression
from louver_sandbox.catalog.model import Table
from louver_sandbox.sql.predicates import bind_predicate, implies

Proof = Callable[[str], bool]
"""Whether every row of one scan that reaches the answer satisfies the predicate. Sound, not complete."""


def proof(table: Table, scan: int, implied: tuple[Expression, ...]) -> Proof:
    """What the conjuncts that hold for a scan prove; each predicate is asked of them once.

    A predicate over columns the caller may not see cannot follow from the caller's query: that is no, which is the
    stricter answer everywhere this is asked.
    """

    @cache
    def holds(predicate: str) -> bool:
        if not implied:
            return False
        bound = _bound(predicate, table, scan)
        return bound is not None and implies(implied, bound)

    return holds


@lru_cache(maxsize=4096)
def _bound(predicate: str, table: Table, scan: int) -> Expression | None:
    """The predicate over the table; None where the table, as the caller sees it, has not all its columns."""
    try:
        return bind_predicate(predicate, table, scan)
    except Refused:
        return None
