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


def _select_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    return None if parent is None or type(parent) in (exp.Subquery, exp.CTE) else later("a subquery in an expression")


def _subquery_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    if type(node.this) is not exp.Select:
        return later("a join in brackets")
    return None if type(parent) in (exp.From, exp.Join) else later("a subquery in an expression")


def _alias_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    return None if type(parent) is exp.Select and role == "expressions" else refusals.syntax


def _table_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    if type(node.this) is not exp.Identifier:
        return never("a function in FROM", "read the tables of the catalogue", "请读取目录中的表")
    return None if type(parent) in (exp.From, exp.Join) else refusals.syntax


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
    if type(node.this) in aggregates or isinstance(node.this, exp.AggFunc):
        return None
    return never("FILTER on a function that is no aggregate")


def _var_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    units = (exp.Interval, exp.Extract, exp.TimestampTrunc, exp.DateTrunc, exp.DateDiff)
    if type(parent) in units:
        return None
    return None if type(parent) is exp.Ordered and node.name.upper() == "ALL" else refusals.syntax


def _join_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    side, kind = str(node.args.get("side") or ""), str(node.args.get("kind") or "")
    if side in ("RIGHT", "FULL") or kind in ("SEMI", "ANTI"):
        return later(f"{side or kind} JOIN")
    return None if side in ("", "LEFT") and kind in ("", "INNER", "OUTER", "CROSS") else refusals.syntax


def _interval_place(node: exp.Expr, parent: exp.Expr | None, role: str) -> Fault | None:
    if type(node.this) is exp.Literal and type(node.args.get("unit")) is exp.Var:
        return None
    return lambda at: refusals.wrong_arguments(
        "INTERVAL",
        "write a whole number and a unit, for example INTERVAL 3 MONTH",
        "请写整数与单位，例如 INTERVAL 3 MONTH",
        at,
    )


PLACES: dict[type[exp.Expr], Place] = {
    exp.Select: _select_place,
    exp.Subquery: _subquery_place,
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
