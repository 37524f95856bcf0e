"""What stands above the core, over released rows: arithmetic, HAVING, ORDER BY, LIMIT (ARCHITECTURE, stage 7b).

It sees released values only. A withheld value is None: HAVING drops its row, arithmetic gives None. Without an
ORDER BY the rows are in order of their values, so that the order in the engine tells nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Interval, Literal, Value
from louver_sandbox.algebra.relations import Filter, Limit, Project, Relation, Scan, Sort, SortKey
from louver_sandbox.sql.functions import evaluate_call
from louver_sandbox.stages import Cell, OutputColumn

Row = dict[tuple[int, str], Cell]
"""One released row: the value of each column of each relation in sight."""


class ShapeUnsupported(Exception):
    """A shape holds what only the engine may compute. The planner never makes one."""


def shaped(shape: Relation, rows: Sequence[Row], columns: tuple[OutputColumn, ...]) -> tuple[tuple[Cell, ...], ...]:
    """The answer's rows."""
    if not isinstance(shape, Project):
        raise ShapeUnsupported("the answer has no select list")
    below = _evaluate(shape.input, sorted(rows, key=_by_values))
    return tuple(_output(shape, row, columns) for row in below)


def computed(shape: Relation, row: Row, columns: tuple[OutputColumn, ...]) -> tuple[Cell, ...]:
    """One row through every select list, past HAVING, ORDER BY and LIMIT: how the remainder is shown."""
    if not isinstance(shape, Project):
        raise ShapeUnsupported("the answer has no select list")
    return _output(shape, _projected(shape.input, row), columns)


def _projected(shape: Relation, row: Row) -> Row:
    match shape:
        case Scan():
            return row
        case Project():
            return _project(shape, _projected(shape.input, row))
        case Filter() | Sort() | Limit():
            return _projected(shape.input, row)
        case _:
            raise ShapeUnsupported("a relation above released rows")


def _evaluate(shape: Relation, rows: list[Row]) -> list[Row]:
    match shape:
        case Scan():
            return rows
        case Project():
            return [_project(shape, row) for row in _evaluate(shape.input, rows)]
        case Filter():
            return [row for row in _evaluate(shape.input, rows) if value_of(shape.predicate, row) is True]
        case Sort():
            return _sorted(_evaluate(shape.input, rows), shape.keys)
        case Limit():
            kept = _evaluate(shape.input, rows)[shape.offset :]
            return kept if shape.count is None else kept[: shape.count]
        case _:
            raise ShapeUnsupported("a relation above released rows")


def _project(project: Project, row: Row) -> Row:
    return {(project.id, named.name): _cell(value_of(named.expression, row)) for named in project.columns}


def _output(project: Project, row: Row, columns: tuple[OutputColumn, ...]) -> tuple[Cell, ...]:
    if len(project.columns) != len(columns):
        raise ShapeUnsupported("not the answer's columns")
    return tuple(_cell(value_of(named.expression, row)) for named in project.columns)


def _cell(value: Value) -> Cell:
    if isinstance(value, Interval):
        raise ShapeUnsupported("an answer cannot carry an interval")
    return value


def value_of(expression: Expression, row: Row) -> Value:
    """The value of a scalar expression over one row; None is NULL. Never raises on data."""
    match expression:
        case ColumnRef():
            return row[expression.relation, expression.name]
        case Literal():
            return expression.value
        case Call():
            values = [value_of(argument, row) for argument in expression.arguments]
            return evaluate_call(expression.function, values, expression.type)
        case AggregateCall():
            raise ShapeUnsupported("an aggregate above released rows")


def _sorted(rows: list[Row], keys: tuple[SortKey, ...]) -> list[Row]:
    """Stable, from the last key to the first; text by code point, as the engine does."""
    for key in reversed(keys):
        values = [(value_of(key.expression, row), row) for row in rows]
        present = [pair for pair in values if pair[0] is not None]
        nulls = [row for value, row in values if value is None]
        present.sort(key=lambda pair: _comparable(pair[0]), reverse=key.descending)
        ordered = [row for _, row in present]
        rows = nulls + ordered if key.nulls_first else ordered + nulls
    return rows


def _comparable(value: Value) -> tuple[int, object]:
    if isinstance(value, Interval):
        return value.months, value.days
    return 0, value


def _by_values(row: Row) -> tuple[tuple[bool, object], ...]:
    return tuple((value is None, "" if value is None else value) for value in row.values())
