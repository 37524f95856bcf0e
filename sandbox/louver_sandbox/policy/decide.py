"""The decision: deny by default, the negative list first, denies over permits, the strictest obligation last.

`decide` is pure: query, signed bundle and time go in; a permit with its obligations comes out, or a refusal that
names what decided. For each table one group of its owner's grants is chosen such that every use is allowed; across
tables every owner must permit, and the strictest treatment, thresholds and budget hold for the whole answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import AccessBudget, Seal, ThresholdRules
from louver_sandbox.policy import encrypted, sealing, unit_sets
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.checks import CHECKS, refuse_isolation, refuse_raw_rows
from louver_sandbox.policy.floors import HIGHEST_OPERABLE_LEVEL, VALUE_FUNCTIONS
from louver_sandbox.policy.grants import GrantGroup, Permit
from louver_sandbox.policy.history import budget_of, smallest_budget
from louver_sandbox.policy.levels import PUBLIC, level_without_uses, strictest, strictest_totals, treatment_of
from louver_sandbox.policy.model import ColumnRights, GrantTreatment
from louver_sandbox.policy.noise import combined
from louver_sandbox.policy.reading import Question, Reading, read, scans_apart
from louver_sandbox.policy.rights import described, missing_right
from louver_sandbox.policy.shares import strictest as strictest_shares
from louver_sandbox.policy.shares import strictest_classes
from louver_sandbox.private_core import PrivateRules
from louver_sandbox.refusals import policy as refuse
from louver_sandbox.refusals.policy import Ruling
from louver_sandbox.selections import strictest_history
from louver_sandbox.sql.quantiles import QUANTILES
from louver_sandbox.stages import Admitted, Bound, Clause, Facts, GrantUse, Treatment, Use


@dataclass(frozen=True)
class Permitted:
    """One use (None: rows counted without one), the mildest grant that allows it, and how it may leave."""

    use: Use | None
    permit: Permit
    level: int

    @property
    def treatment(self) -> GrantTreatment:
        """What grant and level ask for, the stricter of the two."""
        return strictest((self.permit.grant.treatment, treatment_of(self.level)))

    @property
    def ruling(self) -> Ruling:
        """The grant, as a refusal or the log names it."""
        return Ruling(self.permit.rule, self.permit.policy.version)


@dataclass(frozen=True)
class Choice:
    """The group a reading is permitted under, use by use."""

    reading: Reading
    group: GrantGroup
    permitted: tuple[Permitted, ...]

    @cached_property
    def treatment(self) -> GrantTreatment:
        """The strictest over all uses."""
        return strictest(tuple(item.treatment for item in self.permitted))

    @property
    def permits(self) -> tuple[Permit, ...]:
        """The grants that were needed, each once, by name."""
        by_rule = {item.permit.rule: item.permit for item in self.permitted}
        return tuple(by_rule[rule] for rule in sorted(by_rule))


@dataclass(frozen=True)
class Failure:
    """A group that does not allow the reading: the uses it lacks rights for, in reading order; none of them means
    that every column it grants is taken away."""

    group: GrantGroup
    uses: tuple[tuple[Use, str], ...]


def decide(bound: Bound, bundle: Bundle, facts: Facts) -> Admitted:
    """The permit for a bound query. Raises Refused (LVR-2xxx)."""
    question = read(bound, bundle, facts)
    for check in CHECKS:
        check(question)
    choices = tuple(choose(question, reading) for reading in question.government)
    protected = tuple(choice for choice in choices if choice.treatment is not GrantTreatment.EXACT)
    private = any(choice.treatment is GrantTreatment.DP for choice in protected)
    if protected:
        refuse_raw_rows(question, tuple(choice.reading for choice in protected))
        refuse_isolation(question)
        _refuse_uncomputed(protected)
        if not private:
            _refuse_values(question, [choice.reading for choice in protected])
    budgets = _privacy(protected) if private else ()
    rules = _strictest_threshold(protected) if protected and not private else None
    return Admitted(
        bound=bound,
        treatment=Treatment.DP if private else Treatment.THRESHOLD if protected else Treatment.EXACT,
        grants=tuple(_grant_use(choice) for choice in sorted(choices, key=lambda item: item.reading.scan.id)),
        protected=frozenset(choice.reading.scan.id for choice in protected),
        threshold=None if private else sealing.demanded(rules, bound.request, facts),
        budget=_smallest_budget(question, choices),
        bundle_digest=bundle.digest,
        facts=facts,
        history=strictest_history(choice.group.history() for choice in protected),
        private=budgets,
        seal=sealing.of_private(_seals(protected), bound.request, facts) if private else Seal.NONE,
        pace=max((choice.group.pace() for choice in protected), default=0),
    )


def choose(question: Question, reading: Reading) -> Choice:
    """The group of grants to read the table under: of those that allow every use, the mildest.

    A group with a row filter counts only if the query stays within the filter by itself: rows that silently drop
    out of an answer would be a gap nobody is told of. Raises Refused if no group will do: for the right that is
    missing where a grant opens every row asked for, and for the rows where none does or a right to show them is
    all that is missing.
    """
    considered = [_consider(reading, group) for group in reading.groups]
    allowed = [found for found in considered if isinstance(found, Choice)]
    whole = [choice for choice in allowed if _within_filter(choice.group, reading)]
    if whole:
        return min(whole, key=lambda choice: (choice.treatment.rank, choice.group.row_filter or ""))
    failures = [found for found in considered if isinstance(found, Failure)]
    telling = [failure for failure in failures if not allowed or _opens_the_rows(failure, reading)]
    if not telling:
        nearest = min(allowed, key=lambda choice: (choice.treatment.rank, choice.group.row_filter or ""))
        row_filter = nearest.group.row_filter or ""
        raise refuse.rows_not_granted(reading.site(), nearest.permitted[0].ruling, row_filter=row_filter)
    raise _lacking(question, reading, min(telling, key=lambda item: (len(item.uses), item.group.row_filter or "")))


def _opens_the_rows(failure: Failure, reading: Reading) -> bool:
    return _within_filter(failure.group, reading) and any(use.clause is not Clause.OUTPUT for use, _ in failure.uses)


def _within_filter(group: GrantGroup, reading: Reading) -> bool:
    return group.row_filter is None or reading.holds(group.row_filter)


def _consider(reading: Reading, group: GrantGroup) -> Choice | Failure:
    if not reading.uses:
        return _without_uses(reading, group)
    permitted: list[Permitted] = []
    lacking: list[tuple[Use, str]] = []
    for use in reading.uses:
        missing = [(_missing(use, permit, group, reading), permit) for permit in group.permits]
        allowing = [permit for lacks, permit in missing if lacks is None]
        if allowing:
            permitted.append(Permitted(use, _mildest(allowing), reading.levels[use]))
        else:
            lacking.append((use, _best_named(use, [lacks for lacks, _ in missing if lacks is not None])))
    return Failure(group, tuple(lacking)) if lacking else Choice(reading, group, tuple(permitted))


def _without_uses(reading: Reading, group: GrantGroup) -> Choice | Failure:
    """`COUNT(*)` over a table without using a column of it: some grant must still open one."""
    readable = {column.name for column in reading.table.columns if column.level <= HIGHEST_OPERABLE_LEVEL}
    opening = [permit for permit in group.permits if (readable - group.denied).intersection(permit.grant.rights)]
    if not opening:
        return Failure(group, ())
    columns = group.snapshot_columns(reading.table)
    level = level_without_uses(reading.table, columns, reading.holds)
    return Choice(reading, group, (Permitted(None, _mildest(opening), level),))


def _mildest(permits: Sequence[Permit]) -> Permit:
    return min(permits, key=lambda permit: (permit.grant.treatment.rank, permit.rule))


def _missing(use: Use, permit: Permit, group: GrantGroup, reading: Reading) -> str | None:
    rights = None if use.column in group.denied else permit.grant.rights.get(use.column)
    lacks = missing_right(use, rights)
    if lacks is None and rights is not None and use.clause is Clause.OUTPUT and rights.output is not None:
        where = rights.output.where
        if where is not None and not reading.holds(where):
            return f"output (without: {where})"
    return lacks


def _best_named(use: Use, names: Sequence[str]) -> str:
    """The most telling of what the grants lack: a condition that would open one, else the right itself."""
    return next(
        (name for name in sorted(names) if name.startswith("output (without")), names[0] if names else use.clause
    )


def _lacking(question: Question, reading: Reading, failure: Failure) -> Exception:
    policies = sorted({f"{permit.policy.id}@{permit.policy.version}" for permit in failure.group.permits})
    ruling = Ruling("default-deny", "+".join(policies))
    if not failure.uses:
        return refuse.table_not_granted(reading.site(), ruling, owner=reading.table.owner)
    use, missing = failure.uses[0]
    site = reading.site(use)
    banned = sorted(VALUE_FUNCTIONS.intersection((use.function, *use.through)))
    ranked = QUANTILES.issuperset(banned) and any(
        permit.grant.treatment is GrantTreatment.DP for permit in failure.group.permits
    )
    if banned and reading.levels[use] > PUBLIC and not ranked:
        return refuse.raw_values(site, Ruling("floor/raw-values", ruling.version), function=banned[0])
    has = sorted({name for permit in failure.group.permits for name in described(_rights(permit, use.column))})
    return refuse.right_not_granted(
        site, ruling, owner=reading.table.owner, purpose=question.purpose, missing=missing, granted=has
    )


def _rights(permit: Permit, column: str) -> ColumnRights | None:
    return permit.grant.rights.get(column)


def _refuse_uncomputed(protected: Sequence[Choice]) -> None:
    """Treatments that other verbs compute."""
    for choice in protected:
        for item in choice.permitted:
            site = choice.reading.site(item.use)
            match item.treatment:
                case GrantTreatment.EXACT | GrantTreatment.THRESHOLD | GrantTreatment.DP:
                    continue
                case GrantTreatment.AUTHORISED:
                    raise refuse.needs_query(site, item.ruling)
                case GrantTreatment.MATCHED:
                    raise refuse.needs_match(site, item.ruling)


def _privacy(protected: Sequence[Choice]) -> tuple[PrivateRules, ...]:
    """The budgets of every protected dataset. Where one column needs noise, all that is beside it does.

    Raises:
        Refused: LVR-2105, a table for which no grant gives a budget.
    """
    found: dict[tuple[str, UnitType], PrivateRules] = {}
    for choice in protected:
        rules = choice.group.private(choice.reading.table)
        if rules is None:
            item = max(choice.permitted, key=lambda item: item.treatment.rank)
            raise refuse.needs_differential_privacy(choice.reading.site(item.use), item.ruling, level=item.level)
        for one in rules:
            known = found.setdefault((one.dataset, one.unit), one)
            if known != one:
                raise refuse.needs_differential_privacy(
                    choice.reading.site(), choice.permitted[0].ruling, level=choice.permitted[0].level
                )
    return tuple(found.values())


def _refuse_values(question: Question, protected: Sequence[Reading]) -> None:
    """In a protected answer no aggregate returns a stored value, not even of the caller's own or public columns:
    the largest own value in a protected cell says which row is in the cell. One below which nothing is protected
    tells nothing of that kind."""
    returning = [
        (reading, use, sorted(banned))
        for reading in question.readings
        for use in reading.uses
        if (banned := VALUE_FUNCTIONS.intersection((use.function, *use.through)))
    ]
    apart = scans_apart(question.bound.relation, protected) if returning else ()
    for reading, use, names in returning:
        if reading.scan.id not in apart:
            ruling = Ruling("floor/raw-values", question.bundle.digest[:16])
            raise refuse.raw_values(reading.site(use), ruling, function=names[0])


def _grant_use(choice: Choice) -> GrantUse:
    return GrantUse(
        scan=choice.reading.scan.id,
        table=choice.reading.table.name,
        grant="+".join(permit.grant.id for permit in choice.permits),
        policy="+".join(sorted({permit.policy.id for permit in choice.permits})),
        policy_version="+".join(sorted({permit.policy.version for permit in choice.permits})),
        row_filter=choice.group.row_filter,
        columns=choice.group.snapshot_columns(choice.reading.table),
        atoms=choice.group.atoms,
    )


def _seals(protected: Sequence[Choice]) -> Iterator[Seal]:
    """What each grant that the question meets says of seals."""
    return (permit.grant.threshold.seal for choice in protected for permit in choice.group.permits)


def _strictest_threshold(protected: Sequence[Choice]) -> ThresholdRules:
    rules = [choice.group.threshold() for choice in protected]
    k = {unit: max(rule.k[unit] for rule in rules) for unit in UnitType}
    shares = strictest_shares(rules)
    return ThresholdRules(
        k=k,
        dominance_percent=shares.dominance_percent,
        dominance_of_two=shares.dominance_of_two,
        p_percent=shares.p_percent,
        prior_percent=shares.prior_percent,
        class_disclosure=strictest_classes(rule.class_disclosure for rule in rules),
        remainder=all(rule.remainder for rule in rules),
        noise=combined([rule.noise for rule in rules], k),
        totals=strictest_totals(rule.totals for rule in rules),
        unit_sets=unit_sets.combined(rule.unit_sets for rule in rules),
        risks=unit_sets.accepted(rule.risks for rule in rules),
        recoded=any(rule.recoded for rule in rules),
        seal=sealing.strictest(rule.seal for rule in rules),
        encrypted=encrypted.strictest(rule.encrypted for rule in rules),
    )


def _smallest_budget(question: Question, choices: Sequence[Choice]) -> AccessBudget:
    budgets = [choice.group.budget() for choice in choices]
    if not budgets:
        own = question.bundle.platform.own_data_budget
        return budget_of(own)
    return smallest_budget(budgets)
