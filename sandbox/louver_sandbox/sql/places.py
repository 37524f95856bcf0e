"""Where in a query each class of syntax may stand."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from louver.errors import Refused
from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals import sql as refusals

Fault = Callable[[Position | None], Refused]
"""A refusal that still needs its position."""

Place = Callable[[exp.Expr, exp.Expr | None, str], Fault | None]
"""Judges a node by its parent and the argument of the parent it is."""


def own_place(node: exp.Expr) -> tuple[int, int] | None:
    """First and last offset that the parser noted for the node itself."""
    meta = node._meta
    if meta and isinstance(meta.get("start"), int) and isinstance(meta.get("end"), int):
        return meta["start"], meta["end"]
    return None


def later(feature: str) -> Fault:
    return lambda at: refusals.not_in_this_version(feature, at)


def never(feature: str, instead: str = "", instead_zh: str = "") -> Fault:
    return lambda at: refusals.never_allowed(feature, instead, instead_zh, at)


_QUERIES = (exp.Subquery, exp.CTE, exp.Exists, exp.Any, exp.All, exp.In, exp.Union, exp.Intersect, exp.Except)


def _query_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    return None if parent is None or type(parent) in _QUERIES else refusals.syntax


def _subquery_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    inside = type(node.this)
    if inside is exp.Table:
        return None if type(parent) in (exp.From, exp.Join, exp.Subquery) else refusals.syntax
    return None if inside in (exp.Select, exp.Subquery, exp.Union, exp.Intersect, exp.Except) else refusals.syntax


def _quantifier_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    is_query = type(node.this) in (exp.Select, exp.Subquery, exp.Union, exp.Intersect, exp.Except)
    return None if is_query else refusals.subquery_misplaced


def _values_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    groups = (exp.Group, exp.Rollup, exp.Cube, exp.GroupingSets)
    if type(parent) in groups or (type(parent) is exp.In and role == "this" and parent.args.get("query") is not None):
        return None
    return later("a row of several values")


def _rollup_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    return None if type(parent) in (exp.Group, exp.GroupingSets) else refusals.syntax


def _window_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    if type(node.this) in (exp.IgnoreNulls, exp.RespectNulls):
        return later("IGNORE NULLS")
    return None


def _ranking_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    if type(parent) is exp.Window or (type(parent) is exp.Filter and type(parent.parent) is exp.Window):
        return None
    if type(node) in (exp.FirstValue, exp.LastValue):
        return lambda at: refusals.returns_stored_values(type(node).key, at)
    instead = "write OVER (ORDER BY ...) behind it, over groups", "请在其后写 OVER (ORDER BY …)，并只用于分组"
    return never("a ranking without OVER", *instead)


def _alias_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    in_list = type(parent) is exp.Select and role == "expressions"
    return None if in_list or (type(parent) is exp.Star and role == "replace") else refusals.syntax


def _table_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    if type(node.this) is not exp.Identifier:
        return never("a function in FROM", "read the tables of the catalogue", "请读取目录中的表")
    return None if type(parent) in (exp.From, exp.Join, exp.Subquery) else refusals.syntax


def _column_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    if type(node.this) is exp.Star:
        return None if type(parent) is exp.Select and role == "expressions" else never("* inside an expression")
    return None if type(node.this) is exp.Identifier else refusals.syntax


def _star_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    if own_place(node) == (0, 0):
        # FROM-first: the parser made up a `*` that nobody wrote.
        return refusals.not_a_select
    if type(parent) in (exp.Count, exp.Column) or (type(parent) is exp.Select and role == "expressions"):
        return None
    return never("* inside an expression")


def _distinct_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    if type(parent) is exp.Select:
        return None if not node.expressions else refusals.syntax
    if type(parent) is not exp.Count:
        return later("DISTINCT in this function")
    return None if len(node.expressions) == 1 else later("COUNT DISTINCT of several columns")


def _filter_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    aggregates = (exp.Count, exp.CountIf, exp.Sum, exp.Avg, exp.Min, exp.Max)
    if type(node.this) in (*aggregates, exp.WithinGroup) or isinstance(node.this, exp.AggFunc):
        return None
    return never("FILTER on a function that is no aggregate")


def _var_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    units = (exp.Interval, exp.Extract, exp.TimestampTrunc, exp.DateTrunc, exp.DateDiff)
    if type(parent) in units:
        return None
    return None if type(parent) is exp.Ordered and node.name.upper() == "ALL" else refusals.syntax


def _join_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    side, kind = str(node.args.get("side") or ""), str(node.args.get("kind") or "")
    if kind in ("SEMI", "ANTI"):
        instead = "write [NOT] EXISTS or [NOT] IN (SELECT ...)", "请写 [NOT] EXISTS 或 [NOT] IN (SELECT …)"
        return never(f"{kind} JOIN", *instead)
    if node.args.get("method") not in (None, "NATURAL"):
        instead = "write JOIN ... USING (column) or ON a.x = b.x", "请写 JOIN … USING (列) 或 ON a.x = b.x"
        return never("this kind of join", *instead)
    known = side in ("", "LEFT", "RIGHT", "FULL") and kind in ("", "INNER", "OUTER", "CROSS")
    return None if known else refusals.syntax


def _interval_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    if type(node.this) is exp.Literal and type(node.args.get("unit")) is exp.Var:
        return None
    return lambda at: refusals.wrong_arguments(
        "INTERVAL",
        "write a whole number and a unit, for example INTERVAL 3 MONTH",
        "请写整数与单位，例如 INTERVAL 3 MONTH",
        at,
    )


RANKINGS: tuple[type[exp.Expr], ...] = (
    exp.Rank,
    exp.DenseRank,
    exp.RowNumber,
    exp.PercentRank,
    exp.CumeDist,
    exp.Ntile,
    exp.Lag,
    exp.Lead,
    exp.FirstValue,
    exp.LastValue,
)
"""Functions that stand before OVER and nowhere else."""

PLACES: dict[type[exp.Expr], Place] = {
    exp.Select: _query_place,
    exp.Union: _query_place,
    exp.Intersect: _query_place,
    exp.Except: _query_place,
    exp.Subquery: _subquery_place,
    exp.Any: _quantifier_place,
    exp.All: _quantifier_place,
    exp.Tuple: _values_place,
    exp.Rollup: _rollup_place,
    exp.Cube: _rollup_place,
    exp.GroupingSets: _rollup_place,
    exp.Window: _window_place,
    **dict.fromkeys(RANKINGS, _ranking_place),
    exp.Alias: _alias_place,
    exp.Table: _table_place,
    exp.Column: _column_place,
    exp.Star: _star_place,
    exp.Distinct: _distinct_place,
    exp.Filter: _filter_place,
    exp.Var: _var_place,
    exp.Join: _join_place,
    exp.Interval: _interval_place,
}
