"""What leaves of rows with withheld values is the same whatever those values are: replaced by anything at all, they
change no value that is told."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from louver_sandbox.algebra.expressions import (
    AggregateCall,
    Call,
    ColumnRef,
    Expression,
    Literal,
    Named,
    NamedWindow,
    SortKey,
    WindowCall,
)
from louver_sandbox.algebra.relations import Aggregate, Join, JoinKind, Project, Relation, Scan, Sort, Window
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, TEXT, TableName, Type
from louver_sandbox.release.shape import shaped
from louver_sandbox.release.values import Row
from louver_sandbox.release.withheld import WITHHELD, Withheld
from louver_sandbox.stages import Cell, OutputColumn

A, B = (ColumnRef(1, name, INTEGER) for name in ("a", "b"))
Pair = tuple[int | Withheld | None, int | Withheld | None]

plain = st.sampled_from([0, 1, 2, None])
values = st.one_of(plain, st.just(WITHHELD))
conditions: st.SearchStrategy[Expression] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(["=", "<", ">=", "is_distinct", "in"]).flatmap(
            lambda name: st.tuples(numbers, numbers).map(lambda parts: Call(name, parts, BOOLEAN))
        ),
        numbers.map(lambda part: Call("is_null", (part,), BOOLEAN)),
        conditions.map(lambda part: Call("not", (part,), BOOLEAN)),
        st.sampled_from(["and", "or", "coalesce"]).flatmap(
            lambda name: st.tuples(conditions, conditions).map(lambda parts: Call(name, parts, BOOLEAN))
        ),
    )
)
numbers: st.SearchStrategy[Expression] = st.deferred(
    lambda: st.one_of(
        st.sampled_from([A, B, Literal(1, INTEGER), Literal(None, INTEGER)]),
        st.sampled_from(["+", "coalesce", "nullif", "greatest", "least"]).flatmap(
            lambda name: st.tuples(numbers, numbers).map(lambda parts: Call(name, parts, INTEGER))
        ),
        st.tuples(conditions, numbers, numbers).map(lambda parts: Call("case", parts, INTEGER)),
    )
)
few = settings(max_examples=150, deadline=None)


def leaving(relation: Project, tables: dict[int, Sequence[Pair]]) -> tuple[tuple[Cell, ...], ...]:
    rows: dict[int, list[Row]] = {
        number: [{(number, "a"): a, (number, "b"): b} for a, b in table] for number, table in tables.items()
    }
    return shaped(relation, rows, tuple(OutputColumn("c", TEXT) for _ in relation.columns))


def scan(number: int) -> Scan:
    return Scan(number, TableName("", f"t{number}"), ("a", "b"))


def select(source: Relation, *columns: Expression) -> Project:
    return Project(99, source, tuple(Named(f"c{place}", column) for place, column in enumerate(columns)))


@few
@given(expression=st.one_of(numbers, conditions), row=st.tuples(values, values), others=st.tuples(plain, plain))
def test_a_value_that_is_told_depends_on_no_withheld_one(expression: Expression, row: Pair, others: Pair) -> None:
    relation = select(scan(1), expression)
    ((told,),) = leaving(relation, {1: [row]})
    known = tuple(other if value is WITHHELD else value for value, other in zip(row, others, strict=True))
    ((meant,),) = leaving(relation, {1: [(known[0], known[1])]})
    assert told is None or told == meant


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("lag", [None, 5, None]),
        ("lead", [None, 7, None]),
        ("first_value", [5, 5, 5]),
        ("last_value", [5, None, 7]),
        ("sum", [5, 5, 12]),
        ("max", [5, 5, 7]),
        ("count", [1, 1, 2]),
    ],
)
def test_windows_pass_a_withheld_value_over_or_hand_it_on(function: str, told: list[int | None]) -> None:
    arguments = (B, Literal(1, INTEGER), Literal(None, INTEGER)) if function in ("lag", "lead") else (B,)
    call = WindowCall(function, arguments, INTEGER, (), (SortKey(A),), True)
    source = Window(5, scan(1), (NamedWindow("w", call),))
    value = ColumnRef(5, "w", INTEGER)
    table: list[Pair] = [(1, 5), (2, WITHHELD), (3, 7)]
    assert [row[0] for row in leaving(select(source, value), {1: table})] == told
    shown = leaving(select(source, Call("is_null", (value,), BOOLEAN)), {1: table})
    handed_on = {"lag": 2, "lead": 0, "last_value": 1}.get(function)
    assert [place for place, row in enumerate(shown) if row[0] is None] == ([] if handed_on is None else [handed_on])


def total(function: str, type_: Type = INTEGER) -> Named:
    return Named(function, AggregateCall(function, (B,), type_))


def test_totals_pass_a_withheld_value_over_and_are_withheld_where_nothing_else_is() -> None:
    source = Aggregate(5, scan(1), (Named("a", A),), (total("sum"), total("count")))
    summed = Call("coalesce", (ColumnRef(5, "sum", INTEGER), Literal(0, INTEGER)), INTEGER)
    relation = select(source, ColumnRef(5, "a", INTEGER), summed, ColumnRef(5, "count", INTEGER))
    table: list[Pair] = [(1, 5), (1, WITHHELD), (2, WITHHELD), (3, None)]
    assert set(leaving(relation, {1: table})) == {(1, 5, 1), (2, None, 0), (3, 0, 0)}


def test_distinct_cannot_tell_withheld_from_null() -> None:
    source = Aggregate(5, scan(1), (Named("b", B),), ())
    key = ColumnRef(5, "b", INTEGER)
    for table in ([(1, None), (2, WITHHELD)], [(1, WITHHELD), (2, None)], [(1, WITHHELD), (2, WITHHELD)]):
        given_rows: list[Pair] = list(table)
        shown = leaving(select(source, key, Call("is_null", (key,), BOOLEAN)), {1: given_rows})
        assert shown == ((None, None),)


SAME = Call("=", (B, ColumnRef(2, "b", INTEGER)), BOOLEAN)
NULL_SAFE = Call("not", (Call("is_distinct", SAME.arguments, BOOLEAN),), BOOLEAN)
NOT_IN = Call("coalesce", (SAME, Literal(True, BOOLEAN)), BOOLEAN)


@pytest.mark.parametrize("condition", [SAME, NULL_SAFE, NOT_IN])
@pytest.mark.parametrize("kind", [JoinKind.INNER, JoinKind.SEMI, JoinKind.ANTI])
@few
@given(left=st.lists(values, max_size=3), right=st.lists(values, max_size=3), others=st.lists(plain, min_size=6))
def test_a_join_keeps_no_row_for_a_withheld_key(
    condition: Expression,
    kind: JoinKind,
    left: list[int | Withheld | None],
    right: list[int | Withheld | None],
    others: list[int | None],
) -> None:
    relation = select(Join(kind, scan(1), scan(2), condition), A)

    def kept(one: Sequence[int | Withheld | None], other: Sequence[int | Withheld | None]) -> set[Cell]:
        tables: dict[int, Sequence[Pair]] = {1: list(enumerate(one)), 2: list(enumerate(other))}
        return {row[0] for row in leaving(relation, tables)}

    spare = iter(others)
    known = [[next(spare) if value is WITHHELD else value for value in side] for side in (left, right)]
    assert kept(left, right) <= kept(known[0], known[1]), "whatever the keys are"


def test_sorting_puts_withheld_where_null_is() -> None:
    table: list[Pair] = [(1, WITHHELD), (2, 4), (3, None), (4, 3)]
    for nulls_first, order in ((True, [1, 3, 4, 2]), (False, [4, 2, 1, 3])):
        source = Sort(scan(1), (SortKey(B, False, nulls_first), SortKey(A)))
        assert [row[0] for row in leaving(select(source, A), {1: table})] == order
