"""What a sum adds up, as a polynomial: constants times products of columns, each over the rows of some conditions.

`SUM(a * (1 - b))` is SUM(a) - SUM(a * b): if each of these sums may be known, so may any combination of them with
constants. So a protected sum is judged one summand at a time, and nothing can hide behind another (ADR 12).

The expansion is exact: for every row, the summands whose conditions hold add up to the expression's value, and to
zero where it is null. Divisions by constants are not rounded row by row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, Literal
from louver_sandbox.algebra.types import BOOLEAN, NUMERIC, Kind, Type
from louver_sandbox.plan.conditions import (
    FALSE,
    TRUE,
    Conditions,
    all_of,
    conjunction,
    disjoint,
    fails,
    implies,
    present,
)

MAX_SUMMANDS = 64
"""A polynomial of more summands is refused: brackets multiply."""

ROUNDED_TO = 6
"""Digits after the point from which a cast of a double is a change of type and not a rounding."""


class NotPolynomial(Exception):
    """The expression is no polynomial of columns, or one with too many summands."""


class Columns(Protocol):
    """What must be known of the columns an expression refers to."""

    def definition(self, ref: ColumnRef) -> Expression | None:
        """What a select list below computes under this name; None for a column that is where values come from."""
        ...

    def never_null(self, ref: ColumnRef) -> bool:
        """Whether every row has a value."""
        ...

    def decimals(self, ref: ColumnRef) -> int:
        """Digits after the point that count."""
        ...


@dataclass(frozen=True, slots=True)
class Summand:
    """A product of columns over the rows for which the conditions hold; without factors, the number of these rows."""

    factors: tuple[ColumnRef, ...] = ()
    conditions: Conditions = ()

    def under(self, conditions: Iterable[Expression]) -> Summand:
        """The same product over the rows for which these conditions hold as well."""
        return Summand(self.factors, conjunction((*self.conditions, *conditions)))


@dataclass(frozen=True, slots=True)
class Polynomial:
    """Constants by summand, the rows in which the expression is not null, and its digits (None: unlimited)."""

    terms: Mapping[Summand, Fraction]
    present: Conditions = ()
    scale: int | None = 0


def resolved(expression: Expression, columns: Columns) -> Expression:
    """The expression over the columns values come from, without the select lists between."""
    match expression:
        case ColumnRef():
            definition = columns.definition(expression)
            return expression if definition is None else resolved(definition, columns)
        case Call():
            arguments = tuple(resolved(argument, columns) for argument in expression.arguments)
            return Call(expression.function, arguments, expression.type)
        case _:
            return expression


def polynomial(expression: Expression, columns: Columns) -> Polynomial:
    """The polynomial a numeric expression is.

    Raises:
        NotPolynomial: it divides by a column, rounds, applies a function to a column, or has too many summands.
    """
    return _expanded(resolved(expression, columns), columns)


def _expanded(expression: Expression, columns: Columns) -> Polynomial:
    match expression:
        case ColumnRef() if expression.type.kind in NUMERIC:
            there = () if columns.never_null(expression) else (present(expression),)
            return Polynomial({Summand((expression,)): Fraction(1)}, there, columns.decimals(expression))
        case Literal():
            return _constant(expression)
        case Call(function="+" | "-", arguments=(left, right)):
            sign = 1 if expression.function == "+" else -1
            return _sum(_expanded(left, columns), _expanded(right, columns), sign)
        case Call(function="*", arguments=(left, right)):
            return _product(_expanded(left, columns), _expanded(right, columns))
        case Call(function="/", arguments=(above, below)):
            return _quotient(_expanded(above, columns), _expanded(below, columns))
        case Call(function="negate", arguments=(inner,)):
            return _scaled(_expanded(inner, columns), Fraction(-1))
        case Call(function="try_cast", arguments=(inner,)):
            return _cast(inner, expression.type, columns)
        case Call(function="case"):
            return _case(expression, columns)
        case Call(function="coalesce"):
            return _coalesce([_expanded(argument, columns) for argument in expression.arguments])
        case _:
            raise NotPolynomial


def _made(terms: Iterable[tuple[Summand, Fraction]], there: Conditions, scale: int | None) -> Polynomial:
    collected: dict[Summand, Fraction] = {}
    for summand, constant in terms:
        collected[summand] = collected.get(summand, Fraction(0)) + constant
    kept = {summand: constant for summand, constant in collected.items() if constant}
    if len(kept) > MAX_SUMMANDS:
        raise NotPolynomial
    return Polynomial(kept, there, scale)


def _constant(literal: Literal) -> Polynomial:
    match literal.value:
        case None:
            return Polynomial({}, (FALSE,))
        case bool():
            raise NotPolynomial
        case int() | float() | Decimal() as value:
            exact = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
            exponent = exact.as_tuple().exponent
            if not isinstance(exponent, int):
                raise NotPolynomial
            return _made([(Summand(), Fraction(exact))], (), max(0, -exponent))
        case _:
            raise NotPolynomial


def _sum(left: Polynomial, right: Polynomial, sign: int) -> Polynomial:
    """Each side counts only where the other is not null."""
    terms = [(summand.under(right.present), constant) for summand, constant in left.terms.items()]
    terms += [(summand.under(left.present), sign * constant) for summand, constant in right.terms.items()]
    scale = None if left.scale is None or right.scale is None else max(left.scale, right.scale)
    return _made(_tidied(terms), conjunction((*left.present, *right.present)), scale)


def _product(left: Polynomial, right: Polynomial) -> Polynomial:
    terms = [
        (
            Summand(
                tuple(sorted(one.factors + other.factors, key=lambda ref: (ref.relation, ref.name))),
                conjunction((*one.conditions, *other.conditions)),
            ),
            by * times,
        )
        for one, by in left.terms.items()
        for other, times in right.terms.items()
    ]
    scale = None if left.scale is None or right.scale is None else left.scale + right.scale
    return _made(_tidied(terms), conjunction((*left.present, *right.present)), scale)


def _tidied(terms: Iterable[tuple[Summand, Fraction]]) -> Iterable[tuple[Summand, Fraction]]:
    return ((tidied(summand), constant) for summand, constant in terms)


def tidied(summand: Summand) -> Summand:
    """Without conditions that its own factors imply: a product of columns is there only where they are."""
    implied = {present(factor) for factor in summand.factors} | {present(part) for part in summand.conditions}
    return Summand(summand.factors, tuple(part for part in summand.conditions if part not in implied))


def _quotient(above: Polynomial, below: Polynomial) -> Polynomial:
    divisor = below.terms.get(Summand())
    if len(below.terms) != 1 or divisor is None:
        raise NotPolynomial
    scaled = _scaled(above, 1 / divisor)
    return Polynomial(scaled.terms, scaled.present, None)


def _scaled(given: Polynomial, constant: Fraction) -> Polynomial:
    return _made(
        ((summand, constant * by) for summand, by in given.terms.items()),
        given.present,
        given.scale,
    )


def _cast(inner: Expression, wanted: Type, columns: Columns) -> Polynomial:
    if inner.type.kind is Kind.BOOLEAN:
        there = () if never_null(inner, columns) else (present(inner),)
        return _made([(Summand((), conjunction((inner,))), Fraction(1))], there, 0)
    if wanted.kind not in NUMERIC:
        raise NotPolynomial
    if inner.type.kind is Kind.NULL:
        return _expanded(inner, columns)
    given = _expanded(inner, columns)
    scale = wanted.scale if wanted.kind is not Kind.DOUBLE else given.scale
    if scale is not None and scale < min(ROUNDED_TO if given.scale is None else given.scale, _digits(inner.type)):
        raise NotPolynomial
    return Polynomial(given.terms, given.present, scale)


_LOGIC = frozenset({"=", "<>", "<", "<=", ">", ">=", "is_distinct", "and", "or", "not", "in"})
"""Functions that are null only where an argument is."""


def never_null(condition: Expression, columns: Columns) -> bool:
    """Whether an expression has a value in every row: a condition is TRUE or FALSE."""
    match condition:
        case ColumnRef():
            return columns.never_null(condition)
        case Literal():
            return condition.value is not None
        case Call(function="is_null"):
            return True
        case Call(function="coalesce"):
            return any(never_null(argument, columns) for argument in condition.arguments)
        case Call():
            known = (never_null(argument, columns) for argument in condition.arguments)
            return condition.function in _LOGIC and all(known)
        case _:
            return False


def _digits(given: Type) -> int:
    return ROUNDED_TO if given.kind is Kind.DOUBLE else given.scale


def _case(expression: Call, columns: Columns) -> Polynomial:
    """Every branch counts where its condition holds and none before it does."""
    pairs = list(zip(expression.arguments[:-1:2], expression.arguments[1::2], strict=True))
    before: list[Conditions] = []
    terms: list[tuple[Summand, Fraction]] = []
    there: list[Expression] = []
    scale: int | None = 0
    for condition, value in (*pairs, (TRUE, expression.arguments[-1])):
        holds = conjunction((condition,))
        here = conjunction((*holds, *(fails(other) for other in before if not disjoint(holds, other))))
        branch = _expanded(value, columns)
        terms += [(summand.under(here), constant) for summand, constant in branch.terms.items()]
        there += [condition, TRUE if implies(holds, branch.present) else all_of(branch.present)]
        scale = None if scale is None or branch.scale is None else max(scale, branch.scale)
        before.append(holds)
    return _made(_tidied(terms), _where_present(there), scale)


def _where_present(branches: list[Expression]) -> Conditions:
    """Where a CASE is not null; `branches` are conditions and where their values are not null, ELSE last."""
    values = branches[1::2]
    if all(value == TRUE for value in values):
        return ()
    if len(values) == 2 and values[1] == FALSE:
        return conjunction(branches[:2])
    return (Call("case", (*branches[:-2], branches[-1]), BOOLEAN),)


def _coalesce(choices: list[Polynomial]) -> Polynomial:
    first, *others = choices
    for other in others:
        missing = (fails(first.present),)
        terms = [*first.terms.items(), *((part.under(missing), by) for part, by in other.terms.items())]
        scale = None if first.scale is None or other.scale is None else max(first.scale, other.scale)
        there = conjunction((_either(first.present, other.present),))
        first = _made(_tidied(terms), there, scale)
    return first


def _either(left: Conditions, right: Conditions) -> Expression:
    if not left or not right:
        return TRUE
    return Call("or", (all_of(left), all_of(right)), BOOLEAN)
