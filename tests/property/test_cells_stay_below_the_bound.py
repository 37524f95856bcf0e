"""A question never has more cells than it pays for: the declared bound against what the engine finds in the rows.

Generated queries over small worlds whose columns declare exactly what their rows may hold; then keys and conditions of
every kind over one table with all types, where rows are dense enough to reach many bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random

import duckdb
import pytest
from tests.support.generated_queries import query
from tests.support.generated_world import BANK, DOMAINS, FACTS, SCHEMA, GeneratedWorld, database, engine, world
from tests.support.relations import column, engine_type, enterprise, table

from louver.errors import Refused
from louver_sandbox.algebra.relations import Aggregate, walk
from louver_sandbox.algebra.types import BOOLEAN, DATE, INTEGER, TEXT, TIMESTAMP, Kind, decimal
from louver_sandbox.catalog.model import Catalog, Column, Role, SpaceKind, Table
from louver_sandbox.plan.cells import Unbounded, most_cells
from louver_sandbox.plan.cores import divided
from louver_sandbox.plan.emit import emit
from louver_sandbox.policy.decide import decide
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.parse import parse
from louver_sandbox.stages import Request

WORLDS, QUERIES = 4, 40


def declared(made: GeneratedWorld) -> GeneratedWorld:
    """The world with what a catalogue would say of its columns; of the bank's own, what its upload has counted."""
    tables = {
        name: replace(one, columns=tuple(_declared(made, one, item) for item in one.columns))
        for name, one in made.catalog.tables.items()
    }
    return replace(made, catalog=Catalog(tables, made.catalog.digest))


def _declared(made: GeneratedWorld, owner: Table, item: Column) -> Column:
    if owner.space is SpaceKind.INSTITUTION:
        held = {row[item.name] for row in made.rows[owner.name]} - {None}
        return replace(item, distinct=len(held))
    if item.type == INTEGER:
        return replace(item, domain=("-2", "0", "1", "2", "7"))
    if item.type.kind is Kind.DECIMAL:
        return replace(item, bounds=(Decimal("-2.25"), Decimal(9)))
    domain = next(one.domain for one in SCHEMA[str(owner.name)] if one.name == item.name)
    return (
        item
        if item.type == BOOLEAN
        else replace(item, domain=tuple(text for text in DOMAINS[domain] if text is not None))
    )


def real_cells(core: Aggregate, connection: duckdb.DuckDBPyConnection) -> Iterator[int]:
    """How many cells each grouping set has in the rows."""
    for one in core.sets or (tuple(range(len(core.keys))),):
        alone = replace(core, keys=tuple(core.keys[index] for index in one), sets=(), measures=())
        statement = emit(alone, lambda scan: database(scan.table))
        yield len(connection.execute(statement).fetchall())


@pytest.mark.parametrize("number", range(WORLDS))
def test_generated_questions_have_no_more_cells_than_declared(number: int) -> None:
    random = Random(f"cells:{number}")
    made = declared(world(random))
    bounded = tight = 0
    with engine(made) as connection:
        for _ in range(QUERIES):
            sql = query(random)
            try:
                permit = decide(bind(parse(Request("r-1", BANK, "RESEARCH", sql)), made.seen), made.bundle, FACTS)
                cores = [core.relation for core in divided(permit).cores if core.protected]
            except Refused:
                continue
            for core in cores:
                assert isinstance(core, Aggregate)
                try:
                    most = most_cells(core, made.catalog)
                except Unbounded:
                    # Only numbers that aggregates below have made are of unknown number here.
                    assert any(isinstance(node, Aggregate) for node in walk(core.input)), sql
                    continue
                real = tuple(real_cells(core, connection))
                assert all(found <= bound for found, bound in zip(real, most, strict=True)), sql
                bounded += 1
                tight += real == most
    assert bounded > QUERIES / 4
    assert tight


DAYS = [date(2024, 12, 30) + timedelta(days=7 * step) for step in range(60)]
EVERYTHING = table(
    "gov.all",
    [
        column("uscc", nullable=False),
        replace(column("code", TEXT, nullable=False), domain=("a", "b", "c")),
        replace(column("maybe", TEXT), domain=("x", "y")),
        replace(column("grade", INTEGER), domain=("1", "2", "3", "10")),
        replace(column("age", INTEGER), bounds=(Decimal(0), Decimal(90)), role=Role.QUASI_IDENTIFIER),
        replace(column("rate", decimal(1)), bounds=(Decimal(0), Decimal(1)), role=Role.QUASI_IDENTIFIER),
        replace(column("day", DATE), domain=tuple(day.isoformat() for day in DAYS)),
        column("free", DATE),
        column("moment", TIMESTAMP),
        column("flag", BOOLEAN, nullable=False),
    ],
    [enterprise("uscc")],
)
KEYS: Mapping[str, tuple[str, ...]] = {
    "": (
        "code",
        "maybe",
        "grade",
        "age",
        "rate",
        "day",
        "flag",
        "NOT flag",
        "code || maybe",
        "upper(code)",
        "age % 10",
        "age / 10",
        "floor(rate)",
        "abs(grade - 2)",
        "year(free)",
        "month(free)",
        "date_trunc('month', day)",
        "date_trunc('year', day)",
        "date_trunc('quarter', day)",
        "date_trunc('week', day)",
        "year(day), quarter(day)",
        "code, upper(code), code || 'x'",
        "age > 30, age > 60",
        "CASE WHEN age < 18 THEN 'young' WHEN age < 60 THEN 'old' END",
        "CASE WHEN age < 18 THEN code ELSE maybe END",
        "CASE WHEN flag THEN 'x' ELSE 'x' END",
        "coalesce(maybe, 'none')",
        "coalesce(maybe, code)",
        "nullif(code, 'a')",
        "greatest(grade, 2)",
        "maybe IS NULL",
        "width_bucket(age, 0, 90, 9)",
        "code, maybe, grade",
        "length(code), code",
        "1 + 1",
    ),
    "free >= DATE '2025-01-15' AND free < DATE '2025-03-02'": (
        "free",
        "date_trunc('month', free)",
        "date_trunc('week', free)",
        "date_trunc('quarter', free)",
        "date_trunc('year', free)",
    ),
    "moment BETWEEN TIMESTAMP '2025-01-15 10:00:00' AND TIMESTAMP '2025-01-17 03:00:00'": (
        "date_trunc('day', moment)",
        "CAST(moment AS DATE), flag",
    ),
    "code = 'a'": ("code", "code, maybe", "upper(code)"),
    "code IN ('a', 'c') AND maybe <> 'x'": ("code, maybe",),
    "grade > 1 AND 3 >= grade": ("grade", "grade * 2"),
    "grade IN (1, 77, NULL)": ("grade",),
    "age BETWEEN 20 AND 30": ("age", "age + grade"),
    "day IN (DATE '2025-01-06', DATE '2025-01-13')": ("day", "date_trunc('month', day)"),
    "day > DATE '2025-06-01'": ("day", "date_trunc('month', day)"),
    "code = 'a' OR code = 'b'": ("code",),
    "NOT (code = 'a')": ("code",),
}
JOINS = (
    "SELECT count(*) FROM gov.all a LEFT JOIN gov.all b ON a.uscc = b.uscc AND b.code = 'a' GROUP BY b.code",
    "SELECT count(*) FROM gov.all a FULL JOIN gov.all b ON a.uscc = b.uscc AND a.code = 'a' GROUP BY a.code",
    "SELECT count(*) FROM gov.all a JOIN gov.all b ON a.code = b.code AND a.maybe = b.maybe AND b.maybe = 'x' "
    "GROUP BY a.code, b.code, a.maybe",
    "SELECT count(*) FROM gov.all a JOIN gov.all b ON a.grade = b.age AND a.uscc = b.uscc GROUP BY b.age",
    "SELECT count(*) FROM (SELECT uscc, max(code) AS top FROM gov.all WHERE code IN ('a', 'b') GROUP BY uscc) GROUP BY top",
    "SELECT count(*) FROM (SELECT code AS c FROM gov.all UNION ALL SELECT maybe FROM gov.all) GROUP BY c",
    "SELECT code, maybe, count(*) FROM gov.all GROUP BY CUBE (code, maybe)",
    "SELECT count(*) FROM gov.all a WHERE EXISTS (SELECT 1 FROM gov.all b WHERE b.uscc = a.uscc AND b.code = 'a') "
    "GROUP BY code",
    "SELECT count(*) FROM gov.all WHERE code IN (SELECT code FROM gov.all WHERE flag) GROUP BY code",
    "SELECT DISTINCT code, flag FROM gov.all",
    "SELECT count(*) FROM gov.all",
)
QUESTIONS = [
    f"SELECT count(*) FROM gov.all {f'WHERE {where}' if where else ''} GROUP BY {keys}"
    for where, several in KEYS.items()
    for keys in several
] + list(JOINS)


@pytest.fixture(scope="module")
def rows() -> Iterator[duckdb.DuckDBPyConnection]:
    """Rows at random, with all that is declared and nothing else."""
    random = Random("rows")

    def some(values: list[object]) -> object:
        return random.choice(values)

    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(f"ATTACH ':memory:' AS {database(EVERYTHING.name)}")
        described = ", ".join(f'"{item.name}" {engine_type(item.type)}' for item in EVERYTHING.columns)
        connection.execute(f"CREATE TABLE {database(EVERYTHING.name)}.main.data ({described})")
        start = datetime(2025, 1, 14, 20, 0)
        held = [
            (
                f"F{random.randrange(200)}",
                some(["a", "b", "c"]),
                some(["x", "y", None]),
                some([1, 2, 3, 10, None]),
                some([*range(91), None]),
                some([Decimal(step) / 10 for step in range(11)] + [None]),
                some([*DAYS, None]),
                some([DAYS[0] + timedelta(days=step) for step in range(500)] + [None]),
                start + timedelta(hours=random.randrange(90)),
                some([True, False]),
            )
            for _ in range(600)
        ]
        marks = ", ".join(f"({', '.join('?' for _ in EVERYTHING.columns)})" for _ in held)
        values = [value for row in held for value in row]
        connection.execute(f"INSERT INTO {database(EVERYTHING.name)}.main.data VALUES {marks}", values)
        yield connection


CATALOG = Catalog({EVERYTHING.name: EVERYTHING}, "catalogue")


def cells(sql: str, connection: duckdb.DuckDBPyConnection) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The cells that are in the rows and the most that may be, of a question's one aggregate at the top."""
    bound = bind(parse(Request("r-1", BANK, "RESEARCH", sql)), CATALOG)
    core = next(node for node in walk(bound.relation) if isinstance(node, Aggregate))
    return tuple(real_cells(core, connection)), most_cells(core, CATALOG)


@pytest.mark.parametrize("sql", QUESTIONS)
def test_no_kind_of_key_makes_more_cells_than_declared(sql: str, rows: duckdb.DuckDBPyConnection) -> None:
    real, most = cells(sql, rows)
    assert all(0 < found <= bound for found, bound in zip(real, most, strict=True))


@pytest.mark.parametrize(
    ("keys", "where", "most"),
    [
        ("code", "", 3),
        ("maybe", "", 3),
        ("age", "", 92),
        ("rate", "", 12),
        ("code, maybe, flag", "", 18),
        ("code, upper(code), length(code)", "", 4),
        ("CASE WHEN age < 18 THEN 'young' ELSE 'old' END", "", 2),
        ("date_trunc('month', free)", "free >= DATE '2025-01-15' AND free < DATE '2025-03-02'", 4),
        ("code, maybe", "code = 'a' AND maybe IN ('x', 'y')", 2),
        ("grade", "grade > 1 AND grade <= 3", 3),
    ],
)
def test_the_bound_is_close(keys: str, where: str, most: int, rows: duckdb.DuckDBPyConnection) -> None:
    sql = f"SELECT count(*) FROM gov.all {f'WHERE {where}' if where else ''} GROUP BY {keys}"
    assert cells(sql, rows)[1] == (most,)


@pytest.mark.parametrize("key", ["free", "moment", "uscc", "uscc || code", "CASE WHEN flag THEN uscc ELSE 'b' END"])
def test_what_nobody_has_declared_has_no_bound(key: str, rows: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(Unbounded):
        cells(f"SELECT count(*) FROM gov.all GROUP BY {key}", rows)


def test_bounds_of_a_value_column_bound_nothing(rows: duckdb.DuckDBPyConnection) -> None:
    age = next(item for item in EVERYTHING.columns if item.name == "age")
    value = replace(EVERYTHING, columns=(replace(age, role=Role.VALUE),))
    bound = bind(parse(Request("r", BANK, "RESEARCH", "SELECT count(*) FROM gov.all GROUP BY age")), CATALOG)
    core = next(node for node in walk(bound.relation) if isinstance(node, Aggregate))
    with pytest.raises(Unbounded) as caught:
        most_cells(core, Catalog({value.name: value}, "catalogue"))
    assert caught.value.columns == ("gov.all.age",)
