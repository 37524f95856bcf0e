"""Questions run in process over stored tables: the planner, the engine and the releaser, without a service between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
from tests.support.relations import BANK, Ran, World, committed, engine_type, question, readings, reply_to

from louver_sandbox.algebra.relations import scans
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.catalog.model import Catalog, PrivacyUnit, Table
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import verify
from louver_sandbox.release.decode import decode
from louver_sandbox.release.release import release
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.parse import parse
from louver_sandbox.stages import Plan, Request
from louver_sandbox.suppression.pattern import choose


@dataclass(frozen=True)
class Stored:
    """A catalogue, the Parquet files of its tables, and the tables that are public."""

    catalog: Catalog
    files: Mapping[str, str]
    public: frozenset[str] = frozenset()

    @classmethod
    def of(cls, declarations: Path, files: Mapping[str, str], public: frozenset[str] = frozenset()) -> Stored:
        """Every column of a table that is not public is taken for protected, whatever the declaration says of it."""
        found = load_catalog([declarations], declarations / "no-data-is-read-here")
        tables = {name: table if str(name) in public else _protected(table) for name, table in found.tables.items()}
        return cls(replace(found, tables=tables), files, public)

    def plain(self) -> duckdb.DuckDBPyConnection:
        """Plain DuckDB over the same files, with the tables' own names."""
        connection = duckdb.connect(config={"threads": 1})
        for name, files in self.files.items():
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name.partition('.')[0]}")
            connection.execute(f"CREATE VIEW {name} AS FROM '{files}'")
        return connection

    def run(self, sql: str, rules: ThresholdRules) -> Ran:
        """Plans, verifies against the engine's parser, runs and releases; all scans but the public ones are protected."""
        world = World(tuple(self.catalog.tables.values()), {})
        bound = bind(parse(Request("r-1", BANK, "RESEARCH", sql)), self.catalog)
        protected = frozenset(scan.id for scan in scans(bound.relation) if str(scan.table) not in self.public)
        made = plan(question(world, sql, protected=protected, rules=rules))
        verify(made, readings(made))
        with self._snapshots(made) as connection:
            execution = decode(reply_to(connection, made), committed(made))
        return Ran(made, execution, release(execution, choose, None))

    @contextmanager
    def _snapshots(self, made: Plan) -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect(config={"threads": 1}) as connection:
            for source in made.sources:
                connection.execute(f"ATTACH ':memory:' AS {source.alias}")
                columns = ", ".join(self._columns(source.table))
                connection.execute(
                    f"CREATE TABLE {source.alias}.main.data AS SELECT {columns} FROM '{self.files[str(source.table)]}'"
                )
            yield connection

    def _columns(self, name: TableName) -> Iterator[str]:
        described = self.catalog.tables[name]
        for item in described.columns:
            yield f'CAST("{item.name}" AS {engine_type(item.type)}) AS "{item.name}"'
        for unit in described.units:
            yield f'{_record_key(unit)} AS "{unit.record_key}"'


def _protected(table: Table) -> Table:
    return replace(table, columns=tuple(replace(column, level=max(column.level, 3)) for column in table.columns))


def _record_key(unit: PrivacyUnit) -> str:
    """The engine's own hash stands in for the publisher's keyed one."""
    return f"""CASE WHEN {unit.when or "true"} THEN CAST(hash(CAST("{unit.column}" AS VARCHAR)) >> 1 AS BIGINT) END"""
