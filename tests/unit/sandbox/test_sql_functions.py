"""Every scalar row means the same in Python as in the engine it is sent to, and fails on no value."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal

import duckdb
import pytest

from louver_sandbox.algebra.expressions import Interval, Value
from louver_sandbox.algebra.types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    INTERVAL,
    TEXT,
    TIMESTAMP,
    Type,
    decimal,
)
from louver_sandbox.sql.casts import castable
from louver_sandbox.sql.functions import FUNCTIONS, RULES, FunctionKind, FunctionRule, evaluate_call
from louver_sandbox.sql.rules import engine_type

SAMPLES: dict[Type, tuple[Value, ...]] = {
    INTEGER: (None, 0, 1, -7, 2, 2**63 - 1, -(2**63)),
    decimal(2): (None, Decimal("0.00"), Decimal("1.25"), Decimal("-2.50"), Decimal("1234567890123456789012345.67")),
    decimal(12): (Decimal("0.000000000001"), Decimal("999999999999999.999999999999")),
    DOUBLE: (None, 0.0, 1.5, -2.5, 3.7, 1e20, 1e308, -1e308),
    TEXT: (None, "", "abc", " 12 ", "1.5", "中文字", "true", "2020-01-31", "a%b"),
    DATE: (None, date(2020, 1, 31), date(2024, 2, 29), date(9999, 12, 31), date(1, 1, 1)),
    TIMESTAMP: (None, datetime(2020, 5, 31, 10, 20, 30)),
    BOOLEAN: (None, True, False),
    INTERVAL: (Interval(1, 0), Interval(0, -40), Interval(120_000, 3)),
}
SCALARS = [rule for rule in FUNCTIONS if rule.kind is FunctionKind.SCALAR]
NARY = frozenset(
    {"case", "in", "substr", "coalesce", "greatest", "least", "and", "or", "concat", "concat_ws", "like", "ilike"}
    | {"date_diff", "date_sub", "elapsed", "replace", "lpad", "rpad", "split_part", "make_date"}
)
CONSTANTS: dict[str, dict[int, tuple[Value, ...]]] = {
    "round": {1: (0, 1, 2, -1, -2)},
    "trunc": {1: (0, 1, 2, -1, -2)},
    "substr": {1: (1, 2, 5), 2: (0, 1, 9)},
    "left": {1: (0, 1, 9)},
    "right": {1: (0, 1, 9)},
    "like": {1: ("a%", "%", "_bc", "", "a%b", "a!%b"), 2: ("!",)},
    "ilike": {1: ("A%", "%中%"), 2: ("!",)},
    "starts_with": {1: ("a", "")},
    "ends_with": {1: ("c", "字", "")},
    "contains": {1: ("b", "文")},
    "strpos": {1: ("b", "文", "", "5")},
    "trim": {1: ("a", "c字", " 1")},
    "ltrim": {1: ("a", "中文", " 1")},
    "rtrim": {1: ("c", "文字", "5.")},
    "concat_ws": {0: ("-", "")},
    "replace": {1: ("b", "文", "bc"), 2: ("", "x", "中中")},
    "lpad": {1: (0, 2, 5), 2: ("x", "中a")},
    "rpad": {1: (0, 2, 5), 2: ("x", "中a")},
    "split_part": {1: ("b", "."), 2: (1, 2, 9)},
    "regexp_matches": {1: ("b", "^a.c$", "[0-9]+", "(文|e$)", "a{2,3}", "^\\d*$", "[^a-c]")},
    "regexp_full_match": {1: ("b", "a.c", "[0-9 ]+", ".*文.*", "\\d+-\\d+-\\d+")},
    "similar": {1: ("a.*", "[0-9]+")},
    "date_trunc": {0: ("year", "quarter", "month", "week", "day")},
    "date_diff": {0: ("year", "quarter", "month", "day")},
    "elapsed": {0: ("year", "quarter", "month")},
    "date_sub": {0: ("year", "quarter", "month")},
    "strftime": {1: ("%Y-%m-%d", "%Y%m", "%m", "%Y年%m月")},
}
"""What the arguments that must be constants may be, by their place."""


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def literal(value: Value, kind: Type) -> str:
    if value is None:
        return f"CAST(NULL AS {engine_type(kind)})"
    if isinstance(value, Interval):
        return f"CAST('{value.months} months {value.days} days' AS INTERVAL)"
    text = repr(value) if isinstance(value, float) else str(value)
    return f"CAST('{text}' AS {engine_type(kind)})"


def calls(rule: FunctionRule) -> Iterator[tuple[tuple[Type, ...], tuple[Value, ...], Type]]:
    """Argument types, values and result type of every sample call the rule takes."""
    if rule.name == "width_bucket":
        yield from buckets()
    if rule.name == "try_cast":
        for given, wanted in itertools.product(SAMPLES, repeat=2):
            if given != wanted != INTERVAL and castable(given, wanted):
                yield from (((given,), (value,), wanted) for value in SAMPLES[given])
        return
    for arity in (1, 2, 3) if rule.name in NARY else (1, 2):
        for types in itertools.product(SAMPLES, repeat=arity):
            result = rule.result(types)
            if result is None or (arity == 3 and len(set(types)) == 3) or rule.name == "width_bucket":
                continue
            for values in itertools.product(*samples(rule, types)):
                yield types, values, result


def buckets() -> Iterator[tuple[tuple[Type, ...], tuple[Value, ...], Type]]:
    """Values on, beside and far from the edges of equal bins."""
    for value, low, high in (
        ((INTEGER, value), (INTEGER, 0), (INTEGER, 100)) for value in (None, -1, 0, 33, 34, 99, 100, 2**62)
    ):
        yield (value[0], low[0], high[0], INTEGER), (value[1], low[1], high[1], 3), INTEGER
    kind = decimal(2)
    for text in ("-0.01", "0.10", "0.29", "0.30", "0.69", "0.70", "1.00", "99999999999999999999.00"):
        values = (Decimal(text), Decimal("0.10"), Decimal("1.00"), 9)
        yield (kind, kind, kind, INTEGER), values, INTEGER


def samples(rule: FunctionRule, types: tuple[Type, ...]) -> list[tuple[Value, ...]]:
    found = [SAMPLES[kind][: 3 if len(types) == 3 else None] for kind in types]
    for index in rule.constants:
        if index < len(types):
            found[index] = CONSTANTS[rule.name][index]
    return found


def alike(got: object, wanted: object) -> bool:
    if isinstance(got, float) and isinstance(wanted, float):
        return math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-11)
    return got == wanted and (isinstance(got, datetime) == isinstance(wanted, datetime))


@pytest.mark.parametrize("rule", SCALARS, ids=lambda rule: rule.name)
def test_the_engine_and_python_agree(rule: FunctionRule, engine: duckdb.DuckDBPyConnection) -> None:
    asked = list(calls(rule))
    assert asked
    for start in range(0, len(asked), 200):
        batch = asked[start : start + 200]
        texts = [rule.emit(tuple(map(literal, values, types)), types, result) for types, values, result in batch]
        row = engine.execute("SELECT " + ", ".join(texts)).fetchone()
        assert row is not None
        for (types, values, result), got in zip(batch, row, strict=True):
            wanted = evaluate_call(rule.name, values, result)
            assert alike(got, wanted), (rule.name, [str(kind) for kind in types], values, got, wanted)


def test_division_by_zero_is_null() -> None:
    assert evaluate_call("/", (1, 0), DOUBLE) is None
    assert evaluate_call("//", (1, 0), INTEGER) is None
    assert evaluate_call("%", (1, 0), INTEGER) is None


def test_overflow_is_null_and_never_infinity() -> None:
    assert evaluate_call("*", (2**62, 2), INTEGER) is None
    assert evaluate_call("*", (1e300, 1e300), DOUBLE) is None
    assert evaluate_call("+", (Decimal(10) ** 26, Decimal(10) ** 27), decimal(0)) is None


def test_no_emitted_text_uses_try_because_the_engine_refuses_aggregates_inside_it() -> None:
    for rule in SCALARS:
        for types, values, result in itertools.islice(calls(rule), 50):
            assert "TRY(" not in rule.emit(tuple(map(literal, values, types)), types, result)


def test_every_arithmetic_text_may_stand_over_aggregates(engine: duckdb.DuckDBPyConnection) -> None:
    for rule in SCALARS:
        for types in ((INTEGER, INTEGER), (decimal(2), decimal(2)), (DATE, INTEGER)):
            result = rule.result(types)
            if result is None or rule.constants or rule.kind is not FunctionKind.SCALAR:
                continue
            texts = tuple(f"max({literal(SAMPLES[kind][1], kind)})" for kind in types)
            engine.execute("SELECT " + rule.emit(texts, types, result)).fetchall()


def test_sums_of_the_largest_values_do_not_overflow(engine: duckdb.DuckDBPyConnection) -> None:
    for kind, value in ((INTEGER, 2**63 - 1), (decimal(2), Decimal("9999999999999999999999999.99"))):
        text = RULES["sum"].emit((literal(value, kind),), (kind,), kind)
        row = engine.execute(f"SELECT {text} FROM range(100000)").fetchone()
        assert row is not None
        assert row[0] == value * 100_000


def test_aggregates_skip_nulls_and_are_null_over_nothing() -> None:
    rows = [(1,), (None,), (3,)]
    assert [RULES[name].evaluate(rows) for name in ("count", "sum", "avg", "min", "max")] == [2, 4, 2.0, 1, 3]
    assert [RULES[name].evaluate([]) for name in ("count", "sum", "avg", "min", "max")] == [0, None, None, None, None]
    assert RULES["count"].evaluate([(), ()]) == 2


def test_names_are_unique() -> None:
    assert len(RULES) == len(FUNCTIONS)
