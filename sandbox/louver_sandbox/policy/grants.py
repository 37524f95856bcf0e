"""Which grants and denies meet a subject on a table, and what they come to together.

Grants of a table's owner with the same row filter are one `GrantGroup`: rights unite, obligations take the
strictest. Groups with different row filters never mix, because a union of their rights would show columns of one
filter on rows of the other. Denies take columns out of every group.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from louver.errors import Refused
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.atoms import AtomRules
from louver_sandbox.catalog.model import Catalog, SpaceKind, Table, UnitType, Verb
from louver_sandbox.obligations import AccessBudget, ThresholdRules
from louver_sandbox.policy import encrypted, sealing, unit_sets
from louver_sandbox.policy.atoms import atom_rules, fills_snapshots
from louver_sandbox.policy.cubes import PUBLISHER, Cube
from louver_sandbox.policy.denials import Denial, negatives, of_policies, of_requesters
from louver_sandbox.policy.feature_columns import read_columns
from louver_sandbox.policy.floors import HIGHEST_OPERABLE_LEVEL, MOST_QUERIES_PER_DAY
from louver_sandbox.policy.history import budget_of, smallest_budget, written_history
from louver_sandbox.policy.levels import strictest_totals
from louver_sandbox.policy.model import (
    AggregateRight,
    ColumnRights,
    FilterRight,
    Grant,
    Grantees,
    GrantTreatment,
    GroupKeyRight,
    OutputRight,
    Platform,
    Policy,
)
from louver_sandbox.policy.noise import combined, written
from louver_sandbox.policy.private import private_rules
from louver_sandbox.policy.shares import strictest, strictest_classes
from louver_sandbox.policy.shares import written as written_shares
from louver_sandbox.policy.terms import BudgetTerms
from louver_sandbox.private_core import PrivateRules
from louver_sandbox.selections import HistoryRules, strictest_history
from louver_sandbox.stages import InstitutionType, Subject

COMPUTED = frozenset({GrantTreatment.EXACT, GrantTreatment.THRESHOLD, GrantTreatment.DP})
"""Treatments this version computes."""


PUBLISHING = Subject(PUBLISHER, InstitutionType.DEPARTMENT, frozenset(), "")
"""Who asks for cubes. The name is none that an institution can have."""


@dataclass(frozen=True)
class Permit:
    """A grant together with the policy it stands in."""

    policy: Policy
    grant: Grant

    @property
    def rule(self) -> str:
        """`policy/grant`, as refusals and the log name it."""
        return f"{self.policy.id}/{self.grant.id}"

    @property
    def risks(self) -> tuple[str, ...]:
        """What the grant's terms say of the risks they take: each by its name, where it has one; none for most."""
        named = self.grant.threshold.accepts_risk
        if isinstance(named, str):
            return (f"{self.rule}: {named}",)
        return tuple(f"{self.rule}: {one.risk.value}: {one.because}" for one in named or ())


@dataclass(frozen=True, slots=True)
class GrantSet:
    """What one snapshot holds: columns of a table (sorted), the rows of a filter (None: all), and the partition that
    its dimensions are recoded by (None: they hold what is stored). `looked_up`: templates ask it about one subject
    at a time, which says how it is stored and not what it is."""

    table: TableName
    columns: tuple[str, ...]
    row_filter: str | None
    atoms: AtomRules | None = None
    looked_up: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class GrantGroup:
    """Grants in force with one row filter, sorted by rule; `denied` columns are out whatever they say. `atoms` is the
    partition of the table, whichever grants are in force."""

    row_filter: str | None
    permits: tuple[Permit, ...]
    denied: frozenset[str]
    atoms: AtomRules | None = None

    def snapshot_columns(self, table: Table) -> tuple[str, ...]:
        """The columns a worker may be given: granted with a treatment we compute, operable, and not denied."""
        granted = {name for permit in self.permits if fills_snapshots(permit.grant) for name in permit.grant.rights}
        return tuple(
            column.name
            for column in sorted(table.columns, key=lambda column: column.name)
            if column.name in granted - self.denied and column.level <= HIGHEST_OPERABLE_LEVEL
        )

    def threshold(self) -> ThresholdRules:
        """The strictest obligations of the group."""
        terms = [permit.grant.threshold for permit in self.permits]
        k = {
            UnitType.PERSON: max(item.person for item in terms),
            UnitType.ENTERPRISE: max(item.enterprise for item in terms),
        }
        shares = strictest(written_shares(item) for item in terms)
        return ThresholdRules(
            k=k,
            dominance_percent=shares.dominance_percent,
            dominance_of_two=shares.dominance_of_two,
            p_percent=shares.p_percent,
            prior_percent=shares.prior_percent,
            class_disclosure=strictest_classes(item.class_disclosure for item in terms),
            remainder=all(item.remainder for item in terms),
            noise=combined([written(item.noise) for item in terms], k),
            totals=strictest_totals(item.totals for item in terms),
            unit_sets=unit_sets.combined(unit_sets.written(item) for item in terms),
            risks=unit_sets.accepted(permit.risks for permit in self.permits),
            recoded=self.atoms is not None,
            seal=sealing.strictest(item.seal for item in terms),
            encrypted=encrypted.strictest(encrypted.written(item.encrypted) for item in terms),
        )

    def pace(self) -> int:
        """The longest pace of the group's grants."""
        return max(permit.grant.threshold.pace for permit in self.permits)

    def private(self, table: Table) -> tuple[PrivateRules, ...] | None:
        """The strictest budgets of the group's grants under `dp`; None where a kind of unit has none."""
        return private_rules(table, [permit.grant for permit in self.permits])

    def budget(self) -> AccessBudget:
        """The smallest budget of the group."""
        return smallest_budget(budget_of(permit.grant.budget) for permit in self.permits)

    def history(self) -> HistoryRules:
        """The strictest history of the group."""
        return strictest_history(written_history(permit.grant.history) for permit in self.permits)


@dataclass(frozen=True)
class Covering:
    """Every grant and denial that meets one subject on one table, for any verb, purpose and day.

    `negatives` are the table's columns on the negative list, for everybody, and `atoms` its partition.
    """

    permits: tuple[Permit, ...]
    denials: tuple[Denial, ...]
    negatives: tuple[Denial, ...]
    atoms: AtomRules | None = None

    @property
    def rules(self) -> tuple[str, ...]:
        """What met, by name: subjects with equal rules are treated alike."""
        return (*(permit.rule for permit in self.permits), *(denial.rule for denial in self.denials))

    def groups(self, table: Table, purpose: str, day: date) -> tuple[GrantGroup, ...]:
        """The grants for analysis in force, grouped by row filter, the unfiltered group first."""
        held = [
            permit
            for permit in self.permits
            if Verb.ANALYSE in permit.grant.verbs
            and purpose in permit.grant.purposes
            and permit.grant.valid.holds(day)
        ]
        filters = sorted({permit.grant.row_filter or "" for permit in held})
        denied = self.denied(table, purpose)
        return tuple(
            GrantGroup(
                text or None,
                tuple(item for item in held if (item.grant.row_filter or "") == text),
                denied,
                self.atoms,
            )
            for text in filters
        )

    def denied(self, table: Table, purpose: str) -> frozenset[str]:
        """Columns denied for the purpose whatever the query implies."""
        return frozenset(
            column.name
            for column in table.columns
            for denial in (*self.denials, *self.negatives)
            if denial.unless is None and denial.speaks_of(purpose) and denial.names(column.name)
        )

    def negative(self, column: str, purpose: str) -> Denial | None:
        """The negative-list entry that names the column for the purpose."""
        return next((item for item in self.negatives if item.names(column) and item.speaks_of(purpose)), None)


def reading(cube: Cube) -> Grant:
    """The grant by which a published cube is read: every column of it, as it is."""
    every = ColumnRights(
        group_key=GroupKeyRight(),
        filter=FilterRight(),
        aggregate=AggregateRight(functions=("count", "sum", "avg", "min", "max")),
        order=True,
        output=OutputRight(),
    )
    return Grant(
        id=f"cube:{cube.id}:{cube.version}",
        to=cube.to,
        verbs=(Verb.ANALYSE,),
        purposes=cube.purposes,
        valid=cube.valid,
        table=cube.table,
        columns=dict.fromkeys(cube.columns, every),
        treatment=GrantTreatment.EXACT,
        budget=BudgetTerms(queries_per_day=MOST_QUERIES_PER_DAY, predicates_per_day=MOST_QUERIES_PER_DAY),
    )


def cubes_of(policies: Sequence[Policy]) -> tuple[tuple[Policy, Cube], ...]:
    """The cubes that policies declare. A name that two have is nobody's: no bundle is made so, and one that was is
    not believed."""
    found = [(policy, cube) for policy in policies for cube in policy.cubes]
    bearers = Counter(cube.name for _, cube in found)
    return tuple((policy, cube) for policy, cube in found if bearers[cube.name] == 1)


def covers(to: Grantees, subject: Subject, platform: Platform) -> bool:
    """Whether the subject is meant: named or in a named group, and of a named type where types are named."""
    if to.institution_types and subject.type not in to.institution_types:
        return False
    if not (to.institutions or to.groups):
        return True
    return subject.institution in to.institutions or any(is_member(subject, group, platform) for group in to.groups)


def _is_granted(to: Grantees, subject: Subject, platform: Platform) -> bool:
    """Whether a grant is for the subject. Cubes are public, so their publisher has only what names it: it is nobody
    whom a grant to every department, or to everybody, could have meant."""
    return covers(to, subject, platform) and (
        subject.institution != PUBLISHER or subject.institution in to.institutions
    )


def is_member(subject: Subject, group: str, platform: Platform) -> bool:
    """Whether the registry puts the subject into the group and the signed bundle does not contradict it."""
    declared = platform.groups.get(group)
    if declared is None or group not in subject.groups:
        return False
    return declared.members is None or subject.institution in declared.members


@dataclass(frozen=True)
class Rulebook:
    """A bundle's rules by table (`schema.name`)."""

    platform: Platform
    permits: Mapping[str, tuple[Permit, ...]]
    denies: Mapping[str, tuple[tuple[Grantees, Denial], ...]]

    @classmethod
    def of(cls, platform: Platform, policies: Sequence[Policy]) -> Rulebook:
        """The rules of all documents; their order does not matter."""
        permits: dict[str, list[Permit]] = {}
        denies: dict[str, list[tuple[Grantees, Denial]]] = {}
        for policy in policies:
            for grant in policy.grants:
                permits.setdefault(grant.table, []).append(Permit(policy, grant))
        for policy, cube in cubes_of(policies):
            permits.setdefault(cube.table, []).append(Permit(policy, reading(cube)))
        for table, to, denial in itertools.chain(of_policies(policies), of_requesters(platform)):
            denies.setdefault(table, []).append((to, denial))
        return cls(
            platform,
            {table: tuple(sorted(found, key=lambda item: item.rule)) for table, found in permits.items()},
            {table: tuple(sorted(found, key=lambda item: item[1].rule)) for table, found in denies.items()},
        )

    def covering(self, table: Table, subject: Subject) -> Covering:
        """What meets the subject on the table. A grant counts only in a policy of the table's owner."""
        name = str(table.name)
        return Covering(
            tuple(
                permit
                for permit in _before_sunset(table, self.permits.get(name, ()))
                if permit.policy.owner == table.owner and _is_granted(permit.grant.to, subject, self.platform)
            ),
            tuple(
                denial
                for to, denial in self.denies.get(name, ())
                if covers(to, subject, self.platform) and denial.concerns(table)
            ),
            tuple(negatives(self.platform, table)),
            self.atoms(table),
        )

    def withheld(self, policy: Policy, cube: Cube, tables: Iterable[Table], today: date) -> tuple[str, ...]:
        """The grants to the publisher that this cube's question meets and may not be asked under: those of other
        departments that do not name it. Every cube is asked by one subject, and each department knows its own."""
        named = f"{policy.id}/{cube.name}"
        return tuple(
            permit.rule
            for table in tables
            if table.owner != policy.owner
            for group in self.covering(table, PUBLISHING).groups(table, cube.purpose, today)
            for permit in group.permits
            if named not in permit.grant.cubes
        )

    def atoms(self, table: Table) -> AtomRules | None:
        """The table's partition, from every grant of its owner on whatever day."""
        held = self.permits.get(str(table.name), ())
        return atom_rules([permit.grant for permit in held if permit.policy.owner == table.owner])

    def grant_sets(self, catalog: Catalog, today: date | None) -> tuple[GrantSet, ...]:
        """Every snapshot that a permitted query of any subject, purpose and day may read."""
        found: set[GrantSet] = set()
        for table in catalog.tables.values():
            if table.space is not SpaceKind.GOVERNMENT or table.view is not None:
                continue
            days = self.days(table, today)
            coverings = {covering.rules: covering for covering in self.coverings(table)}
            for covering, purpose, day in itertools.product(coverings.values(), self.platform.purposes, days):
                for group in covering.groups(table, purpose, day):
                    columns = group.snapshot_columns(table)
                    if columns:
                        found.add(GrantSet(table.name, columns, group.row_filter, group.atoms))
        found |= {one for one in score_sets(self, catalog) if not _has_ended(catalog.tables[one.table], today)}
        return tuple(sorted(found, key=lambda item: (str(item.table), item.columns, item.row_filter or "")))

    def days(self, table: Table, today: date | None) -> tuple[date, ...]:
        """One day out of each span between which the grants in force do not change."""
        spans = [permit.grant.valid for permit in self.permits.get(str(table.name), ())]
        days = {span.start for span in spans} | {span.until + timedelta(days=1) for span in spans}
        if table.sunset is not None:
            days.add(table.sunset + timedelta(days=1))
        if today is None:
            return tuple(sorted(days))
        return tuple(sorted({day for day in days if day > today} | {today}))

    def coverings(self, table: Table) -> Iterator[Covering]:
        """What meets each kind of subject that the table's rules can tell apart."""
        name = str(table.name)
        to = [permit.grant.to for permit in self.permits.get(name, ())] + [
            grantees for grantees, _ in self.denies.get(name, ())
        ]
        groups = sorted({group for item in to for group in item.groups})
        members = {member for group in groups for member in self.platform.groups[group].members or ()}
        institutions = [*sorted({name for item in to for name in item.institutions} | members), ""]
        subsets = itertools.chain.from_iterable(
            itertools.combinations(groups, size) for size in range(len(groups) + 1)
        )
        for institution, kind, subset in itertools.product(institutions, InstitutionType, tuple(subsets)):
            yield self.covering(table, Subject(institution, kind, frozenset(subset), ""))


def _has_ended(table: Table, today: date | None) -> bool:
    """Whether the last day of a special-purpose dataset is over."""
    return table.sunset is not None and today is not None and today > table.sunset


def _before_sunset(table: Table, permits: Sequence[Permit]) -> Iterator[Permit]:
    """The grants on a table, none of which holds after its last day, whatever they say."""
    for permit in permits:
        valid = permit.grant.valid
        if table.sunset is None or valid.until <= table.sunset:
            yield permit
        elif valid.start <= table.sunset:
            ended = valid.model_copy(update={"until": table.sunset})
            yield replace(permit, grant=permit.grant.model_copy(update={"valid": ended}))


def score_sets(rulebook: Rulebook, catalog: Catalog) -> Iterator[GrantSet]:
    """The snapshots of feature sets, where every table of a set is granted for scores to somebody."""
    for features in rulebook.platform.feature_sets.values():
        held = [rulebook.permits.get(name, ()) for name in features.tables]
        if not all(any(Verb.SCORE in permit.grant.verbs for permit in permits) for permits in held):
            continue
        try:
            columns = read_columns(features, catalog)
        except Refused:
            continue  # lint tells of a set that the catalogue does not have; scoring with it is refused
        yield from (GrantSet(name, held_columns, None) for name, held_columns in columns.items())
