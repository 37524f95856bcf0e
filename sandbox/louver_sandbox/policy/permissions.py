"""What a caller can really do with a column: grants less denials, by the treatment that an answer gets from it.

The catalogue shows this. A right that no admitted answer could use is not listed: those of grants for other verbs,
out of force or under a treatment that this version does not compute, and functions that a protected answer refuses.
It advises and decides nothing; `decide` does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from louver_sandbox.algebra.types import BOOLEAN, INTEGER, NUMERIC, Kind
from louver_sandbox.catalog.model import Column, Table, Verb
from louver_sandbox.policy.floors import HIGHEST_OPERABLE_LEVEL
from louver_sandbox.policy.grants import COMPUTED, Covering, Permit
from louver_sandbox.policy.levels import PUBLIC, strictest, treatment_of
from louver_sandbox.policy.model import AggregateRight, ColumnRights, GrantTreatment
from louver_sandbox.policy.rights import DEFAULT_AGGREGATES, QUANTILE, described
from louver_sandbox.sql.statistics import STATISTICS

PROTECTED_AGGREGATES = DEFAULT_AGGREGATES | {rule.name for rule in STATISTICS}
"""Aggregates whose cells the threshold rules can judge."""

_JUDGED: Mapping[GrantTreatment, frozenset[str]] = {
    GrantTreatment.THRESHOLD: frozenset(PROTECTED_AGGREGATES),
    GrantTreatment.DP: frozenset(DEFAULT_AGGREGATES)
    | {"var_pop", "var_samp", "stddev_pop", "stddev_samp", "min", "max", QUANTILE},
}


@dataclass(frozen=True, slots=True)
class Permission:
    """What a column may be used for in answers of one treatment; `rows` is the condition a question must write."""

    treatment: GrantTreatment
    rights: tuple[str, ...]
    purposes: tuple[str, ...]
    rows: str


def permissions(
    table: Table, covering: Covering, purposes: Collection[str], day: date
) -> Mapping[str, tuple[Permission, ...]]:
    """By column; one that can be used for nothing has none."""
    found: dict[str, dict[tuple[GrantTreatment, tuple[str, ...], str], set[str]]] = defaultdict(
        lambda: defaultdict(set)
    )
    if Verb.ANALYSE in table.operable:
        for permit in covering.permits:
            for name, treatment, rights, rows, purpose in _permitted(table, covering, permit, day):
                if purpose in purposes:
                    found[name][treatment, rights, rows].add(purpose)
    return {
        name: _without_repeats(
            [Permission(treatment, rights, tuple(sorted(of)), rows) for (treatment, rights, rows), of in held.items()]
        )
        for name, held in found.items()
    }


_Permitted = tuple[str, GrantTreatment, tuple[str, ...], str, str]


def _permitted(table: Table, covering: Covering, permit: Permit, day: date) -> Iterator[_Permitted]:
    """Column, treatment, rights, rows and purpose, for everything that one grant opens."""
    grant = permit.grant
    if Verb.ANALYSE not in grant.verbs or not grant.valid.holds(day):
        return
    for purpose in grant.purposes:
        denied = covering.denied(table, purpose)
        for column in table.columns:
            rights = grant.rights.get(column.name)
            if rights is None or column.name in denied or column.level > HIGHEST_OPERABLE_LEVEL:
                continue
            unless = [
                item.unless
                for item in covering.denials
                if item.unless and item.speaks_of(purpose) and item.names(column.name)
            ]
            levels = _levels(column, grant.row_filter) if covering.atoms is None else ((column.level, ()),)
            for level, rows in levels:
                treatment = strictest((grant.treatment, treatment_of(level)))
                too_high = treatment is GrantTreatment.DP and grant.treatment is not treatment
                held = _counted(table, column, rights) if too_high else rights
                if too_high:
                    treatment = GrantTreatment.THRESHOLD
                if treatment is GrantTreatment.DP and grant.privacy is None:
                    continue
                told = _told(_leaving(held, column, level, treatment)) if treatment in COMPUTED else ()
                if told:
                    where = _all_of((*rows, *unless)).replace(":as_of", f"DATE '{table.as_of.isoformat()}'")
                    yield column.name, treatment, told, where, purpose


def _levels(column: Column, row_filter: str | None) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The column's level under the grant's rows, and milder ones that a question can reach by a condition."""
    within = (row_filter,) if row_filter else ()
    level = min((column.level, *(item.level for item in column.when if item.predicate == row_filter)))
    yield level, within
    for item in column.when:
        if treatment_of(item.level).rank < treatment_of(level).rank:
            yield item.level, (*within, item.predicate)


def _counted(table: Table, column: Column, rights: ColumnRights) -> ColumnRights:
    """A privacy unit above the levels of thresholds can still be counted, which shows no value of it."""
    functions = None if rights.aggregate is None else rights.aggregate.functions
    is_unit = any(unit.column == column.name for unit in table.units)
    if not is_unit or rights.aggregate is None or "count" not in (functions or DEFAULT_AGGREGATES):
        return ColumnRights()
    return ColumnRights(aggregate=AggregateRight(functions=("count",)))


def _leaving(rights: ColumnRights, column: Column, level: int, treatment: GrantTreatment) -> ColumnRights:
    """The rights that an answer of this treatment can use, aggregates by name."""
    can_add = column.type.kind in NUMERIC or column.type.kind is Kind.BOOLEAN
    aggregate = rights.aggregate
    if aggregate is not None:
        functions = aggregate.functions or (("count", "sum", "avg") if can_add else ("count",))
        if treatment is not GrantTreatment.EXACT:
            # A public number in a protected sum would be a weight that everybody knows (LVR-2310).
            judged = _JUDGED[treatment] if level > PUBLIC else {"count"}
            if treatment is GrantTreatment.DP and not _is_between_bounds(column):
                judged = {"count"}
            functions = tuple(name for name in functions if name in judged)
        aggregate = AggregateRight(functions=functions) if functions else None
    output = rights.output if treatment is GrantTreatment.EXACT else None
    return rights.model_copy(update={"aggregate": aggregate, "output": output})


def _is_between_bounds(column: Column) -> bool:
    """Whether what one subject adds to a sum is bounded by declaration, as noise needs it."""
    listed = column.type == INTEGER and bool(column.domain)
    return column.bounds is not None or listed or column.type == BOOLEAN


def _told(rights: ColumnRights) -> tuple[str, ...]:
    where = None if rights.output is None else rights.output.where
    return tuple(f"output (where {where})" if where and right == "output" else right for right in described(rights))


def _all_of(conditions: tuple[str, ...]) -> str:
    return conditions[0] if len(conditions) == 1 else " AND ".join(f"({condition})" for condition in conditions)


def _without_repeats(held: list[Permission]) -> tuple[Permission, ...]:
    """Without what another grant of the same or a milder treatment allows as well, on the same or all rows."""

    def covers(one: Permission, other: Permission) -> bool:
        return (
            one.treatment.rank <= other.treatment.rank
            and set(other.rights) <= set(one.rights)
            and set(other.purposes) <= set(one.purposes)
            and one.rows in ("", other.rows)
        )

    kept = [one for one in held if not any(other is not one and covers(other, one) for other in held)]
    return tuple(sorted(kept, key=lambda one: (one.treatment.rank, one.rows, one.rights)))
