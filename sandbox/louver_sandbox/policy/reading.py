"""One scan of a query as the decision sees it: its table, its uses with their levels, and what meets it there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from louver_sandbox.algebra.cores import cut, is_aggregated
from louver_sandbox.algebra.expressions import AggregateCall
from louver_sandbox.algebra.relations import Aggregate, Relation, Scan, scans, walk
from louver_sandbox.algebra.types import Position
from louver_sandbox.catalog.model import Role, SpaceKind, Table
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.conditions import Proof, proof
from louver_sandbox.policy.floors import VALUE_FUNCTIONS
from louver_sandbox.policy.grants import Covering, GrantGroup
from louver_sandbox.policy.levels import is_own, level_of_use, treatment_of
from louver_sandbox.policy.model import GrantTreatment
from louver_sandbox.policy.visible import MOST_KEPT
from louver_sandbox.refusals.policy import Site
from louver_sandbox.stages import Bound, Clause, Facts, Subject, Use


@dataclass(frozen=True)
class Reading:
    """A scan with everything the rules ask about.

    `holds` says which predicates over the table the query implies; `groups` are the grants in force for the stated
    purpose.
    """

    scan: Scan
    table: Table
    own: bool
    uses: tuple[Use, ...]
    holds: Proof = field(compare=False, repr=False)
    covering: Covering
    groups: tuple[GrantGroup, ...]

    @cached_property
    def levels(self) -> Mapping[Use, int]:
        """The level at which each use counts; nothing of the caller's own is protected from it."""
        return {use: 0 if self.own else level_of_use(use, self.table, self.holds) for use in self.uses}

    @cached_property
    def least_treatment(self) -> GrantTreatment:
        """The mildest treatment any choice of grants could give, known before rights are checked."""
        if self.own:
            return GrantTreatment.EXACT
        granted = [permit.grant.treatment for group in self.groups for permit in group.permits]
        demanded = [treatment_of(level) for level in self.levels.values()]
        least = min(granted, key=lambda item: item.rank, default=GrantTreatment.EXACT)
        return max([least, *demanded], key=lambda item: item.rank)

    def protects(self, use: Use) -> bool:
        """Whether the use is protected under every choice of grants."""
        least = min(
            (permit.grant.treatment.rank for group in self.groups for permit in group.permits),
            default=GrantTreatment.EXACT.rank,
        )
        return not self.own and max(least, treatment_of(self.levels[use]).rank) > GrantTreatment.EXACT.rank

    def site(self, use: Use | None = None) -> Site:
        """The place of a use; without one, the table at its first use."""
        if use is not None:
            return Site(str(self.table.name), use.column, use.at)
        return Site(str(self.table.name), "", self.uses[0].at if self.uses else None)

    def identifies(self, use: Use) -> bool:
        """Whether the use picks subjects by who they are, rather than by what they are like.

        Units, identifiers and keys may be joined on, counted, ordered by and be a whole group key; any condition on
        them, and any function of them that could tell one from the others, is about identity.
        """
        if use.literal_unit:
            return True
        column = self.table.column(use.column)
        is_unit = any(unit.column == use.column for unit in self.table.units)
        if not is_unit and (column is None or column.role not in (Role.IDENTIFIER, Role.KEY)):
            return False
        match use.clause:
            case Clause.FILTER:
                return use.function != "is_null"
            case Clause.GROUP_KEY | Clause.AGGREGATE:
                return not set(use.through) <= {"count"} or (use.clause is Clause.GROUP_KEY and use.function != "")
            case _:
                return False


@dataclass(frozen=True)
class Question:
    """A bound query with its readings, the bundle that judges it and the day it is asked."""

    bound: Bound
    bundle: Bundle
    facts: Facts
    readings: tuple[Reading, ...]

    @property
    def purpose(self) -> str:
        """The purpose the request states."""
        return self.bound.request.purpose

    @cached_property
    def government(self) -> tuple[Reading, ...]:
        """The readings of other people's data."""
        return tuple(reading for reading in self.readings if not reading.own)

    @cached_property
    def _aggregated(self) -> dict[frozenset[int], bool]:
        return {}

    def aggregates_everything(self, protected: Collection[Reading]) -> bool:
        """Whether no row of a protected reading of this question reaches the answer but through an Aggregate."""
        # Asked before rights are checked and after, mostly of the same readings.
        ids = frozenset(reading.scan.id for reading in protected)
        if ids not in self._aggregated:
            self._aggregated[ids] = is_aggregated(self.bound.relation, ids, _unit_columns(protected))
        return self._aggregated[ids]


def read(bound: Bound, bundle: Bundle, facts: Facts) -> Question:
    """The query as a question to the rules."""
    readings = tuple(_reading(scan, bound, bundle, facts) for scan in scans(bound.relation))
    return Question(bound, bundle, facts, tuple(sorted(readings, key=_place_of_reading)))


def _reading(scan: Scan, bound: Bound, bundle: Bundle, facts: Facts) -> Reading:
    table = bound.catalog.tables[scan.table]
    subject = bound.request.subject
    own = is_own(table, subject.institution)
    uses = tuple(sorted((use for use in bound.uses if use.scan == scan.id), key=lambda use: _place(use.at)))
    covering = Covering((), (), ()) if own else _covering(table, bundle, subject)
    return Reading(
        scan=scan,
        table=table,
        own=own,
        uses=uses,
        # Under the atom rule some rows hold a neighbour's values, so a condition proves nothing of them.
        holds=proof(table, scan.id, () if covering.atoms else tuple(bound.implied.get(scan.id, ()))),
        covering=covering,
        groups=covering.groups(table, bound.request.purpose, facts.today),
    )


def _covering(table: Table, bundle: Bundle, subject: Subject) -> Covering:
    """What meets the subject on the table; found once for this very table object and an equal subject."""
    kept = bundle.kept_coverings
    key = (id(table), subject.institution, subject.type, subject.groups)
    if key in kept and kept[key][0] is table:
        return kept[key][1]
    if len(kept) >= MOST_KEPT:
        kept.clear()
    covering = bundle.rulebook.covering(table, subject)
    kept[key] = (table, covering)
    return covering


def _place(at: Position | None) -> tuple[int, int]:
    return (at.line, at.column) if at is not None else (0, 0)


def _place_of_reading(reading: Reading) -> tuple[tuple[int, int], int]:
    return (_place(reading.uses[0].at) if reading.uses else (0, 0), reading.scan.id)


def is_foreign_space(reading: Reading) -> bool:
    """Whether the table belongs to another institution; such a table is never visible, so this is a second lock."""
    return reading.table.space is SpaceKind.INSTITUTION and not reading.own


def scans_apart(relation: Relation, protected: Collection[Reading]) -> frozenset[int]:
    """The scans whose stored values an aggregate may return (min, max): none does that over protected rows.

    Above the cores it is over released values. `relation` aggregates everything.
    """
    ids = {reading.scan.id for reading in protected}
    apart = {scan.id for scans_below in _returned(relation) for scan in scans_below}
    for core in cut(relation, ids, _unit_columns(protected)).cores:
        for scans_below in _returned(core.relation) if core.protected else ():
            below = {scan.id for scan in scans_below}
            apart -= below if not below.isdisjoint(ids) else set()
    return frozenset(apart)


def _returned(relation: Relation) -> Iterator[tuple[Scan, ...]]:
    """For each aggregate that returns stored values, what it reads."""
    for node in walk(relation):
        calls = (named.expression for named in node.measures) if isinstance(node, Aggregate) else ()
        if any(isinstance(call, AggregateCall) and call.function in VALUE_FUNCTIONS for call in calls):
            yield scans(node)


def _unit_columns(protected: Collection[Reading]) -> set[tuple[int, str]]:
    return {(reading.scan.id, unit.column) for reading in protected for unit in reading.table.units}
