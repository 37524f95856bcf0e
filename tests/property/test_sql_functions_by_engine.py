"""A function means in the engine what its row says, for any value and any order of the rows."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import DATE, DOUBLE, INTEGER, TEXT, Type, decimal
from louver_sandbox.sql.functions import RULES, evaluate_call
from louver_sandbox.sql.patterns import PatternError, check_regex, similar_to_regex
from louver_sandbox.sql.rules import engine_type
from louver_sandbox.sql.statistics import OF_TWO, STATISTICS

FAST = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def literal(value: Value, kind: Type) -> str:
    if value is None:
        return f"CAST(NULL AS {engine_type(kind)})"
    quoted = str(value).replace("'", "''")
    return f"CAST('{quoted}' AS {engine_type(kind)})"


def by_engine(
    engine: duckdb.DuckDBPyConnection, name: str, types: tuple[Type, ...], values: tuple[Value, ...]
) -> object:
    result = RULES[name].result(types)
    assert result is not None
    text = RULES[name].emit(tuple(map(literal, values, types)), types, result)
    row = engine.execute(f"SELECT {text}").fetchone()
    assert row is not None
    return row[0]


texts = st.one_of(st.none(), st.text(alphabet="aAb1 .-中文é%_\\", max_size=8))
dates = st.one_of(st.none(), st.dates(), st.sampled_from([date(2024, 2, 29), date(2023, 2, 28), date(2020, 1, 31)]))


@FAST
@given(
    value=texts,
    old=st.text(alphabet="ab中 ", max_size=2),
    new=st.text(alphabet="ax文", max_size=2),
    n=st.integers(0, 9),
)
def test_texts(engine: duckdb.DuckDBPyConnection, value: str | None, old: str, new: str, n: int) -> None:
    asked: list[tuple[str, tuple[Value, ...], tuple[Type, ...]]] = [
        ("replace", (value, old, new), (TEXT, TEXT, TEXT)),
        ("strpos", (value, old), (TEXT, TEXT)),
        ("ends_with", (value, old), (TEXT, TEXT)),
        ("concat_ws", (old, value, new), (TEXT, TEXT, TEXT)),
        ("lpad", (value, n, new or "-"), (TEXT, INTEGER, TEXT)),
        ("rpad", (value, n, new or "-"), (TEXT, INTEGER, TEXT)),
        ("split_part", (value, old or " ", n + 1), (TEXT, TEXT, INTEGER)),
        ("trim", (value, old or " "), (TEXT, TEXT)),
        ("like", (value, "a!%_%", "!"), (TEXT, TEXT, TEXT)),
    ]
    for name, values, types in asked:
        result = RULES[name].result(types)
        assert result is not None
        assert by_engine(engine, name, types, values) == evaluate_call(name, values, result), (name, values)


@FAST
@given(start=dates, end=dates, unit=st.sampled_from(["year", "quarter", "month"]))
def test_spans_of_dates(engine: duckdb.DuckDBPyConnection, start: date | None, end: date | None, unit: str) -> None:
    for name in ("elapsed", "date_sub", "date_diff"):
        found = by_engine(engine, name, (TEXT, DATE, DATE), (unit, start, end))
        assert found == evaluate_call(name, (unit, start, end), INTEGER), name
    for name in ("week", "isoyear", "last_day"):
        wanted = DATE if name == "last_day" else INTEGER
        assert by_engine(engine, name, (DATE,), (start,)) == evaluate_call(name, (start,), wanted), name


@FAST
@given(value=st.decimals(-(10**9), 10**9, places=2), digits=st.integers(-12, 12))
def test_digits(engine: duckdb.DuckDBPyConnection, value: Decimal, digits: int) -> None:
    kind = decimal(2)
    for name in ("round", "trunc"):
        found = by_engine(engine, name, (kind, INTEGER), (value, digits))
        assert found == evaluate_call(name, (value, digits), kind), name
        whole = by_engine(engine, name, (INTEGER, INTEGER), (int(value), digits))
        assert whole == evaluate_call(name, (int(value), digits), INTEGER), name


@FAST
@given(
    value=st.integers(-(10**6), 10**6),
    low=st.integers(-1000, 1000),
    width=st.integers(1, 10_000),
    count=st.integers(1, 1000),
)
def test_bins_are_exact(engine: duckdb.DuckDBPyConnection, value: int, low: int, width: int, count: int) -> None:
    kinds = (decimal(2), decimal(2), INTEGER, INTEGER)
    values = (Decimal(value).scaleb(-2), Decimal(low).scaleb(-2), low + width, count)
    found = by_engine(engine, "width_bucket", kinds, values)
    assert found == evaluate_call("width_bucket", values, INTEGER)
    assert isinstance(found, int)
    assert 0 <= found <= count + 1


pieces = st.sampled_from(
    [
        "a",
        "b",
        "中",
        ".",
        "[a-c]",
        "[^b]",
        "\\d",
        "\\s",
        "[\\s1]",
        "[^\\w]",
        "\\.",
        "(a|b)",
        "(中文)?",
        "a*",
        "b+",
        "1{2,3}",
        "^",
        "$",
        "|",
        "[a中-]",
    ]
)


@FAST
@given(pattern=st.lists(pieces, max_size=6).map("".join), value=st.text(alphabet="ab1.中文 \t\v", max_size=6))
def test_patterns_match_alike(engine: duckdb.DuckDBPyConnection, pattern: str, value: str) -> None:
    try:
        check_regex(pattern)
    except PatternError:
        return
    for name in ("regexp_matches", "regexp_full_match", "similar"):
        found = by_engine(engine, name, (TEXT, TEXT), (value, pattern))
        assert found == RULES[name].evaluate(value, pattern), (name, pattern, value)


@FAST
@given(pattern=st.text(alphabet="a%_.[b-c]()|*+\\{1,2}?^$", max_size=10), value=st.text(alphabet="abc.%", max_size=6))
def test_a_pattern_is_refused_or_understood_by_the_engine(
    engine: duckdb.DuckDBPyConnection, pattern: str, value: str
) -> None:
    for translate in (str, similar_to_regex):
        try:
            regex = translate(pattern)
            check_regex(regex)
        except PatternError:
            continue
        found = by_engine(engine, "regexp_full_match", (TEXT, TEXT), (value, regex))
        assert found == RULES["regexp_full_match"].evaluate(value, regex), (pattern, regex, value)


numbers = st.one_of(st.none(), st.integers(-50, 50), st.integers(-(10**13), 10**13))
rows = st.lists(st.tuples(numbers, numbers), max_size=12)


def aggregated(
    engine: duckdb.DuckDBPyConnection, name: str, given_rows: list[tuple[Value, ...]], kind: Type
) -> object:
    types = (kind, kind) if name in OF_TWO else (kind,)
    columns = ("x", "y")[: len(types)]
    listed = ", ".join(f"({', '.join(literal(value, kind) for value in row)})" for row in given_rows)
    source = (
        f"(VALUES {listed}) t(x, y)"
        if listed
        else f"(SELECT {literal(None, kind)} x, {literal(None, kind)} y WHERE FALSE)"
    )
    row = engine.execute(f"SELECT {RULES[name].emit(columns, types, DOUBLE)} FROM {source}").fetchone()
    assert row is not None
    return row[0]


def alike(found: object, wanted: Value) -> bool:
    if isinstance(found, float) and isinstance(wanted, float):
        return math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9)
    return found == wanted


@pytest.mark.parametrize("name", [rule.name for rule in STATISTICS])
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(given_rows=rows, scale=st.sampled_from([0, 2]), seed=st.integers(0, 9))
def test_statistics(
    engine: duckdb.DuckDBPyConnection,
    name: str,
    given_rows: list[tuple[int | None, int | None]],
    scale: int,
    seed: int,
) -> None:
    kind = decimal(scale) if scale else INTEGER
    typed: list[tuple[Value, ...]] = [
        tuple(value if value is None or not scale else Decimal(value).scaleb(-scale) for value in row)
        for row in given_rows
    ]
    found = aggregated(engine, name, typed, kind)
    wanted = RULES[name].evaluate([row[: 2 if name in OF_TWO else 1] for row in typed])
    assert alike(found, wanted), (found, wanted)
    random.Random(seed).shuffle(typed)
    assert aggregated(engine, name, typed, kind) == found


def test_values_that_are_all_equal_do_not_vary(engine: duckdb.DuckDBPyConnection) -> None:
    same: list[tuple[Value, ...]] = [(Decimal("1234567.89"), Decimal("0.10"))] * 7
    for name in ("var_pop", "stddev_samp", "covar_pop"):
        assert aggregated(engine, name, same, decimal(2)) == 0.0
    for name in ("corr", "regr_slope", "regr_r2"):
        assert aggregated(engine, name, same, decimal(2)) is None


def test_a_value_of_too_many_digits_gives_null_and_no_error(engine: duckdb.DuckDBPyConnection) -> None:
    large: list[tuple[Value, ...]] = [(10**14, 1), (1, 2)]
    assert aggregated(engine, "var_pop", large, INTEGER) is None
    assert RULES["var_pop"].evaluate([(10**14,), (1,)]) is None


@FAST
@given(
    values=st.lists(st.one_of(st.none(), st.decimals(-(10**7), 10**7, places=2)), max_size=12),
    share=st.integers(1, 999).map(lambda part: Decimal(part).scaleb(-3)),
)
def test_quantiles(engine: duckdb.DuckDBPyConnection, values: list[Decimal | None], share: Decimal) -> None:
    kind, of_share = decimal(2), decimal(3)
    rows = (
        " UNION ALL ".join(f"SELECT {literal(value, kind)} AS x" for value in values) or "SELECT 1 AS x WHERE FALSE"
    )
    for name in ("quantile_disc", "quantile_cont"):
        rule = RULES[name]
        text = rule.emit(("x", f"CAST('{share}' AS DECIMAL(4,3))"), (kind, of_share), kind)
        found = engine.execute(f"SELECT {text} FROM ({rows})").fetchone()
        assert found is not None
        wanted = rule.evaluate([(value, share) for value in values])
        if isinstance(wanted, float):
            assert math.isclose(float(found[0]), wanted, rel_tol=1e-12, abs_tol=1e-11), (values, share)
        else:
            assert found[0] == wanted, (values, share)
