"""Whatever tree a question binds to, DuckDB gives the rows the oracle gives (exact treatment)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.relations import World, admitted, agg, call, column, lit, named, ref, run, table

from louver_sandbox.algebra.expressions import (
    AggregateCall,
    Call,
    ColumnRef,
    Expression,
    Literal,
    Named,
    NamedWindow,
    SortKey,
    Value,
    WindowCall,
)
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
    Union,
    UnionColumn,
    Window,
)
from louver_sandbox.algebra.types import BOOLEAN, DOUBLE, INTEGER, NUMERIC, TEXT, TableName, Type, decimal
from louver_sandbox.engines import oracle
from louver_sandbox.sql.windows import WINDOWS
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
        right: Relation = Scan(2, FACT, ("k", "n"))
        if draw(st.booleans()):
            right = Filter(right, draw(conditions_of_right))
        source = Join(draw(few(list(JoinKind))), source, right, draw(join_conditions))
    if draw(st.booleans()):
        total = Aggregate(20, Filter(Scan(21, FACT, tuple(COLUMNS)), draw(conditions(21))), (), (MEAN,))
        source = Join(JoinKind.LEFT, source, total, lit(True))
        if draw(st.booleans()):
            source = Filter(source, call(">", ref(1, "n", INTEGER), ref(20, "mean", DOUBLE)))
    return Filter(source, draw(conditions(1))) if draw(st.booleans()) else source


MEAN = named("mean", agg("avg", ref(21, "n", INTEGER)))
SAME_K, SAME_N = (
    call("=", ref(1, name, type_), ref(2, name, type_)) for name, type_ in (("k", TEXT), ("n", INTEGER))
)
join_conditions: st.SearchStrategy[Expression] = few(
    [
        SAME_K,
        call("and", SAME_K, call(">", ref(2, "n", INTEGER), lit(0))),
        call("and", SAME_K, call("<", ref(1, "n", INTEGER), lit(2))),
        call("and", SAME_N, call("<>", ref(1, "k"), ref(2, "k"))),
        call("coalesce", SAME_N, lit(True)),
        call("and", call("coalesce", SAME_N, lit(True)), SAME_K),
        call("and", call("coalesce", SAME_N, lit(True)), call("coalesce", SAME_K, lit(True))),
        call("not", call("is_distinct", ref(1, "k"), ref(2, "k"))),
        call("and", SAME_N, call("not", call("is_distinct", ref(1, "k"), ref(2, "k")))),
        call(">=", ref(1, "n", INTEGER), ref(2, "n", INTEGER)),
        call(">", ref(2, "n", INTEGER), lit(0)),
        lit(True),
    ]
)
conditions_of_right = few(
    [
        call("is_null", ref(2, "n", INTEGER)),
        call(">", ref(2, "n", INTEGER), lit(0)),
        call("<>", ref(2, "k"), lit("a")),
    ]
)


def sets_of(keys: int) -> st.SearchStrategy[tuple[tuple[int, ...], ...]]:
    """Sets that name every key at least once."""
    alone: list[tuple[int, ...]] = [(index,) for index in range(keys)]
    every = tuple(range(keys))
    return few(list(dict.fromkeys([(every,), (every, ()), (every, *alone[: keys - 1], ()), (*alone,), (*alone, ())])))


def constants(shown: list[Named]) -> tuple[Named, ...]:
    """The other side of a union: the same types, from a table's own columns where it has the type."""
    by_type: dict[Type, Expression] = {type_: ref(32, name, type_) for name, type_ in COLUMNS.items()}
    return tuple(
        named(f"x{index}", by_type.get(item.expression.type, Literal(None, item.expression.type)))
        for index, item in enumerate(shown)
    )


@st.composite
def windows_over(draw: st.DrawFn, shown: list[Named]) -> WindowCall:
    """A call over the columns in sight below the select list."""
    columns = [item.expression for item in shown if isinstance(item.expression, ColumnRef)]
    function = draw(few(sorted(WINDOWS)))
    arguments: tuple[Expression, ...] = ()
    match function:
        case "ntile":
            arguments = (lit(draw(few([1, 2, 5]))),)
        case "lag" | "lead":
            arguments = (draw(few(columns)), lit(draw(few([0, 1, 2]))))
        case "sum" | "avg":
            numeric: list[Expression] = [item for item in columns if item.type.kind in NUMERIC]
            arguments = (draw(few(numeric or [lit(2)])),)
        case "count" | "min" | "max" | "first_value" | "last_value":
            arguments = (draw(few(columns)),)
        case _:
            pass
    type_ = WINDOWS[function].result(tuple(argument.type for argument in arguments))
    assert type_ is not None
    order = tuple(
        SortKey(draw(few(columns)), draw(st.booleans()), draw(st.booleans())) for _ in range(draw(few([1, 2])))
    )
    partition = (draw(few(columns)),) if draw(st.booleans()) else ()
    return WindowCall(function, arguments, type_, partition, order, draw(st.booleans()))


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
        measures: tuple[Named, ...] = (
            named("rows", agg("count")),
            named("filled", agg("count", ref(1, "m", MONEY), where=draw(conditions(1)))),
            named("total", agg("sum", ref(1, "m", MONEY))),
            named("mean", agg("avg", draw(numbers(1)))),
            named("least", agg("min", ref(1, "k"))),
            named("kinds", agg("count", ref(1, "k"), distinct=True)),
        )
        core = Aggregate(3, below, keys, measures)
        if bool(keys) and draw(st.booleans()):
            measures += (named("level", AggregateCall("grouping", tuple(key.expression for key in keys), INTEGER)),)
            core = Aggregate(3, below, keys, measures, draw(sets_of(len(keys))))
        below = core
        if draw(st.booleans()):
            below = Filter(core, call(">", ref(3, "rows", INTEGER), lit(1)))
        shown = [named(item.name, ref(3, item.name, item.expression.type)) for item in keys + measures]
    else:
        shown = [named("k", ref(1, "k")), named("m", ref(1, "m", MONEY)), named("x", draw(numbers(1)))]
    if draw(st.booleans()):
        one, other = Project(30, below, tuple(shown)), Project(31, Scan(32, FACT, tuple(COLUMNS)), constants(shown))
        below = Union(33, one, other, tuple(UnionColumn(item.name, item.expression.type) for item in shown))
        shown = [named(item.name, ref(33, item.name, item.expression.type)) for item in shown]
    if draw(st.booleans()):
        windows = draw(st.lists(windows_over(shown), min_size=1, max_size=3))
        below = Window(40, below, tuple(NamedWindow(f"w{i}", window) for i, window in enumerate(windows)))
        shown += [named(item.name, ref(40, item.name, item.call.type)) for item in below.columns]
        if draw(st.booleans()):
            below = Filter(below, call("is_null", shown[0].expression))
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
