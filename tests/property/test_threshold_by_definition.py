"""What leaves of a protected question is what the rules of PRIVACY 5 say, cell by cell.

The oracle counts sets of units and adds up lists; the product rewrites SQL, runs it in DuckDB and judges parts. On
every small world both must agree on each value, each withheld value, each missing cell and the remainder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.relations import (
    Row,
    World,
    admitted,
    agg,
    call,
    column,
    enterprise,
    lit,
    named,
    person,
    ref,
    run,
    table,
    unit_holds,
)

from louver_sandbox.algebra.expressions import AggregateCall, Expression, Named, Value
from louver_sandbox.algebra.relations import Aggregate, Filter, Join, JoinKind, Project, Relation, Scan
from louver_sandbox.algebra.types import INTEGER, TEXT, TableName, decimal
from louver_sandbox.catalog.model import PrivacyUnit, UnitType
from louver_sandbox.engines import oracle
from louver_sandbox.stages import OutputColumn, ThresholdRules

MONEY = decimal(2)
RULES = ThresholdRules({UnitType.PERSON: 3, UnitType.ENTERPRISE: 2})

UNITS: Mapping[str, tuple[PrivacyUnit, ...]] = {
    "enterprise": (enterprise("uscc"),),
    "two types": (enterprise("uscc"), person("person_id")),
    "one type per row": (enterprise("subject", when="kind=E"), person("subject", when="kind=P")),
}

FIRM = table("gov.firm", [column("uscc", nullable=False), column("section")], [enterprise("uscc", rows_per_unit=1)])


def fact(units: tuple[PrivacyUnit, ...]) -> World:
    columns = [
        column("uscc"),
        column("person_id"),
        column("subject"),
        column("kind"),
        column("district"),
        column("amount", MONEY),
        column("n", INTEGER),
    ]
    return World((table("gov.fact", columns, units), FIRM), {})


few = st.sampled_from
rows_of_fact = st.lists(
    st.fixed_dictionaries(
        {
            "uscc": few(["a", "b", "c", "d", None]),
            "person_id": few(["p", "q", "r", "s", "t", None]),
            "subject": few(["a", "b", "p", "q", "r", None]),
            "kind": few(["E", "P"]),
            "district": few(["x", "y", "z", None]),
            "amount": few(
                [Decimal("0.00"), Decimal("1.50"), Decimal("-2.25"), Decimal("6.00"), Decimal("900.00"), None]
            ),
            "n": few([0, 1, 2, 7, None]),
        }
    ),
    min_size=8,
    max_size=30,
)

amount, number = ref(1, "amount", MONEY), ref(1, "n", INTEGER)
many = call(">", number, lit(1))
MEASURES: Mapping[str, AggregateCall] = {
    "rows": agg("count"),
    "filled": agg("count", number),
    "many": agg("count", where=many),
    "total": agg("sum", amount),
    "mean": agg("avg", amount),
    "flagged": agg("sum", call("case", many, lit(1), lit(0))),
    "some": agg("sum", number, where=call("=", ref(1, "kind"), lit("E"))),
}
COUNTS_ROWS = frozenset({"filled", "many", "flagged"})


@dataclass(frozen=True)
class Question:
    world: World
    core: Aggregate


@st.composite
def questions(draw: st.DrawFn) -> Question:
    units = UNITS[draw(few(sorted(UNITS)))]
    firms = [{"uscc": uscc, "section": draw(few(["S", "T"]))} for uscc in draw(st.sets(few("abcd")))]
    world = fact(units)
    rows: Mapping[TableName, Sequence[Row]] = {world.tables[0].name: draw(rows_of_fact), FIRM.name: firms}
    source: Relation = Scan(1, world.tables[0].name, tuple(item.name for item in world.tables[0].columns))
    keys = [named("district", ref(1, "district"))] if draw(st.booleans()) else []
    if draw(st.booleans()):
        source = Filter(source, call(">", number, lit(0)))
    joined = draw(few([None, JoinKind.INNER, JoinKind.LEFT]))
    if joined is not None:
        condition = call("=", ref(1, "uscc"), ref(2, "uscc"))
        source = Join(joined, source, Scan(2, FIRM.name, ("section", "uscc")), condition)
        keys += [named("section", ref(2, "section"))] if draw(st.booleans()) else []
    chosen = draw(st.lists(few(sorted(MEASURES)), min_size=1, max_size=4, unique=True))
    measures = tuple(named(name, MEASURES[name]) for name in chosen)
    return Question(World(world.tables, rows), Aggregate(9, source, tuple(keys), measures))


def units_of(world: World) -> oracle.UnitsOf:
    def of(scan: Scan, row: Mapping[str, Value]) -> dict[tuple[int, PrivacyUnit], Value]:
        declared = world.catalog.tables[scan.table].units
        return {(scan.id, unit): row.get(unit.column) if unit_holds(unit, row) else None for unit in declared}

    return of


def select_all(core: Aggregate) -> Project:
    def shown(item: Named) -> Named:
        return named(item.name, ref(core.id, item.name, item.expression.type))

    return Project(10, core, tuple(shown(item) for item in core.keys + core.measures))


def expected(core: Aggregate, cell: oracle.Judged) -> tuple[Value, ...]:
    names = [item.name for item in core.keys + core.measures]
    return tuple(None if name in cell.withheld else cell.values[name] for name in names)


def as_text(rows: Sequence[Sequence[object]]) -> list[str]:
    return sorted(repr([None if value is None else str(value) for value in row]) for row in rows)


def types_of(core: Aggregate) -> list[OutputColumn]:
    def type_of(expression: Expression) -> OutputColumn:
        return OutputColumn("column", expression.type)

    return [type_of(item.expression) for item in core.keys + core.measures]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(questions())
def test_what_leaves_is_what_the_rules_say(question: Question) -> None:
    world, core = question.world, question.core
    ran = run(world, admitted(world, select_all(core), types_of(core), rules=RULES))
    given_units = units_of(world)
    cells = oracle.judged(core, world.rows, given_units, RULES, counts_rows=COUNTS_ROWS)  # type: ignore[arg-type]  # rows of strings and numbers
    leaving = [expected(core, cell) for cell in cells if cell.leaves]
    if not core.keys and not leaving:
        leaving = [(None,) * len(core.measures)]
    assert as_text(ran.release.rows) == as_text(leaving)
    assert ran.codes().get("VALUES_WITHHELD", 0) == sum(len(cell.withheld) for cell in cells if cell.leaves)
    whole = oracle.remainder(core, world.rows, given_units, RULES, counts_rows=COUNTS_ROWS)  # type: ignore[arg-type]  # as above
    told = not core.keys or whole is not None
    assert ran.codes().get("CELLS_WITHHELD", 0) == (sum(not cell.leaves for cell in cells) if told else 0)
    assert ("CELLS_UNTOLD" in ran.codes()) == (not told), "none and a few look alike"
    safe = [] if whole is None or not core.keys else [expected(core, whole)]
    assert as_text([] if ran.release.remainder is None else [ran.release.remainder]) == as_text(safe)


def test_types_are_as_declared() -> None:
    assert [item.type for item in types_of(Aggregate(1, Scan(1, FIRM.name, ()), (named("s", ref(1, "s")),), ()))] == [
        TEXT
    ]
