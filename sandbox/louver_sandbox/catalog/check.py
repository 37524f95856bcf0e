"""Whether the data are as declared: columns, types, nulls, domains, rows per unit. Only counts are ever reported.

Run by the operator (`louver-sandbox catalog check`) and before publication, never for a query. Bounds of values clip
contributions in a later mechanism and giants exceed them by nature, so rows outside those are a warning; bounds of
any other column limit how many groups it makes, and must hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from louver_sandbox.algebra.types import Kind, TableName, Type, decimal
from louver_sandbox.catalog.load import Declared
from louver_sandbox.catalog.model import Catalog, Column, Source, SourceKind, Table
from louver_sandbox.catalog.positions import CatalogProblem
from louver_sandbox.catalog.rules import Finding
from louver_sandbox.catalog.sources import (
    attach_statement,
    literal,
    quote,
    raw_relation,
    relation,
    source_files,
    typed,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Emit = Callable[[Table, str], str]
"""Engine text of a predicate of the catalogue over the table's own column names."""

_KINDS = {
    "BOOLEAN": Kind.BOOLEAN,
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"), Kind.INTEGER),
    "FLOAT": Kind.DOUBLE,
    "DOUBLE": Kind.DOUBLE,
    "VARCHAR": Kind.TEXT,
    "VARCHAR[]": Kind.TEXT_LIST,
    "DATE": Kind.DATE,
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), Kind.TIMESTAMP),
}


def engine_type(text: str) -> Type | None:
    """The kind of a DuckDB type, or None for one that cannot be registered."""
    if match := re.fullmatch(r"DECIMAL\(\d+,(\d+)\)", text):
        return decimal(int(match[1]))
    kind = _KINDS.get(text)
    return None if kind is None else Type(kind)


def check_catalog(
    catalog: Catalog,
    *,
    connect: Callable[[], DuckDBPyConnection],
    emit: Emit | None = None,
    declared: Sequence[Declared] = (),
) -> tuple[CatalogProblem, ...]:
    """Every difference between the catalogue and its sources; views have none of their own.

    `connect` gives a fresh connection that may read the sources; it is closed here. Without `emit`, units with a
    condition are not counted. With `declared` (from `read_declarations`) a problem carries its line and column.
    """
    places = {item.table.name: item for item in declared}
    problems: list[CatalogProblem] = []
    for table in catalog.tables.values():
        if table.source is None:
            continue
        with connect() as connection:
            found = _table_findings(connection, table, table.source, emit)
            problems.extend(located(table.name, places.get(table.name), *pair) for pair in found)
    return tuple(problems)


def located(name: TableName, place: Declared | None, finding: Finding, warning: bool = False) -> CatalogProblem:
    """The finding as a problem: at its line where the declaration is known, else by table and column."""
    path, line, column = str(name), None, None
    if place is not None:
        path, (line, column) = place.path, place.node.locate(finding.at)
    elif len(finding.at) > 1:
        path = f"{name}.{finding.at[1]}"
    return CatalogProblem(path, line, column, finding.message, finding.message_zh, finding.hint, warning)


def _table_findings(
    connection: DuckDBPyConnection, table: Table, source: Source, emit: Emit | None
) -> list[tuple[Finding, bool]]:
    from duckdb import Error  # the engine is the caller's choice and is only needed where a source is read

    if not source_files(source):
        return [
            (Finding(("source", "path"), "no file is there", "源文件不存在", "check the data folder and path"), False)
        ]
    try:
        attach = attach_statement(source)
        if attach:
            connection.execute(attach)
        stored = dict(
            row[:2]
            for row in connection.execute(f"DESCRIBE SELECT * FROM {raw_relation(source)}").fetchall()  # noqa: S608
        )
        shape = [(finding, False) for finding in _shape_findings(table, source, stored)]
        return shape or list(_data_findings(connection, table, source, emit))
    except Error:  # its text may quote values
        return [
            (
                Finding(("source",), "the source cannot be read", "源数据无法读取", "open the files with the engine"),
                False,
            )
        ]


def _shape_findings(table: Table, source: Source, stored: dict[str, str]) -> Iterator[Finding]:
    for column in table.columns:
        at = ("columns", column.name)
        if column.name not in stored:
            yield Finding(
                at, "the source has no such column", "源数据中没有该列", "columns are named as in the source"
            )
        elif source.kind is not SourceKind.CSV and engine_type(stored[column.name]) != column.type:
            yield Finding(
                (*at, "type"),
                f"declared {column.type}, but the source holds {stored[column.name]}",
                f"声明为 {column.type}，源数据为 {stored[column.name]}",
                "declare the type of the source, or convert the source",
            )


_Measure = tuple[Finding, bool, str]
"""What a count above zero means, whether that only warns, and the counted condition."""


def _data_findings(
    connection: DuckDBPyConnection, table: Table, source: Source, emit: Emit | None
) -> Iterator[tuple[Finding, bool]]:
    measures = [measure for column in table.columns for measure in _column_measures(column, source)]
    if measures:
        counts = connection.execute(
            f"SELECT {', '.join(f'count(*) FILTER (WHERE {text})' for _, _, text in measures)} "  # noqa: S608
            f"FROM {raw_relation(source)}"
        ).fetchall()[0]
        for (finding, warning, _), count in zip(measures, counts, strict=True):
            if count:
                yield _counted(finding, count), warning
    yield from ((finding, False) for finding in _repeat_findings(connection, table))
    yield from ((finding, False) for finding in _unit_findings(connection, table, emit))


def _counted(finding: Finding, count: int) -> Finding:
    return Finding(finding.at, f"{count} {finding.message}", f"{count} {finding.message_zh}", finding.hint)


def _column_measures(column: Column, source: Source) -> Iterator[_Measure]:
    """Conditions over the raw source, which the column's own quoted name stands for."""
    at, raw, value = ("columns", column.name), quote(column.name), typed(source.kind, column)
    if not column.nullable:
        finding = Finding((*at, "nullable"), "rows are null", "行为空值", "declare nullable: true, or mend the data")
        yield finding, False, f"{value} IS NULL"
    if source.kind is SourceKind.CSV and column.type.kind is not Kind.TEXT:
        finding = Finding((*at, "type"), "fields do not parse", "个字段无法解析", "declare text, or mend the data")
        yield finding, False, f"{raw} IS NOT NULL AND {value} IS NULL"
    elif column.type.kind is Kind.DOUBLE:
        finding = Finding(at, "values are not finite", "个值非有限数", "replace them by nulls in the source")
        yield finding, False, f"{raw} IS NOT NULL AND {value} IS NULL"
    if column.bounds is not None:
        low, high = column.bounds
        finding = Finding(
            (*at, "bounds"),
            "rows are outside the bounds",
            "行超出上下界",
            "widen the bounds" if column.bounds_hold else "they count up to the bound",
        )
        yield finding, not column.bounds_hold, f"{value} < {low:f} OR {value} > {high:f}"
    if column.domain is not None:
        domain = ", ".join(literal(item) for item in column.domain)
        finding = Finding((*at, "domain"), "rows are outside the domain", "行超出值域", "complete the domain")
        yield finding, False, f"CAST({value} AS VARCHAR) NOT IN ({domain})"


def _repeat_findings(connection: DuckDBPyConnection, table: Table) -> Iterator[Finding]:
    for column in table.columns:
        if not column.unique or column.level == 5:
            continue
        name = quote(column.name)
        rows = relation(table, (column,))
        count = _single(connection, f"SELECT count({name}) - count(DISTINCT {name}) FROM {rows}")  # noqa: S608
        if count:
            finding = Finding(
                ("columns", column.name, "unique"),
                "rows repeat a value of this column",
                "行的该列取值重复",
                "leave unique out, or mend the data",
            )
            yield _counted(finding, count)


def _unit_findings(connection: DuckDBPyConnection, table: Table, emit: Emit | None) -> Iterator[Finding]:
    if emit is None and any(unit.when for unit in table.units):
        return
    rows = relation(table, tuple(column for column in table.columns if column.level < 5))
    conditions = [
        f"({quote(unit.column)} IS NOT NULL" + (f" AND {emit(table, unit.when)}" if unit.when and emit else "") + ")"
        for unit in table.units
    ]
    for index, (unit, condition) in enumerate(zip(table.units, conditions, strict=True)):
        if unit.at_least is not None and not unit.via:
            found = f"SELECT count(DISTINCT {quote(unit.column)}) FROM {rows} WHERE {condition}"  # noqa: S608
            if _single(connection, found) < unit.at_least:
                yield Finding(
                    ("units", index, "at_least"),
                    "there are fewer units than declared",
                    "单元数少于声明",
                    "declare a number that every version of the data reaches",
                )
        if unit.once_per:
            by = ", ".join(quote(name) for name in (unit.column, *unit.once_per))
            repeated = f"SELECT 1 FROM {rows} WHERE {condition} GROUP BY {by} HAVING count(*) > 1"  # noqa: S608
            if count := _single(connection, f"SELECT count(*) FROM ({repeated})"):  # noqa: S608
                finding = Finding(
                    ("units", index, "once_per"),
                    f"times a unit has several rows with the same {', '.join(unit.once_per)}",
                    f"处：同一单元的 {'、'.join(unit.once_per)} 取值重复",
                    "leave once_per out, name more columns, or mend the data",
                )
                yield _counted(finding, count)
        if unit.rows_per_unit is None:
            continue
        count = _single(
            connection,
            f"SELECT count(*) FROM (SELECT 1 FROM {rows} WHERE {condition} "  # noqa: S608 - names quoted, predicates emitted
            f"GROUP BY {quote(unit.column)} HAVING count(*) > {unit.rows_per_unit})",
        )
        if count:
            finding = Finding(
                ("units", index, "rows_per_unit"),
                f"units have more than {unit.rows_per_unit} rows",
                f"个单元超过 {unit.rows_per_unit} 行",
                "declare the true bound, or unbounded",
            )
            yield _counted(finding, count)
    if conditions and (
        count := _single(
            connection,
            f"SELECT count(*) FROM {rows} WHERE (({' OR '.join(conditions)})) IS NOT TRUE",  # noqa: S608
        )
    ):
        finding = Finding(
            ("units",), "rows belong to no privacy unit", "行不属于任何隐私单元", "complete the units' conditions"
        )
        yield _counted(finding, count)


def _single(connection: DuckDBPyConnection, statement: str) -> int:
    return int(connection.execute(statement).fetchall()[0][0])
