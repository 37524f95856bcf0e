"""What leaves of a protected question is what the rules of PRIVACY 5 say, cell by cell.

The naive protection counts sets of units and adds up lists; the product rewrites SQL, runs it in DuckDB and judges
parts. On every small world both must agree on each value, each withheld value, each missing cell and the remainder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import naive_protection
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

from louver.errors import Refused
from louver_sandbox.algebra.expressions import AggregateCall, Call, Expression, Named, Value
from louver_sandbox.algebra.relations import Aggregate, Filter, Join, JoinKind, Project, Relation, Scan, scans, walk
from louver_sandbox.algebra.types import INTEGER, TEXT, TableName, decimal
from louver_sandbox.catalog.model import PrivacyUnit, UnitType
from louver_sandbox.engines import oracle
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.plan.plan import plan
from louver_sandbox.stages import OutputColumn

MONEY = decimal(2)
RULES = ThresholdRules({UnitType.PERSON: 3, UnitType.ENTERPRISE: 2})
MORE_RULES = replace(RULES, dominance_of_two=80, prior_percent=40)

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
        column("kind", nullable=False),
        column("district"),
        column("amount", MONEY),
        column("n", INTEGER),
        column("rate", MONEY, nullable=False),
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
            "rate": few([Decimal("0.00"), Decimal("0.10"), Decimal("0.50")]),
        }
    ),
    min_size=8,
    max_size=30,
)


def flag(condition: Expression) -> Expression:
    """A condition as 0 or 1."""
    return Call("try_cast", (condition,), INTEGER)


amount, number, rate = ref(1, "amount", MONEY), ref(1, "n", INTEGER), ref(1, "rate", MONEY)
many = call(">", number, lit(1))
of_firms, of_persons = (call("=", ref(1, "kind"), lit(kind)) for kind in "EP")
one = call("-", lit(1), rate)
MEASURES: Mapping[str, AggregateCall] = {
    "rows": agg("count"),
    "filled": agg("count", number),
    "many": agg("count", where=many),
    "firms": agg("count", where=of_firms),
    "persons": agg("count", where=of_persons),
    "many of firms": agg("count", where=call("and", many, of_firms)),
    "total": agg("sum", amount),
    "mean": agg("avg", amount),
    "flagged": agg("sum", call("case", many, lit(1), lit(0))),
    "some": agg("sum", number, where=of_firms),
    "other": agg("sum", call("case", of_persons, number, lit(0))),
    "all": agg("sum", call("negate", number)),
    "net": agg("sum", call("*", amount, one)),
    "due": agg("sum", call("*", amount, rate)),
    "gross": agg("sum", call("*", amount, call("+", lit(1), rate))),
    "twice off": agg("sum", call("*", call("*", lit(-2), amount), one)),
    "net of firms": agg("sum", call("case", of_firms, call("*", amount, one), lit(0))),
    "net of persons": agg("sum", call("*", amount, one), where=of_persons),
    "net mean": agg("avg", call("*", amount, one)),
    "both": agg("sum", call("+", amount, number)),
    "lifted": agg("sum", call("+", rate, lit(1000000))),
    "weighed": agg("sum", call("*", rate, call("+", lit(1), call("*", lit(1000), flag(of_firms))))),
    "switched": agg("sum", call("case", of_firms, rate, call("*", lit(3), rate))),
    "cancelled": agg("sum", call("+", call("-", amount, amount), rate)),
}


@dataclass(frozen=True)
class Question:
    world: World
    core: Aggregate
    rules: ThresholdRules


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
    return Question(
        World(world.tables, rows), Aggregate(9, source, tuple(keys), measures), draw(few([RULES, MORE_RULES]))
    )


def units_of(world: World) -> oracle.UnitsOf:
    def of(scan: Scan, row: Mapping[str, Value]) -> dict[tuple[int, PrivacyUnit], Value]:
        declared = world.catalog.tables[scan.table].units
        return {(scan.id, unit): row.get(unit.column) if unit_holds(unit, row) else None for unit in declared}

    return of


def select_all(core: Aggregate) -> Project:
    def shown(item: Named) -> Named:
        return named(item.name, ref(core.id, item.name, item.expression.type))

    return Project(10, core, tuple(shown(item) for item in core.keys + core.measures))


def expected(core: Aggregate, cell: naive_protection.Judged) -> tuple[Value, ...]:
    names = [item.name for item in core.keys + core.measures]
    return tuple(None if name in cell.withheld else cell.values[name] for name in names)


def as_text(rows: Sequence[Sequence[object]]) -> list[str]:
    return sorted(repr([None if value is None else str(value) for value in row]) for row in rows)


def types_of(core: Aggregate) -> list[OutputColumn]:
    def type_of(expression: Expression) -> OutputColumn:
        return OutputColumn("column", expression.type)

    return [type_of(item.expression) for item in core.keys + core.measures]


def nullable(world: World, core: Aggregate) -> dict[tuple[int, str], bool]:
    """Which columns may be null where the core sees them."""
    empty = {
        scan.id
        for node in walk(core)
        if isinstance(node, Join) and node.kind is JoinKind.LEFT
        for scan in scans(node.right)
    }
    return {
        (scan.id, item.name): item.nullable or scan.id in empty
        for scan in scans(core.input)
        for item in world.catalog.tables[scan.table].columns
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(questions())
def test_what_leaves_is_what_the_rules_say(question: Question) -> None:
    world, core = question.world, question.core
    asked = naive_protection.Question(
        core,
        world.rows,  # type: ignore[arg-type]  # rows of strings and numbers
        units_of(world),
        question.rules,
        nullable(world, core),
    )
    permit = admitted(world, select_all(core), types_of(core), rules=question.rules)
    try:
        cells = naive_protection.judged(asked)
    except naive_protection.Overlapping:
        with pytest.raises(Refused, match="LVR-2311"):
            plan(permit)
        return
    ran = run(world, permit)
    leaving = [expected(core, cell) for cell in cells if cell.leaves]
    if not core.keys and not leaving:
        leaving = [(None,) * len(core.measures)]
    assert as_text(ran.release.rows) == as_text(leaving)
    assert ran.codes().get("VALUES_WITHHELD", 0) == sum(len(cell.withheld) for cell in cells if cell.leaves)
    whole = naive_protection.remainder(asked)
    told = not core.keys or whole is not None
    assert ran.codes().get("CELLS_WITHHELD", 0) == (sum(not cell.leaves for cell in cells) if told else 0)
    assert ("CELLS_UNTOLD" in ran.codes()) == (not told), "none and a few look alike"
    safe = [] if whole is None or not core.keys else [expected(core, whole)]
    assert as_text([] if ran.release.remainder is None else [ran.release.remainder]) == as_text(safe)


def test_types_are_as_declared() -> None:
    assert [item.type for item in types_of(Aggregate(1, Scan(1, FIRM.name, ()), (named("s", ref(1, "s")),), ()))] == [
        TEXT
    ]
