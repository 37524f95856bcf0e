"""Names of output columns that nobody named, as an analyst expects them: those that DuckDB gives.

`count_star()`, `sum(x)`, `rank() OVER (ORDER BY sum(x) DESC)`; a subquery's value has the name of its own column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlglot import exp

from louver_sandbox.algebra.expressions import (
    AggregateCall,
    Call,
    ColumnRef,
    Expression,
    Literal,
    SortKey,
    WindowCall,
)
from louver_sandbox.algebra.relations import Aggregate, Project, Relation, walk

LONGEST = 60
"""Characters of a name."""

Made = Mapping[tuple[int, str], Expression | WindowCall]
"""What stands behind columns whose names are our own: of windows, and of subqueries used as values."""


def title(expression: Expression, made: Made) -> str:
    """The name, at most 60 characters long."""
    text = _title(expression, made)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def named_inside(projection: exp.Expr) -> str:
    """The name that a subquery used as a value gives its one column; empty where it gives none."""
    if type(projection) is exp.Exists:
        return "exists"
    inner: list[exp.Expr] = projection.this.expressions if type(projection) is exp.Subquery else []
    is_named = len(inner) == 1 and type(inner[0]) in (exp.Alias, exp.Column)
    return str(inner[0].alias_or_name) if is_named else ""


def behind(windows: int, calls: Mapping[WindowCall, str], subqueries: Iterable[Relation]) -> Made:
    """What stands behind the columns of a block's windows, and of the subqueries attached to it."""
    found: dict[tuple[int, str], Expression | WindowCall] = {(windows, name): call for call, name in calls.items()}
    for node in (node for subquery in subqueries for node in walk(subquery)):
        match node:
            case Project():
                found |= {(node.id, column.name): column.expression for column in node.columns}
            case Aggregate():
                found |= {(node.id, column.name): column.expression for column in node.keys + node.measures}
    return found


def _title(expression: Expression | WindowCall, made: Made) -> str:
    match expression:
        case ColumnRef():
            behind = made.get((expression.relation, expression.name))
            return expression.name if behind is None else _title(behind, made)
        case Literal():
            return "NULL" if expression.value is None else str(expression.value)
        case AggregateCall():
            if not expression.arguments:
                return "count_star()"
            distinct = "DISTINCT " if expression.distinct else ""
            return f"{expression.function}({distinct}{_listed(expression.arguments, made)})"
        case WindowCall():
            return _windowed(expression, made)
        case Call():
            parts = [_title(part, made) for part in expression.arguments[:8]]
            if expression.function == "try_cast":
                return parts[0]
            if not expression.function[0].isalpha() and len(parts) == 2:
                return f"({parts[0]} {expression.function} {parts[1]})"
            return f"{expression.function}({', '.join(parts)})"


def _windowed(call: WindowCall, made: Made) -> str:
    shown = "count_star()" if call.function == "count" and not call.arguments else None
    over = []
    if call.partition:
        over.append(f"PARTITION BY {_listed(call.partition, made)}")
    if call.order:
        over.append(f"ORDER BY {', '.join(_ordered(key, made) for key in call.order)}")
    return f"{shown or f'{call.function}({_listed(call.arguments, made)})'} OVER ({' '.join(over)})"


def _ordered(key: SortKey, made: Made) -> str:
    return f"{_title(key.expression, made)}{' DESC' if key.descending else ''}"


def _listed(expressions: tuple[Expression, ...], made: Made) -> str:
    return ", ".join(_title(part, made) for part in expressions)
