"""Measures the rules that a department has written of its table: conditions, working days, orders of magnitude."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import TYPE_CHECKING, Final

from louver_sandbox.authorisations.deadlines import deadline
from louver_sandbox.catalog.model import Column, Table
from louver_sandbox.catalog.sources import quote, relation
from louver_sandbox.quality.model import Dimension, Measured

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Emit = Callable[[Table, str], str]
"""Engine text of a predicate over the table's own columns."""

_APART: Final = 1_000
"""Amounts differ by 10,000 where 万元 was written for 元, and by less than this between quarters of one firm."""
_ENOUGH: Final = 4
"""Positive amounts of a subject from which its usual one is known."""


def declared(connection: DuckDBPyConnection, table: Table, emit: Emit) -> Iterator[Measured]:
    """A measurement for each rule of the table."""
    columns = tuple(column for column in table.columns if column.level < 5)
    rows = relation(table, columns)
    for rule in table.rules or ():
        dimension = Dimension(rule.dimension)
        if rule.holds is not None:
            held = f"({emit(table, rule.holds)})"
            counted = f"SELECT count({held}), count(*) FILTER (WHERE NOT {held}) FROM {rows}"  # noqa: S608
            seen, faulty = connection.execute(counted).fetchall()[0]
            yield Measured(dimension, "", rule.title, seen, faulty)
        if rule.working_days is not None:
            first, then, days = rule.working_days
            seen, faulty = _late(connection, rows, first, then, days)
            yield Measured(dimension, then, rule.title, seen, faulty)
        if rule.magnitude is not None:
            seen, faulty = _out_of_line(connection, table, rows, rule.magnitude)
            yield Measured(dimension, rule.magnitude, rule.title, seen, faulty)


def _late(connection: DuckDBPyConnection, rows: str, first: str, then: str, days: int) -> tuple[int, int]:
    """Rows with both days, and those of them whose second is after the last of so many working days."""
    one, other = quote(first), quote(then)
    pairs = connection.execute(
        f"SELECT {one}, {other}, count(*) FROM {rows} WHERE {one} IS NOT NULL AND {other} IS NOT NULL GROUP BY ALL"  # noqa: S608
    ).fetchall()
    last: dict[date, date] = {}
    seen = faulty = 0
    for begun, done, count in pairs:
        seen += count
        if (done - begun).days > days:  # fewer days hold no more working days
            due = last.get(begun) or last.setdefault(begun, deadline(begun, days).day)
            faulty += count if done > due else 0
    return seen, faulty


def _out_of_line(connection: DuckDBPyConnection, table: Table, rows: str, name: str) -> tuple[int, int]:
    """Positive amounts of subjects that have several, and those that are far from their subject's middle one."""
    unit = next(unit for unit in table.units if not unit.via)
    column = next(item for item in table.columns if item.name == name)
    subject, amount = quote(unit.column), _number(column)
    found = connection.execute(
        f"SELECT count(*), count(*) FILTER (WHERE a * {_APART} < m OR a > m * {_APART}) FROM ("  # noqa: S608
        f"SELECT {amount} AS a, median({amount}) OVER w AS m, count(*) OVER w AS n FROM {rows} "
        f"WHERE {amount} > 0 AND {subject} IS NOT NULL WINDOW w AS (PARTITION BY {subject})) WHERE n >= {_ENOUGH}"
    ).fetchall()
    seen, faulty = found[0]
    return int(seen), int(faulty)


def _number(column: Column) -> str:
    return f"CAST({quote(column.name)} AS DOUBLE)"
