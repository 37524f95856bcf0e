"""Measures a registered table by what its declaration says: nulls, data elements, domains, repeats, keys, age."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Final

from louver_sandbox.algebra.types import Kind, TableName
from louver_sandbox.catalog.model import Column, PrivacyUnit, Source, SourceKind, Table
from louver_sandbox.catalog.sources import attach_statement, literal, quote, raw_relation, relation, typed
from louver_sandbox.elements import codes
from louver_sandbox.elements.dictionary import ELEMENTS
from louver_sandbox.quality.declared import Emit, declared
from louver_sandbox.quality.model import Dimension, Measured, Report
from louver_sandbox.quality.telling import fresh_until

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BATCH: Final = 50_000


def measure(
    table: Table,
    tables: Mapping[TableName, Table],
    connect: Callable[[], DuckDBPyConnection],
    emit: Emit,
    today: date,
) -> Report:
    """The quality of a table whose source can be read. L5 columns are not looked at.

    `tables` are all registered ones, in which keys are looked up; `emit` turns a predicate into engine
    text. Time grows with the distinct values of columns that have a data element: about ten microseconds for each.

    Raises:
        ValueError: the table is a view, which has no rows of its own.
        duckdb.Error: the source cannot be read.
    """
    if table.source is None:
        raise ValueError("a view has no source")
    with connect() as connection:
        attach = attach_statement(table.source)
        if attach:
            connection.execute(attach)
        rows = _one(connection, f"SELECT count(*) FROM {raw_relation(table.source)}")  # noqa: S608 - quoted
        columns = [column for column in table.columns if column.level < 5]
        measured = [
            *_of_columns(connection, table, table.source, columns, rows),
            *_of_elements(connection, table, columns),
            *_of_rows(connection, table, columns, rows),
            *_of_keys(connection, table, tables),
            *declared(connection, table, emit),
            _timely(table, today),
        ]
        most = _most_rows(connection, table, columns)
    return Report(table.name, rows, tuple(measured), most)


_Rule = tuple[Dimension, str, str, str, bool]
"""Dimension, column, rule, the condition under which a row breaks it, and whether that counts in the grade."""


def _of_columns(
    connection: DuckDBPyConnection, table: Table, origin: Source, columns: list[Column], rows: int
) -> Iterator[Measured]:
    """What can be told of a row by itself, all in one pass."""
    rules = [rule for column in columns for rule in _column_rules(column, origin.kind, table.as_of)]
    counts = ", ".join(f"count(*) FILTER (WHERE {condition})" for *_, condition, _ in rules)
    found = connection.execute(f"SELECT {counts} FROM {raw_relation(origin)}").fetchall()[0]  # noqa: S608 - quoted
    for (dimension, column, rule, _, binding), count in zip(rules, found, strict=True):
        yield Measured(dimension, column, rule, rows, count, binding)


def _column_rules(column: Column, kind: SourceKind, as_of: date) -> Iterator[_Rule]:
    """Empty values, fields that do not parse, values outside a domain or bounds, days after that of the data.

    Such a day is a mistake of an event and what it should be of an expiry, so it only is told.
    """
    raw, value = quote(column.name), typed(kind, column)
    empty = f"{value} IS NULL" + (f" OR trim({value}) = ''" if column.type.kind is Kind.TEXT else "")
    yield Dimension.COMPLETENESS, column.name, "has a value", empty, not column.nullable
    if kind is SourceKind.CSV and column.type.kind is not Kind.TEXT:
        yield Dimension.VALIDITY, column.name, f"is {column.type}", f"{raw} IS NOT NULL AND {value} IS NULL", True
    if column.domain is not None:
        domain = ", ".join(literal(item) for item in column.domain)
        outside = f"CAST({value} AS VARCHAR) NOT IN ({domain})"
        yield Dimension.VALIDITY, column.name, "is in the domain", outside, True
    if column.bounds is not None:
        low, high = column.bounds
        beyond = f"{value} < {low:f} OR {value} > {high:f}"
        yield Dimension.VALIDITY, column.name, "is within bounds", beyond, column.bounds_hold
    if column.type.kind in (Kind.DATE, Kind.TIMESTAMP):
        later = f"{value} > DATE '{as_of.isoformat()}'"
        yield Dimension.CONSISTENCY, column.name, "is not after the day of the data", later, False


def _of_elements(connection: DuckDBPyConnection, table: Table, columns: list[Column]) -> Iterator[Measured]:
    """Values that are none of their data element, each distinct one looked at once."""
    for column in columns:
        if column.element:
            defect = ELEMENTS[column.element].defect
            rows = faulty = 0
            for (value,), count in _distinct(connection, table, (column,)):
                rows += count
                faulty += count if defect(value) is not None else 0
            yield Measured(Dimension.VALIDITY, column.name, f"is a {column.element}", rows, faulty)
    industry = next((column for column in columns if column.element == "industry"), None)
    section = next((column for column in columns if column.element == "section"), None)
    if industry and section:
        rows = faulty = 0
        for (code, letter), count in _distinct(connection, table, (industry, section)):
            if codes.industry_defect(codes.normal_industry(code)) is None:
                rows += count
                faulty += count if codes.normal_industry(code)[0] != letter else 0
        yield Measured(Dimension.CONSISTENCY, section.name, f"is the section of {industry.name}", rows, faulty)


def _of_rows(connection: DuckDBPyConnection, table: Table, columns: list[Column], rows: int) -> Iterator[Measured]:
    """Values that ought to be single and are not, rows that stand twice, units with more rows than declared."""
    everything = relation(table, tuple(columns))
    for column in (column for column in columns if column.unique):
        name = quote(column.name)
        repeated = _one(connection, f"SELECT count({name}) - count(DISTINCT {name}) FROM {everything}")  # noqa: S608
        yield Measured(Dimension.UNIQUENESS, column.name, "is in no other row", rows, repeated)
    twice = _one(
        connection,
        f"SELECT {rows} - count(*) FROM (SELECT DISTINCT * FROM {everything})",  # noqa: S608
    )
    yield Measured(Dimension.UNIQUENESS, "", "no row stands twice", rows, twice)
    known = frozenset(column.name for column in columns)
    for unit in table.units:
        if unit.when is None and unit.column in known:
            yield from _of_unit(connection, unit, everything, rows, known)


def _of_unit(
    connection: DuckDBPyConnection, unit: PrivacyUnit, everything: str, rows: int, known: frozenset[str]
) -> Iterator[Measured]:
    """Rows of units that have more of them than declared: in all, and for one combination of `once_per`."""
    rules: list[tuple[tuple[str, ...], int, str]] = []
    if unit.rows_per_unit is not None:
        rules.append(((unit.column,), unit.rows_per_unit, "rows a unit"))
    if unit.once_per and known.issuperset(unit.once_per):
        rules.append(((unit.column, *unit.once_per), 1, f"row a unit for one {', '.join(unit.once_per)}"))
    for columns, most, said in rules:
        more = _one(
            connection,
            f"SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM {everything} "  # noqa: S608 - names quoted
            f"WHERE {quote(unit.column)} IS NOT NULL GROUP BY {', '.join(map(quote, columns))}) WHERE n > {most}",
        )
        yield Measured(Dimension.UNIQUENESS, unit.column, f"at most {most} {said}", rows, more)


def _of_keys(connection: DuckDBPyConnection, table: Table, tables: Mapping[TableName, Table]) -> Iterator[Measured]:
    """Rows whose declared foreign key leads to nothing."""
    for unit in table.units:
        if not unit.via:
            continue
        column, (referred, _, key) = unit.via[0], unit.via[1].rpartition(".")
        target = tables.get(TableName(*referred.split(".", 1)))
        own = table.column(column)
        there = target.column(key) if target is not None else None
        if target is None or there is None or own is None or target.source is None:
            continue
        attach = attach_statement(target.source, "referred")
        if attach:
            connection.execute(attach)
        lost = (
            f"FROM {relation(table, (own,))} WHERE {quote(column)} IS NOT NULL AND {quote(column)} NOT IN "  # noqa: S608
            f"(SELECT {quote(key)} FROM {relation(target, (there,), 'referred')} WHERE {quote(key)} IS NOT NULL)"
        )
        rows = _one(connection, f"SELECT count({quote(column)}) FROM {relation(table, (own,))}")  # noqa: S608
        faulty = _one(connection, f"SELECT count(*) {lost}")
        yield Measured(Dimension.CONSISTENCY, column, f"is in {referred}", rows, faulty)


def _most_rows(connection: DuckDBPyConnection, table: Table, columns: list[Column]) -> int:
    """How many rows the subject with the most of them has; 1 where there are none."""
    held = {column.name for column in columns}
    everything = relation(table, tuple(columns))
    most = (
        _one(
            connection,
            f"SELECT coalesce(max(n), 1) FROM (SELECT count(*) AS n FROM {everything} "  # noqa: S608 - names quoted
            f"WHERE {quote(name)} IS NOT NULL GROUP BY {quote(name)})",
        )
        for name in {unit.column for unit in table.units} & held
    )
    return max(most, default=1)


def _timely(table: Table, today: date) -> Measured:
    """Whether the data are of the last period in which they should have been refreshed: one count for all rows."""
    rule = f"refreshed every {table.refresh}, as of {table.as_of}"
    return Measured(Dimension.TIMELINESS, "", rule, 1, int(today > fresh_until(table)), whole=True)


def _distinct(
    connection: DuckDBPyConnection, table: Table, columns: tuple[Column, ...]
) -> Iterator[tuple[tuple[str, ...], int]]:
    """Each combination of values without a null, as text, and its number of rows."""
    names = ", ".join(f"CAST({quote(column.name)} AS VARCHAR)" for column in columns)
    there = " AND ".join(f"{quote(column.name)} IS NOT NULL" for column in columns)
    found = connection.execute(
        f"SELECT {names}, count(*) FROM {relation(table, columns)} WHERE {there} GROUP BY ALL"  # noqa: S608
    )
    while batch := found.fetchmany(_BATCH):
        yield from ((row[:-1], row[-1]) for row in batch)


def _one(connection: DuckDBPyConnection, statement: str) -> int:
    return int(connection.execute(statement).fetchall()[0][0])
