"""Window functions mean over one partition what SQL says they mean; the engine is the witness."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import BOOLEAN, DOUBLE, INTEGER, TEXT, Type, decimal
from louver_sandbox.sql.windows import WINDOWS, Partition, evaluate_window

ENGINE = duckdb.connect()

rows_of = st.lists(st.tuples(st.integers(0, 4), st.none() | st.integers(-3, 3)), min_size=1, max_size=9).map(
    lambda rows: sorted(rows, key=lambda row: row[0])
)

OVER_PEERS = ["rank()", "dense_rank()", "percent_rank()", "cume_dist()", "sum(v)", "count(v)", "count(*)", "avg(v)"]
OVER_PEERS += ["min(v)", "max(v)"]
OVER_ROWS = [
    "row_number()",
    "ntile(3)",
    "ntile(20)",
    "lag(v)",
    "lead(v)",
    "lag(v, 2, 7)",
    "lead(v, 0)",
    "first_value(v)",
]


def place(call: str, rows: Sequence[tuple[int, int | None]], *, running: bool = True) -> list[Value]:
    """Our values for a call such as `lag(v, 2, 7)` over rows of (order, v)."""
    function, _, inside = call[:-1].partition("(")
    parts = [part.strip() for part in inside.split(",") if part.strip() not in ("", "*")]
    arguments = [tuple(value if part == "v" else int(part) for part in parts) for _, value in rows]
    orders = [order for order, _ in rows]
    peers = [sorted(set(orders)).index(order) for order in orders]
    return list(evaluate_window(function, Partition(arguments, peers, running), INTEGER))


def engine(call: str, rows: Sequence[tuple[int, int | None]], over: str) -> list[Value]:
    values = ", ".join(f"({i}, {order}, {'NULL' if v is None else v})" for i, (order, v) in enumerate(rows))
    sql = f"SELECT {call} OVER ({over}) FROM (VALUES {values}) AS t(i, o, w), (SELECT w::BIGINT AS v) ORDER BY i"
    return [row[0] for row in ENGINE.execute(sql).fetchall()]


@pytest.mark.parametrize("call", OVER_PEERS)
@settings(max_examples=15, deadline=None)
@given(rows=rows_of)
def test_peers_share_a_value(call: str, rows: list[tuple[int, int | None]]) -> None:
    assert place(call, rows) == pytest.approx(engine(call, rows, "ORDER BY o"))


@pytest.mark.parametrize("call", OVER_ROWS)
@settings(max_examples=15, deadline=None)
@given(rows=rows_of)
def test_rows_are_told_apart_by_their_place(call: str, rows: list[tuple[int, int | None]]) -> None:
    assert place(call, rows) == engine(call, rows, "ORDER BY o, i")


@pytest.mark.parametrize(
    "call", ["sum(v)", "count(v)", "avg(v)", "min(v)", "max(v)", "first_value(v)", "last_value(v)"]
)
@settings(max_examples=15, deadline=None)
@given(rows=rows_of)
def test_the_whole_partition_is_one_frame(call: str, rows: list[tuple[int, int | None]]) -> None:
    whole = "ORDER BY o, i ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
    assert place(call, rows, running=False) == pytest.approx(engine(call, rows, whole))


@settings(max_examples=15, deadline=None)
@given(rows=rows_of)
def test_the_last_value_so_far_is_that_of_the_last_peer(rows: list[tuple[int, int | None]]) -> None:
    last = dict(rows)
    assert place("last_value(v)", rows) == [last[order] for order, _ in rows]


def test_a_sum_of_doubles_is_exact_and_shows_no_order() -> None:
    values = [(1e16,), (1.0,), (-1e16,), (1.0,)]
    for rows in (values, values[::-1]):
        found = evaluate_window("sum", Partition(rows, [0] * 4, running=False), DOUBLE)
        assert found == [2.0] * 4


def test_nonsense_buckets_are_null_and_no_error() -> None:
    for wanted in (0, -1, None):
        assert evaluate_window("ntile", Partition([(wanted,)] * 2, [0, 0], running=False), INTEGER) == [None, None]
    assert evaluate_window("lag", Partition([(1, None)], [0], running=False), INTEGER) == [None]


@pytest.mark.parametrize(
    ("function", "types", "result"),
    [
        ("rank", (), INTEGER),
        ("rank", (INTEGER,), None),
        ("percent_rank", (), DOUBLE),
        ("ntile", (INTEGER,), INTEGER),
        ("ntile", (TEXT,), None),
        ("lag", (TEXT,), TEXT),
        ("lag", (INTEGER, INTEGER, decimal(2)), decimal(2)),
        ("lag", (TEXT, INTEGER, INTEGER), None),
        ("lag", (TEXT, TEXT), None),
        ("first_value", (BOOLEAN,), BOOLEAN),
        ("sum", (decimal(2),), decimal(2)),
        ("sum", (TEXT,), None),
        ("avg", (INTEGER,), DOUBLE),
        ("count", (), INTEGER),
        ("max", (TEXT,), TEXT),
    ],
)
def test_each_function_takes_its_types_and_no_others(
    function: str, types: tuple[Type, ...], result: Type | None
) -> None:
    assert WINDOWS[function].result(types) == result
