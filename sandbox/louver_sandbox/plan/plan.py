"""From a permit to what will run: the statement, its parts, its cost and the shape of the answer. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from louver_sandbox.algebra.relations import Project, Relation, Scan, scans
from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.catalog.model import SpaceKind
from louver_sandbox.catalog.snapshots import snapshot_id
from louver_sandbox.plan.charges import charges
from louver_sandbox.plan.emit import emit
from louver_sandbox.plan.question import question_digest
from louver_sandbox.plan.rewrites.threshold import threshold_core
from louver_sandbox.plan.shape import core_of, shape_of
from louver_sandbox.plan.units import protected_units
from louver_sandbox.plan.verify import PlanUnverified, verify_own
from louver_sandbox.refusals.plan import output_kind
from louver_sandbox.stages import (
    Admitted,
    CoreColumn,
    CountedUnit,
    Measure,
    Part,
    Plan,
    SourceRef,
    ThresholdRules,
    Treatment,
)

SourceOf = Callable[[Scan], str]

EXACT_CORE = 0
"""`Plan.core_id` of an exact plan, whose core is the whole query."""


def plan(admitted: Admitted) -> Plan:
    """What will run for a permitted query, already checked against our own re-parse.

    Raises:
        Refused: LVR-23xx, for a protected query whose cells cannot be judged.
        PlanUnverified: the statement is not what was planned; nothing may run.
    """
    for column in admitted.bound.columns:
        _carriable(column.type)
    sources, source_of = _sources(admitted)
    match admitted.treatment:
        case Treatment.EXACT:
            engine = _exact(admitted, source_of)
        case Treatment.THRESHOLD:
            engine = _threshold(admitted, source_of)
    made = _plan(admitted, sources, engine)
    verify_own(made, tuple(source_of(scan) for scan in scans(admitted.bound.relation)))
    return made


def _carriable(type_: Type) -> None:
    if type_.kind in (Kind.INTERVAL, Kind.TEXT_LIST):
        raise output_kind(type_.kind.value)


def _sources(admitted: Admitted) -> tuple[tuple[SourceRef, ...], SourceOf]:
    """The snapshots the query reads, one alias each, in the order of their first scan."""
    catalog, grants = admitted.bound.catalog, {grant.scan: grant for grant in admitted.grants}
    refs: dict[tuple[object, str], SourceRef] = {}
    aliases: dict[int, str] = {}
    for scan in scans(admitted.bound.relation):
        table = catalog.tables[scan.table]
        if table.space is SpaceKind.INSTITUTION:
            if scan.table.schema != admitted.bound.request.subject.institution:
                raise PlanUnverified("a scan of another institution's table")
            snapshot = table.data_version
        else:
            grant = grants.get(scan.id)
            if grant is None or grant.table != scan.table or not set(scan.columns) <= set(grant.columns):
                raise PlanUnverified("a scan that no grant covers")
            snapshot = snapshot_id(table, grant.columns, grant.row_filter)
        ref = refs.setdefault((scan.table, snapshot), SourceRef(f"s{len(refs) + 1}", scan.table, snapshot))
        aliases[scan.id] = ref.alias
    return tuple(refs.values()), lambda scan: aliases[scan.id]


@dataclass(frozen=True, slots=True)
class _Engine:
    """The engine's part of a plan, and how its result becomes the answer."""

    statement: str
    columns: tuple[CoreColumn, ...]
    core_id: int = EXACT_CORE
    measures: tuple[Measure, ...] = ()
    shape: Relation | None = None
    unit_groups: tuple[CountedUnit, ...] = ()
    threshold: ThresholdRules | None = None


def _exact(admitted: Admitted, source_of: SourceOf) -> _Engine:
    if admitted.protected:
        raise PlanUnverified("an exact answer over protected rows")
    columns = admitted.bound.columns
    statement = emit(admitted.bound.relation, source_of, tuple(column.type for column in columns))
    named = enumerate(columns, start=1)
    return _Engine(
        statement, tuple(CoreColumn(f"c{i}", Part.VALUE, column.type, of=column.name) for i, column in named)
    )


def _threshold(admitted: Admitted, source_of: SourceOf) -> _Engine:
    bound, rules = admitted.bound, admitted.threshold
    if rules is None or rules.noise != "none" or not admitted.protected:
        raise PlanUnverified("a threshold answer without thresholds this version computes, or protected rows")
    aggregate = core_of(bound.relation)
    for key in aggregate.keys:
        _carriable(key.expression.type)
    names = [named.name for named in aggregate.keys + aggregate.measures]
    if len(set(names)) != len(names) or not isinstance(bound.relation, Project):
        raise PlanUnverified("a tree that is not the binder's")
    units = protected_units(aggregate.input, admitted.protected, bound.catalog)
    if units.keys() != admitted.protected:
        raise PlanUnverified("a protected scan outside the core")
    if not all(scan_units and all(unit.type in rules.k for unit in scan_units) for scan_units in units.values()):
        raise PlanUnverified("a protected scan without a privacy unit, or a unit without a threshold")
    core = threshold_core(aggregate, units, bound.catalog, rules, source_of)
    return _Engine(
        core.statement,
        core.columns,
        core_id=aggregate.id,
        measures=core.measures,
        shape=shape_of(bound.relation, aggregate),
        unit_groups=tuple(group.counted for group in core.groups),
        threshold=rules,
    )


def _plan(admitted: Admitted, sources: tuple[SourceRef, ...], engine: _Engine) -> Plan:
    bound = admitted.bound
    question = question_digest(
        treatment=admitted.treatment,
        statement=engine.statement,
        sources=sources,
        shape=engine.shape,
        columns=bound.columns,
        threshold=engine.threshold,
        bundle_digest=admitted.bundle_digest,
        catalog_digest=bound.catalog.digest,
    )
    return Plan(
        request_id=bound.request.id,
        treatment=admitted.treatment,
        statement=engine.statement,
        sources=sources,
        core=engine.columns,
        core_id=engine.core_id,
        measures=engine.measures,
        shape=engine.shape,
        columns=bound.columns,
        threshold=engine.threshold,
        unit_groups=engine.unit_groups,
        charges=charges(admitted),
        question=question,
        bundle_digest=admitted.bundle_digest,
        catalog_digest=bound.catalog.digest,
        policies=tuple(sorted({f"{grant.policy}@{grant.policy_version}" for grant in admitted.grants})),
        uses=bound.uses,
    )
