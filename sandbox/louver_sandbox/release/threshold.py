"""The `threshold` mechanism in its first form: cells judged from exact parts, the rest withheld (PRIVACY 5).

Cells whose units do not reach their k disappear and are counted in a notice; a measure that breaks a rule of its own
is empty in its cell. A grand total keeps its one row, with every value empty, so that its form tells nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from louver_sandbox.algebra.types import Kind
from louver_sandbox.plan.rewrites.threshold import CELL, REMAINDER
from louver_sandbox.release import notices
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.remainder import Known, same_cells
from louver_sandbox.release.rules import Contributions, Rule, reaches, withheld_by
from louver_sandbox.release.shape import Row, computed, shaped
from louver_sandbox.stages import Cell, Execution, Measure, Notice, Part, Plan, Release, ThresholdRules


class Threshold:
    """Releases protected aggregates."""

    def release(self, execution: Execution) -> Release:
        """The released rows. Never raises on data; WorkerLied when the parts contradict each other."""
        plan = execution.committed.plan
        rules, shape = plan.threshold, plan.shape
        if rules is None or shape is None:
            raise WorkerLied("a threshold plan without thresholds")
        cells, remainders = _judged(execution)
        keyed = any(column.part is Part.KEY for column in plan.core)
        safe = [cell for cell in cells if reaches(cell.units, plan.unit_groups, rules)]
        withheld = [cell for cell in cells if not reaches(cell.units, plan.unit_groups, rules)]
        broken: Counter[Rule] = Counter()
        rows = [_released(plan, rules, cell, broken) for cell in safe]
        if not keyed and withheld:
            rows = [_empty(plan)]
        row = _remainder(plan, rules, withheld, remainders) if remainders else None
        tellable = any(reaches(whole.units, plan.unit_groups, rules) for whole in remainders)
        found = [*_cells(keyed, withheld, tellable), *notices.values_withheld(broken)]
        found += [notices.remainder(row is not None)] if tellable else []
        remainder = None if row is None else computed(shape, row, plan.columns)
        return Release(plan.columns, shaped(shape, rows, plan.columns), tuple(found), plan.treatment, remainder)


def _cells(keyed: bool, withheld: Sequence[ExactCell], tellable: bool) -> list[Notice]:
    """What is said about missing cells. Their number is itself a statistic: it is told when their units reach k.

    Otherwise "none" and "one" must look alike, or a question about one subject would be answered by its notice.
    """
    if not keyed:
        return [notices.cells_withheld(1)] if withheld else []
    return [notices.cells_withheld(len(withheld))] if tellable else [notices.cells_untold()]


@dataclass(frozen=True, slots=True)
class ExactCell:
    """One row of the core: its key values and the numbers of its parts by column name."""

    keys: Mapping[str, Cell]
    units: tuple[int, ...]
    parts: Mapping[str, int | Decimal | None]


def _judged(execution: Execution) -> tuple[list[ExactCell], list[ExactCell]]:
    """The rows sorted into cells and remainders, each checked for what no data could produce."""
    columns = execution.columns
    kind = next(i for i, column in enumerate(columns) if column.part is Part.ROW_KIND)
    cells: dict[tuple[object, ...], ExactCell] = {}
    remainders: list[ExactCell] = []
    for row in execution.rows:
        cell = _cell(execution, row)
        if row[kind] == CELL:
            keys = tuple(cell.keys.values())
            if cells.setdefault(keys, cell) is not cell:
                raise WorkerLied("one cell twice")
        elif row[kind] == REMAINDER:
            remainders.append(cell)
        else:
            raise WorkerLied("a row of no kind")
    keyed = any(column.part is Part.KEY for column in columns)
    rules = execution.committed.plan.threshold
    if len(remainders) != int(keyed and rules is not None and rules.remainder) or (not keyed and len(cells) != 1):
        raise WorkerLied("not the planned rows")
    return list(cells.values()), remainders


def _cell(execution: Execution, row: Sequence[object]) -> ExactCell:
    keys: dict[str, Cell] = {}
    units: list[int] = []
    parts: dict[str, int | Decimal | None] = {}
    for column, value in zip(execution.columns, row, strict=True):
        match column.part, value:
            case Part.KEY, None | bool() | int() | float() | Decimal() | str() | date():
                keys[column.of] = value
            case Part.UNITS, int() if value >= 0:
                units.append(value)
                parts[column.name] = value
            case Part.VALUE, None | int() | Decimal():
                parts[column.name] = value
            case Part.ROW_KIND, int():
                continue
            case _:
                raise WorkerLied("a part that is not a number")
    return ExactCell(keys, tuple(units), parts)


def _count(cell: ExactCell, name: str) -> int:
    value = cell.parts[name]
    if not isinstance(value, int) or value < 0:
        raise WorkerLied("a count that is not one")
    return value


def _contributions(cell: ExactCell, measure: Measure) -> tuple[Contributions, ...]:
    found: list[Contributions] = []
    for index, units in enumerate(cell.units):
        contributors = _count(cell, measure.contributors[index])
        part = Contributions(units, contributors)
        if measure.largest:
            largest = cell.parts[measure.largest[index]] or 0
            second = cell.parts[measure.second[index]] or 0
            magnitude = cell.parts[measure.magnitude[index]] or 0
            if not 0 <= second <= largest or largest + second > magnitude:
                raise WorkerLied("contributions that contradict each other")
            part = Contributions(units, contributors, largest, second, magnitude)
        if contributors > units:
            raise WorkerLied("more contributors than units")
        found.append(part)
    return tuple(found)


def _released(plan: Plan, rules: ThresholdRules, cell: ExactCell, broken: Counter[Rule]) -> Row:
    """A safe cell's row as the shape reads it; what breaks a rule of its own is None and counted."""
    row: Row = {(plan.core_id, name): value for name, value in cell.keys.items()}
    for measure in plan.measures:
        rule = _broken(plan, rules, cell, measure)
        if rule is not None:
            broken[rule] += 1
        row[plan.core_id, measure.name] = None if rule is not None else _value(cell, measure)
    return row


def _broken(plan: Plan, rules: ThresholdRules, cell: ExactCell, measure: Measure) -> Rule | None:
    if not measure.contributors:
        return None
    parts = _contributions(cell, measure)
    return withheld_by(parts, plan.unit_groups, rules, measure)


def _value(cell: ExactCell, measure: Measure) -> Cell:
    value = cell.parts[measure.value]
    match measure.kind:
        case "count" | "units":
            return _count(cell, measure.value)
        case "average":
            count = _count(cell, measure.count)
            return None if value is None or not count else float(Fraction(value) / count)
        case "sum":
            return float(value) if value is not None and measure.type.kind is Kind.DOUBLE else value
        case _:
            raise WorkerLied("a measure of no kind")


def _empty(plan: Plan) -> Row:
    return {(plan.core_id, measure.name): None for measure in plan.measures}


def _remainder(
    plan: Plan, rules: ThresholdRules, withheld: Sequence[ExactCell], remainders: Sequence[ExactCell]
) -> Row | None:
    """The withheld cells as one row, or None when that is not safe or not over exactly these cells."""
    (whole,) = remainders
    known = tuple(Known(cell.units, _count(cell, "n")) for cell in withheld)
    if len(withheld) < 2 or not same_cells(known, Known(whole.units, _count(whole, "n"))):
        return None
    if not reaches(whole.units, plan.unit_groups, rules):
        return None
    row = _released(plan, rules, whole, Counter())
    return row | {(plan.core_id, column.of): None for column in plan.core if column.part is Part.KEY}
