"""A table under the atom rule from its Parquet file to what leaves: published, asked, planned, run and released."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from tests.support.catalogs import a_catalog, a_column, a_table
from tests.support.engines import lent_engine
from tests.support.policy_questions import BANK_A, TODAY, bundle_of, grant_document, policy
from tests.support.relations import committed, reply_to

from louver_sandbox.algebra.types import BOOLEAN, DATE, INTEGER
from louver_sandbox.catalog.model import Catalog, PrivacyUnit, Role, Source, SourceKind, Table, UnitType
from louver_sandbox.catalog.sources import data_version
from louver_sandbox.pipeline import judge
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.publishing.predicates import predicate_sql
from louver_sandbox.publishing.publisher import Published, publish, snapshot_path
from louver_sandbox.release.decode import decode
from louver_sandbox.release.release import release
from louver_sandbox.stages import Facts, Plan, Release, Request
from louver_sandbox.suppression.pattern import choose

KEY = bytes(range(32))
OWNER = "测试部门"
K = 5

COLUMNS = (
    a_column("uscc", role=Role.IDENTIFIER),
    a_column("district"),
    a_column("founded", DATE, role=Role.TIME),
    a_column("section"),
    replace(a_column("staff", INTEGER, role=Role.VALUE), nullable=False),
    a_column("amount", INTEGER, role=Role.VALUE),
    a_column("arrears", BOOLEAN, role=Role.FLAG),
)
ONE_ROW = (PrivacyUnit(UnitType.ENTERPRISE, "uscc", 1),)
SEVERAL_ROWS = (PrivacyUnit(UnitType.ENTERPRISE, "uscc", None),)

DIMENSIONS: tuple[dict[str, Any], ...] = (
    {"column": "founded", "by": "year"},
    {
        "column": "section",
        "merge": [{"groups": {"A": "goods", "B": "goods", "C": "goods", "D": "services", "E": "services"}}],
    },
    {"column": "district", "merge": [{"prefix": 4}]},
)
FREE: dict[str, Any] = {
    "district": ["group_key", "filter", "join_key", "order"],
    "founded": ["group_key", "filter"],
    "section": ["group_key", "filter", "aggregate"],
    "staff": ["group_key", "filter", "aggregate", "order"],
    "amount": ["filter", "aggregate"],
    "uscc": {"aggregate": {"functions": ["count"]}, "join_key": True},
}
"""What officers grant who know of thresholds only."""
OF_DIMENSIONS = ["group_key", "filter", "join_key", "order"]
OF_MEASURES: dict[str, Any] = {
    "staff": ["aggregate"],
    "amount": ["aggregate"],
    "uscc": {"aggregate": {"functions": ["count"]}},
}


def firm(units: Sequence[PrivacyUnit] = ONE_ROW) -> Table:
    return a_table(columns=COLUMNS, units=units)


def firm_grant(
    name: str = "firms", dimensions: Sequence[Mapping[str, Any]] | None = DIMENSIONS, **changes: Any
) -> dict[str, Any]:
    """A grant on gov.firm that gives everything which the rules allow; without dimensions one by thresholds alone."""
    document: dict[str, Any] = {"table": "gov.firm", "columns": FREE, "threshold": {"enterprise": K}}
    if dimensions is not None:
        document["atom_units"] = {"person": K, "enterprise": K}
        document["atoms"] = [dict(item) for item in dimensions]
        names = {str(item["column"]) for item in dimensions}
        document["columns"] = OF_MEASURES | dict.fromkeys(sorted(names), OF_DIMENSIONS)
    return grant_document(name, **document | changes)


def firm_bundle(*grants: dict[str, Any]) -> Bundle:
    return bundle_of(policy(*grants, owner=OWNER))


@dataclass(frozen=True)
class Atomic:
    """A published table and what a bank may ask of it."""

    catalog: Catalog
    bundle: Bundle
    folder: Path
    published: tuple[Published, ...]

    def plan(self, sql: str) -> Plan:
        return judge(Request("r", BANK_A, "RESEARCH", sql), self.catalog, self.bundle, Facts(TODAY))

    def ask(self, sql: str) -> Release:
        made = self.plan(sql)
        with lent_engine() as engine:
            for source in made.sources:
                engine.execute(
                    f"ATTACH '{snapshot_path(self.folder, source.snapshot)}' AS {source.alias} (READ_ONLY)"
                )
            execution = decode(reply_to(engine, made), committed(made))
        return release(execution, choose, None)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What stands in the one snapshot, by SQL over `data`."""
        (made,) = self.published
        with duckdb.connect(str(snapshot_path(self.folder, made.id)), read_only=True) as engine:
            return engine.execute(sql).fetchall()


def atomic(
    folder: Path,
    rows: Sequence[Mapping[str, object]],
    bundle: Bundle | None = None,
    table: Table | None = None,
) -> Atomic:
    """The rows stored, published and ready to be asked."""
    described = table or firm()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{described.name}.parquet"
    stored = pa.Table.from_pylist([dict(row) for row in rows], schema=_schema(described))
    with lent_engine() as engine:
        engine.register("stored", stored)
        engine.execute(f"COPY stored TO '{path}' (FORMAT parquet)")
        engine.unregister("stored")
    source = Source(SourceKind.PARQUET, str(path))
    registered = replace(described, source=source, data_version=data_version(source))
    catalog, rules = a_catalog(registered), bundle or firm_bundle(firm_grant())
    made = publish(catalog, rules.grant_sets(catalog, TODAY), folder=folder / "s", key=KEY, emit=predicate_sql)
    return Atomic(catalog, rules, folder / "s", tuple(made))


_TYPES = {"integer": pa.int64(), "text": pa.string(), "date": pa.date32(), "boolean": pa.bool_()}


def _schema(table: Table) -> pa.Schema:
    return pa.schema([(column.name, _TYPES[str(column.type)]) for column in table.columns])


def a_firm(
    number: int, district: str | None = "310101", year: int = 2020, section: str = "A", **more: Any
) -> dict[str, Any]:
    """One firm; amounts are alike unless given."""
    return {
        "uscc": f"U{number:05}",
        "district": district,
        "founded": date(year, 1 + number % 12, 1 + number % 28),
        "section": section,
        "staff": 10 + number % 7,
        "amount": 100 + number % 13,
        "arrears": number % 3 == 0,
    } | more
