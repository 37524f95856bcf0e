"""The `exact` mechanism: public and own data leave as they are (PRIVACY 4)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.stages import Cell, Execution, Part, Release, Treatment


class Exact:
    """Releases rows unchanged."""

    def release(self, execution: Execution) -> Release:
        """The rows of an exact plan."""
        plan = execution.committed.plan
        if plan.treatment is not Treatment.EXACT or any(column.part is not Part.VALUE for column in plan.core):
            raise WorkerLied("rows that are not exact answers")
        rows = tuple(tuple(_cell(value) for value in row) for row in execution.rows)
        return Release(plan.columns, rows, (), plan.treatment)


def _cell(value: object) -> Cell:
    if value is None or isinstance(value, bool | int | float | Decimal | str | date):
        return value
    raise WorkerLied("a value of no kind an answer can carry")
