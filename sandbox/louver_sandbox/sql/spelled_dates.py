"""What functions of dates mean, by dialect: spans, moves, parts, and dates from and to text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from louver_sandbox.algebra.expressions import Expression, Interval, Literal
from louver_sandbox.algebra.types import DATE, INTERVAL, TEXT, TIMESTAMP
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql import calls, constants, formats
from louver_sandbox.sql.spelled import Arguments, Named, arity, constant_text, unit, whole

if TYPE_CHECKING:
    from louver_sandbox.sql.expressions import Binder


def moment(binder: Binder, node: exp.Expr) -> Expression:
    """An argument that is a date; a constant text is read as one."""
    bound = binder.bind(node)
    return constants.typed(bound, DATE) if isinstance(bound, Literal) and bound.type == TEXT else bound


def days_between(binder: Binder, node: exp.Expr, arguments: Arguments) -> Expression:
    """`datediff(end, start)` in days; with a unit first, whole units from start to end."""
    if len(arguments) == 3 and binder.dialect == "spark":
        return whole_units(binder, node, arguments)
    arity(node, binder, "datediff", arguments, 2)
    end, start = (moment(binder, argument) for argument in arguments)
    return binder.call("date_diff", Literal("day", TEXT), start, end, at=binder.at(node))


def whole_units(binder: Binder, node: exp.Expr, arguments: Arguments) -> Expression:
    """`timestampdiff(unit, start, end)`: units that are over, not borders that were crossed."""
    arity(node, binder, "timestampdiff", arguments, 3)
    word = unit(binder, arguments[0], "timestampdiff")
    start, end = (moment(binder, argument) for argument in arguments[1:])
    at = binder.at(node)
    if word in ("week", "day"):
        if TIMESTAMP in (start.type, end.type):
            raise refusals.type_mismatch("timestampdiff", [str(start.type), str(end.type)], at)
        days = binder.call("date_diff", Literal("day", TEXT), start, end, at=at)
        return days if word == "day" else binder.call("//", days, whole(7), at=at)
    return binder.call("elapsed", Literal(word, TEXT), start, end, at=at)


def units_with_month_ends(binder: Binder, node: exp.Expr, arguments: Arguments) -> Expression:
    arity(node, binder, "date_sub", arguments, 3)
    word = unit(binder, arguments[0], "date_sub", ("year", "quarter", "month", "day"))
    start, end = (binder.bind(argument) for argument in arguments[1:])
    name = "date_diff" if word == "day" and TIMESTAMP not in (start.type, end.type) else "date_sub"
    return binder.call(name, Literal(word, TEXT), start, end, at=binder.at(node))


def moved(sign: str) -> Named:
    """`date_add(d, INTERVAL ...)`, or a number of days."""

    def spelled(binder: Binder, node: exp.Expr, arguments: Arguments) -> Expression:
        arity(node, binder, "date_add" if sign == "+" else "date_sub", arguments, 2)
        return binder.call(sign, moment(binder, arguments[0]), binder.bind(arguments[1]), at=binder.at(node))

    return spelled


def date_add(binder: Binder, node: exp.Expr) -> Expression:
    """`date_add(d, INTERVAL ...)`, or a number of days."""
    return binder.call("+", moment(binder, node.this), binder.bind(node.expression), at=binder.at(node))


def add_months(binder: Binder, node: exp.Expr) -> Expression:
    """`add_months(d, n)`; in Oracle the last day of a month goes to the last day of the other."""
    start, count = moment(binder, node.this), binder.bind(node.expression)
    at = binder.at(node)
    if not isinstance(count, Literal) or not isinstance(count.value, int) or abs(count.value) > 120_000:
        raise refusals.wrong_arguments(
            "add_months", "the number of months is a constant", "月数须为常量", binder.at(node)
        )
    moved = binder.call("+", start, Literal(Interval(months=count.value), INTERVAL), at=at)
    if binder.dialect != "oracle":
        return moved
    if start.type != DATE:
        raise refusals.type_mismatch("add_months", [str(start.type)], at)
    is_last = binder.call("=", start, binder.call("last_day", start, at=at), at=at)
    return binder.call("case", is_last, binder.call("last_day", moved, at=at), moved, at=at)


def day_of_week(binder: Binder, node: exp.Expr, operand: exp.Expr | None = None) -> Expression:
    """Sunday is 0 in DuckDB and PostgreSQL, and 1 in MySQL and Spark."""
    weekday = binder.call("isodow", binder.bind(node.this if operand is None else operand), at=binder.at(node))
    from_zero = binder.call("%", weekday, whole(7), at=binder.at(node))
    if binder.dialect in ("duckdb", "postgres"):
        return from_zero
    if binder.dialect in ("mysql", "spark"):
        return binder.call("+", from_zero, whole(1), at=binder.at(node))
    raise refusals.unknown_function("dayofweek", binder.at(node))


def weekday(binder: Binder, node: exp.Expr, arguments: Arguments) -> Expression:
    """Monday is 0 in MySQL and Spark; in DuckDB it is `dayofweek`."""
    arity(node, binder, "weekday", arguments, 1)
    if binder.dialect == "duckdb":
        return day_of_week(binder, node, arguments[0])
    return binder.call("-", binder.call("isodow", binder.bind(arguments[0])), whole(1), at=binder.at(node))


def week(binder: Binder, node: exp.Expr) -> Expression:
    """The ISO week. MySQL's default counts from Sunday, so there mode 3 must be asked for."""
    mode = node.args.get("mode")
    iso = mode is not None and isinstance(mode, exp.Literal) and str(mode.this) == "3"
    if (binder.dialect == "mysql") is not iso or (mode is not None and not iso):
        raise refusals.unclear_in_dialect(
            "week",
            binder.dialect,
            "write weekofyear(d) for the ISO week",
            "ISO 周请写 weekofyear(d)",
            binder.at(node),
        )
    return binder.call("week", binder.bind(node.this), at=binder.at(node))


def to_date(binder: Binder, node: exp.Expr) -> Expression:
    """`date(x)`: the day of a timestamp, or a text as a date."""
    parts = [node.args.get(key) for key in ("zone", "expressions")]
    if any(parts):
        raise refusals.wrong_arguments("date", "give one argument", "请给出一个参数", binder.at(node))
    return calls.cast(binder.context, binder.bind(node.this), DATE, binder.at(node))


def read_date(template: Callable[[str], str]) -> Named:
    """`to_date(text, format)`; a column is read in the ISO format only, which is what a cast reads."""

    def spelled(binder: Binder, node: exp.Expr, arguments: Arguments) -> Expression:
        arity(node, binder, "to_date", arguments, 1, 2)
        operand, at = binder.bind(arguments[0]), binder.at(node)
        if len(arguments) == 1:
            if binder.dialect != "spark":
                raise refusals.wrong_arguments("to_date", "give a format", "请给出格式", at)
            return calls.cast(binder.context, operand, DATE, at)
        conversions = _template(binder, node, template(constant_text(binder, arguments[1], "to_date")))
        if isinstance(operand, Literal) and isinstance(operand.value, str):
            found = formats.read(operand.value, conversions)
            if found is None:
                raise refusals.constant_invalid("date", "日期", at)
            return Literal(found, DATE, at)
        if conversions != formats.ISO:
            raise refusals.wrong_arguments(
                "to_date", "a column is read as YYYY-MM-DD only", "列仅可按 YYYY-MM-DD 读取", at
            )
        return calls.cast(binder.context, operand, DATE, at)

    return spelled


def written_date(template: Callable[[str], str]) -> Named:
    """`to_char(d, format)`, `strftime`, `date_format`, for the closed list of formats."""

    def spelled(binder: Binder, node: exp.Expr, arguments: Arguments) -> Expression:
        arity(node, binder, "strftime", arguments, 2)
        conversions = _template(binder, node, template(constant_text(binder, arguments[1], "strftime")))
        return binder.call("strftime", binder.bind(arguments[0]), Literal(conversions, TEXT), at=binder.at(node))

    return spelled


def _template(binder: Binder, node: exp.Expr, conversions: str) -> str:
    if not formats.is_known(conversions):
        raise refusals.wrong_arguments(
            "strftime",
            "a format has a four-digit year, two-digit month and two-digit day, with marks between them",
            "格式由四位年、两位月、两位日及其间的符号组成",
            binder.at(node),
        )
    return conversions


def years_of_age(binder: Binder, node: exp.Expr, inner: exp.Expr) -> Expression | None:
    """`extract(year FROM age(end, start))` is whole years; `age` alone is no value of ours."""
    if (
        binder.dialect not in ("duckdb", "postgres")
        or not isinstance(inner, exp.Anonymous)
        or str(inner.this).lower() != "age"
        or len(inner.expressions) != 2
    ):
        return None
    end, start = (binder.bind(part) for part in inner.expressions)
    return binder.call("elapsed", Literal("year", TEXT), start, end, at=binder.at(node))
