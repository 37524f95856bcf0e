"""Binding one SELECT: its clauses over a FROM, and the tower of relations they make (`algebra/relations.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlglot import exp

from louver_sandbox.algebra.expressions import (
    AggregateCall,
    Call,
    ColumnRef,
    Expression,
    Literal,
    Named,
    NamedWindow,
    SortKey,
    column_refs,
    walk,
)
from louver_sandbox.algebra.relations import Filter, Join, Limit, Project, Relation, Sort, Window
from louver_sandbox.algebra.relations import walk as walk_relations
from louver_sandbox.algebra.types import INTEGER, Position
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql import calls, joins
from louver_sandbox.sql.clauses import Item, distinct_names, limit_of, order_keys, ordinal
from louver_sandbox.sql.context import Context, Text
from louver_sandbox.sql.expressions import Binder, Handler, Names, has_aggregate
from louver_sandbox.sql.grouping import Expansion, Grouping
from louver_sandbox.sql.lift import Lift, ordered_keys
from louver_sandbox.sql.scopes import Scope, fold
from louver_sandbox.sql.stars import is_star, star_items
from louver_sandbox.sql.subqueries import (
    MISPLACED,
    Attachment,
    BindInner,
    BoundQuery,
    Exposed,
    Purpose,
    Subqueries,
    conditions,
    equated,
    is_correlated,
)
from louver_sandbox.sql.titles import behind, named_inside, title
from louver_sandbox.sql.windowing import Windows
from louver_sandbox.sql.windowing import misplaced as window_misplaced

_CLAUSES = {
    "where": ("WHERE", "WHERE"),
    "group": ("GROUP BY", "GROUP BY"),
    "on": ("a join condition", "连接条件"),
}


@dataclass
class _Clauses:
    """What the clauses of one SELECT say, bound but not yet lifted above its Aggregate."""

    items: list[Item]
    where: list[Expression]
    where_joins: list[Attachment]
    outer: list[Expression]
    grouping: Grouping | None
    having: list[Expression]
    having_joins: list[Attachment]
    qualify: Expression | None
    order: tuple[SortKey, ...]

    def upper(self) -> Iterator[Expression]:
        """Expressions that stand above the Aggregate, if there is one."""
        yield from (item.expression for item in self.items)
        yield from self.having
        yield from (attachment.condition for attachment in self.having_joins)
        yield from (key.expression for key in self.order)
        if self.qualify is not None:
            yield self.qualify

    def lower(self) -> Iterator[Expression]:
        """Expressions that stand below it."""
        yield from self.where
        yield from (attachment.condition for attachment in self.where_joins)
        yield from self.outer
        yield from self.grouping.keys if self.grouping is not None else ()


class SelectBlock:
    """The clauses of one SELECT over a FROM whose names are known."""

    def __init__(
        self, context: Context, node: exp.Expr, text: Text, scope: Scope, source: joins.Node, bind_inner: BindInner
    ) -> None:
        self.context = context
        self.node = node
        self.text = text
        self.scope = scope
        self.source = source
        self.own = joins.relations(source)
        self.windows = Windows(context, text, node)
        self.subqueries = Subqueries(
            context, text, self.own, lambda: joins.columns_present(source, context), bind_inner
        )
        self.aliases: dict[str, exp.Expr] = {}
        for projection in node.expressions:
            if type(projection) is exp.Alias:
                self.aliases.setdefault(fold(str(projection.args["alias"].this)), projection.this)

    def bind(self, purpose: Purpose, outermost: bool) -> BoundQuery:
        """The block as its tower. LIMIT inside the query would choose rows, so only the outermost may have one."""
        items = self._items()
        where, where_joins, outer = self._where()
        grouping = self._group(items)
        having, having_joins = self._having()
        qualify = self._qualify()
        limit = limit_of(self.context, self.node, self.text, outermost)
        order = self._order(items) if outermost else ()
        clauses = _Clauses(items, where, where_joins, outer, grouping, having, having_joins, qualify, order)
        if outer and purpose is Purpose.ROWS:
            raise refusals.correlation_unsupported(outer[0].at)
        made = _Tower(self, clauses, purpose).build()
        if limit is not None:
            project = made.project
            return replace(made, project=replace(project, input=Limit(project.input, *limit)))
        return made

    def binder(self, clause: str = "", *, aliases_first: bool = False, windows: bool = False) -> Binder:
        """Reads the expressions of one clause."""
        special: dict[type[exp.Expr], Handler] = {
            **MISPLACED,
            exp.Window: self.windows.call if windows else window_misplaced,
            exp.Grouping: self._grouping,
            exp.GroupingId: self._grouping,
        }
        if clause != "on":
            special[exp.Subquery] = self.subqueries.value
            special[exp.Exists] = self.subqueries.existence
            special[exp.In] = self.subqueries.member
        place = _CLAUSES.get(clause)
        return Binder(self.context, Names(self.scope, self.text, self.aliases, aliases_first, place, special))

    def _grouping(self, binder: Binder, node: exp.Expr) -> Expression:
        at = self.text.at(node)
        if binder.names.place is not None:
            raise refusals.aggregate_misplaced("grouping", *binder.names.place, at)
        inside = Binder(self.context, replace(binder.names, place=("another aggregate", "另一个聚合函数")))
        keys = tuple(inside.bind(part) for part in node.expressions)
        if not keys:
            raise refusals.grouping_invalid(at)
        return AggregateCall("grouping", keys, INTEGER, at=at)

    # SELECT list

    def _items(self) -> list[Item]:
        items: list[Item] = []
        binder = self.binder(windows=True)
        for projection in self.node.expressions:
            items += self._item(projection, binder)
        if len(items) > self.context.limits.columns:
            limit = self.context.limits.columns
            raise refusals.too_complex("columns in the answer", "结果列", limit, self.text.at(self.node))
        if not items:
            raise refusals.syntax(self.text.at(self.node))
        return distinct_names(items)

    def _item(self, projection: exp.Expr, binder: Binder) -> list[Item]:
        if type(projection) is exp.Alias:
            name = str(projection.args["alias"].this)
            alias = {other: node for other, node in self.aliases.items() if other != fold(name)}
            own = Binder(self.context, replace(binder.names, aliases=alias))
            return [Item(name, own.bind(projection.this))]
        if is_star(projection):
            return star_items(binder, projection)
        bound = binder.bind(projection)
        made = behind(self.windows.id, self.windows.calls, (value.right for value in self.subqueries.values))
        return [Item(named_inside(projection) or title(bound, made), bound)]

    # the other clauses

    def _where(self) -> tuple[list[Expression], list[Attachment], list[Expression]]:
        """Predicates, joins that subqueries become, and comparisons with the query around this one."""
        where = self.node.args.get("where")
        predicates, attached = self._conditions(where, self.binder("where"))
        own = self.inside()
        parts = [
            part
            for whole in predicates
            for part in (joins.factored(self.context, whole) if is_correlated(whole, own) else (whole,))
        ]
        outer = [part for part in parts if is_correlated(part, own)]
        return [part for part in parts if part not in outer], attached, outer

    def _conditions(self, clause: exp.Expr | None, binder: Binder) -> tuple[list[Expression], list[Attachment]]:
        predicates: list[Expression] = []
        attached: list[Attachment] = []
        for node, negated in conditions(clause.this) if clause is not None else ():
            tested = self.subqueries.test(binder, node, negated)
            if isinstance(tested, Attachment):
                attached.append(tested)
                continue
            if tested is None:
                bound = binder.predicate(node)
                tested = calls.call(self.context, "not", (bound,)) if negated else bound
            predicates += joins.conjuncts(tested)
        return predicates, attached

    def inside(self) -> frozenset[int]:
        """Relations of this query: its FROM and what subqueries gave as values."""
        return self.own | {attachment.right.id for attachment in self.subqueries.values}

    def _group(self, items: list[Item]) -> Grouping | None:
        group = self.node.args.get("group")
        if group is None:
            return None
        if group.args.get("all"):
            plain = (item.expression for item in items if not has_aggregate(item.expression))
            return Grouping((tuple(key for key in plain if not isinstance(key, Literal)),))
        binder = self.binder("group")

        def key(node: exp.Expr) -> Expression:
            found = ordinal(node, items, "GROUP BY", self.text)
            bound = binder.bind(node) if found is None else found
            if has_aggregate(bound):
                raise refusals.aggregate_misplaced("in this column", *_CLAUSES["group"], self.text.at(node))
            if self.windows.id and any(ref.relation == self.windows.id for ref in column_refs(bound)):
                raise refusals.window_misplaced(self.text.at(node))
            return bound

        return Expansion(self.context, self.text, key).of(group)

    def _having(self) -> tuple[list[Expression], list[Attachment]]:
        return self._conditions(self.node.args.get("having"), self.binder())

    def _qualify(self) -> Expression | None:
        qualify = self.node.args.get("qualify")
        self.windows.check(self.binder())
        if qualify is None:
            return None
        bound = self.binder(windows=True).predicate(qualify.this)
        if not self.windows.calls:
            instead = "write WHERE or HAVING", "请写 WHERE 或 HAVING"
            raise refusals.never_allowed("QUALIFY without a window", *instead, self.text.at(qualify))
        return bound

    def _order(self, items: list[Item]) -> tuple[SortKey, ...]:
        binder = self.binder(aliases_first=True, windows=True)
        return order_keys(self.node.args.get("order"), items, self.text, binder.bind)


class _Tower:
    """Puts the bound clauses of one SELECT on top of one another."""

    def __init__(self, block: SelectBlock, clauses: _Clauses, purpose: Purpose) -> None:
        self.block = block
        self.context = block.context
        self.clauses = clauses
        self.purpose = purpose
        self.windows = block.windows
        upper = [*clauses.upper(), *self.windows.parts()]
        has_group = clauses.grouping is not None or block.node.args.get("having") is not None
        self.grouped = has_group or any(has_aggregate(part) for part in upper)
        self.values = block.subqueries.values
        inner = [part for whole in upper for part in walk(whole) if isinstance(part, AggregateCall)]
        below = {ref.relation for part in (*clauses.lower(), *inner) for ref in column_refs(part)}
        used = below | {ref.relation for part in upper for ref in column_refs(part)}
        self.below = [item for item in self.values if item.right.id in (below if self.grouped else used)]
        self.above = [item for item in self.values if item.right.id in used and item not in self.below]

    def build(self) -> BoundQuery:
        """The tower, with the subquery's columns that the query around it compares. Raises LVR-1301, LVR-1311."""
        exposed = Exposed(self.context.new_id())
        return self._over_groups(exposed) if self.grouped else self._over_rows(exposed)

    def _source(self) -> Relation:
        clauses = self.clauses
        relation, rest = joins.place(self.context, self.block.source, clauses.where)
        for attachment in (*self.below, *clauses.where_joins):
            relation = attachment.to(relation)
        predicate = joins.conjunction(self.context, rest)
        return relation if _is_true(predicate) else Filter(relation, predicate)

    def _over_rows(self, exposed: Exposed) -> BoundQuery:
        clauses = self.clauses
        if clauses.outer and self.windows.calls:
            raise refusals.correlation_unsupported(clauses.outer[0].at)
        own = self.block.inside()
        condition = tuple(exposed.over(part, own) for part in clauses.outer)
        named = self.windows.lifted(None)
        relation = self._windowed(self._source(), named, clauses.qualify)
        return self._finished(relation, clauses.items, clauses.order, exposed, condition)

    def _over_groups(self, exposed: Exposed) -> BoundQuery:
        clauses = self.clauses
        equalities = [equated(part, self.block.inside()) for part in clauses.outer]
        grouping = clauses.grouping or Grouping(((),))
        if equalities:
            self._check_correlated({inner for _, inner in equalities}, clauses.outer[0].at)
        keys = ordered_keys((*grouping.keys, *(inner for _, inner in equalities)), clauses.items)
        lift = self._lift(keys, grouping)
        items = [Item(item.name, lift.expression(item.expression)) for item in clauses.items]
        having = joins.conjunction(self.context, [lift.expression(part) for part in clauses.having])
        joined = [(item, lift.expression(item.condition)) for item in (*self.above, *clauses.having_joins)]
        order = lift.sort_keys(clauses.order)
        qualify = None if clauses.qualify is None else lift.expression(clauses.qualify)
        condition = tuple(
            calls.call(self.context, "=", (outer, exposed.column(lift.expression(inner))), outer.at)
            for outer, inner in equalities
        )
        named = self.windows.lifted(lift)
        relation: Relation = lift.aggregate(self._source())
        for attachment, over_groups in joined:
            relation = attachment.to(relation, over_groups)
        relation = relation if _is_true(having) else Filter(relation, having)
        relation = self._windowed(relation, named, qualify)
        return self._finished(relation, items, order, exposed, condition, lift)

    def _lift(self, keys: tuple[Expression, ...], grouping: Grouping) -> Lift:
        attached = (*self.above, *self.clauses.having_joins)
        free = {item.right.id for item in attached} | {self.windows.id}
        return Lift(self.context, keys, inner=self.block.inside(), free=free, sets=grouping.indexes(keys))

    def _check_correlated(self, inner_sides: set[Expression], at: Position | None) -> None:
        """Which grouped subqueries can be grouped by what they are compared on as well.

        One without GROUP BY gives a row even for no rows, so only its value can be asked for, and without HAVING; one
        with GROUP BY gives a single value only if its groups are those of the comparison.
        """
        grouping = self.clauses.grouping
        if self.purpose is Purpose.SCALAR:
            plain = grouping is not None and set(grouping.keys) <= inner_sides
            possible = (plain or (grouping is None and not self.clauses.having)) and not self.above
        else:
            possible = grouping is not None
        if not possible or self.windows.calls or (grouping is not None and len(grouping.sets) > 1):
            raise refusals.correlation_unsupported(at)

    def _windowed(self, relation: Relation, named: tuple[NamedWindow, ...], qualify: Expression | None) -> Relation:
        relation = Window(self.windows.id, relation, named) if named else relation
        return relation if qualify is None or _is_true(qualify) else Filter(relation, qualify)

    def _finished(
        self,
        relation: Relation,
        items: list[Item],
        order: tuple[SortKey, ...],
        exposed: Exposed,
        condition: tuple[Expression, ...],
        lift: Lift | None = None,
    ) -> BoundQuery:
        if self.purpose is Purpose.SCALAR and condition and lift is not None:
            values = tuple(self._outside(item.expression, lift, exposed) for item in items)
            return BoundQuery(Project(exposed.project, relation, exposed.named()), values, condition, single=True)
        once = self.block.node.args.get("distinct") is not None and not (
            lift is not None and lift.shows_all_keys(items)
        )
        if once and self.purpose in (Purpose.ROWS, Purpose.SCALAR):
            again = Lift(self.context, [item.expression for item in items], inner=_every(relation))
            items = [Item(item.name, again.expression(item.expression)) for item in items]
            order = again.sort_keys(order)
            relation = again.aggregate(relation)
        relation = Sort(relation, order) if order else relation
        if self.purpose is not Purpose.ROWS:
            items = [Item(f"v{index}", item.expression) for index, item in enumerate(items, start=1)]
        if self.purpose is Purpose.EXISTS and condition:
            items = []
        columns = tuple(Named(item.name, item.expression) for item in items)
        project = Project(exposed.project, relation, (*columns, *exposed.named()))
        values = tuple(ColumnRef(project.id, column.name, column.expression.type) for column in columns)
        return BoundQuery(project, values, condition)

    def _outside(self, expression: Expression, lift: Lift, exposed: Exposed) -> Expression:
        """A subquery's value, computed outside it from its aggregates: over no rows a count is 0, others are NULL."""
        match expression:
            case ColumnRef():
                column = exposed.column(expression)
                counts = {name for call, name in lift.measures.items() if call.function == "count"}
                if self.clauses.grouping is None and expression.name in counts:
                    return calls.call(self.context, "coalesce", (column, Literal(0, column.type)))
                return column
            case Call():
                parts = tuple(self._outside(part, lift, exposed) for part in expression.arguments)
                return self.context.weighed(replace(expression, arguments=parts))
            case _:
                return expression


def _every(relation: Relation) -> frozenset[int]:
    """The ids of everything below."""
    return frozenset(
        node.id for node in walk_relations(relation) if not isinstance(node, Filter | Join | Limit | Sort)
    )


def _is_true(predicate: Expression) -> bool:
    return isinstance(predicate, Literal) and predicate.value is True
