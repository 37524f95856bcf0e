"""Delivered data made ready to register (清洗): what is certain is tidied, repeats dropped, the rest set aside.

A number in its old form or in full width is the same subject as in the new one: left alone it would count as another,
join nothing, be told of nobody. What breaks a promise that publishing relies on (a code outside its domain,
several rows where one is declared) stays out of the registered file and goes back to its department.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from louver_sandbox.algebra.types import Kind
from louver_sandbox.catalog.model import Column, PrivacyUnit, Role, Source, SourceKind, Table
from louver_sandbox.catalog.sources import literal, quote, raw_relation, typed
from louver_sandbox.elements import codes
from louver_sandbox.elements.dictionary import ELEMENTS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BATCH: Final = 50_000
_REASON: Final = "louver_set_aside_because"
"""The column that set-aside rows have beside their own."""
_FORMATS: Final = {SourceKind.PARQUET: "FORMAT parquet, COMPRESSION zstd", SourceKind.CSV: "FORMAT csv, HEADER"}


@dataclass(frozen=True, slots=True)
class Tidied:
    """What became of the rows of one delivery. `tidied` are values by column, `set_aside` rows by rule."""

    rows: int
    tidied: Mapping[str, int]
    repeated: int
    set_aside: Mapping[str, int]

    @property
    def kept(self) -> int:
        """Rows that were written to be registered."""
        return self.rows - self.repeated - sum(self.set_aside.values())


def tidy(
    table: Table, delivered: Source, into: Path, aside: Path, connect: Callable[[], DuckDBPyConnection]
) -> Tidied:
    """Reads a delivery of the table and writes the file to register, and the rows that were set aside if any were.

    The rows come in an order of their own, so the same delivery in another order is the same file. Columns that are
    not declared, and L5 columns, stay what they are.

    Raises:
        ValueError: the source is a database, or a declared column is not in it.
        duckdb.Error: the delivery cannot be read or the files cannot be written.
    """
    if delivered.kind not in _FORMATS:
        raise ValueError("a database is tidied by whoever holds it: export it to Parquet or CSV")
    with connect() as connection:
        connection.execute(f"CREATE TEMP VIEW delivered AS SELECT * FROM {raw_relation(delivered)}")  # noqa: S608
        names = [str(name) for name, *_ in connection.execute("DESCRIBE delivered").fetchall()]
        if lost := [column.name for column in table.columns if column.name not in names and column.level < 5]:
            raise ValueError(f"the delivery lacks {', '.join(lost)}")
        rows = _one(connection, "SELECT count(*) FROM delivered")
        changed = _map_values(connection, [column for column in table.columns if column.level < 5])
        distinct = "DISTINCT" if any(column.role in (Role.IDENTIFIER, Role.KEY) for column in table.columns) else ""
        connection.execute(f"CREATE TEMP TABLE made AS SELECT {distinct} {_tidied(names, changed)}")
        repeated = rows - _one(connection, "SELECT count(*) FROM made")
        refused = _refuse(connection, table, delivered.kind)
        columns = ", ".join(map(quote, names))
        kept = f"SELECT {columns} FROM made WHERE {_REASON} IS NULL ORDER BY {columns}"  # noqa: S608
        others = f"SELECT {columns}, {_REASON} FROM made WHERE {_REASON} IS NOT NULL ORDER BY {columns}"  # noqa: S608
        for statement, path in ((kept, into), *(((others, aside),) if refused else ())):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection.execute(f"COPY ({statement}) TO {literal(str(path))} ({_FORMATS[delivered.kind]})")
    return Tidied(rows, changed, repeated, refused)


def _map_values(connection: DuckDBPyConnection, columns: list[Column]) -> dict[str, int]:
    """Makes `map_<column>` from values to tidied ones for each column that has any; in how many rows by column."""
    changed: dict[str, int] = {}
    for column in columns:
        normal = _normal(column)
        if normal is None:
            continue
        name, count = quote(column.name), 0
        pairs: dict[str, str] = {}
        found = connection.execute(
            f"SELECT {name}, count(*) FROM delivered WHERE {name} IS NOT NULL GROUP BY ALL"  # noqa: S608
        )
        while batch := found.fetchmany(_BATCH):
            for value, rows in batch:
                if (better := normal(value)) is not None:
                    pairs[value] = better
                    count += rows
        if pairs:
            connection.register("pairs", pa.table({"value": list(pairs), "normal": list(pairs.values())}))
            connection.execute(f"CREATE TEMP TABLE {_map(column.name)} AS SELECT * FROM pairs")  # noqa: S608
            connection.unregister("pairs")
            changed[column.name] = count
    return changed


def _map(column: str) -> str:
    return quote(f"map_{column}")


def _tidied(names: list[str], changed: Mapping[str, int]) -> str:
    """What to write after SELECT: every column of the delivery, tidied where a map says so."""
    columns = ", ".join(
        f"coalesce({_map(name)}.normal, delivered.{quote(name)}) AS {quote(name)}"
        if name in changed
        else f"delivered.{quote(name)}"
        for name in names
    )
    joins = (f"LEFT JOIN {_map(name)} ON delivered.{quote(name)} = {_map(name)}.value" for name in changed)
    return " ".join([f"{columns} FROM delivered", *joins])


def _normal(column: Column) -> Callable[[str], str | None] | None:
    """What a value of the column is in its form; None where it is in it, or where nobody can be sure."""
    if column.type.kind is not Kind.TEXT or not column.element:
        return None
    element, domain = ELEMENTS[column.element], column.domain

    def normal(value: str) -> str | None:
        better = element.normal(value) if element.defect(value) is not None else value
        if domain is not None and better not in domain:
            better = codes.SUCCESSORS.get(better, better)
        right = element.defect(better) is None and (domain is None or better in domain)
        return better if right and better != value else None

    return normal


def _refuse(connection: DuckDBPyConnection, table: Table, kind: SourceKind) -> dict[str, int]:
    """Writes beside each row the first promise that it breaks; how many break each."""
    connection.execute(f"ALTER TABLE made ADD COLUMN {_REASON} VARCHAR")
    counts: dict[str, int] = {}
    for rule, broken in (*_of_rows(table, kind), *_of_units(table)):
        connection.execute(f"UPDATE made SET {_REASON} = {literal(rule)} WHERE {_REASON} IS NULL AND ({broken})")  # noqa: S608
        count = _one(connection, f"SELECT count(*) FROM made WHERE {_REASON} = {literal(rule)}")  # noqa: S608
        if count:
            counts[rule] = count
    return counts


def _of_rows(table: Table, kind: SourceKind) -> Iterator[tuple[str, str]]:
    """What no row may be by its columns, as publishing has it."""
    for column in table.columns:
        if column.level == 5:
            continue
        value = typed(kind, column)
        if not column.nullable:
            yield f"{column.name} has a value", f"{value} IS NULL"
        if column.domain is not None:
            domain = ", ".join(map(literal, column.domain))
            yield f"{column.name} is in the domain", f"CAST({value} AS VARCHAR) NOT IN ({domain})"
        if column.bounds is not None and column.bounds_hold:
            low, high = column.bounds
            yield f"{column.name} is within bounds", f"{value} < {low:f} OR {value} > {high:f}"


def _of_units(table: Table) -> Iterator[tuple[str, str]]:
    """All rows of a unit that has more of them than declared: which of them is right, its department knows."""
    for unit in table.units:
        if unit.when is None:
            if unit.once_per:
                names = (unit.column, *unit.once_per)
                yield f"one row of a unit for one {', '.join(unit.once_per)}", _crowded(unit, names, 1)
            if unit.rows_per_unit is not None:
                yield f"at most {unit.rows_per_unit} rows a unit", _crowded(unit, (unit.column,), unit.rows_per_unit)


def _crowded(unit: PrivacyUnit, names: tuple[str, ...], most: int) -> str:
    columns = ", ".join(map(quote, names))
    return (
        f"{quote(unit.column)} IN (SELECT {quote(unit.column)} FROM made "  # noqa: S608 - names quoted
        f"WHERE {quote(unit.column)} IS NOT NULL AND {_REASON} IS NULL GROUP BY {columns} HAVING count(*) > {most})"
    )


def _one(connection: DuckDBPyConnection, statement: str) -> int:
    return int(connection.execute(statement).fetchall()[0][0])
