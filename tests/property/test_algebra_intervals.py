"""Bounds hold: whatever values the columns take within theirs, an expression stays within the computed bounds."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from louver_sandbox.algebra import intervals
from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, Literal, Value
from louver_sandbox.algebra.intervals import Bounds, bounds_of, domain_of
from louver_sandbox.algebra.types import BOOLEAN, DATE, DOUBLE, INTEGER, NUMERIC, TEXT, Kind, Type, decimal
from louver_sandbox.sql.functions import RULES, FunctionKind, evaluate_call

COLUMNS = {"i": INTEGER, "j": INTEGER, "d": decimal(2), "x": DOUBLE}
UNARY = ("negate", "abs", "floor", "ceil", "round", "trunc", "ln", "log10", "log2", "sqrt", "exp", "sign")
BINARY = ("+", "-", "*", "/", "//", "%", "greatest", "least", "coalesce", "nullif", "power")


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> Expression:
    """A number over the columns, of any function that gives one."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        if draw(st.booleans()):
            name = draw(st.sampled_from(sorted(COLUMNS)))
            return ColumnRef(1, name, COLUMNS[name])
        return draw(
            st.one_of(
                st.integers(-1000, 1000).map(lambda value: Literal(value, INTEGER)),
                st.integers(-99_999, 99_999).map(lambda value: Literal(Decimal(value).scaleb(-2), decimal(2))),
            )
        )
    part = expressions(depth - 1)
    arguments: tuple[Expression, ...]
    match draw(st.integers(0, 4)):
        case 0:
            name, arguments = draw(st.sampled_from(UNARY)), (draw(part),)
        case 1:
            name = "case"
            arguments = (Call("<", (draw(part), draw(part)), BOOLEAN), draw(part), draw(part))
        case 2:
            name = draw(st.sampled_from(("round", "trunc")))
            arguments = (draw(part), Literal(draw(st.integers(-2, 4)), INTEGER))
        case 3:
            name = "width_bucket"
            arguments = (draw(part), Literal(0, INTEGER), Literal(100, INTEGER), Literal(7, INTEGER))
        case _:
            name, arguments = draw(st.sampled_from(BINARY)), (draw(part), draw(part))
    result = RULES[name].result(tuple(argument.type for argument in arguments))
    return Call(name, arguments, result) if result is not None else arguments[0]


def value_of(expression: Expression, row: Mapping[str, Value]) -> Value:
    match expression:
        case Literal():
            return expression.value
        case ColumnRef():
            return row[expression.name]
        case Call():
            values = [value_of(part, row) for part in expression.arguments]
            return evaluate_call(expression.function, values, expression.type)
        case _:
            raise AssertionError


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[tuple[int, str], Bounds], dict[str, Value]]:
    """Bounds of the columns, and a row within them, at an edge as often as inside."""
    bounds: dict[tuple[int, str], Bounds] = {}
    row: dict[str, Value] = {}
    for name, kind in COLUMNS.items():
        low, high = sorted(draw(st.tuples(st.integers(-5_000, 5_000), st.integers(-5_000, 5_000))))
        unit = {Kind.INTEGER: 1, Kind.DECIMAL: 100}.get(kind.kind, 8)
        picked = Fraction(
            draw(st.one_of(st.just(low * unit), st.just(high * unit), st.integers(low * unit, high * unit))), unit
        )
        bounds[1, name] = (Fraction(low), Fraction(high))
        exact = Decimal(picked.numerator) / Decimal(picked.denominator)
        value: Value = (
            int(picked) if kind == INTEGER else float(picked) if kind == DOUBLE else exact.quantize(Decimal("0.01"))
        )
        row[name] = draw(st.sampled_from((value, value, value, None)))
    return bounds, row


@settings(max_examples=200, deadline=None)
@given(expression=expressions(), world=worlds())
def test_a_value_lies_within_its_bounds(
    expression: Expression, world: tuple[dict[tuple[int, str], Bounds], dict[str, Value]]
) -> None:
    columns, row = world
    bounds = bounds_of(expression, columns)
    value = value_of(expression, row)
    if bounds is not None and value is not None:
        assert isinstance(value, int | float | Decimal)
        assert bounds[0] <= Fraction(value) <= bounds[1], (expression, row, bounds, value)


def test_a_square_is_not_negative_and_a_share_of_a_positive_total_is_bounded() -> None:
    i = ColumnRef(1, "i", INTEGER)
    columns = {(1, "i"): (Fraction(-10), Fraction(20))}
    assert bounds_of(Call("*", (i, i), INTEGER), columns) == (Fraction(0), Fraction(400))
    assert bounds_of(Call("/", (i, Literal(10, INTEGER)), DOUBLE), columns) is not None
    assert bounds_of(Call("/", (Literal(10, INTEGER), i), DOUBLE), columns) is None


def test_what_is_not_known_has_no_bounds() -> None:
    unknown = ColumnRef(1, "u", INTEGER)
    assert bounds_of(unknown, {}) is None
    assert bounds_of(Call("+", (unknown, Literal(1, INTEGER)), INTEGER), {}) is None
    assert bounds_of(Call("upper", (Literal("a", TEXT),), TEXT), {}) is None


def test_a_choice_of_texts_is_one_of_them() -> None:
    grade = ColumnRef(1, "grade", TEXT)
    columns = {(1, "grade"): frozenset({"A", "B"})}
    chosen = Call("case", (Call("=", (grade, Literal("A", TEXT)), BOOLEAN), grade, Literal("other", TEXT)), TEXT)
    assert domain_of(chosen, columns) == frozenset({"A", "B", "other"})
    assert domain_of(Call("coalesce", (grade, Literal(None, TEXT)), TEXT), columns) == frozenset({"A", "B"})
    assert domain_of(Call("upper", (grade,), TEXT), columns) is None
    assert domain_of(chosen, {}) is None


def test_every_numeric_function_of_the_table_is_bounded_somewhere() -> None:
    """A new function that gives a number must say its bounds, or be listed here as one that has none."""
    unbounded = {"length", "strpos"}
    kinds: tuple[Type, ...] = (INTEGER, decimal(2), DOUBLE, DATE, TEXT, BOOLEAN)
    numeric = {
        rule.name
        for rule in RULES.values()
        if rule.kind is FunctionKind.SCALAR
        for arity in (1, 2, 3)
        for kind in kinds
        for result in [rule.result((TEXT, DATE, DATE)[:arity]) or rule.result((kind,) * arity)]
        if result is not None and result.kind in NUMERIC
    }
    known = intervals._RULES.keys() | intervals._FIXED.keys() | {"case", "coalesce", "nullif"}
    assert numeric - known == unbounded
