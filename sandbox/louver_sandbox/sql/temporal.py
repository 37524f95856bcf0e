"""Dates and timestamps: their parts, truncation, differences, and adding days and months.

Dates outside the years 1 to 9999 are NULL. `date + interval` is a date.
"""

from __future__ import annotations

import calendar
import dataclasses
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from louver_sandbox.algebra.expressions import Interval, Value
from louver_sandbox.algebra.types import DATE, INTEGER, INTERVAL, TEXT, TIMESTAMP, Kind, Type
from louver_sandbox.sql.rules import FunctionKind, FunctionRule, Texts, Types, copied

TRUNCATIONS = ("year", "quarter", "month", "week", "day")
DIFFERENCES = ("year", "quarter", "month", "day")
ELAPSED = ("year", "quarter", "month")
FORMATS = {"%Y": 4, "%m": 2, "%d": 2}
"""The conversions a date format may have, with the digits of each: year, month and day, filled up with zeros."""
_MOMENTS = (DATE, TIMESTAMP)


def _part(types: Types) -> Type | None:
    return INTEGER if len(types) == 1 and types[0] in _MOMENTS else None


def shift(moment: date, interval: Interval, sign: int = 1) -> date | None:
    """The moment moved by whole months (to the month's last day where needed) and then days; None if out of range."""
    months = moment.year * 12 + moment.month - 1 + sign * interval.months
    year, month = divmod(months, 12)
    if not 1 <= year <= 9999:
        return None
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    try:
        return moment.replace(year=year, month=month + 1, day=day) + timedelta(days=sign * interval.days)
    except OverflowError:
        return None


def _moved_result(types: Types) -> Type | None:
    if len(types) != 2:
        return None
    left, right = types
    if left in _MOMENTS and right == INTERVAL:
        return left
    return DATE if (left, right) == (DATE, INTEGER) else None


def _between(text: str, low: str, high: str) -> str:
    return f"CASE WHEN {text} BETWEEN {low} AND {high} THEN {text} END"


_FIRST, _LAST = "DATE '0001-01-01'", "DATE '9999-12-31'"


def _moved(sign: str) -> Callable[[Texts, Types, Type], str]:
    def emit(texts: Texts, types: Types, result: Type) -> str:
        # Kept in range before and after, so that the engine never overflows and Python can hold the result.
        start, step = _between(texts[0], _FIRST, _LAST), texts[1]
        if types[1] == INTEGER:
            step = f"CAST({_between(step, '-4000000', '4000000')} AS INTEGER)"
        moved = f"({start} {sign} {step})"
        return _between(f"CAST({moved} AS DATE)" if result == DATE else moved, _FIRST, _LAST)

    return emit


def _copies(types: Types) -> tuple[int, ...]:
    """`_moved` repeats its arguments four times; numbers are not repeated."""
    return (4, 4) if _moved_result(types) or _moved_result(types[::-1]) else (1, 1)


def _move(moment: date, step: Any, sign: int) -> Value:
    return shift(moment, step if isinstance(step, Interval) else Interval(days=step), sign)


def plus(numbers: FunctionRule) -> FunctionRule:
    """The row of `+` for numbers, taught to move dates by intervals and days."""

    def result(types: Types) -> Type | None:
        return _moved_result(types) or _moved_result(types[::-1]) or numbers.result(types)

    def emit(texts: Texts, types: Types, wanted: Type) -> str:
        if wanted not in _MOMENTS:
            return numbers.emit(texts, types, wanted)
        order = 1 if types[0] in _MOMENTS else -1
        return _moved("+")(texts[::order], types[::order], wanted)

    def evaluate(left: Any, right: Any) -> Value:
        if isinstance(left, date):
            return _move(left, right, 1)
        return _move(right, left, 1) if isinstance(right, date) else numbers.evaluate(left, right)

    return dataclasses.replace(numbers, result=result, emit=emit, evaluate=evaluate, mentions=_copies)


def minus(numbers: FunctionRule) -> FunctionRule:
    """The row of `-` for numbers, taught to move dates back and to count the days between two dates."""

    def result(types: Types) -> Type | None:
        return INTEGER if types == (DATE, DATE) else _moved_result(types) or numbers.result(types)

    def emit(texts: Texts, types: Types, wanted: Type) -> str:
        if types == (DATE, DATE):
            return f"date_diff('day', {texts[1]}, {texts[0]})"
        return _moved("-")(texts, types, wanted) if wanted in _MOMENTS else numbers.emit(texts, types, wanted)

    def evaluate(left: Any, right: Any) -> Value:
        if isinstance(left, date) and isinstance(right, date):
            return (left - right).days
        return _move(left, right, -1) if isinstance(left, date) else numbers.evaluate(left, right)

    return dataclasses.replace(numbers, result=result, emit=emit, evaluate=evaluate, mentions=_copies)


def _truncate(unit: str, moment: date) -> Value:
    day = moment.date() if isinstance(moment, datetime) else moment
    match unit:
        case "year":
            day = day.replace(month=1, day=1)
        case "quarter":
            day = day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "month":
            day = day.replace(day=1)
        case "week":
            day -= timedelta(days=day.weekday())
    return datetime(day.year, day.month, day.day) if isinstance(moment, datetime) else day


def _truncated_type(types: Types) -> Type | None:
    return types[1] if len(types) == 2 and types[0] == TEXT and types[1] in _MOMENTS else None


def _truncated_text(texts: Texts, types: Types, result: Type) -> str:
    called = f"date_trunc({texts[0]}, {texts[1]})"
    return f"TRY_CAST({called} AS DATE)" if result == DATE else called


def _difference(unit: str, start: date, end: date) -> Value:
    months = (end.year - start.year) * 12 + end.month - start.month
    match unit:
        case "year":
            return end.year - start.year
        case "quarter":
            return (end.year - start.year) * 4 + (end.month - 1) // 3 - (start.month - 1) // 3
        case "month":
            return months
        case _:
            return end.toordinal() - start.toordinal()


def _difference_type(types: Types) -> Type | None:
    kinds = {item.kind for item in types[1:]}
    return INTEGER if len(types) == 3 and types[0] == TEXT and kinds <= {Kind.DATE, Kind.TIMESTAMP} else None


def _date_only(types: Types) -> Type | None:
    return DATE if len(types) == 1 and types[0] in _MOMENTS else None


def _clock(types: Types) -> Type | None:
    return INTEGER if types == (TIMESTAMP,) else None


def _last_day(moment: date) -> Value:
    return date(moment.year, moment.month, calendar.monthrange(moment.year, moment.month)[1])


def _made_type(types: Types) -> Type | None:
    return DATE if types == (INTEGER, INTEGER, INTEGER) else None


def _made_text(texts: Texts, types: Types, result: Type) -> str:
    parts = zip(texts, ((1, 9999, 4), (1, 12, 2), (1, 31, 2)), strict=True)
    padded = (
        f"lpad(CAST(CASE WHEN {text} BETWEEN {low} AND {high} THEN {text} END AS VARCHAR), {width}, '0')"
        for text, (low, high, width) in parts
    )
    joined = " || '-' || ".join(padded)
    return f"TRY_CAST(({joined}) AS DATE)"


def _made(year: int, month: int, day: int) -> Value:
    try:
        return date(year, month, day)
    except (ValueError, OverflowError):
        return None


def _elapsed_type(types: Types) -> Type | None:
    return INTEGER if types == (TEXT, DATE, DATE) else None


def _elapsed_text(texts: Texts, types: Types, result: Type) -> str:
    """Months are counted as date_diff counts them, less the one that has not reached its day yet."""
    unit, start, end = texts

    def months(early: str, late: str) -> str:
        return f"(date_diff('month', {early}, {late}) - CASE WHEN day({late}) < day({early}) THEN 1 ELSE 0 END)"

    counted = f"CASE WHEN {start} <= {end} THEN {months(start, end)} ELSE -{months(end, start)} END"
    return f"(({counted}) // CASE {unit} WHEN 'year' THEN 12 WHEN 'quarter' THEN 3 ELSE 1 END)"


def _elapsed(unit: str, start: date, end: date, *, month_ends: bool = False) -> Value:
    """Whole units from start to end. With `month_ends` a month is over on the last day of a shorter one."""
    early, late = min(start, end), max(start, end)
    complete = late.day >= early.day or (month_ends and late == _last_day(late))
    months = (late.year - early.year) * 12 + late.month - early.month - (not complete)
    whole = months // {"year": 12, "quarter": 3}.get(unit, 1)
    return whole if start <= end else -whole


def _format_type(types: Types) -> Type | None:
    return TEXT if len(types) == 2 and types[0] in _MOMENTS and types[1] == TEXT else None


def _formatted(moment: date, template: str) -> Value:
    parts = {"%Y": f"{moment.year:04}", "%m": f"{moment.month:02}", "%d": f"{moment.day:02}"}
    for conversion, text in parts.items():
        template = template.replace(conversion, text)
    return template


def _part_rule(
    name: str,
    evaluate: Callable[[Any], int],
    order_preserving: bool = False,
    result: Callable[[Types], Type | None] = _part,
) -> FunctionRule:
    return FunctionRule(
        name,
        FunctionKind.SCALAR,
        result,
        lambda texts, types, result: f"{name}({texts[0]})",
        evaluate,
        order_preserving=order_preserving,
    )


PARTS: tuple[FunctionRule, ...] = (
    _part_rule("year", lambda moment: int(moment.year), order_preserving=True),
    _part_rule("quarter", lambda moment: (int(moment.month) - 1) // 3 + 1),
    _part_rule("month", lambda moment: int(moment.month)),
    _part_rule("day", lambda moment: int(moment.day)),
    _part_rule("dayofyear", lambda moment: int(moment.timetuple().tm_yday)),
    _part_rule("isodow", lambda moment: int(moment.isoweekday())),
    _part_rule("week", lambda moment: int(moment.isocalendar().week)),
    _part_rule("isoyear", lambda moment: int(moment.isocalendar().year), order_preserving=True),
    _part_rule("hour", lambda moment: int(moment.hour), result=_clock),
    _part_rule("minute", lambda moment: int(moment.minute), result=_clock),
)

TEMPORAL: tuple[FunctionRule, ...] = (
    *PARTS,
    FunctionRule(
        "date_trunc",
        FunctionKind.SCALAR,
        _truncated_type,
        _truncated_text,
        _truncate,
        order_preserving=True,
        constants=(0,),
    ),
    FunctionRule(
        "date_diff",
        FunctionKind.SCALAR,
        _difference_type,
        lambda texts, types, result: f"date_diff({', '.join(texts)})",
        _difference,
        constants=(0,),
    ),
    FunctionRule(
        "elapsed",
        FunctionKind.SCALAR,
        _elapsed_type,
        _elapsed_text,
        _elapsed,
        constants=(0,),
        mentions=copied(1, 6, 6),
    ),
    FunctionRule(
        "date_sub",
        FunctionKind.SCALAR,
        _elapsed_type,
        lambda texts, types, result: f"date_sub({', '.join(texts)})",
        lambda unit, start, end: _elapsed(unit, start, end, month_ends=True),
        constants=(0,),
    ),
    FunctionRule(
        "last_day",
        FunctionKind.SCALAR,
        _date_only,
        lambda texts, types, result: f"last_day({texts[0]})",
        _last_day,
        order_preserving=True,
    ),
    FunctionRule(
        "make_date",
        FunctionKind.SCALAR,
        _made_type,
        _made_text,
        _made,
        mentions=copied(2, 2, 2),
    ),
    FunctionRule(
        "strftime",
        FunctionKind.SCALAR,
        _format_type,
        lambda texts, types, result: f"strftime({texts[0]}, {texts[1]})",
        _formatted,
        constants=(1,),
    ),
)
