"""Conditions over one row: their parts, their opposite, and when two of them can never hold together.

`disjoint` is sound and incomplete: True is a proof that no row satisfies both, False says nothing. A condition
"holds" for a row when it is TRUE, so its opposite (`fails`) is FALSE or NULL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import product

from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, Literal, Value
from louver_sandbox.algebra.types import BOOLEAN, Kind
from louver_sandbox.sql.functions import RULES

Conditions = tuple[Expression, ...]
"""A conjunction in canonical order, no part twice; empty when it always holds. Made by `conjunction`."""

TRUE, FALSE = Literal(True, BOOLEAN), Literal(False, BOOLEAN)

_STRICT = frozenset({"=", "<>", "<", "<=", ">", ">="})
"""Comparisons that are NULL where an argument of their own is."""

_MOST_CHOICES = 8
"""An OR of more parts is not looked into: every part of one is compared with every part of another."""

_OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}

_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def conjunction(parts: Iterable[Expression]) -> Conditions:
    """The conjunction of the parts, nested ANDs opened, so that one condition has one form."""
    found = {part for whole in parts for part in _opened(whole) if part != TRUE}
    return tuple(sorted(found, key=repr)) if len(found) > 1 else tuple(found)


def _opened(expression: Expression) -> Iterator[Expression]:
    if isinstance(expression, Call) and expression.function == "and":
        for argument in expression.arguments:
            yield from _opened(argument)
    else:
        yield expression


def all_of(conditions: Conditions) -> Expression:
    """The conjunction as one expression."""
    match conditions:
        case ():
            return TRUE
        case (only,):
            return only
        case _:
            return Call("and", conditions, BOOLEAN)


def fails(conditions: Conditions) -> Expression:
    """Holds exactly where the conditions do not: where one is FALSE or NULL."""
    whole = all_of(conditions)
    if isinstance(whole, Literal):
        return Literal(whole.value is not True, BOOLEAN)
    if isinstance(whole, Call) and whole.function == "is_null":
        return Call("not", (whole,), BOOLEAN)
    if isinstance(whole, Call) and whole.function == "not" and _is_null(whole.arguments[0]):
        return whole.arguments[0]
    return Call("not", (Call("coalesce", (whole, FALSE), BOOLEAN),), BOOLEAN)


def present(expression: Expression) -> Expression:
    """Holds where the expression is not null."""
    return Call("not", (Call("is_null", (expression,), BOOLEAN),), BOOLEAN)


def _is_null(expression: Expression) -> bool:
    return isinstance(expression, Call) and expression.function == "is_null"


def present_value(condition: Expression) -> Expression | None:
    """The expression, if the condition asks for nothing but that it has a value."""
    match condition:
        case Call(function="not", arguments=(Call(function="is_null", arguments=(value,)),)):
            return value
        case _:
            return None


def present_column(condition: Expression) -> ColumnRef | None:
    """The column, if the condition asks for nothing but that it has a value."""
    value = present_value(condition)
    return value if isinstance(value, ColumnRef) else None


def disjoint(left: Conditions, right: Conditions) -> bool:
    """Whether it is certain that no row satisfies both."""
    if any(map(_is_never_true, (*left, *right))):
        return True
    if any(fails((one,)) == other or fails((other,)) == one for one, other in product(left, right)):
        return True
    if any(fails(left) == part for part in right) or any(fails(right) == part for part in left):
        return True
    return any(one.excludes(other) for one, other in product(_limits(left), _limits(right)))


def opposites(condition: Expression) -> tuple[Expression, ...]:
    """Ways to write that a condition is FALSE; where it is never NULL, one of the two holds."""
    negated: tuple[Expression, ...] = (Call("not", (condition,), BOOLEAN),)
    if isinstance(condition, Call) and condition.function in _OPPOSITE:
        negated += (replace(condition, function=_OPPOSITE[condition.function]),)
    return negated


def implies(left: Conditions, right: Conditions) -> bool:
    """Whether it is certain that every row that satisfies `left` satisfies `right`; False says nothing."""
    return any(map(_is_never_true, left)) or all(any(_part_implies(one, part) for one in left) for part in right)


def _is_never_true(part: Expression) -> bool:
    """Whether a condition is FALSE or NULL in every row: a value is compared with itself."""
    match part:
        case Call(function="<" | ">" | "<>", arguments=(one, other)):
            return one == other
        case _:
            return part == FALSE


def _part_implies(one: Expression, part: Expression) -> bool:
    if one == part:
        return True
    if choices := _choices(one):
        return all(implies(choice, (part,)) for choice in choices)
    if choices := _choices(part):
        return any(implies((one,), choice) for choice in choices)
    if isinstance(part, Call) and part.function == "case":
        values = (*part.arguments[1::2], part.arguments[-1])
        return all(value == TRUE or implies((one,), conjunction((value,))) for value in values)
    column = present_column(part)
    if column is not None:
        return one == column or _needs(one, column)
    return any(limit.within(other) for limit, other in product(_limits((one,)), _limits((part,))))


def _choices(condition: Expression) -> list[Conditions]:
    """What an OR of few parts is TRUE by; none for anything else."""
    match condition:
        case Call(function="or", arguments=parts) if len(parts) <= _MOST_CHOICES:
            return [conjunction((part,)) for part in parts]
        case _:
            return []


def _needs(condition: Expression, column: ColumnRef) -> bool:
    """Whether a comparison, or its opposite, is never TRUE where the column has no value."""
    match condition:
        case Call(function="not", arguments=(inner,)):
            return _needs(inner, column)
        case Call(function="in", arguments=(operand, *_)):
            return _is_null_with(operand, column)
        case Call():
            return condition.function in _STRICT and any(_is_null_with(one, column) for one in condition.arguments)
        case _:
            return False


def _is_null_with(expression: Expression, column: ColumnRef) -> bool:
    """Whether it is certain that an expression is NULL where the column is."""
    match expression:
        case Call(function=function, arguments=arguments):
            return RULES[function].strict and any(_is_null_with(argument, column) for argument in arguments)
        case _:
            return expression == column


@dataclass(frozen=True, slots=True)
class _Limit:
    """What one comparison with constants allows an operand to be: listed values, or a range with open ends."""

    operand: Expression
    values: tuple[Value, ...] = ()
    low: Value = None
    high: Value = None
    low_open: bool = False
    high_open: bool = False

    def excludes(self, other: _Limit) -> bool:
        """Whether no value of the operand is allowed by both."""
        if self.operand != other.operand or not _of_one_kind((*self._constants(), *other._constants())):
            return False
        if self.values:
            return not any(other._allows(value) for value in self.values)
        if other.values:
            return not any(self._allows(value) for value in other.values)
        return _below(self, other) or _below(other, self)

    def within(self, other: _Limit) -> bool:
        """Whether every value of the operand that this allows is allowed by the other."""
        if self.operand != other.operand or not _of_one_kind((*self._constants(), *other._constants())):
            return False
        if self.values:
            return all(other._allows(value) for value in self.values)
        if other.values:
            return False
        return _reaches(self.low, self.low_open, other.low, other.low_open, up=False) and _reaches(
            self.high, self.high_open, other.high, other.high_open, up=True
        )

    def _constants(self) -> tuple[Value, ...]:
        return tuple(value for value in (*self.values, self.low, self.high) if value is not None)

    def _allows(self, value: Value) -> bool:
        if self.values:
            return value in self.values
        return not (
            (self.low is not None and (_less(value, self.low) or (self.low_open and value == self.low)))
            or (self.high is not None and (_less(self.high, value) or (self.high_open and value == self.high)))
        )


def _below(lower: _Limit, upper: _Limit) -> bool:
    if lower.high is None or upper.low is None:
        return False
    return _less(lower.high, upper.low) or (lower.high == upper.low and (lower.high_open or upper.low_open))


def _reaches(inner: Value, inner_open: bool, outer: Value, outer_open: bool, *, up: bool) -> bool:
    """Whether the outer end of a range is beyond the inner one, or none."""
    if outer is None:
        return True
    if inner is None:
        return False
    beyond = _less(inner, outer) if up else _less(outer, inner)
    return beyond or (inner == outer and (inner_open or not outer_open))


def _less(left: Value, right: Value) -> bool:
    if isinstance(left, int | Decimal) and isinstance(right, int | Decimal):
        return left < right
    if isinstance(left, date) and isinstance(right, date):
        return left < right
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    raise TypeError("constants of one kind are compared")


def _of_one_kind(values: tuple[Value, ...]) -> bool:
    """Whether the constants are all exact numbers, all truth values, all texts, all dates or all times."""
    exact = (int, Decimal)
    return len({int if type(value) in exact else type(value) for value in values}) == 1 and all(
        type(value) in (*exact, str, date, datetime, bool) for value in values
    )


def _limits(conditions: Conditions) -> Iterator[_Limit]:
    for part in conditions:
        if isinstance(part, Call) and part.arguments[0].type.kind is not Kind.DOUBLE:
            yield from _limit(part)


def _limit(part: Call) -> Iterator[_Limit]:
    match part.function, part.arguments:
        case "in", (operand, *listed) if all(isinstance(item, Literal) for item in listed):
            values = tuple(item.value for item in listed if isinstance(item, Literal) and item.value is not None)
            if values:
                yield _Limit(operand, values)
        case function, (Literal(value=value), operand) if function in _MIRRORED and not isinstance(operand, Literal):
            yield from _comparison(_MIRRORED[function], operand, value)
        case function, (operand, Literal(value=value)) if function in _MIRRORED:
            yield from _comparison(function, operand, value)
        case _:
            return


def _comparison(function: str, operand: Expression, value: Value) -> Iterator[_Limit]:
    if value is None or isinstance(value, float):
        return
    match function:
        case "=":
            yield _Limit(operand, (value,))
        case "<" | "<=" if not isinstance(value, bool):
            yield _Limit(operand, high=value, high_open=function == "<")
        case ">" | ">=" if not isinstance(value, bool):
            yield _Limit(operand, low=value, low_open=function == ">")
