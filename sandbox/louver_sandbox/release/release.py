"""The one maker of Release and the one reader of exact rows (laws 4 and 5)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from louver_sandbox.algebra.types import Kind
from louver_sandbox.release import notices
from louver_sandbox.release.mechanism import MECHANISMS
from louver_sandbox.sql.rules import quantize
from louver_sandbox.stages import Cell, Execution, OutputColumn, Release


def release(execution: Execution) -> Release:
    """What leaves. Never raises on data; WorkerLied (a fault) when the worker's parts contradict each other.

    Every value has its column's type: integers are 64 bits, decimals 38 digits. What does not fit (a sum beyond
    64 bits) is None with a notice, since a wrong number would be worse than none.
    """
    plan = execution.committed.plan
    made = MECHANISMS[plan.treatment].release(execution)
    rows = tuple(_fitted(row, made.columns) for row in made.rows)
    lost = sum(
        old is not None and new is None
        for before, after in zip(made.rows, rows, strict=True)
        for old, new in zip(before, after, strict=True)
    )
    remainder = None if made.remainder is None else _fitted(made.remainder, made.columns)
    found = (*made.notices, notices.out_of_range(lost)) if lost else made.notices
    return replace(made, rows=rows, remainder=remainder, notices=found)


def _fitted(row: tuple[Cell, ...], columns: tuple[OutputColumn, ...]) -> tuple[Cell, ...]:
    return tuple(_fit(value, column) for value, column in zip(row, columns, strict=True))


def _fit(value: Cell, column: OutputColumn) -> Cell:
    match column.type.kind, value:
        case Kind.INTEGER, int() if not isinstance(value, bool):
            return value if -(2**63) <= value < 2**63 else None
        case Kind.DECIMAL, int() | Decimal() if not isinstance(value, bool):
            return quantize(Decimal(value), column.type.scale, 38)
        case Kind.DOUBLE, int() | Decimal():
            return float(value)
        case _:
            return value
