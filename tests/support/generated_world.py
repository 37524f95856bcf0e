"""Small worlds for generated queries: tables of two kinds of unit, a public one and the bank's own; rights at random."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

import duckdb
from tests.support.engines import fill
from tests.support.policy_questions import BANK_A, TODAY, bundle_of, grant_document, policy
from tests.support.relations import column, engine_type, enterprise, person, record_key, table

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, TEXT, TableName, Type, decimal
from louver_sandbox.catalog.model import Catalog, Column, PrivacyUnit, Role, SpaceKind, Table, Verb
from louver_sandbox.engines.duckdb import KEEP_LIMITS
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.visible import visible
from louver_sandbox.stages import Facts

MONEY = decimal(2)
BANK, FACTS = BANK_A, Facts(TODAY)
RIGHTS = ("join_key", "group_key", "filter", "aggregate", "order", "output")

DOMAINS: Mapping[str, Sequence[str | None]] = {
    "firm": ("f1", "f2", "f3", "f4", "f5", "f6", None),
    "man": ("p1", "p2", "p3", "p4", "p5", "p6", "p7", None),
    "area": ("east", "west", "市南", "", None),
    "word": ("a", "b", "A", "é", "", None),
}
"""The values of text columns. A column's domain is also what it may be compared with."""


@dataclass(frozen=True)
class Field:
    """A column of the schema: its name, its domain (of `DOMAINS`, or `int`, `money`, `bool`), and if it may be null."""

    name: str
    domain: str
    nullable: bool = True

    @property
    def type(self) -> Type:
        return {"int": INTEGER, "money": MONEY, "bool": BOOLEAN}.get(self.domain, TEXT)


SCHEMA: Mapping[str, tuple[Field, ...]] = {
    "gov.tax": (
        Field("uscc", "firm"),
        Field("person_id", "man"),
        Field("district", "area"),
        Field("kind", "word"),
        Field("amount", "money"),
        Field("n", "int"),
        Field("late", "bool"),
    ),
    "gov.firm": (
        Field("uscc", "firm", nullable=False),
        Field("section", "word"),
        Field("district", "area"),
        Field("staff", "int"),
    ),
    "gov.fine": (Field("uscc", "firm"), Field("code", "word"), Field("fined", "money")),
    "gov.citizen": (Field("person_id", "man", nullable=False), Field("district", "area"), Field("income", "money")),
    "gov.region": (Field("district", "area", nullable=False), Field("zone", "word"), Field("weight", "int")),
    "bank_a.loan": (Field("id_no", "firm"), Field("branch", "word"), Field("balance", "money"), Field("bad", "bool")),
}
UNITS: Mapping[str, tuple[PrivacyUnit, ...]] = {
    "gov.tax": (enterprise(), person()),
    "gov.firm": (enterprise(rows_per_unit=1),),
    "gov.fine": (enterprise(),),
    "gov.citizen": (person(rows_per_unit=1),),
    "bank_a.loan": (enterprise("id_no"),),
}
PUBLIC = "gov.region"
ONE_ROW_EACH = ("gov.firm", "gov.citizen", PUBLIC)
"""Tables whose first column is unique."""


@dataclass(frozen=True)
class GeneratedWorld:
    """Tables with rows, the rights on them by table and column, and the signed bundle that grants those."""

    catalog: Catalog
    bundle: Bundle
    rows: Mapping[TableName, Sequence[Mapping[str, Value]]]
    rights: Mapping[str, Mapping[str, frozenset[str]]]

    @property
    def seen(self) -> Catalog:
        """What the bank may see of the catalogue."""
        return visible(self.catalog, self.bundle, BANK)


def world(random: Random) -> GeneratedWorld:
    """A world. Every second one grants everything, so that queries of every kind are admitted."""
    tables = {name: _table(name) for name in SCHEMA}
    rights = _rights(random, everything=random.random() < 1 / 2)
    rows = {tables[name].name: _rows(random, name) for name in SCHEMA}
    catalog = Catalog({item.name: item for item in tables.values()}, "catalogue")
    return GeneratedWorld(catalog, _bundle(rights), rows, rights)


def _table(name: str) -> Table:
    space = SpaceKind.INSTITUTION if name.startswith("bank_a.") else SpaceKind.GOVERNMENT
    made = table(name, [_column(name, one) for one in SCHEMA[name]], UNITS.get(name, ()), space=space)
    return replace(made, operable=frozenset(Verb))


def _column(name: str, one: Field) -> Column:
    made = column(one.name, one.type, nullable=one.nullable, level=1 if name == PUBLIC else 3)
    is_unit = any(unit.column == one.name for unit in UNITS.get(name, ()))
    unique = name in ONE_ROW_EACH and one is SCHEMA[name][0]
    return replace(made, role=Role.IDENTIFIER if is_unit else Role.QUASI_IDENTIFIER, unique=unique)


def _rights(random: Random, *, everything: bool) -> dict[str, dict[str, frozenset[str]]]:
    def chosen() -> frozenset[str]:
        some = frozenset(right for right in RIGHTS if everything or random.random() < 0.93)
        return some or frozenset({"aggregate"})

    return {
        name: {one.name: chosen() for one in fields}
        for name, fields in SCHEMA.items()
        if not name.startswith("bank_a.")
    }


def _bundle(rights: Mapping[str, Mapping[str, frozenset[str]]]) -> Bundle:
    grants = [
        grant_document(
            f"g{number}",
            table=name,
            columns={column: _granted(given) for column, given in columns.items()},
            treatment="exact" if name == PUBLIC else "threshold",
            threshold={"person": 3, "enterprise": 3},
        )
        for number, (name, columns) in enumerate(rights.items())
    ]
    return bundle_of(policy(*grants, owner="owner"))


def _granted(given: frozenset[str]) -> dict[str, object]:
    """The rights in the long form: an aggregate right for every function."""
    long: dict[str, object] = {right: {} for right in given - {"join_key", "order", "aggregate"}}
    long |= dict.fromkeys(given & {"join_key", "order"}, True)
    return long | ({"aggregate": {"functions": AGGREGATES}} if "aggregate" in given else {})


AGGREGATES = ["count", "sum", "avg", "var_samp", "stddev_pop", "var_pop", "stddev_samp", "corr"]


def _rows(random: Random, name: str) -> list[dict[str, Value]]:
    fields = SCHEMA[name]
    if name in ONE_ROW_EACH:
        keys = [value for value in DOMAINS[fields[0].domain] if value is not None and random.random() < 0.8]
        return [{fields[0].name: key, **{one.name: _value(random, one) for one in fields[1:]}} for key in keys]
    return [{one.name: _value(random, one) for one in fields} for _ in range(random.choice((0, 5, 14, 26)))]


def _value(random: Random, one: Field) -> Value:
    if one.domain == "int":
        found: Value = random.choice((-2, 0, 1, 1, 2, 7, None))
    elif one.domain == "money":
        found = random.choice(
            (Decimal("0.00"), Decimal("1.50"), Decimal("2.00"), Decimal("-2.25"), Decimal("9.00"), None)
        )
    elif one.domain == "bool":
        found = random.choice((True, False, None))
    else:
        found = random.choice(DOMAINS[one.domain])
    return found if found is not None or one.nullable else _value(random, one)


@contextmanager
def engine(world: GeneratedWorld) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with `<table>.main.data` for each table's rows and record keys, and a view of the table's own name."""
    connection = duckdb.connect(config={"threads": 1})
    try:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(KEEP_LIMITS)
        for described in world.catalog.tables.values():
            name = described.name
            connection.execute(f"ATTACH ':memory:' AS \"{database(name)}\"")
            columns = [f'"{item.name}" {engine_type(item.type)}' for item in described.columns]
            columns += [f'"{unit.record_key}" BIGINT' for unit in described.units]
            connection.execute(f'CREATE TABLE "{database(name)}".main.data ({", ".join(columns)})')
            types = [engine_type(item.type) for item in described.columns] + ["BIGINT"] * len(described.units)
            rows = [
                [row[item.name] for item in described.columns]
                + [record_key(row[unit.column]) for unit in described.units]
                for row in world.rows[name]
            ]
            fill(connection, f'"{database(name)}".main.data', types, rows)
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{name.schema}"')
            connection.execute(f'CREATE VIEW "{name.schema}"."{name.name}" AS FROM "{database(name)}".main.data')
        yield connection
    finally:
        connection.close()


def database(name: TableName) -> str:
    """The database that holds a table."""
    return f"{name.schema}_{name.name}"
