"""The combination of products that a sum or average gives away, judged as one contribution per subject.

That every product of `SUM(p - p * d)` may be known by itself is not enough: where d is one in nearly all rows, what
is left of p is that of a few. So what each subject adds to the combination is judged as well. And if a question asks
for its products in one combination only, no product can be told from the others: what is zero in one of them and not
in another is then no way to set rows apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from math import gcd, lcm

from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, Literal
from louver_sandbox.algebra.types import INTEGER, Kind, Type, decimal
from louver_sandbox.plan.conditions import all_of, conjunction, fails
from louver_sandbox.plan.measures import Asked, Total
from louver_sandbox.plan.polynomials import Summand
from louver_sandbox.sql.functions import RULES

Factors = tuple[ColumnRef, ...]

LARGEST = 10**9
"""Constants are brought to integers up to this one; beyond it they are rounded, since only their ratios count."""

_WIDE_SCALE = 5
"""From so many digits after the point a summand may have 28 digits instead of 18."""


def combination(asked: Asked) -> Total | None:
    """What an aggregate adds up of products, as one total; None where it is one product at most or none is added.

    Its summand has the conditions that all its parts share, and no factors. Numbers of rows are left out of it: they
    are judged by themselves, and would drown the rest.
    """
    if asked.kind not in ("sum", "average"):
        return None
    parts = [(constant, total) for constant, total in asked.addends if total.summand.factors]
    if len(parts) < 2:
        return None
    return _together(parts)


def difference(one: Total, other: Total) -> Total:
    """What one total is more than another, as a total by itself."""
    return _together([(Fraction(1), one), (Fraction(-1), other)])


def _together(parts: Sequence[tuple[Fraction, Total]]) -> Total:
    shared = set.intersection(*(set(total.summand.conditions) for _, total in parts))
    common = tuple(one for one in parts[0][1].summand.conditions if one in shared)
    combined = tuple(
        (times, Summand(total.summand.factors, tuple(one for one in total.summand.conditions if one not in shared)))
        for times, (_, total) in zip(_integers([constant for constant, _ in parts]), parts, strict=True)
        if times
    )
    whole = Total(
        Summand((), common),
        _exact(combined, [total.exact for _, total in parts]),
        own=any(total.own for _, total in parts),
        combined=tuple(sorted(combined, key=lambda part: repr(part[1]))),
    )
    return replace(whole, combined=_positive(whole.combined))


def _integers(constants: list[Fraction]) -> list[int]:
    """The smallest integers with the ratios of the constants, rounded where they are too large."""
    below = lcm(*(constant.denominator for constant in constants))
    whole = [int(constant * below) for constant in constants]
    divisor = gcd(*whole)
    most = max(abs(number) for number in whole)
    if most // divisor <= LARGEST:
        return [number // divisor for number in whole]
    return [round(Fraction(number * LARGEST, most)) for number in whole]


def _positive(combined: tuple[tuple[int, Summand], ...]) -> tuple[tuple[int, Summand], ...]:
    """A combination and its opposite are judged alike, so they are one."""
    sign = 1 if combined[0][0] > 0 else -1
    return tuple((sign * times, summand) for times, summand in combined)


def _exact(combined: tuple[tuple[int, Summand], ...], types: list[Type]) -> Type:
    if all(type_.kind is Kind.INTEGER for type_ in types):
        return INTEGER
    scale = max(type_.scale for type_ in types)
    return decimal(scale if all(abs(times) == 1 for times, _ in combined) else max(scale, _WIDE_SCALE))


def combined_value(
    total: Total, value_of: Callable[[Total], Expression], never_null: Callable[[ColumnRef], bool]
) -> Expression:
    """What one row adds to a combination. `value_of` gives a product; one that is missing adds nothing."""
    return reduce(_plus, (_part(times, summand, value_of, never_null) for times, summand in total.combined))


def _part(
    times: int,
    summand: Summand,
    value_of: Callable[[Total], Expression],
    never_null: Callable[[ColumnRef], bool],
) -> Expression:
    value, zero = value_of(Total(summand)), Literal(0, INTEGER)
    if times == -1:
        value = _call("negate", value)
    elif times != 1:
        value = _call("*", value, Literal(times, INTEGER))
    if summand.conditions:
        value = _call("case", all_of(summand.conditions), value, zero)
    return value if all(map(never_null, summand.factors)) and abs(times) == 1 else _call("coalesce", value, zero)


def _plus(left: Expression, right: Expression) -> Expression:
    match right:
        case Call(function="negate", arguments=(taken,)):
            return _call("-", left, taken)
        case _:
            return _call("+", left, right)


def _call(function: str, *arguments: Expression) -> Expression:
    result = RULES[function].result(tuple(argument.type for argument in arguments))
    if result is None:
        raise TypeError("numbers are combined with numbers")
    return Call(function, arguments, result)


Inseparable = Callable[[Factors, Factors], bool]
"""Whether a question asks for two products in one combination only."""


def inseparable(asked: Iterable[Asked]) -> Inseparable:
    """The products that the answers to these aggregates never tell apart."""
    found: dict[Factors, set[object]] = {}
    for one in asked:
        whole = combination(one)
        for _, total in one.addends:
            if total.summand.factors:
                identity = total.summand.factors if whole is None else whole.combined
                found.setdefault(total.summand.factors, set()).add(identity)
    return lambda one, other: len(found[one]) == 1 and found[one] == found[other]


def complements(totals: Iterable[Total]) -> Mapping[Total, tuple[Total, ...]]:
    """Beside a combination over all rows, what must be safe with each of those over some: what is left, the others.

    The same holds for every product in it (`plan.overlaps`), so parts that could meet are refused already.
    """
    alike: dict[object, list[Total]] = {}
    for total in dict.fromkeys(totals):
        alike.setdefault(total.combined, []).append(total)
    found: dict[Total, tuple[Total, ...]] = {}
    for same in alike.values():
        whole = next((total for total in same if not total.summand.conditions), None)
        some = [total for total in same if total != whole]
        if whole is None or not some:
            continue
        outside = conjunction(fails(total.summand.conditions) for total in some)
        rest = replace(whole, summand=Summand((), outside))
        found |= {total: (rest, *(other for other in some if other != total)) for total in some}
    return found
