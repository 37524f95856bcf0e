"""What was understood is what was asked: the tree, emitted as SQL, gives the rows that DuckDB gives for the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from tests.property.test_sql_properties import queries
from tests.unit.sandbox.test_sql_ordinary import GROUPED, ROWS
from tests.unit.sandbox.test_sql_world import CATALOG, ask

from louver_sandbox.algebra.types import Kind
from louver_sandbox.catalog.model import Column
from louver_sandbox.plan.emit import emit

ENGINE_TYPES = {
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INTEGER: "INTEGER",
    Kind.TEXT: "VARCHAR",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.DOUBLE: "DOUBLE",
    Kind.TEXT_LIST: "VARCHAR[]",
}
VALUES = {
    "grade": "['A', 'B', 'C', 'D', NULL, 'it''s'][1 + i % 6]",
    "section": "['A', 'B', 'C', NULL][1 + i % 4]",
    "rating_year": "2018 + i % 8",
    "uscc": "'91' || (i % 37)",
    "subject_id": "'91' || (i % 41)",
    "id_no": "'91' || (i % 29)",
    "polarity": "['R', 'B'][1 + i % 2]",
    "overdue_days": "(i * 31) % 200",
}
BY_KIND = {
    Kind.BOOLEAN: "[TRUE, FALSE, NULL][1 + i % 3]",
    Kind.INTEGER: "(i * 7) % 90",
    Kind.TEXT: "'x' || (i % 11)",
    Kind.DATE: "DATE '2017-01-01' + ((i * 53) % 3600)::INTEGER",
    Kind.TIMESTAMP: "TIMESTAMP '2026-01-01 08:00:00' + to_hours((i * 5) % 2000)",
    Kind.DOUBLE: "(i * 17 % 1000) / 7.0",
    Kind.TEXT_LIST: "['a']",
    Kind.DECIMAL: "((i * 7919) % 100000) / 100.0",
}


def engine_type(column: Column) -> str:
    return ENGINE_TYPES.get(column.type.kind, f"DECIMAL(18,{column.type.scale})")


@pytest.fixture(scope="module")
def world() -> Iterator[duckdb.DuckDBPyConnection]:
    """The small catalogue with 300 rows a table, once under its names and once as snapshots."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE SCHEMA gov; CREATE SCHEMA bank_a")
        for name, table in CATALOG.tables.items():
            if table.view is not None:
                connection.execute(f'CREATE VIEW "{name.schema}"."{name.name}" AS {table.view}')
                continue
            values = ", ".join(
                f'CAST({VALUES.get(column.name, BY_KIND[column.type.kind])} AS {engine_type(column)}) AS "{column.name}"'
                for column in table.columns
            )
            rows = f"SELECT {values} FROM range(300) rows(i)"
            connection.execute(f'CREATE TABLE "{name.schema}"."{name.name}" AS {rows}')
            connection.execute(f"ATTACH ':memory:' AS \"{name}\"")
            connection.execute(f'CREATE TABLE "{name}".main.data AS {rows}')
        connection.execute("SET search_path = 'memory.bank_a'")
        yield connection


def comparable(rows: Sequence[tuple[object, ...]]) -> Counter[tuple[object, ...]]:
    """Rows without order and without the engine's choice of number type; midnight is its date."""

    def cell(value: object) -> object:
        if isinstance(value, bool | int | float | Decimal):
            return round(float(value), 4)
        return str(value).removesuffix(" 00:00:00")

    return Counter(tuple(cell(value) for value in row) for row in rows)


def agree(sql: str, world: duckdb.DuckDBPyConnection) -> bool:
    bound = ask(sql)
    statement = emit(bound.relation, lambda scan: str(scan.table), tuple(column.type for column in bound.columns))
    return comparable(world.execute(sql).fetchall()) == comparable(world.execute(statement).fetchall())


@pytest.mark.parametrize("sql", [sql for sql in GROUPED + ROWS if " limit " not in sql.lower() and "/ 0" not in sql])
def test_an_ordinary_query_means_what_the_engine_means(sql: str, world: duckdb.DuckDBPyConnection) -> None:
    assert agree(sql, world)


def test_only_division_by_zero_differs_on_purpose(world: duckdb.DuckDBPyConnection) -> None:
    assert not agree("select sum(balance) / 0 from loan_book", world)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(sql=queries().filter(lambda sql: " limit " not in sql))
def test_a_query_of_the_grammar_means_what_the_engine_means(sql: str, world: duckdb.DuckDBPyConnection) -> None:
    assert agree(sql, world)
