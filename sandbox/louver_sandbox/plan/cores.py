"""From the cut of a protected question to what the worker runs: one statement per core, and the shape above them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from louver_sandbox.algebra.cores import RELEASED, Core, Cut, NotAggregated, columns_of, cut
from louver_sandbox.algebra.expressions import ColumnRef, Named
from louver_sandbox.algebra.relations import Aggregate, Join, Project, Relation, Scan, Union, inputs, walk
from louver_sandbox.algebra.types import Kind, Position, Type
from louver_sandbox.core_plan import CoreColumn, CorePlan, Part
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.plan.emit import emit
from louver_sandbox.plan.rewrites.threshold import threshold_core
from louver_sandbox.plan.units import protected_units
from louver_sandbox.plan.verify import PlanUnverified
from louver_sandbox.refusals.plan import (
    join_above_aggregate,
    not_an_aggregate,
    output_kind,
    too_many_parts,
    too_many_steps,
)
from louver_sandbox.stages import Admitted

SourceOf = Callable[[Scan], str]

MAX_CORES = 32
"""Statements that one worker runs for one question."""

MAX_STEPS = 100
"""Relations above one another in a shape: it is computed, and carried between processes, by recursion."""


def divided(admitted: Admitted) -> Cut:
    """The cores of a protected question.

    Raises:
        Refused: LVR-2301 or LVR-2305 where protected rows would leave unaggregated, LVR-2320 for too many cores,
            LVR-2321 for too many steps above them.
    """
    relation, catalog = admitted.bound.relation, admitted.bound.catalog
    units = protected_units(relation, admitted.protected, catalog)
    unit_columns = {(scan, unit.column) for scan, scan_units in units.items() for unit in scan_units}
    try:
        found = cut(relation, admitted.protected, unit_columns)
    except NotAggregated as raw:
        at = first_output(relation)
        raise (join_above_aggregate(at) if raw.joined else not_an_aggregate(at)) from None
    if len(found.cores) > MAX_CORES:
        raise too_many_parts(MAX_CORES)
    if _height(found.shape) > MAX_STEPS:
        raise too_many_steps(MAX_STEPS)
    return found


def _height(shape: Relation) -> int:
    highest, waiting = 0, [(shape, 1)]
    while waiting:
        node, height = waiting.pop()
        highest = max(highest, height)
        waiting.extend((below, height + 1) for below in inputs(node))
    return highest


def first_output(relation: Relation) -> Position | None:
    """Where the first column of the answer stands in the text."""
    columns = relation.columns if isinstance(relation, Project) else ()
    return next((named.expression.at for named in columns), None)


def core_plans(admitted: Admitted, parts: Cut, rules: ThresholdRules, source_of: SourceOf) -> tuple[CorePlan, ...]:
    """What runs for each core, in order.

    Raises:
        Refused: LVR-23xx, for cells that cannot be judged.
        PlanUnverified: a protected scan in no core, or a unit without a threshold.
    """
    covered: set[int] = set()
    alone = sum(core.protected for core in parts.cores) == 1
    made: list[CorePlan] = []
    for core in parts.cores:
        if not core.protected:
            made.append(exact_core(core, source_of))
            continue
        if not isinstance(core.relation, Aggregate):
            raise PlanUnverified("protected rows that no aggregate covers")
        units = protected_units(core.relation.input, admitted.protected, admitted.bound.catalog)
        if not all(scan_units and all(unit.type in rules.k for unit in scan_units) for scan_units in units.values()):
            raise PlanUnverified("a protected scan without a privacy unit, or a unit without a threshold")
        covered |= units.keys()
        for key in core.relation.keys:
            carriable(key.expression.type)
        names = [named.name for named in columns_of(core)]
        if len(set(names)) != len(names):
            raise PlanUnverified("a tree that is not the binder's")
        found = threshold_core(core.relation, units, admitted.bound.catalog, rules, source_of, alone=alone)
        groups = tuple(group.counted for group in found.groups)
        cells = CorePlan(core.id, True, found.statement, found.columns, found.measures, groups)
        cells = replace(cells, compares=found.compares, outer=found.outer, noisy=found.noisy)
        made.append(replace(cells, families=found.families, asked=found.asked))
    if covered != admitted.protected:
        raise PlanUnverified("a protected scan outside the cores")
    return tuple(made)


def exact_core(core: Core, source_of: SourceOf) -> CorePlan:
    """What runs for rows that leave as they are. Raises Refused LVR-2308."""
    named = columns_of(core)
    types = tuple(column.expression.type for column in named)
    for type_ in types:
        carriable(type_)
    columns = tuple(
        CoreColumn(f"c{i}", Part.VALUE, column.expression.type, of=column.name)
        for i, column in enumerate(named, start=1)
    )
    return CorePlan(core.id, False, emit(core.relation, source_of, types), columns)


def carriable(type_: Type) -> None:
    """Accepts types that an answer can carry. Raises Refused LVR-2308."""
    if type_.kind in (Kind.INTERVAL, Kind.TEXT_LIST):
        raise output_kind(type_.kind.value)


def without_repeats(parts: Cut, plans: Sequence[CorePlan]) -> tuple[Cut, tuple[CorePlan, ...]]:
    """The same cut with each statement once: a CTE that is used twice is one question and is answered once."""
    first: dict[CorePlan, CorePlan] = {}
    same: dict[int, int] = {}
    for made in plans:
        kept = first.setdefault(replace(made, core_id=0), made)
        if kept is not made:
            same[made.core_id] = kept.core_id
    if not same:
        return parts, tuple(plans)
    by_id = {core.id: core for core in parts.cores}
    cores = tuple(core for core in parts.cores if core.id not in same)
    return Cut(_renamed(parts.shape, same, by_id), cores), tuple(first.values())


def _renamed(shape: Relation, same: dict[int, int], cores: dict[int, Core]) -> Relation:
    """The shape in which a repeated core's rows are the first one's, under their own id."""
    match shape:
        case Scan() if shape.id in same:
            first = same[shape.id]
            shown = (
                Named(column.name, ColumnRef(first, column.name, column.expression.type))
                for column in columns_of(cores[shape.id])
            )
            return Project(shape.id, Scan(first, RELEASED, shape.columns), tuple(shown))
        case Scan():
            return shape
        case Join():
            left, right = (_renamed(side, same, cores) for side in inputs(shape))
            return replace(shape, left=left, right=right)
        case Union():
            sides = tuple(_renamed(side, same, cores) for side in inputs(shape))
            if not isinstance(sides[0], Project) or not isinstance(sides[1], Project):
                raise PlanUnverified("a side of a union that is no select list")
            return replace(shape, left=sides[0], right=sides[1])
        case _:
            return replace(shape, input=_renamed(shape.input, same, cores))


def is_shape(shape: Relation, plans: Sequence[CorePlan]) -> bool:
    """Whether a shape reads released rows only, and those of its own cores."""
    read = [node for node in walk(shape) if isinstance(node, Scan)]
    return all(node.table == RELEASED for node in read) and {node.id for node in read} == {
        made.core_id for made in plans
    }
