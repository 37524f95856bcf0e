"""What several departments say of the same subjects (多元校核), and what several of them collect (重复采集).

A conflict is counted, never shown: which subject, and who is right, is for the departments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.model import Column, SpaceKind, Table
from louver_sandbox.catalog.sources import attach_statement, quote, relation
from louver_sandbox.elements.dictionary import ELEMENTS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

IDENTIFYING: Final = frozenset(("uscc", "organisation_code", "citizen_number", "subject_code", "property_unit"))
"""Elements that say who: everybody has to keep them, and by them subjects are found again."""
UNTOLD: Final = frozenset(("day", "amount"))
"""Elements that say in what form something is written, but not what it is about."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Of the subjects that both tables know, how many they tell something else of.

    `subjects` have a value in both, of which they agree on one, after tidying, in all but `conflicts`.
    """

    element: str
    one: TableName
    one_column: str
    other: TableName
    other_column: str
    subjects: int
    conflicts: int


@dataclass(frozen=True, slots=True)
class Collected:
    """One thing that several owners collect: the same element under the same name."""

    element: str
    column: str
    tables: tuple[TableName, ...]


def collected_twice(tables: Iterable[Table]) -> tuple[Collected, ...]:
    """Columns of one element and name in tables of more than one department.

    What is shared is not to be collected again (数据原则上不得重复采集); which of them is the source of record is for
    the departments to say.
    """
    found: dict[tuple[str, str], list[Table]] = {}
    for table in sorted(tables, key=lambda table: str(table.name)):
        if table.space is SpaceKind.GOVERNMENT and table.view is None:
            for column in table.columns:
                if column.element and column.element not in IDENTIFYING | UNTOLD:
                    found.setdefault((column.element, column.name), []).append(table)
    return tuple(
        Collected(element, column, tuple(table.name for table in holders))
        for (element, column), holders in found.items()
        if len({table.owner for table in holders}) > 1
    )


def conflicts(tables: Mapping[TableName, Table], connect: Callable[[], DuckDBPyConnection]) -> Iterator[Conflict]:
    """Compares every two tables of different owners that know subjects by the same kind of number.

    A subject of which a table itself says several things is left out: that is a matter of the table's own history.
    """
    known = [
        table
        for _, table in sorted(tables.items(), key=lambda item: str(item[0]))
        if table.space is SpaceKind.GOVERNMENT and table.source is not None
    ]
    for one, other in combinations(known, 2):
        if one.owner == other.owner:
            continue
        for key, other_key in _pairs(one, other, IDENTIFYING):
            for column, other_column in _pairs(one, other, frozenset(ELEMENTS) - IDENTIFYING - UNTOLD):
                yield _compared(connect, (one, key, column), (other, other_key, other_column))


def _pairs(one: Table, other: Table, elements: frozenset[str]) -> Iterator[tuple[Column, Column]]:
    """Columns of one element that stand in both tables, the first of each; keys have to be units."""
    for element in sorted(elements):
        mine, theirs = _first(one, element), _first(other, element)
        if mine is not None and theirs is not None:
            yield mine, theirs


def _first(table: Table, element: str) -> Column | None:
    units = {unit.column for unit in table.units}
    return next(
        (
            column
            for column in table.columns
            if column.element == element and column.level < 5 and (element not in IDENTIFYING or column.name in units)
        ),
        None,
    )


def _compared(
    connect: Callable[[], DuckDBPyConnection],
    one: tuple[Table, Column, Column],
    other: tuple[Table, Column, Column],
) -> Conflict:
    element = one[2].element
    with connect() as connection:
        for (table, _, _), alias in ((one, "source"), (other, "referred")):
            attach = attach_statement(table.source, alias) if table.source else None
            if attach:
                connection.execute(attach)
        statement = (
            f"SELECT mine, theirs, count(*) FROM {_told(one, 'mine', 'source')} "  # noqa: S608 - every name is quoted
            f"JOIN {_told(other, 'theirs', 'referred')} USING (subject) GROUP BY ALL"
        )
        subjects = differing = 0
        normal = ELEMENTS[element].normal
        for mine, theirs, count in connection.execute(statement).fetchall():
            subjects += count
            differing += count if mine != theirs and normal(mine) != normal(theirs) else 0
    return Conflict(element, one[0].name, one[2].name, other[0].name, other[2].name, subjects, differing)


def _told(side: tuple[Table, Column, Column], name: str, alias: str) -> str:
    """A relation of each subject and the one thing that the table says of it."""
    table, key, column = side
    value = f"CAST({quote(column.name)} AS VARCHAR)"
    return (
        f"(SELECT {quote(key.name)} AS subject, min({value}) AS {name} "  # noqa: S608
        f"FROM {relation(table, (key, column) if key != column else (key,), alias)} "
        f"WHERE {quote(key.name)} IS NOT NULL AND {quote(column.name)} IS NOT NULL "
        f"GROUP BY ALL_KEYS HAVING count(DISTINCT {value}) = 1)"
    ).replace("ALL_KEYS", quote(key.name))
