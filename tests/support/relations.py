"""Small worlds for planner and releaser tests: tables with rows, trees built by hand, and DuckDB to run plans on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Protocol

import duckdb
import pyarrow as pa
from tests.support.engines import fill, lent_engine

from louver.errors import Refused
from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, Named
from louver_sandbox.algebra.relations import Relation, scans
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, TEXT, Kind, TableName, Type
from louver_sandbox.catalog.model import (
    Catalog,
    Column,
    PrivacyUnit,
    Role,
    SpaceKind,
    Table,
    UnitType,
)
from louver_sandbox.engines.duckdb import DuckDbEngine
from louver_sandbox.engines.shape import Shape
from louver_sandbox.obligations import AccessBudget, ThresholdRules
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import verify
from louver_sandbox.release.decode import decode
from louver_sandbox.release.release import release
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.functions import RULES
from louver_sandbox.sql.parse import parse
from louver_sandbox.stages import (
    Admitted,
    Bound,
    Committed,
    Execution,
    Facts,
    GrantUse,
    InstitutionType,
    OutputColumn,
    Plan,
    Release,
    Request,
    Subject,
    Treatment,
)
from louver_sandbox.suppression.pattern import choose

TODAY = date(2026, 6, 30)
BANK = Subject("bank_a", InstitutionType.BANK, frozenset({"banks"}), "f" * 64)
RULES_5 = ThresholdRules({UnitType.PERSON: 10, UnitType.ENTERPRISE: 5})

Row = Mapping[str, object]

_ENGINE_TYPES = {
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INTEGER: "BIGINT",
    Kind.DOUBLE: "DOUBLE",
    Kind.TEXT: "VARCHAR",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.TEXT_LIST: "VARCHAR[]",
}


@dataclass(frozen=True)
class World:
    """Tables and their rows. A record key is the row's own value of the unit column, hashed by Python."""

    tables: tuple[Table, ...]
    rows: Mapping[TableName, Sequence[Row]]

    @property
    def catalog(self) -> Catalog:
        return Catalog({table.name: table for table in self.tables}, "catalogue")


def column(
    name: str,
    type_: Type = TEXT,
    *,
    nullable: bool = True,
    level: int = 3,
    decimals: int = 6,
    bounds: tuple[Decimal, Decimal] | None = None,
) -> Column:
    return Column(name, type_, nullable, level, Role.VALUE, bounds=bounds, decimals=decimals)


def table(
    name: str,
    columns: Sequence[Column],
    units: Sequence[PrivacyUnit] = (),
    *,
    space: SpaceKind = SpaceKind.GOVERNMENT,
) -> Table:
    schema, short = name.split(".")
    return Table(
        TableName(schema, short),
        space,
        "owner",
        name,
        "conditional",
        "closed",
        frozenset(),
        "day",
        date(2026, 6, 30),
        tuple(units),
        tuple(columns),
        data_version=f"v-{name}",
    )


def enterprise(column: str = "uscc", rows_per_unit: int | None = None, when: str | None = None) -> PrivacyUnit:
    return PrivacyUnit(UnitType.ENTERPRISE, column, rows_per_unit, when)


def person(column: str = "person_id", rows_per_unit: int | None = None, when: str | None = None) -> PrivacyUnit:
    return PrivacyUnit(UnitType.PERSON, column, rows_per_unit, when)


def ref(relation: int, name: str, type_: Type = TEXT) -> ColumnRef:
    return ColumnRef(relation, name, type_)


def call(function: str, *arguments: Expression, type_: Type | None = None) -> Call:
    found = type_ or RULES[function].result(tuple(argument.type for argument in arguments))
    assert found is not None
    return Call(function, arguments, found)


def lit(value: int | str | bool | Decimal | None, type_: Type | None = None) -> Literal:
    kinds = {bool: BOOLEAN, int: INTEGER, str: TEXT}
    return Literal(value, type_ or kinds[type(value)])


def agg(
    function: str, *arguments: Expression, distinct: bool = False, where: Expression | None = None
) -> AggregateCall:
    types = tuple(argument.type for argument in arguments)
    found = RULES[function].result(types)
    assert found is not None
    return AggregateCall(function, arguments, found, distinct, where)


def named(name: str, expression: Expression) -> Named:
    return Named(name, expression)


def admitted(
    world: World,
    relation: Relation,
    columns: Sequence[OutputColumn],
    *,
    protected: frozenset[int] | None = None,
    rules: ThresholdRules = RULES_5,
) -> Admitted:
    """A permit for the tree; by default every government scan is protected."""
    found = scans(relation)
    spaces = {scan.id: world.catalog.tables[scan.table].space for scan in found}
    if protected is None:
        protected = frozenset(scan.id for scan in found if spaces[scan.id] is SpaceKind.GOVERNMENT)
    grants = tuple(
        GrantUse(
            scan.id,
            scan.table,
            "g",
            "policy",
            "1",
            None,
            tuple(item.name for item in world.catalog.tables[scan.table].columns),
        )
        for scan in found
        if spaces[scan.id] is SpaceKind.GOVERNMENT
    )
    request = Request("r-1", BANK, "RESEARCH", "SELECT")
    bound = Bound(request, relation, tuple(columns), (), {}, world.catalog)
    return Admitted(
        bound,
        Treatment.THRESHOLD if protected else Treatment.EXACT,
        grants,
        protected,
        rules if protected else None,
        AccessBudget(100, 50),
        "bundle",
        Facts(TODAY),
    )


def question(
    world: World, sql: str, *, protected: frozenset[int] | None = None, rules: ThresholdRules = RULES_5
) -> Admitted:
    """A permit for the question as bank_a writes it."""
    bound = bind(parse(Request("r-1", BANK, "RESEARCH", sql)), world.catalog)
    permit = admitted(world, bound.relation, bound.columns, protected=protected, rules=rules)
    return replace(permit, bound=bound)


def engine_type(type_: Type) -> str:
    return f"DECIMAL(18,{type_.scale})" if type_.kind is Kind.DECIMAL else _ENGINE_TYPES[type_.kind]


def record_key(value: object, holds: bool = True) -> int | None:
    """A stand-in for the publisher's keyed hash: as random as that one, and injective on a test's few values."""
    if value is None or not holds:
        return None
    return int.from_bytes(hashlib.blake2b(str(value).encode(), digest_size=7).digest())


Holds = Mapping[str, object]
"""For units with a condition: `{"subject_class": "E"}` is the test's reading of `when`."""


@contextmanager
def snapshots(world: World, made: Plan) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with one in-memory database per source of the plan, each holding `main.data`."""
    with lent_engine() as connection:
        for source in made.sources:
            described = world.catalog.tables[source.table]
            names = [item.name for item in described.columns] + [unit.record_key for unit in described.units]
            types = [engine_type(item.type) for item in described.columns] + ["BIGINT"] * len(described.units)
            columns = ", ".join(f'"{name}" {type_}' for name, type_ in zip(names, types, strict=True))
            connection.execute(f"ATTACH ':memory:' AS {source.alias}")
            connection.execute(f"CREATE TABLE {source.alias}.main.data ({columns})")
            rows = [
                [row.get(item.name) for item in described.columns]
                + [record_key(row.get(unit.column), unit_holds(unit, row)) for unit in described.units]
                for row in world.rows.get(source.table, ())
            ]
            fill(connection, f"{source.alias}.main.data", types, rows)
        yield connection


def unit_holds(unit: PrivacyUnit, row: Row) -> bool:
    """Tests write conditions as `column=value`."""
    if unit.when is None:
        return True
    name, value = unit.when.split("=")
    return row.get(name) == value


@dataclass(frozen=True)
class Ran:
    """A plan, what the engine said, and what left."""

    plan: Plan
    execution: Execution
    release: Release
    exact: tuple[tuple[object, ...], ...] = field(default=())

    def codes(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for notice in self.release.notices:
            found[notice.code] = found.get(notice.code, 0) + notice.count
        return found


def committed(made: Plan) -> Committed:
    return Committed(made, Request("r-1", BANK, "RESEARCH", "SELECT"), 0, {}, {}, {})


def reply_of(connection: duckdb.DuckDBPyConnection, statement: str) -> bytes:
    found = connection.sql(statement).to_arrow_table()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, found.schema) as writer:
        writer.write_table(found)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def reply_to(connection: duckdb.DuckDBPyConnection, made: Plan) -> bytes:
    """What an honest worker replies."""
    return b"".join(reply_of(connection, statement) for statement in made.statements)


_PARSER = duckdb.connect()


def readings(made: Plan) -> tuple[Shape, ...]:
    """What the engine's parser sees in the plan's statements."""
    return tuple(DuckDbEngine(_PARSER).parse(statement) for statement in made.statements)


class Watcher(Protocol):
    """Looks at questions that tests ask."""

    def answered(self, permit: Admitted, execution: Execution, connection: duckdb.DuckDBPyConnection) -> None:
        """A question that ran over the snapshots of the connection."""

    def turned_down(self, permit: Admitted) -> None:
        """A question that the plan refused."""


WATCHERS: list[Watcher] = []
"""Who looks at what `run` is asked (`tests/support/twins.py`)."""


def run(world: World, permit: Admitted, secret: bytes | None = None) -> Ran:
    """Plans, verifies against the engine's parser, runs and releases; noise is drawn by the secret."""
    try:
        made = plan(permit)
    except Refused:
        for watcher in WATCHERS:
            watcher.turned_down(permit)
        raise
    verify(made, readings(made))
    with snapshots(world, made) as connection:
        execution = decode(reply_to(connection, made), committed(made))
        for watcher in WATCHERS:
            watcher.answered(permit, execution, connection)
    return Ran(made, execution, release(execution, choose, secret))


def firms(rows: Sequence[Row] = (), loans: Sequence[Row] = ()) -> World:
    """Quarterly returns of firms (`gov.tax`), their registry (`gov.registry`, one row each) and a bank's loans."""
    money = Type(Kind.DECIMAL, 2)
    tax = table(
        "gov.tax",
        [
            column("uscc", nullable=False),
            column("district"),
            column("arrears", BOOLEAN),
            column("revenue", money),
            column("staff", INTEGER),
            column("score", Type(Kind.DOUBLE), decimals=2),
        ],
        [enterprise("uscc")],
    )
    registry = table(
        "gov.registry",
        [column("uscc", nullable=False), column("section")],
        [enterprise("uscc", rows_per_unit=1)],
    )
    own = table(
        "bank_a.loan",
        [
            replace(column("id_no"), unique=len({row["id_no"] for row in loans}) == len(loans)),
            column("balance", money),
            column("bad", BOOLEAN, nullable=any(row["bad"] is None for row in loans)),
            column("branch"),
        ],
        [enterprise("id_no")],
        space=SpaceKind.INSTITUTION,
    )
    found = sorted({str(row["uscc"]) for row in rows})
    registered = [{"uscc": uscc, "section": "ABC"[number % 3]} for number, uscc in enumerate(found)]
    return World((tax, registry, own), {tax.name: rows, registry.name: registered, own.name: loans})


def returns(district: str, firms: int, *, revenue: Decimal = Decimal("10.00"), quarters: int = 1) -> list[Row]:
    """`quarters` returns of each of `firms` firms in a district, all alike."""
    return [
        {
            "uscc": f"{district}{number}",
            "district": district,
            "arrears": False,
            "revenue": revenue,
            "staff": 3,
            "score": 1.5,
        }
        for number in range(firms)
        for _ in range(quarters)
    ]
