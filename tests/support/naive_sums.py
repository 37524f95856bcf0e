"""What a sum adds up, by definition: products of columns, each over the rows that meet some conditions.

A second, plain expansion of the same expressions that `plan/polynomials.py` expands; nothing is shared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tests.support.naive_meeting import can_be_met
from tests.support.naive_rows import Column, conjuncts

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, column_refs
from louver_sandbox.algebra.types import BOOLEAN, Kind
from louver_sandbox.engines.oracle import Row, value_of

Nullable = Mapping[tuple[int, str], bool]
"""Whether a column may be null where it is summed."""

Test = tuple[Expression, bool]
"""Rows for which the expression is TRUE, or those for which it is not."""


@dataclass(frozen=True)
class Amount:
    """A constant times a product of columns, over the rows that pass all tests."""

    constant: Fraction
    factors: tuple[ColumnRef, ...]
    tests: frozenset[Test]

    def of(self, row: Row) -> Fraction | None:
        """The product in one row, without the constant; None where the row does not count."""
        if any((value_of(test, row) is True) is not wanted for test, wanted in self.tests):
            return None
        found = Fraction(1)
        for factor in self.factors:
            value = row.values[factor.relation, factor.name]
            if value is None:
                return None
            found *= Fraction(str(value))
        return found


def amounts(expression: Expression, nullable: Nullable) -> list[Amount]:
    """The amounts that an expression is the sum of, none with a constant of zero."""
    found: dict[tuple[tuple[ColumnRef, ...], frozenset[Test]], Fraction] = {}
    for amount in _expanded(expression, nullable):
        key = (tuple(sorted(amount.factors, key=repr)), amount.tests)
        found[key] = found.get(key, Fraction(0)) + amount.constant
    return [Amount(constant, *key) for key, constant in found.items() if constant]


def _expanded(expression: Expression, nullable: Nullable) -> list[Amount]:
    match expression:
        case ColumnRef():
            return [Amount(Fraction(1), (expression,), frozenset())]
        case Literal(value=None):
            return []
        case Literal(value=value):
            return [Amount(Fraction(str(value)), (), frozenset())]
        case Call(function="+" | "-" as sign, arguments=(left, right)):
            times = Fraction(1 if sign == "+" else -1)
            first, second = _expanded(left, nullable), _times(_expanded(right, nullable), times)
            return _tested(first, there(right, nullable)) + _tested(second, there(left, nullable))
        case Call(function="*", arguments=(left, right)):
            return [
                Amount(one.constant * other.constant, one.factors + other.factors, one.tests | other.tests)
                for one in _expanded(left, nullable)
                for other in _expanded(right, nullable)
            ]
        case Call(function="negate", arguments=(inner,)):
            return _times(_expanded(inner, nullable), Fraction(-1))
        case Call(function="try_cast", arguments=(inner,)) if inner.type.kind is Kind.BOOLEAN:
            return [Amount(Fraction(1), (), frozenset(holds(inner)))]
        case Call(function="try_cast", arguments=(inner,)):
            return _expanded(inner, nullable)
        case Call(function="case", arguments=(condition, value, otherwise)):
            yes, no = _expanded(value, nullable), _expanded(otherwise, nullable)
            return _tested(yes, holds(condition)) + _tested(no, _fails(condition))
        case Call(function="coalesce", arguments=choices):
            return _first_there(choices, nullable)
        case _:
            raise NotImplementedError(expression)


def _first_there(choices: Sequence[Expression], nullable: Nullable) -> list[Amount]:
    """Each choice in the rows in which none before it has a value."""
    found: list[Amount] = []
    missing: set[Test] = set()
    for choice in choices:
        found += _tested(_expanded(choice, nullable), missing)
        tests = there(choice, nullable)
        if not tests:
            break
        ((test, wanted),) = tests if len(tests) == 1 else {(Call("is_null", (choice,), BOOLEAN), False)}
        missing |= {(test, not wanted)}
    return found


def _times(given: Sequence[Amount], constant: Fraction) -> list[Amount]:
    return [Amount(constant * one.constant, one.factors, one.tests) for one in given]


def _tested(given: Sequence[Amount], tests: Iterable[Test]) -> list[Amount]:
    found: list[Amount] = []
    for one in given:
        more = {test for test in tests if not asks_for(test, one.factors)}
        found.append(Amount(one.constant, one.factors, one.tests | more))
    return found


def holds(condition: Expression) -> set[Test]:
    """The rows where a condition is TRUE."""
    return {(part, True) for part in conjuncts(condition)}


def _fails(condition: Expression) -> set[Test]:
    """The rows where it is not; that something is missing and that it is not missing are said in one way each."""
    match condition:
        case Call(function="is_null"):
            return {(Call("not", (condition,), BOOLEAN), True)}
        case Call(function="not", arguments=(Call(function="is_null") as missing,)):
            return {(missing, True)}
        case _:
            return {(condition, False)}


def is_presence(test: Expression, partners: Collection[Column] = ()) -> bool:
    """Whether a test asks for a value only. Of `partners`, columns of rows that may be missing, it asks for a row."""
    inner = test.arguments[0] if isinstance(test, Call) and test.function == "not" else None
    if not isinstance(inner, Call) or inner.function != "is_null":
        return False
    return not any((ref.relation, ref.name) in partners for ref in column_refs(inner))


def asks_for(test: Test, columns: Sequence[ColumnRef]) -> bool:
    """Whether a test asks for nothing but that one of the columns has a value."""
    return is_presence(test[0]) and _column_of(test[0]) in columns


def _column_of(test: Expression) -> Expression | None:
    inner = test.arguments[0] if isinstance(test, Call) else None
    return inner.arguments[0] if isinstance(inner, Call) else None


def there(expression: Expression, nullable: Nullable) -> set[Test]:
    """The rows in which an expression made of columns and constants only is not null."""
    match expression:
        case ColumnRef():
            test = Call("not", (Call("is_null", (expression,), BOOLEAN),), BOOLEAN)
            return {(test, True)} if nullable[expression.relation, expression.name] else set()
        case Literal(value=None):
            return {(Call("is_null", (expression,), BOOLEAN), False)}
        case Literal():
            return set()
        case Call(function="case", arguments=(condition, value, Literal(value=None))):
            return holds(condition) | there(value, nullable)
        case Call(function="case", arguments=(_, value, otherwise)):
            missing = Call("is_null", (expression,), BOOLEAN)
            may_be = there(value, nullable) | there(otherwise, nullable) and can_be_met(frozenset({(missing, True)}))
            return {(missing, False)} if may_be else set()
        case Call(function="try_cast", arguments=(inner,)) if inner.type.kind is Kind.BOOLEAN:
            return {test for test in there(inner, nullable) if test[0] != inner}
        case Call(function="coalesce", arguments=choices):
            always = any(not there(choice, nullable) for choice in choices)
            return set() if always else {(Call("not", (Call("is_null", (expression,), BOOLEAN),), BOOLEAN), True)}
        case Call(function="is_null"):
            return set()
        case Call(function="and" | "or"):
            # FALSE AND NULL is FALSE: that it has a value tells of values.
            missing = Call("is_null", (expression,), BOOLEAN)
            return {(missing, False)} if any(there(part, nullable) for part in expression.arguments) else set()
        case Call():
            return {test for argument in expression.arguments for test in there(argument, nullable)}
        case AggregateCall():
            raise TypeError("an aggregate inside a sum")


# What a measure combines.


def products(amounts: Sequence[Amount]) -> list[Amount]:
    """What a measure combines: products of columns, if there are several."""
    found = [amount for amount in amounts if amount.factors]
    return found if len(found) > 1 else []


def shared(amounts: Sequence[Amount]) -> frozenset[Test]:
    return frozenset.intersection(*(amount.tests for amount in amounts))


def ratios(amounts: Sequence[Amount]) -> frozenset[Amount]:
    """Which products a measure combines and how, whatever the rows and the scale."""
    common, first = shared(amounts), min(amounts, key=repr)
    return frozenset(
        Amount(amount.constant / first.constant, amount.factors, amount.tests - common) for amount in amounts
    )


def together(amounts: Sequence[Amount], row: Row) -> Fraction:
    return sum((amount.constant * (amount.of(row) or 0) for amount in amounts), Fraction(0))


def meets(tests: frozenset[Test], row: Row) -> bool:
    return all((value_of(test, row) is True) is wanted for test, wanted in tests)


def told_apart(one: Amount, other: Amount, sums: Sequence[Sequence[Amount]]) -> bool:
    """Whether two products are asked for in more than one combination, so that each of them can be worked out."""

    def ways(factors: tuple[ColumnRef, ...]) -> set[object]:
        of = [given for given in sums if any(amount.factors == factors for amount in given)]
        return {ratios(found) if (found := products(given)) else factors for given in of}

    return not (len(ways(one.factors)) == 1 and ways(one.factors) == ways(other.factors))


def apart(one: Amount, other: Amount) -> bool:
    """Whether no row passes the tests of both."""
    return not can_be_met(one.tests | other.tests)
