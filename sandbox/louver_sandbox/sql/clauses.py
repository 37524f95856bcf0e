"""What ORDER BY, LIMIT and positions mean alike for a SELECT and for a set operation; and names of output columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from louver_sandbox.algebra.expressions import Expression, Literal, SortKey
from louver_sandbox.algebra.types import INTEGER, Position
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql.context import Context, Text
from louver_sandbox.sql.expressions import Binder, Names
from louver_sandbox.sql.scopes import Scope, fold


@dataclass(frozen=True, slots=True)
class Item:
    """One column of a SELECT list."""

    name: str
    expression: Expression


def placed(expression: Expression, at: Position | None) -> Expression:
    """The expression as it is named at another place."""
    return replace(expression, at=at)


def distinct_names(items: Sequence[Item]) -> list[Item]:
    """The items with `_1`, `_2`, ... after a name that is taken."""
    taken = {item.name for item in items}
    seen: set[str] = set()
    result: list[Item] = []
    for item in items:
        name, number = item.name, 0
        while name in seen or (number and name in taken):
            number += 1
            name = f"{item.name}_{number}"
        seen.add(name)
        result.append(Item(name, item.expression))
    return result


def ordinal(node: exp.Expr, items: Sequence[Item], clause: str, text: Text) -> Expression | None:
    """The item that a position in GROUP BY or ORDER BY names; None for what is no constant. Raises LVR-1306."""
    while type(node) is exp.Paren:
        node = node.this
    if type(node) not in (exp.Literal, exp.Neg, exp.Null, exp.Boolean):
        return None
    written = str(node.this) if type(node) is exp.Literal and not node.is_string else ""
    if not written.isdigit() or len(written) > 6 or not 1 <= int(written) <= len(items):
        raise refusals.ordinal_invalid(clause, len(items), text.at(node))
    return placed(items[int(written) - 1].expression, text.at(node))


def order_keys(
    order: exp.Expr | None, items: Sequence[Item], text: Text, bind: Callable[[exp.Expr], Expression]
) -> tuple[SortKey, ...]:
    """ORDER BY: positions, names of output columns, and whatever else `bind` reads. Constants order nothing."""
    found: dict[Expression, SortKey] = {}
    for node in order.expressions if order is not None else ():
        descending, nulls_first = bool(node.args.get("desc")), bool(node.args.get("nulls_first"))
        for expression in _sorted_by(node.this, items, text, bind):
            if not isinstance(expression, Literal):
                found.setdefault(expression, SortKey(expression, descending, nulls_first))
    return tuple(found.values())


def _sorted_by(
    node: exp.Expr, items: Sequence[Item], text: Text, bind: Callable[[exp.Expr], Expression]
) -> list[Expression]:
    if type(node) is exp.Var:
        return [item.expression for item in items]
    position = ordinal(node, items, "ORDER BY", text)
    if position is not None:
        return [position]
    if type(node) is exp.Column and node.args.get("table") is None:
        # The name of an output column comes before a column of the tables.
        named = [item.expression for item in items if fold(item.name) == fold(str(node.this.this))]
        if named:
            return [placed(named[0], text.at(node))]
    return [bind(node)]


def limit_of(context: Context, node: exp.Expr, text: Text, outermost: bool) -> tuple[int | None, int] | None:
    """LIMIT or FETCH FIRST, and OFFSET. Inside a query they would choose rows, so only the outermost may have one
    (LVR-1203)."""
    limit, offset = node.args.get("limit"), node.args.get("offset")
    clause: exp.Expr | None = offset if limit is None else limit
    if clause is None:
        return None
    if not outermost:
        instead = "limit the outermost query", "请只在最外层使用 LIMIT"
        raise refusals.never_allowed("LIMIT inside a query", *instead, text.at(clause))
    return _count(context, limit, text), 0 if offset is None else _number(context, "OFFSET", offset.expression, text)


def _count(context: Context, limit: exp.Expr | None, text: Text) -> int | None:
    if limit is None:
        return None
    if type(limit) is not exp.Fetch:
        return _number(context, "LIMIT", limit.expression, text)
    # FETCH FIRST ROW ONLY is one row (SQL:2008).
    count = limit.args.get("count")
    return 1 if count is None else _number(context, "FETCH FIRST", count, text)


def _number(context: Context, clause: str, node: exp.Expr, text: Text) -> int:
    is_constant = type(node) in (exp.Literal, exp.Placeholder)
    bound = Binder(context, Names(Scope(), text)).bind(node) if is_constant else None
    if isinstance(bound, Literal) and bound.type == INTEGER and isinstance(bound.value, int) and bound.value >= 0:
        return bound.value
    raise refusals.wrong_arguments(clause, "give a whole number", "请写非负整数", text.at(node))
