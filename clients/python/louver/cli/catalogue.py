"""The columns of tables as rows for people: one for each way in which a column may be used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from louver.decoding import Row
from louver.display import visible
from louver.results import Column, Permission, Table

HEADING = ["column", "type", "level", "role", "leaves", "may be", "for", "rows", "bounds", "description"]


def columns_of(tables: Sequence[Table]) -> tuple[list[str], list[Row]]:
    """Heading and rows. What is the same for all purposes of a table is said as ``all``."""
    return HEADING, [row for table in tables for column in table.columns for row in _rows(table, column)]


def listed(tables: Sequence[Table]) -> tuple[list[str], list[Row]]:
    """Heading and a row for each table."""
    heading = ["table", "title", "owner", "themes", "as of", "rows", "purposes"]
    return heading, [
        (t.full_name, t.title, t.owner, " ".join(t.themes), t.as_of, t.rows or None, " ".join(t.purposes))
        for t in tables
    ]


def held_in(table: Table) -> Iterator[str]:
    """What the scanner found in an upload, a line each."""
    for one in table.held:
        name, element = visible(one.column), visible(one.element)
        if one.texts:
            yield f"{name}: {one.texts} texts hold a {element}; leave them out if they slipped in"
        else:
            yield f"{name}: its values are of {element}"


def _rows(table: Table, column: Column) -> Iterator[Row]:
    head = (column.name, column.type, column.level, column.role)
    if not column.permissions:
        may = " ".join(column.rights) or ("anything" if table.space == "institution" else "nothing")
        yield (*head, "exact" if table.space == "institution" else "", may, "", "", column.bounds, column.description)
    for number, one in enumerate(column.permissions):
        shown = head if number == 0 else ("", "", "", "")
        rest = (column.bounds, column.description) if number == 0 else ("", "")
        yield (*shown, one.treatment, ", ".join(one.rights), _purposes(table, one), one.rows, *rest)


def _purposes(table: Table, permission: Permission) -> str:
    return "all" if set(permission.purposes) == set(table.purposes) else " ".join(permission.purposes)
