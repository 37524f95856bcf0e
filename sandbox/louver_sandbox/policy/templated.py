"""Which grants open a table to a template, and which of its columns: what decisions and snapshots agree on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from louver_sandbox.catalog.model import Catalog, SpaceKind, Table, Verb
from louver_sandbox.policy.floors import HIGHEST_OPERABLE_LEVEL
from louver_sandbox.policy.grants import Covering, GrantSet, Permit, Rulebook
from louver_sandbox.policy.levels import PUBLIC
from louver_sandbox.policy.model import GrantTreatment


def opening(covering: Covering, template: str, purpose: str, today: date) -> tuple[Permit, ...]:
    """The grants for the verb query, this purpose and day that name the template, or that make columns public."""
    return tuple(
        permit
        for permit in covering.permits
        if Verb.QUERY in permit.grant.verbs
        and purpose in permit.grant.purposes
        and permit.grant.valid.holds(today)
        and permit.grant.row_filter is None
        and (template in permit.grant.templates or permit.grant.treatment is GrantTreatment.EXACT)
    )


def readable(table: Table, covering: Covering, permits: Sequence[Permit], template: str) -> frozenset[str]:
    """The columns that these grants open to the template, to show, join or count by.

    Of a grant that does not name the template, public columns count that may be shown without a condition. What
    denies and the negative list name is out whatever is granted. A rule by type of requester takes nothing out: an
    authorisation given after a warning lifts it (征信业管理条例 art. 14).
    """
    named = {name for permit in permits if template in permit.grant.templates for name in permit.grant.rights}
    public = {
        name
        for permit in permits
        for name, rights in permit.grant.rights.items()
        if rights.output is not None and rights.output.where is None
    }
    barred = {
        column.name
        for column in table.columns
        for denial in (*covering.denials, *covering.negatives)
        if denial.subject_class is None and denial.names(column.name)
    }
    return frozenset(
        column.name
        for column in table.columns
        if column.name not in barred
        and column.level <= HIGHEST_OPERABLE_LEVEL
        and (column.name in named or (column.name in public and column.level <= PUBLIC))
    )


def snapshot_columns(table: Table, columns: frozenset[str]) -> tuple[str, ...]:
    """What a worker is given of the table: these, and whose row it is, which the engine's own condition reads."""
    return tuple(sorted({*columns, *(unit.column for unit in table.units[:1])}))


def lookup_sets(
    rulebook: Rulebook, templates: Sequence[str], catalog: Catalog, today: date | None
) -> Iterator[GrantSet]:
    """Every snapshot that a template may read for any subject, purpose and day."""
    for table in catalog.tables.values():
        if not templates or table.space is not SpaceKind.GOVERNMENT or table.view is not None:
            continue
        coverings = {covering.rules: covering for covering in rulebook.coverings(table)}
        for covering in coverings.values():
            for purpose in rulebook.platform.purposes:
                for day in rulebook.days(table, today):
                    yield from _of_table(table, covering, templates, purpose, day)


def _of_table(
    table: Table, covering: Covering, templates: Sequence[str], purpose: str, day: date
) -> Iterator[GrantSet]:
    for template in templates:
        permits = opening(covering, template, purpose, day)
        columns = readable(table, covering, permits, template) if permits else frozenset()
        if columns:
            yield GrantSet(table.name, snapshot_columns(table, columns), None, looked_up=True)
