"""From a permit to what will run: the statement, its parts, its cost and the shape of the answer. Pure."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial

from louver_sandbox.algebra.cores import Core, Cut
from louver_sandbox.algebra.relations import Project, scans
from louver_sandbox.catalog.model import SpaceKind
from louver_sandbox.catalog.snapshots import snapshot_id
from louver_sandbox.core_plan import CorePlan
from louver_sandbox.obligations import PrivacyCharge
from louver_sandbox.plan.charges import cell_charges, charges
from louver_sandbox.plan.cores import SourceOf, carriable, core_plans, divided, exact_core, is_shape, without_repeats
from louver_sandbox.plan.differences import with_finer
from louver_sandbox.plan.encrypted.rows import Planned, encrypted_plan, encrypted_question
from louver_sandbox.plan.lookups import lookup_plan, verify_lookup
from louver_sandbox.plan.private.cores import private_cores
from louver_sandbox.plan.question import question_digest
from louver_sandbox.plan.sealing import sealed_columns
from louver_sandbox.plan.selecting import selections
from louver_sandbox.plan.tokens import token_uses
from louver_sandbox.plan.verify import PlanUnverified, verify_own
from louver_sandbox.refusals.asking import nothing_to_ask_for
from louver_sandbox.stages import Admitted, Plan, SourceRef, Treatment

_snapshot_id = lru_cache(maxsize=4096)(snapshot_id)


def plan(admitted: Admitted) -> Plan:
    """What will run for a permitted query, already checked against our own re-parse.

    Raises:
        Refused: LVR-23xx, for a protected query whose cells cannot be judged, and wishes that nothing can meet.
        PlanUnverified: the statement is not what was planned; nothing may run.
    """
    asked = admitted.bound
    over = encrypted_question(admitted)
    admitted = admitted if over is None else over.admitted
    for column in admitted.bound.columns:
        carriable(column.type)
    sources, source_of = _sources(admitted)
    tokens = token_uses(asked, source_of)
    privacy: tuple[PrivacyCharge, ...] = ()
    if admitted.bound.request.wish is not None and admitted.treatment is not Treatment.DP:
        raise nothing_to_ask_for(admitted.treatment.value)
    match admitted.treatment:
        case Treatment.EXACT:
            parts, cores = _exact(admitted, source_of)
        case Treatment.THRESHOLD:
            parts, cores = _threshold(admitted, source_of)
        case Treatment.DP:
            parts, cores, privacy = _private(admitted, source_of)
        case Treatment.AUTHORISED:
            parts, cores = _exact(admitted, source_of)
    found = None if over is None else encrypted_plan(over, sources, source_of)
    made = _plan(admitted, sources, parts, cores, found)
    below = {core.id: tuple(source_of(scan) for scan in scans(core.relation)) for core in parts.cores}
    read = [below[core.core_id if core.ranks_of is None else core.ranks_of] for core in made.cores]
    if over is not None and found is not None:
        read.append(tuple(source_of(scan) for scan in scans(over.rows)))
        privacy = found.privacy
    made = replace(made, privacy=privacy, lookup=lookup_plan(admitted, source_of), tokens=tokens)
    verify_own(made, tuple(read))
    verify_lookup(made)
    return made


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
            snapshot = _snapshot_id(table, grant.columns, grant.row_filter, grant.atoms)
        ref = refs.setdefault((scan.table, snapshot), SourceRef(f"s{len(refs) + 1}", scan.table, snapshot))
        aliases[scan.id] = ref.alias
    return tuple(refs.values()), lambda scan: aliases[scan.id]


def _exact(admitted: Admitted, source_of: SourceOf) -> tuple[Cut, tuple[CorePlan, ...]]:
    """The whole query as the one core."""
    relation = admitted.bound.relation
    if admitted.protected or not isinstance(relation, Project):
        raise PlanUnverified("an exact answer over protected rows, or a tree that is not the binder's")
    core = Core(relation.id, relation, protected=False)
    return Cut(relation, (core,)), (exact_core(core, source_of),)


def _threshold(admitted: Admitted, source_of: SourceOf) -> tuple[Cut, tuple[CorePlan, ...]]:
    rules = admitted.threshold
    if rules is None or not admitted.protected:
        raise PlanUnverified("a threshold answer without thresholds or protected rows")
    parts = divided(admitted)
    parts, cores = without_repeats(parts, core_plans(admitted, parts, rules, source_of))
    cores = with_finer(parts.cores, cores, admitted.bound.catalog, source_of)
    if not isinstance(parts.shape, Project) or not is_shape(parts.shape, cores):
        raise PlanUnverified("a tree that is not the binder's")
    return parts, cores


def _private(admitted: Admitted, source_of: SourceOf) -> tuple[Cut, tuple[CorePlan, ...], tuple[PrivacyCharge, ...]]:
    if admitted.threshold is not None or not admitted.private or not admitted.protected:
        raise PlanUnverified("an answer under differential privacy without budgets or protected rows")
    parts = divided(admitted)
    cores, privacy = private_cores(admitted, parts, source_of)
    released = [core for core in cores if core.ranks_of is None]
    if not isinstance(parts.shape, Project) or not is_shape(parts.shape, released):
        raise PlanUnverified("a tree that is not the binder's")
    return parts, cores, privacy


def _plan(
    admitted: Admitted,
    sources: tuple[SourceRef, ...],
    parts: Cut,
    cores: tuple[CorePlan, ...],
    over: Planned | None,
) -> Plan:
    bound = admitted.bound
    shape = None if admitted.treatment.of_rows else parts.shape
    threshold = None if admitted.treatment.of_rows else admitted.threshold
    seal = sealed_columns(admitted, parts, cores)
    encrypted = None if over is None else over.encrypted
    identity = partial(
        question_digest,
        treatment=admitted.treatment,
        cores=cores,
        sources=sources,
        shape=shape,
        columns=bound.columns,
        threshold=threshold,
        bundle_digest=admitted.bundle_digest,
        catalog_digest=bound.catalog.digest,
        encrypted=encrypted,
    )
    return Plan(
        request_id=bound.request.id,
        treatment=admitted.treatment,
        cores=cores,
        sources=sources,
        shape=shape,
        columns=bound.columns,
        threshold=threshold,
        charges=(*charges(admitted, parts), *(() if over is None else over.charges)),
        cells=() if admitted.treatment.of_rows else cell_charges(admitted, parts, cores),
        question=identity(seal=seal),
        bundle_digest=admitted.bundle_digest,
        catalog_digest=bound.catalog.digest,
        policies=tuple(sorted({f"{grant.policy}@{grant.policy_version}" for grant in admitted.grants})),
        uses=bound.uses,
        selections=selections(admitted, parts),
        history=admitted.history,
        seal=seal,
        encrypted=encrypted,
        unsealed=identity() if seal is not None and admitted.treatment is Treatment.DP else "",
        pace=admitted.pace,
    )
