"""One scan of a query as the decision sees it: its table, its uses with their levels, and what meets it there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from louver_sandbox.algebra.relations import Aggregate, Filter, Limit, Project, Relation, Scan, Sort, scans
from louver_sandbox.algebra.types import Position
from louver_sandbox.catalog.model import Role, SpaceKind, Table
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.conditions import Proof, proof
from louver_sandbox.policy.grants import Covering, GrantGroup
from louver_sandbox.policy.levels import is_own, level_of_use, treatment_of
from louver_sandbox.policy.model import GrantTreatment
from louver_sandbox.refusals.policy import Site
from louver_sandbox.stages import Bound, Clause, Facts, Use


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

    @property
    def least_treatment(self) -> GrantTreatment:
        """The mildest treatment any choice of grants could give, known before rights are checked."""
        if self.own:
            return GrantTreatment.EXACT
        granted = [permit.grant.treatment for group in self.groups for permit in group.permits]
        demanded = [treatment_of(level) for level in self.levels.values()]
        least = min(granted, key=lambda item: item.rank, default=GrantTreatment.EXACT)
        return max([least, *demanded], key=lambda item: item.rank)

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

    @property
    def government(self) -> tuple[Reading, ...]:
        """The readings of other people's data."""
        return tuple(reading for reading in self.readings if not reading.own)


def read(bound: Bound, bundle: Bundle, facts: Facts) -> Question:
    """The query as a question to the rules."""
    readings = tuple(_reading(scan, bound, bundle, facts) for scan in scans(bound.relation))
    return Question(bound, bundle, facts, tuple(sorted(readings, key=_place_of_reading)))


def _reading(scan: Scan, bound: Bound, bundle: Bundle, facts: Facts) -> Reading:
    table = bound.catalog.tables[scan.table]
    subject = bound.request.subject
    own = is_own(table, subject.institution)
    uses = tuple(sorted((use for use in bound.uses if use.scan == scan.id), key=lambda use: _place(use.at)))
    covering = Covering((), (), ()) if own else bundle.rulebook.covering(table, subject)
    return Reading(
        scan=scan,
        table=table,
        own=own,
        uses=uses,
        holds=proof(table, scan.id, tuple(bound.implied.get(scan.id, ()))),
        covering=covering,
        groups=covering.groups(table, bound.request.purpose, facts.today),
    )


def _place(at: Position | None) -> tuple[int, int]:
    return (at.line, at.column) if at is not None else (0, 0)


def _place_of_reading(reading: Reading) -> tuple[tuple[int, int], int]:
    return (_place(reading.uses[0].at) if reading.uses else (0, 0), reading.scan.id)


def is_foreign_space(reading: Reading) -> bool:
    """Whether the table belongs to another institution; such a table is never visible, so this is a second lock."""
    return reading.table.space is SpaceKind.INSTITUTION and not reading.own


def aggregates_everything(relation: Relation) -> bool:
    """Whether one Aggregate stands under nothing but select lists, HAVING, ORDER BY and LIMIT."""
    while isinstance(relation, Project | Filter | Sort | Limit):
        relation = relation.input
    return isinstance(relation, Aggregate)
