"""A plain k-threshold, as a baseline that attacks must succeed against: cells of k distinct subjects leave, as they
are. DuckDB runs the caller's own text, with the threshold as a HAVING."""

from __future__ import annotations

import duckdb
from tests.support.engines import fill
from tests.support.relations import World, engine_type


def plainly_released(world: World, sql: str, subject: str, k: int) -> list[tuple[object, ...]]:
    """The rows that leave of a grouped question about `subject`, its column of subjects."""
    with duckdb.connect(config={"threads": 1}) as connection:
        for table in world.tables:
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{table.name.schema}"')
            columns = ", ".join(f'"{column.name}" {engine_type(column.type)}' for column in table.columns)
            connection.execute(f"CREATE TABLE {table.name} ({columns})")
            types = [engine_type(column.type) for column in table.columns]
            rows = [[row.get(column.name) for column in table.columns] for row in world.rows.get(table.name, ())]
            fill(connection, str(table.name), types, rows)
        return connection.execute(f"{sql} HAVING count(DISTINCT {subject}) >= {k}").fetchall()
