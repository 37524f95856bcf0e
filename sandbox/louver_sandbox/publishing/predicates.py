"""Predicates of catalogue and policy as engine text, by the same binder and emitter that queries go through."""

from __future__ import annotations

from louver_sandbox.catalog.model import Table
from louver_sandbox.catalog.sources import quote
from louver_sandbox.plan.emit import emit_expression
from louver_sandbox.sql.predicates import bind_predicate

_SCAN = 0


def predicate_sql(table: Table, predicate: str) -> str:
    """The predicate over the table's own, unqualified column names, in parentheses.

    Raises:
        Refused: the predicate is not one over this table's columns; code and position are the binder's.
    """
    expression = bind_predicate(predicate, table, _SCAN)
    return f"({emit_expression(expression, lambda ref: quote(ref.name))})"
