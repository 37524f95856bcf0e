"""The `threshold` mechanism: the cells of each core judged from exact parts, the rest withheld (PRIVACY 5).

Every protected core is judged by itself; rows of public and own tables leave as they are. The answer is then computed
from what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from louver_sandbox.algebra.relations import Aggregate, Relation, walk
from louver_sandbox.core_plan import CorePlan, Part
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.obligations import ThresholdRules, Totals
from louver_sandbox.release import notices
from louver_sandbox.release.accuracies import accuracies
from louver_sandbox.release.cells import Judged, judge
from louver_sandbox.release.complementary import Solve
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.differences import without_differences
from louver_sandbox.release.exact import exact_rows
from louver_sandbox.release.joins import TooManyPairs
from louver_sandbox.release.rules import Rule
from louver_sandbox.release.shape import Tables, computed, row_by_row, shaped
from louver_sandbox.release.values import Row
from louver_sandbox.stages import Cell, Execution, Notice, OutputColumn, Plan, Release

Rows = tuple[tuple[Cell, ...], ...]


class Threshold:
    """Releases protected aggregates."""

    def release(self, execution: Execution, solve: Solve, secret: bytes | None, sampler: Sampler | None) -> Release:
        """The released rows, with noise by the secret of cell keys where policies ask for it.

        WorkerLied where parts contradict each other, TooManyMargins where they are too many."""
        plan = execution.committed.plan
        rules, shape = plan.threshold, plan.shape
        if rules is None or shape is None or not any(core.protected for core in plan.cores):
            raise WorkerLied("a threshold plan without thresholds")
        besides = solve if keeps_totals(rules, [core for core in plan.cores if core.protected]) else None
        released = [
            _released(core, rows, rules, besides, secret)
            for core, rows in zip(plan.cores, execution.rows, strict=True)
        ]
        released = without_differences(plan.cores, execution.rows, released, rules)
        tables = {core.core_id: judged.rows for core, judged in zip(plan.cores, released, strict=True)}
        rows, unshaped = _shaped(shape, tables, plan.columns)
        remainder = _remainder(plan, shape, released)
        found = [notice for judged in released for notice in judged.notices]
        if not is_plain(plan, shape):
            found = [notice for notice in found if notice.code not in notices.OF_REMAINDER]
            found += [notices.over_released()] if may_mislead(plan, shape) else []
        found += [notices.over_judged()] if any(core.compares for core in plan.cores) else []
        found += [] if rules.noise is None else [notices.perturbed(rules.noise)]
        found += [notices.recoded()] if rules.recoded else []
        found += map(notices.risk_accepted, rules.risks)
        said = (*_merged(found), *unshaped)
        return Release(plan.columns, rows, said, plan.treatment, remainder, accuracies(plan))


def keeps_totals(rules: ThresholdRules, protected: Sequence[CorePlan]) -> bool:
    """Whether further parts are withheld so that totals may stay. Of several cores one might show another's, unless
    the pattern of each is that of any other question."""
    return rules.totals is Totals.KNOWN or (rules.totals is Totals.COMPLEMENTARY and len(protected) == 1)


def _released(
    core: CorePlan, rows: Sequence[Sequence[object]], rules: ThresholdRules, solve: Solve | None, secret: bytes | None
) -> Judged:
    """What may leave of one core."""
    if core.protected:
        return judge(core, rows, rules, solve, secret)
    if any(column.part is not Part.VALUE for column in core.columns):
        raise WorkerLied("rows that are not exact")
    names = [(core.core_id, column.of) for column in core.columns]
    return Judged(tuple(dict(zip(names, row, strict=True)) for row in exact_rows(rows)), (), None)


def _shaped(shape: Relation, tables: Tables, columns: tuple[OutputColumn, ...]) -> tuple[Rows, tuple[Notice, ...]]:
    """The answer's rows; none, with a notice, where its joins are too large. Their size is that of released rows."""
    try:
        return shaped(shape, tables, columns), ()
    except TooManyPairs:
        return (), (notices.join_too_large(),)


def is_plain(plan: Plan, shape: Relation) -> bool:
    """Whether the answer's rows are the cells of one core: only then is a remainder what is missing from them."""
    return len(plan.cores) == 1 and row_by_row(shape)


def _remainder(plan: Plan, shape: Relation, released: Sequence[Judged]) -> tuple[Cell, ...] | None:
    row: Row | None = released[0].remainder
    return computed(shape, row, plan.columns) if row is not None and is_plain(plan, shape) else None


def may_mislead(plan: Plan, shape: Relation) -> bool:
    """Whether rows are seen side by side of which some, or values of which, may be missing; said whether they are
    or not."""
    keyed = any(core.protected and any(column.part is Part.KEY for column in core.columns) for core in plan.cores)
    totals = any(isinstance(node, Aggregate) and node.measures for node in walk(shape))
    return totals or (keyed and not row_by_row(shape))


def _merged(found: Sequence[Notice]) -> Iterator[Notice]:
    """What is said of several cores, said once."""
    cells = [notice.count for notice in found if notice.code == notices.CELLS_WITHHELD]
    if cells:
        yield notices.cells_withheld(sum(cells))
    values: Counter[Rule] = Counter()
    for notice in found:
        if notice.code == notices.VALUES_WITHHELD:
            values[Rule(notice.rule)] += notice.count
    others = dict.fromkeys(
        notice for notice in found if notice.code not in (notices.CELLS_WITHHELD, notices.VALUES_WITHHELD)
    )
    first = [notice for notice in others if notice.code == notices.CELLS_UNTOLD]
    yield from first
    yield from notices.values_withheld(values)
    yield from (notice for notice in others if notice not in first)
