"""Small catalogues for tests: the demo's own declarations, and builders for tables a test makes up."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache
from pathlib import Path

import louver_sandbox
from louver_sandbox.algebra.types import INTEGER, TEXT, TableName, Type
from louver_sandbox.catalog.load import catalog_of, load_catalog
from louver_sandbox.catalog.model import (
    Catalog,
    Column,
    PrivacyUnit,
    Role,
    Source,
    SpaceKind,
    Table,
    UnitType,
    Verb,
)

DEMO_DECLARATIONS = Path(louver_sandbox.__file__).parent / "demo" / "catalog"
AS_OF = date(2026, 6, 30)
NOWHERE = Path("/nonexistent-world")


@cache
def demo_catalog() -> Catalog:
    """All 16 tables and 3 views of the demo, without data: every data version is empty."""
    return load_catalog([DEMO_DECLARATIONS], NOWHERE)


def demo_catalog_over(world: Path) -> Catalog:
    """The demo's catalogue over a generated world."""
    return load_catalog([DEMO_DECLARATIONS], world)


def a_column(name: str, type_: Type = TEXT, *, level: int = 3, role: Role = Role.QUASI_IDENTIFIER) -> Column:
    """A nullable column."""
    return Column(name, type_, True, level, role)


def a_table(
    name: str = "gov.firm",
    *,
    columns: Iterable[Column] | None = None,
    units: Sequence[PrivacyUnit] | None = None,
    space: SpaceKind = SpaceKind.GOVERNMENT,
    source: Source | None = None,
    data_version: str = "v1",
) -> Table:
    """A government table of firms: uscc (the unit, one row each), section, amount."""
    schema, table = name.split(".")
    default = (
        a_column("uscc", role=Role.IDENTIFIER),
        a_column("section"),
        a_column("amount", INTEGER, role=Role.VALUE),
    )
    firm = (PrivacyUnit(UnitType.ENTERPRISE, "uscc", 1),)
    return Table(
        name=TableName(schema, table),
        space=space,
        owner="测试部门",
        title=name,
        share_type="有条件共享",
        open_type="不予开放",
        operable=frozenset(Verb),
        refresh="day",
        as_of=AS_OF,
        units=firm if units is None else tuple(units),
        columns=default if columns is None else tuple(columns),
        source=source,
        data_version=data_version,
    )


def a_catalog(*tables: Table) -> Catalog:
    """A catalogue of these tables."""
    return catalog_of(tables)


FIRM_YAML = """
table: gov.firm
space: government
owner: 测试部门
title: 测试企业
share_type: 有条件共享
open_type: 不予开放
operable: [analyse]
refresh: day
as_of: 2026-06-30
source: {kind: parquet, path: gov.firm/*.parquet}
units:
  - {type: enterprise, column: uscc, rows_per_unit: 1}
columns:
  uscc: {type: text, nullable: false, level: L1, role: id}
  section: {type: text, nullable: true, level: L2, role: qi, domain: [A, B]}
  amount: {type: decimal(2), nullable: true, level: L3, role: val, bounds: [0, 100]}
"""
"""A whole, right declaration; tests spoil it in one place."""


def declarations(folder: Path, *texts: str) -> list[Path]:
    """One YAML file per text, in order."""
    paths = []
    for number, text in enumerate(texts, start=1):
        path = folder / f"table{number}.yaml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        paths.append(path)
    return paths
