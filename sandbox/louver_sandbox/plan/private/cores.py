"""From the cut of a question under differential privacy to what the worker runs, the noise, and what it all costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from louver_sandbox.algebra.cores import Core, Cut, columns_of
from louver_sandbox.algebra.relations import Aggregate, Project, Relation, Scan, scans
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.core_plan import CorePlan
from louver_sandbox.obligations import PrivacyCharge, ThresholdRules
from louver_sandbox.plan.carry import Carried, Carrier
from louver_sandbox.plan.columns import RowColumns
from louver_sandbox.plan.cores import carriable, exact_core
from louver_sandbox.plan.private import asking
from louver_sandbox.plan.private.apart import told_apart
from louver_sandbox.plan.private.booked import Costs, booked_charges, booked_rules, dataset
from louver_sandbox.plan.private.bounding import Bounded, Rules, bounded, cell_by_cell, check_form, stored_rows
from louver_sandbox.plan.private.domains import Domains
from louver_sandbox.plan.private.drafts import Draft
from louver_sandbox.plan.private.measures import UNITS, MeasureReader, place_of
from louver_sandbox.plan.private.noise import Noise, noise_of, shared
from louver_sandbox.plan.private.quantiles import cores_of, histograms
from louver_sandbox.plan.private.ranges import Ranges
from louver_sandbox.plan.private.split import budgets, divided
from louver_sandbox.plan.private.statement import Statement
from louver_sandbox.plan.provenance import trace
from louver_sandbox.plan.units import UnitGroup, carried_name, null_extended, protected_units, unit_groups
from louver_sandbox.plan.verify import PlanUnverified
from louver_sandbox.privacy.cost import NOTHING, PrivacyCost
from louver_sandbox.privacy.refused import PrivacyRefused
from louver_sandbox.private_core import PrivateCells
from louver_sandbox.refusals.plan import unit_lost
from louver_sandbox.refusals.private import budget_too_small, groups_not_public
from louver_sandbox.stages import Admitted

_NEVER_JUDGED = ThresholdRules(dict.fromkeys(UnitType, 1))
"""The carrier asks for rules by which it judges inner groups of several units; no such group is accepted here."""


def private_cores(
    admitted: Admitted, parts: Cut, source_of: Callable[[Scan], str]
) -> tuple[tuple[CorePlan, ...], tuple[PrivacyCharge, ...]]:
    """What runs for each core, in order, then for all histograms, and the charges, one per dataset and kind of
    unit.

    Raises:
        Refused: LVR-235x, LVR-2303, LVR-2304, LVR-2307 to LVR-2309, LVR-2361, for what cannot be
            bounded; LVR-2366 to LVR-2374, for what the caller wants and cannot have.
        PlanUnverified: a protected scan in no core, or without rules.
    """
    rules: Rules = {(one.dataset, one.unit): one for one in admitted.private}
    planner = _Planner(admitted, rules, source_of)
    if frozenset().union(*(planner.scans(core) for core in parts.cores)) != admitted.protected:
        raise PlanUnverified("a protected scan outside the cores")
    drafts = {core.id: planner.draft(core) for core in parts.cores if core.protected}
    of_datasets = booked_rules(rules, admitted.bound.catalog)
    noises, costs = _noises(admitted, parts, tuple(drafts.values()), of_datasets)
    made = {draft.core: planner.made(draft, noise) for draft, noise in zip(drafts.values(), noises, strict=True)}
    plans = tuple(made[core.id][0] if core.id in made else exact_core(core, source_of) for core in parts.cores)
    beside = tuple(plan for _, several in made.values() for plan in several)
    return (*plans, *beside), tuple(booked_charges(costs, of_datasets, admitted.bound.request.purpose))


def _noises(
    admitted: Admitted, parts: Cut, drafts: tuple[Draft, ...], rules: Rules
) -> tuple[tuple[Noise, ...], Costs]:
    """The noise of each core, and what all of them cost: what policy gives a question, or what its caller wants.
    `rules` are those of datasets."""
    wish = admitted.bound.request.wish
    spend = budgets(drafts, asking.each_of(rules, wish, drafts), rules)
    wanted = () if wish is None else wish.accuracy
    at = next((draft.at for draft in drafts), None)
    try:
        if wanted:
            scales = asking.scales_wanted(wanted, admitted.bound.columns, parts, drafts)
        else:
            scales = [divided(draft, budget) for draft, budget in zip(drafts, spend, strict=True)]
        found = [noise_of(*each) for each in zip(drafts, scales, spend, strict=True)]
    except PrivacyRefused:
        raise budget_too_small(at) from None
    costs: dict[tuple[str, UnitType], PrivacyCost] = {}
    for draft, noise in zip(drafts, found, strict=True):
        for key in sorted(draft.datasets):
            costs[key] = costs.get(key, NOTHING) + noise.costs[key[1]]
    if wanted:
        asking.check_most(costs, rules)
    asking.check_precise(drafts, scales, rules, costs)
    return shared(drafts, found), costs


@dataclass(frozen=True, slots=True)
class _Planner:
    admitted: Admitted
    rules: Rules
    source_of: Callable[[Scan], str]

    def scans(self, core: Core) -> frozenset[int]:
        """The protected scans of a core."""
        found = frozenset(scan.id for scan in scans(core.relation)) & self.admitted.protected
        return found if core.protected else frozenset()

    def draft(self, core: Core) -> Draft:
        """One core but for its noise."""
        relation, catalog = core.relation, self.admitted.bound.catalog
        if not isinstance(relation, Aggregate):
            raise PlanUnverified("protected rows that no aggregate covers")
        for key in relation.keys:
            carriable(key.expression.type)
        names = [named.name for named in columns_of(core)]
        if len(set(names)) != len(names):
            raise PlanUnverified("a tree that is not the binder's")
        check_form(relation.input, self.admitted.protected)
        provenance = trace(relation)
        units = protected_units(relation.input, self.admitted.protected, catalog)
        tables = {scan.id: catalog.tables[scan.table] for scan in scans(relation.input)}
        for scan, scan_units in units.items():
            if not scan_units or any((str(tables[scan].name), unit.type) not in self.rules for unit in scan_units):
                raise PlanUnverified("a protected scan without rules")
        held = {
            scan: tuple(unit for unit in own if not self.rules[str(tables[scan].name), unit.type].exempt)
            for scan, own in units.items()
        }
        carried = Carrier(held, catalog, provenance, _NEVER_JUDGED).carry(relation.input)
        if carried.guarded:
            raise unit_lost(next(unit.column for found in units.values() for unit in found), place_of(relation))
        groups = unit_groups(relation.input, carried.units, carried.keys, provenance)
        by_rows = bounded(relation, groups, self.rules, catalog, provenance)
        ranges = Ranges(relation.input, catalog, stored_rows(by_rows))
        columns = RowColumns(tables, provenance, null_extended(relation.input), frozenset())
        sets = () if relation.sets == (tuple(range(len(relation.keys))),) else relation.sets
        domain = Domains(ranges).of(relation)
        if domain is None and by_rows.clipped is not None:
            raise groups_not_public(place_of(relation))
        cells = None if domain is None else math.prod(map(len, domain))
        limits = cell_by_cell(by_rows, relation, catalog, provenance, cells)
        wanted = MeasureReader(relation, limits, ranges, columns).wanted()
        listed = () if domain is not None else (UNITS,)
        numbers = tuple(dict.fromkeys((*listed, *(number for one in wanted for number in one.numbers))))
        rankings = tuple(dict.fromkeys(one.ranking for one in wanted if one.ranking is not None))
        source, at = self._source(carried, limits), place_of(relation)
        return Draft(
            core.id,
            numbers,
            wanted,
            limits,
            domain,
            sets,
            Statement(relation, source, limits, numbers),
            self._datasets(limits),
            self._at_least(relation, limits),
            at,
            histograms(relation, source, by_rows, rankings, cells, at),
        )

    def made(self, draft: Draft, noise: Noise) -> tuple[CorePlan, tuple[CorePlan, ...]]:
        """One core with its noise, and the histograms beside it."""
        statement = draft.statement
        named = dict(zip(draft.numbers, statement.names, strict=True))
        private = PrivateCells(
            noise.columns,
            tuple(one.measure(named, draft.rankings) for one in draft.wanted),
            min(rule.delta for rule in self.rules.values()),
            draft.domain,
            units=named[UNITS] if draft.domain is None else "",
            tau=noise.tau,
            sets=draft.sets,
            ranks=noise.ranks,
        )
        counted = tuple(group.counted for group in self._groups(draft.limits))
        counting = [one.statement for one in draft.histograms]
        # Without a number the first histogram's rows are the core's own.
        own, *beside = (statement, *counting) if draft.numbers or not counting else counting
        made = CorePlan(draft.core, True, own.text(self.source_of), own.columns, unit_groups=counted, private=private)
        return made, cores_of(made, beside, self.source_of)

    def _source(self, carried: Carried, limits: Bounded) -> Relation:
        """What statements read: units of several kinds are told apart in inner groups too."""
        if len(limits.groups) == 1:
            return carried.relation
        return told_apart(carried.relation, {carried_name(base) for base in carried.keys})

    def _at_least(self, relation: Aggregate, limits: Bounded) -> int | None:
        """How many rows and units the only cell of a core has by declaration: of a table that nothing is left out
        of, as many as its units are."""
        below = relation.input
        while isinstance(below, Project):
            below = below.input
        if relation.keys or not isinstance(below, Scan) or limits.clipped is not None or len(limits.groups) != 1:
            return None
        declared = [unit.at_least for _, unit in limits.groups[0].members if unit.when is None]
        return None if len(declared) != 1 else declared[0]

    def _groups(self, limits: Bounded) -> tuple[UnitGroup, ...]:
        return (*limits.groups, *(() if limits.clipped is None else (limits.clipped,)))

    def _datasets(self, limits: Bounded) -> frozenset[tuple[str, UnitType]]:
        """Every dataset whose units of a kind the core is about; tables that are copies are one."""
        catalog = self.admitted.bound.catalog
        tables = {scan.id: str(scan.table) for scan in scans(self.admitted.bound.relation)}
        return frozenset(
            (dataset(tables[scan], catalog), group.type)
            for group in self._groups(limits)
            for scan, _ in group.members
            if scan in tables
        )
