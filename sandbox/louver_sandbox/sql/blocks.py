"""Binding one SELECT: its FROM, its clauses, and the tower of relations they make (`algebra/relations.py`)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, Named
from louver_sandbox.algebra.relations import Aggregate, Filter, Limit, Project, Relation, Sort, SortKey
from louver_sandbox.algebra.types import INTEGER, Position
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql.context import Context, Text
from louver_sandbox.sql.expressions import Binder, Names, has_aggregate, title
from louver_sandbox.sql.scopes import Scope, fold

_CLAUSES = {
    "where": ("WHERE", "WHERE"),
    "group": ("GROUP BY", "GROUP BY"),
    "on": ("a join condition", "连接条件"),
}


@dataclass(frozen=True)
class Item:
    """One column of the SELECT list."""

    name: str
    expression: Expression


class SelectBlock:
    """The clauses of one SELECT over a FROM that is bound already."""

    def __init__(self, context: Context, node: exp.Select, text: Text, scope: Scope, source: Relation) -> None:
        self.context = context
        self.node = node
        self.text = text
        self.scope = scope
        self.source = source
        self.aliases: dict[str, exp.Expr] = {}
        for projection in node.expressions:
            if type(projection) is exp.Alias:
                self.aliases.setdefault(fold(str(projection.args["alias"].this)), projection.this)

    def bind(self, outermost: bool) -> Project:
        """The block as its tower. LIMIT inside the query would choose rows, so only the outermost may have one."""
        items = self._items()
        relation = self._where()
        keys = self._group(items)
        having = self._having()
        limit = self._limit(outermost)
        order = self._order(items) if outermost else ()
        grouped = keys is not None or having is not None
        grouped = grouped or any(has_aggregate(item.expression) for item in items)
        grouped = grouped or any(has_aggregate(key.expression) for key in order)
        distinct = self.node.args.get("distinct") is not None
        if grouped:
            lift = Lift(self.context, relation, _ordered_keys(keys or (), items))
            items = [Item(item.name, lift.expression(item.expression)) for item in items]
            condition = None if having is None else lift.expression(having)
            order = tuple(replace(key, expression=lift.expression(key.expression)) for key in order)
            relation = lift.aggregate()
            relation = relation if condition is None or _is_true(condition) else Filter(relation, condition)
            if distinct and not lift.shows_all_keys(items):
                raise refusals.not_in_this_version("SELECT DISTINCT over groups", self.text.at(self.node))
        elif distinct:
            lift = Lift(self.context, relation, tuple(item.expression for item in items))
            items = [Item(item.name, lift.expression(item.expression)) for item in items]
            order = tuple(replace(key, expression=lift.expression(key.expression)) for key in order)
            relation = lift.aggregate()
        relation = Sort(relation, order) if order else relation
        relation = Limit(relation, *limit) if limit is not None else relation
        return Project(self.context.new_id(), relation, tuple(Named(item.name, item.expression) for item in items))

    def _binder(self, clause: str = "", aliases_first: bool = False) -> Binder:
        place = _CLAUSES.get(clause)
        return Binder(self.context, Names(self.scope, self.text, self.aliases, aliases_first, place))

    # SELECT list

    def _items(self) -> list[Item]:
        items: list[Item] = []
        binder = self._binder()
        for projection in self.node.expressions:
            items += self._item(projection, binder)
        if len(items) > self.context.limits.columns:
            limit = self.context.limits.columns
            raise refusals.too_complex("columns in the answer", "结果列", limit, self.text.at(self.node))
        if not items:
            raise refusals.syntax(self.text.at(self.node))
        return _distinct_names(items)

    def _item(self, projection: exp.Expr, binder: Binder) -> list[Item]:
        if type(projection) is exp.Alias:
            name = str(projection.args["alias"].this)
            alias = {other: node for other, node in self.aliases.items() if other != fold(name)}
            own = Binder(self.context, replace(binder.names, aliases=alias))
            return [Item(name, own.bind(projection.this))]
        is_qualified_star = type(projection) is exp.Column and type(projection.this) is exp.Star
        if type(projection) is exp.Star or is_qualified_star:
            return [
                Item(name, ref)
                for name, ref in self.scope.star(self._qualifier(projection), self.text.at(projection))
            ]
        bound = binder.bind(projection)
        return [Item(title(bound), bound)]

    def _qualifier(self, node: exp.Expr) -> tuple[str, ...]:
        parts = (node.args.get("db"), node.args.get("table"))
        return tuple(str(part.this) for part in parts if part is not None)

    # the other clauses

    def _where(self) -> Relation:
        where = self.node.args.get("where")
        if where is None:
            return self.source
        predicate = self._binder("where").predicate(where.this)
        return self.source if _is_true(predicate) else Filter(self.source, predicate)

    def _group(self, items: list[Item]) -> tuple[Expression, ...] | None:
        group = self.node.args.get("group")
        if group is None:
            return None
        if group.args.get("all"):
            plain = (item.expression for item in items if not has_aggregate(item.expression))
            return tuple(key for key in plain if not isinstance(key, Literal))
        binder = self._binder("group")
        keys: list[Expression] = []
        for node in group.expressions:
            ordinal = self._ordinal(node, items, "GROUP BY")
            key = ordinal if ordinal is not None else binder.bind(node)
            if has_aggregate(key):
                raise refusals.aggregate_misplaced("in this column", *_CLAUSES["group"], self.text.at(node))
            keys.append(key)
        return tuple(keys)

    def _ordinal(self, node: exp.Expr, items: list[Item], clause: str) -> Expression | None:
        if type(node) is exp.Paren:
            return self._ordinal(node.this, items, clause)
        if type(node) not in (exp.Literal, exp.Neg, exp.Null, exp.Boolean):
            return None
        text = str(node.this) if type(node) is exp.Literal and not node.is_string else ""
        if not text.isdigit() or len(text) > 6 or not 1 <= int(text) <= len(items):
            raise refusals.ordinal_invalid(clause, len(items), self.text.at(node))
        return _placed(items[int(text) - 1].expression, self.text.at(node))

    def _having(self) -> Expression | None:
        having = self.node.args.get("having")
        return None if having is None else self._binder().predicate(having.this)

    def _order(self, items: list[Item]) -> tuple[SortKey, ...]:
        order = self.node.args.get("order")
        found: dict[Expression, SortKey] = {}
        for node in order.expressions if order is not None else ():
            descending, nulls_first = bool(node.args.get("desc")), bool(node.args.get("nulls_first"))
            for expression in self._order_keys(node.this, items):
                if not isinstance(expression, Literal):
                    found.setdefault(expression, SortKey(expression, descending, nulls_first))
        return tuple(found.values())

    def _order_keys(self, node: exp.Expr, items: list[Item]) -> list[Expression]:
        if type(node) is exp.Var:
            return [item.expression for item in items]
        ordinal = self._ordinal(node, items, "ORDER BY")
        if ordinal is not None:
            return [ordinal]
        if type(node) is exp.Column and node.args.get("table") is None:
            # The name of an output column comes before a column of the tables.
            named = [item.expression for item in items if fold(item.name) == fold(str(node.this.this))]
            if named:
                return [_placed(named[0], self.text.at(node))]
        return [self._binder(aliases_first=True).bind(node)]

    def _limit(self, outermost: bool) -> tuple[int | None, int] | None:
        limit, offset = self.node.args.get("limit"), self.node.args.get("offset")
        clause: exp.Expr | None = offset if limit is None else limit
        if clause is None:
            return None
        if not outermost:
            at = self.text.at(clause)
            instead = "limit the outermost query", "请只在最外层使用 LIMIT"
            raise refusals.never_allowed("LIMIT inside a query", *instead, at)
        count = None if limit is None else self._number("LIMIT", limit.expression)
        return count, 0 if offset is None else self._number("OFFSET", offset.expression)

    def _number(self, clause: str, node: exp.Expr) -> int:
        bound = self._binder().bind(node) if type(node) in (exp.Literal, exp.Placeholder) else None
        if isinstance(bound, Literal) and bound.type == INTEGER and isinstance(bound.value, int) and bound.value >= 0:
            return bound.value
        raise refusals.wrong_arguments(clause, "give a whole number", "请写非负整数", self.text.at(node))


class Lift:
    """Moves expressions above an Aggregate: keys and aggregates become its columns, other columns are refused."""

    def __init__(self, context: Context, source: Relation, keys: tuple[Expression, ...]) -> None:
        self.context = context
        self.source = source
        self.id = context.new_id()
        self.keys = {key: f"k{index}" for index, key in enumerate(dict.fromkeys(keys), start=1)}
        self.measures: dict[AggregateCall, str] = {}

    def expression(self, expression: Expression) -> Expression:
        """The expression over the Aggregate's own columns. Raises LVR-1301."""
        name = self.keys.get(expression)
        if name is not None:
            return ColumnRef(self.id, name, expression.type, expression.at)
        match expression:
            case Literal():
                return expression
            case AggregateCall():
                name = self.measures.setdefault(expression, f"m{len(self.measures) + 1}")
                return ColumnRef(self.id, name, expression.type, expression.at)
            case Call():
                lifted = tuple(self.expression(argument) for argument in expression.arguments)
                return self.context.weighed(replace(expression, arguments=lifted))
            case ColumnRef():
                raise refusals.returned_per_row(expression.name, expression.at)

    def aggregate(self) -> Aggregate:
        """The Aggregate with every measure that was asked for so far."""
        keys = tuple(Named(name, key) for key, name in self.keys.items())
        measures = tuple(Named(name, measure) for measure, name in self.measures.items())
        return Aggregate(self.id, self.source, keys, measures)

    def shows_all_keys(self, items: list[Item]) -> bool:
        """Whether the items hold every key, so that no two groups can look alike."""
        shown = {item.expression for item in items}
        return all(ColumnRef(self.id, name, key.type) in shown for key, name in self.keys.items())


def _ordered_keys(keys: tuple[Expression, ...], items: list[Item]) -> tuple[Expression, ...]:
    """Keys in the order of the SELECT list, then the others as written: `GROUP BY a, b` is `GROUP BY b, a`."""
    distinct = tuple(dict.fromkeys(keys))
    places = {item.expression: index for index, item in reversed(list(enumerate(items)))}
    return tuple(sorted(distinct, key=lambda key: places.get(key, len(items))))


def _distinct_names(items: list[Item]) -> list[Item]:
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


def _is_true(predicate: Expression) -> bool:
    return isinstance(predicate, Literal) and predicate.value is True


def _placed(expression: Expression, at: Position | None) -> Expression:
    return replace(expression, at=at)
