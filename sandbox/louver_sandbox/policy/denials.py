"""What is denied of a table whoever has granted it: by a policy, a list of the platform, or a floor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from louver_sandbox.catalog.model import Table, UnitType
from louver_sandbox.policy.floors import HIGHEST_OPERABLE_LEVEL, NEGATIVE_COLUMNS
from louver_sandbox.policy.model import Grantees, NegativeEntry, Platform, Policy


@dataclass(frozen=True, slots=True)
class Denial:
    """A deny of a policy, a negative-list entry, or a rule by requester type, for one table.

    `columns` None means all of them. Rules by requester type name the `subject_class` they protect; their `unless`
    is a predicate that lifts the denial when the query implies it.
    """

    rule: str
    version: str
    columns: frozenset[str] | None
    purposes: frozenset[str]
    reason: str
    reason_zh: str
    unless: str | None = None
    subject_class: UnitType | None = None

    def names(self, column: str) -> bool:
        """Whether the column is denied."""
        return self.columns is None or column in self.columns

    def speaks_of(self, purpose: str) -> bool:
        """Whether the denial is for this purpose."""
        return not self.purposes or purpose in self.purposes

    def concerns(self, table: Table) -> bool:
        """A rule about a class of subjects passes over tables without units of that class."""
        return self.subject_class is None or any(unit.type is self.subject_class for unit in table.units)


def negatives(platform: Platform, table: Table) -> Iterator[Denial]:
    """The floor first, then L5, then the platform's own list."""
    for column in table.columns:
        only, every = frozenset({column.name}), frozenset[str]()
        if column.name in NEGATIVE_COLUMNS:
            why, why_zh = NEGATIVE_COLUMNS[column.name]
            yield Denial("floor/negative-list", "floor", only, every, why, why_zh)
        if column.level > HIGHEST_OPERABLE_LEVEL:
            yield Denial("floor/level", "floor", only, every, "L5 data cannot be operated", "五级数据不得运营")
        for entry in platform.negative_list:
            if _names(entry, table, column.name):
                rule, purposes = f"{platform.id}/{entry.id}", frozenset(entry.purposes)
                yield Denial(rule, platform.version, only, purposes, entry.reason, entry.reason_zh)


def _names(entry: NegativeEntry, table: Table, column: str) -> bool:
    """Whether a negative-list entry means this column of this table."""
    if entry.subject_classes and not any(unit.type in entry.subject_classes for unit in table.units):
        return False
    return column in entry.columns or f"{table.name}.{column}" in entry.columns


def of_policies(policies: Sequence[Policy]) -> Iterator[tuple[str, Grantees, Denial]]:
    """The denies of policies, each with its table and whom it meets."""
    for policy in policies:
        for deny in policy.denies:
            columns = frozenset(deny.columns) or None
            rule = f"{policy.id}/{deny.id}"
            purposes = frozenset(deny.purposes)
            yield deny.table, deny.to, Denial(rule, policy.version, columns, purposes, deny.reason, deny.reason)


def of_requesters(platform: Platform) -> Iterator[tuple[str, Grantees, Denial]]:
    """The platform's rules by type of requester, likewise."""
    for rule in platform.requester_rules:
        for table, columns in rule.columns.items():
            yield (
                table,
                Grantees(institution_types=rule.institution_types),
                Denial(
                    f"{platform.id}/{rule.id}",
                    platform.version,
                    frozenset(columns),
                    frozenset(rule.purposes),
                    rule.reason,
                    rule.reason_zh,
                    rule.unless.get(table),
                    rule.subject_class,
                ),
            )
