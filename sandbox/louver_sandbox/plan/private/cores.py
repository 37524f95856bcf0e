"""From the cut of a question under differential privacy to what the worker runs, the noise, and what it all costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from louver_sandbox.algebra.cores import Core, Cut, columns_of
from louver_sandbox.algebra.relations import Aggregate, Relation, Scan, scans
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.core_plan import CorePlan
from louver_sandbox.obligations import PrivacyCharge, ThresholdRules
from louver_sandbox.plan.carry import Carried, Carrier
from louver_sandbox.plan.columns import RowColumns
from louver_sandbox.plan.cores import carriable, exact_core
from louver_sandbox.plan.private.apart import told_apart
from louver_sandbox.plan.private.booked import booked_charges, dataset
from louver_sandbox.plan.private.bounding import Bounded, Rules, bounded, check_form, stored_rows
from louver_sandbox.plan.private.domains import Domains
from louver_sandbox.plan.private.measures import UNITS, MeasureReader, place_of
from louver_sandbox.plan.private.noise import TooLittle, noise_of
from louver_sandbox.plan.private.quantiles import cores_of, histograms, part_of
from louver_sandbox.plan.private.ranges import Ranges
from louver_sandbox.plan.private.statement import Statement
from louver_sandbox.plan.provenance import trace
from louver_sandbox.plan.units import UnitGroup, carried_name, null_extended, protected_units, unit_groups
from louver_sandbox.plan.verify import PlanUnverified
from louver_sandbox.privacy.cost import PrivacyCost
from louver_sandbox.privacy.refused import PrivacyRefused
from louver_sandbox.private_core import PrivateCells
from louver_sandbox.refusals.plan import unit_lost
from louver_sandbox.refusals.private import budget_too_small, groups_not_public
from louver_sandbox.stages import Admitted

_NEVER_JUDGED = ThresholdRules(dict.fromkeys(UnitType, 1))
"""The carrier asks for rules by which it judges inner groups of several units; no such group is accepted here."""


@dataclass(frozen=True, slots=True)
class Made:
    """One core with its histograms, and what they cost by kind of unit."""

    plan: CorePlan
    costs: Mapping[UnitType, PrivacyCost]
    datasets: frozenset[tuple[str, UnitType]]
    histograms: tuple[CorePlan, ...] = ()


def private_cores(
    admitted: Admitted, parts: Cut, source_of: Callable[[Scan], str]
) -> tuple[tuple[CorePlan, ...], tuple[PrivacyCharge, ...]]:
    """What runs for each core, in order, then for all histograms, and the charges, one per dataset and kind of
    unit.

    Raises:
        Refused: LVR-235x, LVR-2303, LVR-2304, LVR-2307 to LVR-2309, for what cannot be bounded.
        PlanUnverified: a protected scan in no core, or without rules.
    """
    rules: Rules = {(one.dataset, one.unit): one for one in admitted.private}
    number = sum(core.protected for core in parts.cores)
    planner = _Planner(admitted, rules, source_of, number)
    made = [planner.made(core) if core.protected else exact_core(core, source_of) for core in parts.cores]
    found = [one for one in made if isinstance(one, Made)]
    if frozenset().union(*(planner.scans(core) for core in parts.cores)) != admitted.protected:
        raise PlanUnverified("a protected scan outside the cores")
    plans = tuple(one.plan if isinstance(one, Made) else one for one in made)
    costs = [(one.costs, one.datasets) for one in found]
    beside = tuple(plan for one in found for plan in one.histograms)
    return (*plans, *beside), tuple(
        booked_charges(costs, rules, admitted.bound.catalog, admitted.bound.request.purpose)
    )


@dataclass(frozen=True, slots=True)
class _Planner:
    admitted: Admitted
    rules: Rules
    source_of: Callable[[Scan], str]
    cores: int

    def scans(self, core: Core) -> frozenset[int]:
        """The protected scans of a core."""
        found = frozenset(scan.id for scan in scans(core.relation)) & self.admitted.protected
        return found if core.protected else frozenset()

    def made(self, core: Core) -> Made:
        """One core."""
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
        limits = bounded(relation, groups, self.rules, catalog, provenance)
        ranges = Ranges(relation.input, catalog, stored_rows(limits))
        columns = RowColumns(tables, provenance, null_extended(relation.input), frozenset())
        sets = () if relation.sets == (tuple(range(len(relation.keys))),) else relation.sets
        domain = Domains(ranges).of(relation)
        if domain is None and limits.clipped is not None:
            raise groups_not_public(place_of(relation))
        wanted = MeasureReader(relation, limits, ranges, columns).wanted()
        listed = () if domain is not None else (UNITS,)
        numbers = tuple(dict.fromkeys((*listed, *(number for one in wanted for number in one.numbers))))
        statement = Statement(relation, self._source(carried, limits), limits, numbers)
        cells = None if domain is None else math.prod(map(len, domain))
        spend = {unit: self._spend(limits, unit) for unit in limits.units}
        rankings = tuple(dict.fromkeys(one.ranking for one in wanted if one.ranking is not None))
        parts, at = max(1, len(numbers) + len(rankings)), place_of(relation)
        try:
            noise = noise_of(numbers, statement.names, limits, part_of(spend, len(numbers), parts), cells)
            of_ranks = histograms(relation, carried.relation, limits, rankings, part_of(spend, 1, parts), cells, at)
        except (TooLittle, PrivacyRefused):
            raise budget_too_small(at) from None
        named = dict(zip(numbers, statement.names, strict=True))
        private = PrivateCells(
            noise.columns,
            tuple(one.measure(named, rankings) for one in wanted),
            min(rule.delta for rule in self.rules.values()),
            domain,
            units=named[UNITS] if domain is None else "",
            tau=noise.tau,
            sets=sets,
            ranks=of_ranks.ranks,
        )
        counted = tuple(group.counted for group in self._groups(limits))
        apart = bool(numbers) or not rankings
        own = statement if apart else of_ranks.statements[0]
        made = CorePlan(core.id, True, own.text(self.source_of), own.columns, unit_groups=counted, private=private)
        beside = cores_of(made, of_ranks.statements[0 if apart else 1 :], self.source_of)
        costs = {unit: noise.costs[unit] + of_ranks.costs[unit] for unit in spend}
        return Made(made, costs, self._datasets(limits), beside)

    def _source(self, carried: Carried, limits: Bounded) -> Relation:
        """What the statement reads: units of several kinds are told apart in inner groups too."""
        if len(limits.groups) == 1:
            return carried.relation
        return told_apart(carried.relation, {carried_name(base) for base in carried.keys})

    def _groups(self, limits: Bounded) -> tuple[UnitGroup, ...]:
        return (*limits.groups, *(() if limits.clipped is None else (limits.clipped,)))

    def _datasets(self, limits: Bounded) -> frozenset[tuple[str, UnitType]]:
        """Every dataset whose units of a kind the core is about."""
        tables = {scan.id: str(scan.table) for scan in scans(self.admitted.bound.relation)}
        return frozenset(
            (tables[scan], group.type)
            for group in self._groups(limits)
            for scan, _ in group.members
            if scan in tables
        )

    def _spend(self, limits: Bounded, unit: UnitType) -> PrivacyCost:
        """What a core may cost units of a kind: what its datasets allow a question, divided over the cores.

        Of delta, the least that any dataset of the question allows: its epsilon is told at one delta, which must be
        more than what is spent.
        """
        catalog = self.admitted.bound.catalog
        own = {dataset(table, catalog) for table, kind in self._datasets(limits) if kind is unit}
        held = [rule for (table, kind), rule in self.rules.items() if kind is unit and dataset(table, catalog) in own]
        found = [rule.each for rule in held if rule.terms]
        delta = min(rule.each.delta for rule in self.rules.values() if rule.terms)
        return PrivacyCost(min(one.rho for one in found) / self.cores, delta / self.cores)
