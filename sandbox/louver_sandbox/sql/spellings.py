"""What functions and operators mean in the dialect they are written in, as calls of the one function table.

A spelling is given exactly its meaning or refused (LVR-1320, LVR-1204), never guessed. Two differences are accepted
for all dialects and documented: text is compared by code points, and `/` is computed in doubles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from sqlglot import exp

from louver_sandbox.algebra.expressions import Expression, Literal
from louver_sandbox.algebra.types import BOOLEAN, DATE, INTEGER, INTERVAL, TEXT, TIMESTAMP
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql import calls, formats, quantiles, spelled_dates, spelled_texts
from louver_sandbox.sql.spelled import Arguments, Named, Spelled, arity, constant_text, row, whole

if TYPE_CHECKING:
    from louver_sandbox.sql.expressions import Binder

# logarithms


def _logarithm(natural: bool) -> Named:
    """`log(x)` is to base 10 or natural by dialect; `log(base, x)` is the same everywhere."""

    def spelled(binder: Binder, node: exp.Expr, arguments: Arguments) -> Expression:
        arity(node, binder, "log", arguments, 1, 2)
        at = binder.at(node)
        bound = [binder.bind(argument) for argument in arguments]
        if len(bound) == 1:
            return binder.call("ln" if natural else "log10", bound[0], at=at)
        base, value = (binder.call("ln", part, at=at) for part in bound)
        return binder.call("/", value, base, at=at)

    return spelled


# choices


def if_present(binder: Binder, node: exp.Expr) -> Expression:
    """`nvl2(x, a, b)`: a where x is present, b where it is NULL."""
    missing = binder.call("is_null", binder.bind(node.this))
    otherwise = node.args.get("false")
    default = calls.null() if otherwise is None else binder.bind(otherwise)
    return binder.call("case", missing, default, binder.bind(node.args["true"]), at=binder.at(node))


def _decoded(binder: Binder, node: exp.Expr, arguments: Arguments) -> Expression:
    """`decode(x, a, 1, b, 2, 0)`: CASE, where NULL equals NULL."""
    if len(arguments) < 3:
        arity(node, binder, "decode", arguments, 3, 4)
    operand, *rest = (binder.bind(argument) for argument in arguments)
    default = rest.pop() if len(rest) % 2 else calls.null()
    parts: list[Expression] = []
    for searched, result in zip(rest[::2], rest[1::2], strict=True):
        missing = isinstance(searched, Literal) and searched.value is None
        same = binder.call("is_null", operand) if missing else binder.call("=", operand, searched)
        if not isinstance(searched, Literal):
            same = binder.call("not", binder.call("is_distinct", operand, searched))
        parts += [same, result]
    return binder.call("case", *parts, default, at=binder.at(node))


def _missing(wanted: bool) -> Named:
    def spelled(binder: Binder, node: exp.Expr, arguments: Arguments) -> Expression:
        arity(node, binder, "isnull", arguments, 1)
        missing = binder.call("is_null", binder.bind(arguments[0]), at=binder.at(node))
        return missing if wanted else binder.call("not", missing)

    return spelled


def extreme(binder: Binder, node: exp.Expr) -> Expression:
    """GREATEST and LEAST pass over NULLs; in MySQL and Oracle one NULL makes the result NULL."""
    name = "greatest" if type(node) is exp.Greatest else "least"
    bound = [binder.bind(part) for part in (node.this, *node.expressions)]
    found = binder.call(name, *bound, at=binder.at(node))
    if binder.dialect not in ("mysql", "oracle"):
        return found
    missing = binder.call("or", *(binder.call("is_null", part) for part in bound))
    return binder.call("case", missing, calls.null(), found, at=binder.at(node))


def truncated(binder: Binder, node: exp.Expr) -> Expression:
    """TRUNC of a number; of a date (Oracle, Spark) it is `date_trunc` with the format's unit."""
    operand, at = binder.bind(node.this), binder.at(node)
    digits = node.args.get("decimals")
    if operand.type in (DATE, TIMESTAMP) and binder.dialect in ("oracle", "spark"):
        format_ = "DD" if digits is None else constant_text(binder, digits, "trunc").upper()
        word = formats.TRUNCATIONS.get(format_)
        if word is None:
            raise refusals.wrong_arguments(
                "trunc", "the format is one of YYYY, Q, MM, IW, DD", "格式为 YYYY、Q、MM、IW、DD 之一", at
            )
        return binder.call("date_trunc", Literal(word, TEXT), operand, at=at)
    return binder.call("trunc", operand, *(() if digits is None else (binder.bind(digits),)), at=at)


# operators and truth values


def quotient(binder: Binder, node: exp.Expr) -> Expression:
    """`/`: in PostgreSQL, whole for whole numbers; elsewhere a double."""
    left, right = binder.bind(node.this), binder.bind(node.expression)
    whole = binder.dialect == "postgres" and left.type == right.type == INTEGER
    return binder.call("//" if whole else "/", left, right)


def sum_or_difference(binder: Binder, node: exp.Expr) -> Expression:
    """`+` and `-`. MySQL reads a date as a number there, and Spark's difference of dates is an interval."""
    left, right = binder.bind(node.this), binder.bind(node.expression)
    moments = [item.type in (DATE, TIMESTAMP) for item in (left, right)]
    interval = INTERVAL in (left.type, right.type)
    doubtful = (binder.dialect == "mysql" and any(moments)) or (binder.dialect == "spark" and all(moments))
    if doubtful and not interval:
        raise refusals.unclear_in_dialect(
            "arithmetic with dates",
            binder.dialect,
            "write datediff(end, start), or date_add(d, INTERVAL 1 DAY)",
            "请写 datediff(止, 起)，或 date_add(d, INTERVAL 1 DAY)",
            binder.at(node),
        )
    return binder.call("+" if type(node) is exp.Add else "-", left, right)


def concatenated(binder: Binder, node: exp.Expr, parts: list[Expression]) -> Expression:
    """`||` and `concat`: whether a NULL makes the whole NULL is the dialect's."""
    skips = type(node) is exp.Concat and binder.dialect in ("duckdb", "postgres")
    if binder.dialect == "oracle":
        # There an empty text is NULL.
        return binder.call("nullif", binder.call("concat", *map(_present(binder), parts)), Literal("", TEXT))
    return binder.call("concat", *(map(_present(binder), parts) if skips else parts))


def _present(binder: Binder) -> Callable[[Expression], Expression]:
    return lambda part: binder.call("coalesce", part, Literal("", TEXT))


def every(
    binder: Binder, node: exp.Expr, argument: exp.Expr, *, wanted: bool, where: exp.Expr | None = None
) -> Expression:
    """BOOL_AND and BOOL_OR over a condition, from two counts: NULL where the condition never has a value."""
    known = binder.aggregate_of("count", node, (argument,), where)
    found = binder.aggregate_of("count_if", node, (exp.Not(this=argument) if wanted else argument,), where)
    compared = binder.call("=" if wanted else ">", found, whole(0), at=binder.at(node))
    return binder.call("case", binder.call("=", known, whole(0)), Literal(None, BOOLEAN), compared)


def _truth(wanted: bool) -> Named:
    def spelled(binder: Binder, node: exp.Expr, arguments: Arguments) -> Expression:
        arity(node, binder, "bool_and" if wanted else "bool_or", arguments, 1)
        return every(binder, node, arguments[0], wanted=wanted)

    return spelled


def _aggregate(name: str) -> Named:
    return lambda binder, node, arguments: binder.aggregate_of(name, node, tuple(arguments))


QUANTILE_NODES: tuple[type[exp.Expr], ...] = (
    exp.Median,
    exp.PercentileCont,
    exp.PercentileDisc,
    exp.Quantile,
    exp.WithinGroup,
)
"""How quantiles are written."""

NODES: Mapping[type[exp.Expr], Spelled] = MappingProxyType(
    {
        exp.Add: sum_or_difference,
        exp.Sub: sum_or_difference,
        exp.Div: quotient,
        exp.Like: spelled_texts.like,
        exp.ILike: spelled_texts.like,
        exp.Escape: spelled_texts.escaped,
        exp.SimilarTo: spelled_texts.similar,
        exp.RegexpLike: spelled_texts.regex_operator,
        exp.RegexpFullMatch: spelled_texts.full_match,
        exp.Pad: spelled_texts.pad,
        exp.Trim: spelled_texts.trim,
        exp.Nvl2: if_present,
        exp.Greatest: extreme,
        exp.Least: extreme,
        exp.Trunc: truncated,
        exp.DayOfWeek: spelled_dates.day_of_week,
        exp.Week: spelled_dates.week,
        exp.AddMonths: spelled_dates.add_months,
        exp.DateAdd: spelled_dates.date_add,
        exp.Date: spelled_dates.to_date,
        exp.LogicalAnd: lambda binder, node: every(binder, node, node.this, wanted=True),
        exp.LogicalOr: lambda binder, node: every(binder, node, node.this, wanted=False),
        **dict.fromkeys(QUANTILE_NODES, quantiles.quantile),
    }
)
"""Syntax nodes whose meaning depends on the dialect or needs more than one row of the table."""

_EVERYWHERE: dict[str, Named] = {
    "power": row("power", 2),
    "pow": row("power", 2),
    "log10": row("log10", 1),
    "log2": row("log2", 1),
    "log": _logarithm(natural=False),
    "isodow": row("isodow", 1),
    "date_part": lambda binder, node, arguments: binder.calendar("extract", node, arguments),
    "datepart": lambda binder, node, arguments: binder.calendar("extract", node, arguments),
}

NAMES: Mapping[str, Mapping[str, Named]] = MappingProxyType(
    {
        "duckdb": {
            **_EVERYWHERE,
            "date_sub": spelled_dates.units_with_month_ends,
            "datesub": spelled_dates.units_with_month_ends,
            "strftime": spelled_dates.written_date(str),
            "regexp_matches": spelled_texts.named_regex,
            "prefix": row("starts_with", 2),
            "suffix": row("ends_with", 2),
            "isoyear": row("isoyear", 1),
            "weekday": spelled_dates.weekday,
        },
        "postgres": {
            **_EVERYWHERE,
            "to_char": spelled_dates.written_date(formats.from_template),
            "to_date": spelled_dates.read_date(formats.from_template),
            "regexp_like": spelled_texts.named_regex,
            "btrim": row("trim", 1, 2),
            "every": _truth(wanted=True),
        },
        "mysql": {
            **_EVERYWHERE,
            "log": _logarithm(natural=True),
            "date_sub": spelled_dates.moved("-"),
            "subdate": spelled_dates.moved("-"),
            "adddate": spelled_dates.moved("+"),
            "datediff": spelled_dates.days_between,
            "timestampdiff": spelled_dates.whole_units,
            "date_format": spelled_dates.written_date(str),
            "str_to_date": spelled_dates.read_date(str),
            "regexp_like": spelled_texts.named_regex,
            "std": _aggregate("stddev_pop"),
            "variance": _aggregate("var_pop"),
            "stddev": _aggregate("stddev_pop"),
            "length": spelled_texts.length_in_bytes,
            "weekday": spelled_dates.weekday,
            "isnull": _missing(wanted=True),
            "substring_index": spelled_texts.before_first,
            "mid": row("substr", 3),
        },
        "spark": {
            **_EVERYWHERE,
            "log": _logarithm(natural=True),
            "date_sub": spelled_dates.moved("-"),
            "datediff": spelled_dates.days_between,
            "date_diff": spelled_dates.days_between,
            "timestampdiff": spelled_dates.whole_units,
            "date_format": spelled_dates.written_date(formats.from_pattern),
            "to_date": spelled_dates.read_date(formats.from_pattern),
            "regexp_like": spelled_texts.named_regex,
            "regexp": spelled_texts.named_regex,
            "every": _truth(wanted=True),
            "some": _truth(wanted=False),
            "std": _aggregate("stddev_samp"),
            "weekday": spelled_dates.weekday,
            "isnull": _missing(wanted=True),
            "isnotnull": _missing(wanted=False),
            "decode": _decoded,
            "btrim": row("trim", 1, 2),
            "substring_index": spelled_texts.before_first,
        },
        "oracle": {
            **_EVERYWHERE,
            "decode": _decoded,
            "to_char": spelled_dates.written_date(formats.from_template),
            "to_date": spelled_dates.read_date(formats.from_template),
            "regexp_like": spelled_texts.named_regex,
        },
    }
)
"""Functions read by the name that was written, per dialect (`dialects.BY_NAME` lists the same names)."""
