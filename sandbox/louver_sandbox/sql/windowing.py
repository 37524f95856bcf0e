"""Window calls: what OVER says, read into `WindowCall` (ISO/IEC 9075-2, 6.10 and 7.15).

A window function's value is a column that a Window adds, so here each call becomes a reference to that column. Only
two frames have a meaning that does not depend on how rows lie: the whole partition, and the rows up to the current
one with its peers. ROWS gives the same over groups, once their keys break every tie.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlglot import exp

from louver_sandbox.algebra.expressions import ColumnRef, Expression, Literal, NamedWindow, SortKey, WindowCall
from louver_sandbox.algebra.relations import Aggregate, Relation, Scan, Window, inputs, walk
from louver_sandbox.algebra.types import Position
from louver_sandbox.catalog.model import Catalog, SpaceKind
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql import calls
from louver_sandbox.sql.context import Context, Text
from louver_sandbox.sql.expressions import Binder, Handler
from louver_sandbox.sql.lift import Lift
from louver_sandbox.sql.scopes import fold
from louver_sandbox.sql.windows import WINDOWS, WindowRule

NAMES: Mapping[type[exp.Expr], str] = {
    exp.Rank: "rank",
    exp.DenseRank: "dense_rank",
    exp.RowNumber: "row_number",
    exp.PercentRank: "percent_rank",
    exp.CumeDist: "cume_dist",
    exp.Ntile: "ntile",
    exp.Lag: "lag",
    exp.Lead: "lead",
    exp.FirstValue: "first_value",
    exp.LastValue: "last_value",
    exp.Count: "count",
    exp.Sum: "sum",
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
}
"""The parser's class of each window function and its row in the table of window functions."""


class Windows:
    """The window calls of one SELECT, each once."""

    def __init__(self, context: Context, text: Text, node: exp.Expr) -> None:
        self.context = context
        self.text = text
        self.named = {fold(str(window.this.this)): window for window in node.args.get("windows") or []}
        self.calls: dict[WindowCall, str] = {}
        self.by_rows: set[WindowCall] = set()
        self.id = 0

    def call(self, binder: Binder, node: exp.Expr) -> Expression:
        """The column that holds the call's value. Raises LVR-1204, LVR-1304, LVR-1314, LVR-1319."""
        at = self.text.at(node.this)
        if binder.names.place is not None:
            raise refusals.window_misplaced(at)
        special: dict[type[exp.Expr], Handler] = {**binder.names.special, exp.Window: misplaced}
        inside = Binder(self.context, replace(binder.names, special=special))
        name, arguments = self._function(inside, node.this, at)
        rule = WINDOWS[name]
        result = rule.result(tuple(part.type for part in arguments))
        if result is None:
            raise refusals.type_mismatch(name, [str(part.type) for part in arguments], at)
        self._check_constants(rule, arguments, at)
        base = self._base(node)
        partition = tuple(dict.fromkeys(inside.bind(part) for part in base.args.get("partition_by") or []))
        order = self._order(inside, node.args.get("order") or base.args.get("order"))
        if rule.ordered and not order:
            raise refusals.wrong_arguments(name, "write ORDER BY in its OVER", "请在 OVER 中写 ORDER BY", at)
        running, by_rows = self._frame(node.args.get("spec") or base.args.get("spec"), bool(order))
        made = WindowCall(name, arguments, result, partition, order, running and rule.framed, at)
        if by_rows and rule.framed:
            self.by_rows.add(made)
        self.id = self.id or self.context.new_id()
        column = self.calls.setdefault(made, f"w{len(self.calls) + 1}")
        return ColumnRef(self.id, column, result, at)

    def check(self, binder: Binder) -> None:
        """Reads the windows that are named and not used too: what is not understood is refused."""
        for window in self.named.values():
            self._order(binder, window.args.get("order"))
            for part in window.args.get("partition_by") or []:
                binder.bind(part)

    def parts(self) -> tuple[Expression, ...]:
        """Every expression inside the calls."""
        keys = [key.expression for call in self.calls for key in call.order]
        return (*(part for call in self.calls for part in (*call.arguments, *call.partition)), *keys)

    def lifted(self, lift: Lift | None) -> tuple[NamedWindow, ...]:
        """The calls over the groups, or over the rows where there are none. Raises LVR-1319."""
        made: list[NamedWindow] = []
        for call, name in self.calls.items():
            lifted = call if lift is None else lift.window(call)
            if call in self.by_rows:
                if lift is None or lift.sets:
                    raise refusals.frame_unsupported(call.at)
                known = {key.expression for key in lifted.order} | set(lifted.partition)
                ties = tuple(SortKey(ref) for ref in lift.refs() if ref not in known)
                lifted = replace(lifted, order=lifted.order + ties)
            made.append(NamedWindow(name, lifted))
        return tuple(made)

    # parts of a call

    def _function(self, binder: Binder, node: exp.Expr, at: Position | None) -> tuple[str, tuple[Expression, ...]]:
        where: exp.Expr | None = None
        if type(node) is exp.Filter:
            node, where = node.this, node.expression.this
        name = NAMES.get(type(node))
        if name is None:
            instead = "windows take ranks, lag, lead, count, sum, avg, min and max"
            instead_zh = "窗口可用排名、lag、lead、count、sum、avg、min 与 max"
            raise refusals.never_allowed("this function with OVER", instead, instead_zh, at)
        first = node.args.get("this")
        if type(first) is exp.Distinct:
            raise refusals.not_in_this_version("DISTINCT in a window", at)
        written = [None if type(first) is exp.Star else first, node.args.get("offset"), node.args.get("default")]
        arguments = tuple(binder.bind(part) for part in written if part is not None)
        if name == "count" and arguments and isinstance(arguments[0], Literal) and arguments[0].value is not None:
            arguments = ()
        if where is None:
            return name, arguments
        if not WINDOWS[name].framed or name.endswith("_value"):
            raise refusals.never_allowed("FILTER on a function that is no aggregate", "", "", at)
        condition = binder.bind(where)
        counted = arguments or (calls.true(),)
        return name, (calls.call(self.context, "case", (condition, *counted, calls.null())),)

    def _check_constants(self, rule: WindowRule, arguments: tuple[Expression, ...], at: Position | None) -> None:
        least = 1 if rule.name == "ntile" else 0
        for index in rule.constants:
            item = arguments[index] if index < len(arguments) else None
            value = item.value if isinstance(item, Literal) else None
            is_right = isinstance(value, int) and not isinstance(value, bool) and least <= value <= 10_000
            if item is not None and not is_right:
                raise refusals.wrong_arguments(
                    rule.name,
                    f"argument {index + 1} must be a whole number from {least} to 10000",
                    f"第 {index + 1} 个参数须为 {least} 到 10000 的整数",
                    item.at or at,
                )

    def _base(self, node: exp.Expr) -> exp.Expr:
        """The window that is named, or the call's own."""
        alias = node.args.get("alias")
        if alias is None:
            return node
        found = self.named.get(fold(str(alias.this)))
        if found is None or node.args.get("partition_by") or (node.args.get("order") and found.args.get("order")):
            raise refusals.wrong_arguments(
                "OVER",
                "name a window of the WINDOW clause; add ORDER BY or a frame to it, nothing else",
                "请写 WINDOW 子句中的名称；只可再加 ORDER BY 或窗口范围",
                self.text.at(node),
            )
        return self._base(found)

    def _order(self, binder: Binder, order: exp.Expr | None) -> tuple[SortKey, ...]:
        found: dict[Expression, SortKey] = {}
        for node in order.expressions if order is not None else ():
            bound = binder.bind(node.this)
            if not isinstance(bound, Literal):
                key = SortKey(bound, bool(node.args.get("desc")), bool(node.args.get("nulls_first")))
                found.setdefault(bound, key)
        return tuple(found.values())

    def _frame(self, spec: exp.Expr | None, ordered: bool) -> tuple[bool, bool]:
        """Whether the frame ends at the current row, and whether it counts rows."""
        if spec is None:
            return ordered, False
        words = {key: spec.args.get(key) for key in ("kind", "start", "start_side", "end", "end_side", "exclude")}
        kind, start, side, end, end_side, exclude = (str(word or "").upper() for word in words.values())
        if (start, side) != ("UNBOUNDED", "PRECEDING") or exclude or kind not in ("ROWS", "RANGE", "GROUPS"):
            raise refusals.frame_unsupported(self.text.at(spec.parent or spec))
        if (end, end_side) == ("UNBOUNDED", "FOLLOWING"):
            return False, False
        if end not in ("", "CURRENT ROW") or (kind == "ROWS" and not ordered):
            raise refusals.frame_unsupported(self.text.at(spec.parent or spec))
        return ordered, kind == "ROWS"


def misplaced(binder: Binder, node: exp.Expr) -> Expression:
    """Refuses a window call where none can stand (LVR-1314)."""
    raise refusals.window_misplaced(binder.names.text.at(node.this))


def check_rows(relation: Relation, catalog: Catalog) -> None:
    """Refuses a Window over rows of the government (LVR-1315): only released groups may be ranked.

    Rows of the requester's own tables are its own business.
    """
    waiting: list[tuple[Relation, bool]] = [(relation, False)]
    while waiting:
        node, aggregated = waiting.pop()
        if isinstance(node, Window):
            looks_at_rows = aggregated and _reads_government(walk(node), catalog)
            if looks_at_rows or _reads_government(_rows(node.input), catalog):
                raise refusals.window_over_rows(node.columns[0].call.at)
        inside = aggregated or (isinstance(node, Aggregate) and bool(node.measures))
        waiting += [(below, inside) for below in inputs(node)]


def _rows(relation: Relation) -> list[Relation]:
    """The relations whose rows are rows of this one, not groups."""
    found: list[Relation] = []
    waiting = [relation]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += () if isinstance(node, Aggregate) else inputs(node)
    return found


def _reads_government(nodes: Iterable[Relation], catalog: Catalog) -> bool:
    return any(isinstance(node, Scan) and catalog.tables[node.table].space is SpaceKind.GOVERNMENT for node in nodes)
