"""How protected a column is in one query: its level, and the treatment that level demands (PRIVACY 4, DOMAIN 2.5)."""

from __future__ import annotations

from collections.abc import Iterable

from louver_sandbox.catalog.model import Column, SpaceKind, Table
from louver_sandbox.obligations import Totals
from louver_sandbox.policy.conditions import Proof
from louver_sandbox.policy.model import GrantTreatment
from louver_sandbox.stages import Clause, Use

PUBLIC = 1
HIGHEST_UNDER_THRESHOLD = 3


def effective_level(column: Column, holds: Proof) -> int:
    """The column's level for the rows this query reaches: a conditional level only when the query implies it."""
    met = (item.level for item in column.when if holds(item.predicate))
    return min((column.level, *met))


def level_of_use(use: Use, table: Table, holds: Proof) -> int:
    """The level at which this use counts.

    Counting a privacy unit shows no value of it and is what thresholds are made of, so `count(DISTINCT person_id)`
    counts as L3 at most. A column the catalogue does not hold is as strict as can be.
    """
    column = table.column(use.column)
    if column is None:
        return 5
    level = effective_level(column, holds)
    counted = use.clause is Clause.AGGREGATE and use.function == "count" and set(use.through) <= {"count"}
    if counted and any(unit.column == use.column for unit in table.units):
        return min(level, HIGHEST_UNDER_THRESHOLD)
    return level


def level_without_uses(table: Table, columns: tuple[str, ...], holds: Proof) -> int:
    """The level of reading rows without any column (`COUNT(*)`): that of the mildest granted column, L3 at most."""
    levels = (effective_level(column, holds) for column in table.columns if column.name in columns)
    return min(HIGHEST_UNDER_THRESHOLD, *levels) if columns else HIGHEST_UNDER_THRESHOLD


def treatment_of(level: int) -> GrantTreatment:
    """The mildest treatment a level allows."""
    if level <= PUBLIC:
        return GrantTreatment.EXACT
    return GrantTreatment.THRESHOLD if level <= HIGHEST_UNDER_THRESHOLD else GrantTreatment.DP


def strictest(treatments: tuple[GrantTreatment, ...]) -> GrantTreatment:
    """The one that protects most."""
    return max(treatments, key=lambda treatment: treatment.rank)


def strictest_totals(totals: Iterable[Totals]) -> Totals:
    """Every total counts as known where anyone wants it, and else totals are kept only where all agree to it."""
    found = set(totals)
    if Totals.KNOWN in found:
        return Totals.KNOWN
    return Totals.COMPLEMENTARY if found == {Totals.COMPLEMENTARY} else Totals.KEEP_BACK


def is_own(table: Table, institution: str) -> bool:
    """Whether the table is the caller's own: all rights, no protection from itself."""
    return table.space is SpaceKind.INSTITUTION and table.name.schema == institution
