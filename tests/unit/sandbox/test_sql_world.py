"""The small catalogue of docs/reference/sql/README.md, for every test of the SQL front; and that it is what it says."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import Kind, TableName, Type
from louver_sandbox.catalog.model import Catalog, Column, PrivacyUnit, Role, SpaceKind, Table, UnitType, Verb
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.parse import parse
from louver_sandbox.stages import Bound, InstitutionType, Request, Subject

DOCS = Path(__file__).parents[3] / "docs" / "reference" / "sql"
AS_OF = date(2026, 6, 30)
SUBJECT = Subject("bank_a", InstitutionType.BANK, frozenset(), "0" * 64)


def _table(head: str, lines: list[str]) -> Table:
    name, _, view = head.partition(" = ")
    schema, _, short = name.partition(".")
    columns, units = [], []
    for line in lines:
        column, kind, *rest = line.split()
        scale = int(rest[0]) if kind == "decimal" else 0
        columns.append(Column(column, Type(Kind(kind), scale), nullable=True, level=1, role=Role.VALUE, decimals=4))
        if "unit" in rest:
            units.append(PrivacyUnit(UnitType(rest[-1]), column, 1))
    return Table(
        name=TableName(schema, short),
        space=SpaceKind.GOVERNMENT if schema == "gov" else SpaceKind.INSTITUTION,
        owner="市数据局",
        title=short,
        share_type="有条件",
        open_type="不予",
        operable=frozenset(Verb),
        refresh="day",
        as_of=AS_OF,
        units=tuple(units),
        columns=tuple(columns),
        view=view or None,
        data_version="1",
    )


def _catalog() -> Catalog:
    text = (DOCS / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```text catalogue\n(.*?)```", text, re.DOTALL)
    assert block is not None
    tables: dict[str, list[str]] = {}
    for line in block[1].splitlines():
        if line.startswith(" "):
            tables[list(tables)[-1]].append(line)
        else:
            tables[line] = []
    made = [_table(head, lines) for head, lines in tables.items()]
    return Catalog({table.name: table for table in made}, "catalogue")


CATALOG = _catalog()


def request(sql: str, **parameters: Value) -> Request:
    """A question of bank_a."""
    return Request("request-1", SUBJECT, "RESEARCH", sql, parameters)


def ask(sql: str, **parameters: Value) -> Bound:
    """The question, parsed and bound against the small catalogue."""
    return bind(parse(request(sql, **parameters)), CATALOG)


def test_the_documented_catalogue_has_government_tables_own_tables_and_a_view() -> None:
    assert {str(name) for name in CATALOG.tables} == {
        "gov.ent_registry",
        "gov.tax_credit",
        "gov.ss_person_month",
        "gov.credit_list",
        "bank_a.loan_book",
        "bank_a.客户",
        "gov.blacklist",
    }
    assert CATALOG.tables[TableName("gov", "blacklist")].view is not None


def test_columns_have_the_documented_types() -> None:
    registry = CATALOG.tables[TableName("gov", "ent_registry")]
    assert {column.name: str(column.type) for column in registry.columns}["reg_capital_wan"] == "decimal(4)"
    assert [unit.column for unit in registry.units] == ["uscc"]
