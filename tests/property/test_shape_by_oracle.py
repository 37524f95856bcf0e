"""What is computed above the cores means what the oracle says it means, over every small table of released values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from louver_sandbox.algebra.cores import RELEASED
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
from louver_sandbox.algebra.types import BOOLEAN, DOUBLE, INTEGER, TEXT, TableName, decimal
from louver_sandbox.engines import oracle
from louver_sandbox.release.joins import Budget, Side, TooManyPairs, joined
from louver_sandbox.release.shape import shaped
from louver_sandbox.release.values import Row
from louver_sandbox.stages import Cell, OutputColumn

KEY, NUMBER = "k", "v"
Table = Sequence[tuple[str | None, int | None]]

tables = st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.sampled_from([0, 1, 2, None])), max_size=6)


def key(relation: int) -> ColumnRef:
    return ColumnRef(relation, KEY, TEXT)


def number(relation: int) -> ColumnRef:
    return ColumnRef(relation, NUMBER, INTEGER)


def boolean(function: str, *arguments: Expression) -> Call:
    return Call(function, arguments, BOOLEAN)


EQUAL = boolean("=", key(1), key(2))
CONDITIONS: Mapping[str, Expression] = {
    "equal": EQUAL,
    "equal both": boolean("and", EQUAL, boolean("=", number(2), number(1))),
    "equal and more": boolean("and", EQUAL, boolean("<", number(1), number(2))),
    "null-safe": boolean("not", boolean("is_distinct", key(1), key(2))),
    "not in": boolean("coalesce", EQUAL, Literal(True, BOOLEAN)),
    "range": boolean("<=", number(1), number(2)),
    "always": Literal(True, BOOLEAN),
}


def scan(relation: int) -> Scan:
    return Scan(relation, TableName("", f"t{relation}"), (KEY, NUMBER))


def select(source: Relation, *columns: Expression) -> Project:
    return Project(99, source, tuple(Named(f"c{i}", column) for i, column in enumerate(columns)))


def released(relation: Project, given_tables: Mapping[int, Table]) -> tuple[tuple[Cell, ...], ...]:
    rows: dict[int, list[Row]] = {
        number_: [{(number_, KEY): k, (number_, NUMBER): v} for k, v in table]
        for number_, table in given_tables.items()
    }
    return shaped(relation, rows, tuple(OutputColumn("c", TEXT) for _ in relation.columns))


def meant(relation: Project, given_tables: Mapping[int, Table]) -> tuple[tuple[Value, ...], ...]:
    rows = {
        TableName("", f"t{number_}"): [{KEY: k, NUMBER: v} for k, v in table]
        for number_, table in given_tables.items()
    }
    return oracle.answer(relation, rows)


def as_bag(rows: Sequence[Sequence[object]]) -> list[str]:
    return sorted(map(repr, rows))


few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("condition", sorted(CONDITIONS))
@pytest.mark.parametrize("kind", list(JoinKind))
@few
@given(left=tables, right=tables)
def test_joins_mean_what_the_oracle_says(kind: JoinKind, condition: str, left: Table, right: Table) -> None:
    join = Join(kind, scan(1), scan(2), CONDITIONS[condition])
    shown = [key(1), number(1)]
    shown += [] if kind in (JoinKind.SEMI, JoinKind.ANTI) else [key(2), number(2)]
    relation = select(join, *shown)
    given_tables = {1: left, 2: right}
    assert as_bag(released(relation, given_tables)) == as_bag(meant(relation, given_tables))


def window(function: str, *arguments: Expression, ordered: bool = True, running: bool = True) -> WindowCall:
    order = (SortKey(number(1), descending=True, nulls_first=True),) if ordered else ()
    type_ = DOUBLE if function in ("avg", "percent_rank", "cume_dist") else INTEGER
    return WindowCall(function, arguments, type_, (key(1),), order, running)


WINDOWS: Mapping[str, WindowCall] = {
    "rank": window("rank"),
    "dense": window("dense_rank"),
    "row": window("row_number"),
    "percent": window("percent_rank"),
    "share": window("cume_dist"),
    "quarter": window("ntile", Literal(2, INTEGER)),
    "before": window("lag", number(1)),
    "after": window("lead", number(1), Literal(2, INTEGER), Literal(9, INTEGER)),
    "first": window("first_value", number(1)),
    "last": window("last_value", number(1)),
    "so far": window("sum", number(1)),
    "whole": window("sum", number(1), ordered=False, running=False),
    "rows": window("count", ordered=False, running=False),
    "mean": window("avg", number(1)),
    "least": window("min", number(1)),
    "most": window("max", number(1), ordered=False, running=False),
}


@pytest.mark.parametrize("name", sorted(WINDOWS))
@few
@given(table=tables)
def test_windows_mean_what_the_oracle_says(name: str, table: Table) -> None:
    made = Window(5, scan(1), (NamedWindow("w", WINDOWS[name]),))
    relation = select(made, key(1), number(1), ColumnRef(5, "w", WINDOWS[name].type))
    assert as_bag(released(relation, {1: table})) == as_bag(meant(relation, {1: table}))


@few
@given(left=tables, right=tables, count=st.integers(0, 4), offset=st.integers(0, 2), descending=st.booleans())
def test_unions_repetitions_order_and_limits_mean_what_the_oracle_says(
    left: Table, right: Table, count: int, offset: int, descending: bool
) -> None:
    sides = tuple(Project(10 + i, scan(i), (Named("x", key(i)), Named("y", number(i)))) for i in (1, 2))
    both = Union(3, sides[0], sides[1], (UnionColumn("k", TEXT), UnionColumn("v", INTEGER)))
    distinct = Aggregate(4, both, (Named("k", key(3)), Named("v", number(3))), ())
    kept = Filter(distinct, boolean("not", boolean("is_null", number(4))))
    ordered = Limit(Sort(kept, (SortKey(number(4), descending),)), count, offset)
    given_tables = {1: left, 2: right}
    plain = select(both, key(3), number(3))
    assert as_bag(released(plain, given_tables)) == as_bag(meant(plain, given_tables))
    relation = select(ordered, number(4), key(4))
    assert released(relation, given_tables) == meant(relation, given_tables)


def over(function: str, *arguments: Expression, distinct: bool = False, where: Expression | None = None) -> Named:
    type_ = DOUBLE if function in ("avg", "var_samp", "corr") else INTEGER
    name = f"{function}{len(arguments)}{distinct}{where is None}"
    return Named(name, AggregateCall(function, arguments, type_, distinct, where))


TOTALS = (
    over("count"),
    over("count", number(1)),
    over("count", number(1), distinct=True),
    over("sum", number(1)),
    over("sum", number(1), where=boolean(">", number(1), Literal(0, INTEGER))),
    over("avg", number(1)),
    over("min", number(1)),
    over("max", number(1)),
    over("var_samp", number(1)),
    over("corr", number(1), number(1)),
    over("grouping", key(1), number(1)),
)


@pytest.mark.parametrize("sets", [(), ((),), ((), (0,), (0, 1)), ((0,), (1,))])
@few
@given(table=tables)
def test_totals_of_released_rows_mean_what_the_oracle_says(sets: tuple[tuple[int, ...], ...], table: Table) -> None:
    measures = TOTALS if sets else tuple(one for one in TOTALS if one.name != TOTALS[-1].name)
    made = Aggregate(5, scan(1), (Named("k", key(1)), Named("v", number(1))), measures, sets)
    shown = (
        Named("k", key(5)),
        Named("v", number(5)),
        *(Named(m.name, ColumnRef(5, m.name, INTEGER)) for m in measures),
    )
    relation = Project(99, made, shown)
    assert as_bag(released(relation, {1: table})) == as_bag(meant(relation, {1: table}))


@few
@given(table=tables)
def test_a_total_without_keys_has_one_row(table: Table) -> None:
    made = Aggregate(5, scan(1), (), (over("count"), over("sum", number(1))))
    relation = select(made, *(ColumnRef(5, measure.name, INTEGER) for measure in made.measures))
    assert released(relation, {1: table}) == meant(relation, {1: table})
    assert len(released(relation, {1: table})) == 1


def test_a_sum_of_wide_released_sums_is_exact() -> None:
    wide = Decimal(10) ** 37 - Decimal("0.1")
    made = Aggregate(5, scan(1), (), (Named("s", AggregateCall("sum", (number(1),), decimal(1))),))
    rows: dict[int, list[Row]] = {1: [{(1, KEY): None, (1, NUMBER): wide} for _ in range(9)]}
    relation = select(made, ColumnRef(5, "s", decimal(1)))
    assert shaped(relation, rows, (OutputColumn("s", decimal(1)),)) == ((Decimal(10) ** 37 * 9 - Decimal("0.9"),),)


@few
@given(table=tables)
def test_the_order_in_which_rows_came_never_shows(table: Table) -> None:
    rows = Window(5, scan(1), (NamedWindow("w", WindowCall("row_number", (), INTEGER)),))
    relation = select(Limit(rows, 4), ColumnRef(5, "w", INTEGER), key(1), number(1))
    assert released(relation, {1: table}) == released(relation, {1: table[::-1]})


def test_the_work_of_a_join_is_bounded() -> None:
    rows: list[Row] = [{(1, NUMBER): i} for i in range(100)]
    others: list[Row] = [{(2, NUMBER): i} for i in range(100)]
    join = Join(JoinKind.INNER, Scan(1, RELEASED, (NUMBER,)), Scan(2, RELEASED, (NUMBER,)), Literal(True, BOOLEAN))
    sides = Side(rows, ((1, NUMBER),)), Side(others, ((2, NUMBER),))
    assert len(list(joined(join, *sides, Budget(10_000)))) == 10_000
    with pytest.raises(TooManyPairs):
        list(joined(join, *sides, Budget(9_999)))
    equal = Join(JoinKind.INNER, join.left, join.right, boolean("=", number(1), number(2)))
    assert len(list(joined(equal, *sides, Budget(100)))) == 100, "only rows with equal keys are compared"
