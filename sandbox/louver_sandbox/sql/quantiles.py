"""Medians and quantiles: the functions, and the forms that questions write them in.

`quantile_disc(x, p)` is the least value up to which at least the share p of all values lies (ISO/IEC 9075-2, 10.9,
PERCENTILE_DISC); `quantile_cont` lies between two neighbouring values, in proportion (PERCENTILE_CONT), and is
computed in doubles. MEDIAN is `quantile_cont` at 1/2; DuckDB's QUANTILE is `quantile_disc`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp

from louver_sandbox.algebra.expressions import Expression, Literal, Value
from louver_sandbox.algebra.types import DOUBLE, Kind, Position, Type, decimal
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql.rules import FunctionKind, FunctionRule, Texts, Types, finite, to_type

if TYPE_CHECKING:
    from louver_sandbox.sql.expressions import Binder

QUANTILES: Final = frozenset({"quantile_cont", "quantile_disc"})
"""The functions; a policy grants both by the one word `quantile`."""

_DIGITS: Final = 6
_HALF: Final = Literal(Decimal("0.5"), decimal(1))
_NAMES: Mapping[type[exp.Expr], str] = MappingProxyType(
    {
        exp.Median: "quantile_cont",
        exp.PercentileCont: "quantile_cont",
        exp.PercentileDisc: "quantile_disc",
        exp.Quantile: "quantile_disc",
    }
)


def quantile(binder: Binder, node: exp.Expr, where: exp.Expr | None = None) -> Expression:
    """A quantile as written, with its FILTER: MEDIAN(x), QUANTILE_CONT(x, p), PERCENTILE_CONT(p) WITHIN GROUP (ORDER
    BY x) and the like, with a constant p above 0 and below 1.

    Raises:
        Refused: LVR-1204 for another share or order, LVR-1304 for what is no number, LVR-1301.
    """
    called, argument, share = _parts(binder, node)
    at = binder.at(called) or binder.at(node)
    known = _HALF if share is None else _share(binder.bind(share), at)
    return binder.quantile_of(_NAMES[type(called)], argument, known, where, at)


def _parts(binder: Binder, node: exp.Expr) -> tuple[exp.Expr, exp.Expr, exp.Expr | None]:
    """The call, what is ranked, and the share (None: one half)."""
    if type(node) is exp.WithinGroup:
        called, order = node.this, node.expression
        keys = order.expressions if type(order) is exp.Order else []
        if type(called) not in (exp.PercentileCont, exp.PercentileDisc) or called.args.get("expression") is not None:
            raise _unclear(binder.at(node))
        if len(keys) != 1 or type(keys[0]) is not exp.Ordered or keys[0].args.get("desc"):
            raise _unclear(binder.at(node))
        return called, keys[0].this, called.this
    if type(node) is exp.Median:
        return node, node.this, None
    share = node.args.get("quantile") if type(node) is exp.Quantile else node.args.get("expression")
    if share is None:
        raise _unclear(binder.at(node))
    return node, node.this, share


def _unclear(at: Position | None) -> Exception:
    return refusals.wrong_arguments(
        "a quantile",
        "write median(x), quantile_cont(x, 0.9), or percentile_cont(0.9) WITHIN GROUP (ORDER BY x), ascending",
        "请写 median(x)、quantile_cont(x, 0.9)，或升序的 percentile_cont(0.9) WITHIN GROUP (ORDER BY x)",
        at,
    )


def _share(given: Expression, at: Position | None) -> Literal:
    """The share in its shortest form, so that 0.5 and 0.50 are one question."""
    value = given.value if isinstance(given, Literal) else None
    if isinstance(value, Decimal) and 0 < value < 1:
        shortest = value.normalize()
        digits = -int(shortest.as_tuple().exponent)
        if digits <= _DIGITS:
            return Literal(shortest, decimal(digits))
    raise refusals.wrong_arguments(
        "a quantile",
        f"the share is one constant above 0 and below 1 with at most {_DIGITS} digits; ask for several one by one",
        f"分位须为 0 与 1 之间（不含）的一个常量，至多 {_DIGITS} 位小数；多个分位请逐个写出",
        given.at or at,
    )


def share_of(arguments: Sequence[Expression]) -> Fraction:
    """The share that a bound call asks for. TypeError for a call that the binder did not make."""
    share = arguments[1] if len(arguments) == 2 else None
    if not isinstance(share, Literal) or not isinstance(share.value, Decimal):
        raise TypeError("a quantile without its share")
    return Fraction(share.value)


def _numbers(types: Types) -> bool:
    return len(types) == 2 and types[0].kind in (Kind.INTEGER, Kind.DECIMAL)


def _ranked(rows: Sequence[tuple[Any, ...]]) -> tuple[list[Any], Fraction]:
    values = sorted(row[0] for row in rows if row[0] is not None)
    return values, Fraction(rows[0][1]) if rows else Fraction(0)


def _discrete(rows: Sequence[tuple[Any, ...]]) -> Value:
    values, share = _ranked(rows)
    found: Value = values[max(1, math.ceil(share * len(values))) - 1] if values else None
    return found


def _continuous(rows: Sequence[tuple[Any, ...]]) -> Value:
    values, share = _ranked(rows)
    if not values:
        return None
    place = (len(values) - 1) * float(share)
    low, high = float(values[math.floor(place)]), float(values[math.ceil(place)])
    return to_type(low + (high - low) * (place - math.floor(place)), DOUBLE)


def _emit_continuous(texts: Texts, types: Types, result: Type) -> str:
    return finite(f"quantile_cont(CAST({texts[0]} AS DOUBLE), {texts[1]})")


RULES_OF_QUANTILES: tuple[FunctionRule, ...] = (
    FunctionRule(
        "quantile_disc",
        FunctionKind.AGGREGATE,
        lambda types: types[0] if _numbers(types) else None,
        lambda texts, types, result: f"quantile_disc({texts[0]}, {texts[1]})",
        _discrete,
        constants=(1,),
    ),
    FunctionRule(
        "quantile_cont",
        FunctionKind.AGGREGATE,
        lambda types: DOUBLE if _numbers(types) else None,
        _emit_continuous,
        _continuous,
        constants=(1,),
    ),
)
