"""Whatever tree a question binds to, DuckDB gives the rows the oracle gives (exact treatment)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.relations import World, admitted, agg, call, column, lit, named, ref, run, table

from louver_sandbox.algebra.expressions import Call, Expression, Named, Value
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Limit,
    Project,
    Relation,
    Scan,
    Sort,
    SortKey,
)
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, TEXT, TableName, decimal
from louver_sandbox.engines import oracle
from louver_sandbox.stages import OutputColumn

MONEY = decimal(2)
FACT = TableName("gov", "fact")
COLUMNS = {"k": TEXT, "n": INTEGER, "m": MONEY, "b": BOOLEAN}
TABLES = (table("gov.fact", [column(name, type_) for name, type_ in COLUMNS.items()]),)

few = st.sampled_from
facts: st.SearchStrategy[list[dict[str, Value]]] = st.lists(
    st.fixed_dictionaries(
        {
            "k": few(["a", "b", "é", "", None]),
            "n": few([-3, 0, 1, 2, 9, None]),
            "m": few([Decimal("0.00"), Decimal("1.25"), Decimal("-7.50"), None]),
            "b": few([True, False, None]),
        }
    ),
    max_size=12,
)


@dataclass(frozen=True)
class Case:
    tree: Project
    rows: list[dict[str, Value]]
    ordered: bool


def numbers(scan: int) -> st.SearchStrategy[Expression]:
    leaves: st.SearchStrategy[Expression] = few([ref(scan, "n", INTEGER), lit(0), lit(2), lit(-5)])
    return st.recursive(
        leaves,
        lambda inner: st.builds(
            lambda name, left, right: call(name, left, right), few(["+", "-", "*", "//", "%"]), inner, inner
        ),
        max_leaves=4,
    )


def conditions(scan: int) -> st.SearchStrategy[Expression]:
    leaves: st.SearchStrategy[Expression] = st.one_of(
        st.builds(
            lambda name, left, right: call(name, left, right),
            few(["=", "<>", "<", ">="]),
            numbers(scan),
            numbers(scan),
        ),
        st.just(ref(scan, "b", BOOLEAN)),
        st.just(call("is_null", ref(scan, "k"))),
        st.just(call("in", ref(scan, "k"), lit("a"), lit("é"))),
    )

    def combine(name: str, left: Expression, right: Expression) -> Call:
        return call("not", left) if name == "not" else call(name, left, right)

    return st.recursive(
        leaves, lambda inner: st.builds(combine, few(["and", "or", "not"]), inner, inner), max_leaves=3
    )


@st.composite
def sources(draw: st.DrawFn) -> Relation:
    source: Relation = Scan(1, FACT, tuple(COLUMNS))
    if draw(st.booleans()):
        right = Scan(2, FACT, ("k", "n"))
        condition = call("=", ref(1, "k"), ref(2, "k"))
        if draw(st.booleans()):
            condition = call("and", condition, call(">", ref(2, "n", INTEGER), lit(0)))
        source = Join(draw(few(list(JoinKind))), source, right, condition)
    return Filter(source, draw(conditions(1))) if draw(st.booleans()) else source


@st.composite
def cases(draw: st.DrawFn) -> Case:
    below = draw(sources())
    if draw(st.booleans()):
        keys = tuple(
            draw(
                st.lists(
                    few([named("k", ref(1, "k")), named("n", draw(numbers(1)))]),
                    max_size=2,
                    unique_by=lambda item: item.name,
                )
            )
        )
        measures = (
            named("rows", agg("count")),
            named("filled", agg("count", ref(1, "m", MONEY), where=draw(conditions(1)))),
            named("total", agg("sum", ref(1, "m", MONEY))),
            named("mean", agg("avg", draw(numbers(1)))),
            named("least", agg("min", ref(1, "k"))),
            named("kinds", agg("count", ref(1, "k"), distinct=True)),
        )
        core = Aggregate(3, below, keys, measures)
        below = core
        if draw(st.booleans()):
            below = Filter(core, call(">", ref(3, "rows", INTEGER), lit(1)))
        shown = [named(item.name, ref(3, item.name, item.expression.type)) for item in keys + measures]
    else:
        shown = [named("k", ref(1, "k")), named("m", ref(1, "m", MONEY)), named("x", draw(numbers(1)))]
    ordered = draw(st.booleans())
    if ordered:
        key = SortKey(shown[0].expression, draw(st.booleans()), draw(st.booleans()))
        below = Limit(Sort(below, (key,)), draw(few([None, 0, 2])), draw(few([0, 1])))
    return Case(Project(4, below, tuple(shown)), draw(facts), ordered)


def plain(rows: object) -> list[tuple[str | None, ...]]:
    def text(value: object) -> str | None:
        return None if value is None else str(round(value, 9) if isinstance(value, float) else value)

    return [tuple(text(value) for value in row) for row in rows]  # type: ignore[attr-defined]  # two kinds of rows


def column_of(item: Named) -> OutputColumn:
    return OutputColumn(item.name, item.expression.type)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_duckdb_gives_what_the_oracle_gives(case: Case) -> None:
    rows: Mapping[TableName, list[dict[str, Value]]] = {FACT: case.rows}
    permit = admitted(
        World(TABLES, rows), case.tree, [column_of(item) for item in case.tree.columns], protected=frozenset()
    )
    engine = plain(run(World(TABLES, rows), permit).release.rows)
    meaning = plain(oracle.answer(case.tree, rows))
    assert (engine == meaning) if case.ordered else (sorted(map(repr, engine)) == sorted(map(repr, meaning)))
