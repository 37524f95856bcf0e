"""The `exact` mechanism: public and own data leave as they are (PRIVACY 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from louver_sandbox.core_plan import Part
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.release.complementary import Solve
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.stages import Cell, Execution, Release, Treatment


class Exact:
    """Releases rows unchanged."""

    def release(self, execution: Execution, solve: Solve, secret: bytes | None, sampler: Sampler | None) -> Release:
        """The rows of an exact plan, which has one core. Nothing is withheld, so nothing is solved or drawn."""
        plan = execution.committed.plan
        parts = {column.part for core in plan.cores for column in core.columns}
        if (
            plan.treatment is not Treatment.EXACT
            or parts - {Part.VALUE}
            or any(core.protected for core in plan.cores)
        ):
            raise WorkerLied("rows that are not exact answers")
        (rows,) = execution.rows
        return Release(plan.columns, tuple(exact_rows(rows)), (), plan.treatment)


def exact_rows(rows: Sequence[Sequence[object]]) -> Iterator[tuple[Cell, ...]]:
    """The rows of a core that is not protected, each value checked to be one. Raises `WorkerLied`."""
    return (tuple(_cell(value) for value in row) for row in rows)


def _cell(value: object) -> Cell:
    if value is None or isinstance(value, bool | int | float | Decimal | str | date):
        return value
    raise WorkerLied("a value of no kind an answer can carry")
