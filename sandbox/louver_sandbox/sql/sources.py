"""What a FROM names: tables, views, WITH queries, derived tables, and joins as they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sqlglot import exp

from louver.errors import Refused
from louver_sandbox.algebra.expressions import ColumnRef, Expression, column_refs
from louver_sandbox.algebra.relations import JoinKind, Project, Scan
from louver_sandbox.algebra.types import Position, TableName
from louver_sandbox.catalog.model import Table
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql import calls, joins
from louver_sandbox.sql.context import Context, Text
from louver_sandbox.sql.expressions import Binder, Names
from louver_sandbox.sql.lexical import Source, gate
from louver_sandbox.sql.parse import parse_text
from louver_sandbox.sql.scopes import FromItem, Scope, fold, similar
from louver_sandbox.sql.subqueries import MISPLACED
from louver_sandbox.sql.windowing import misplaced


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a query stands: its text, and the WITH queries it sees (those defined before it, never itself)."""

    text: Text
    ctes: Mapping[str, Cte]


@dataclass(frozen=True, slots=True)
class Cte:
    """A WITH query, where it stands, and the names it gives to its columns."""

    query: exp.Expr
    environment: Environment
    columns: tuple[str, ...]


BindDerived = Callable[[Context, exp.Expr, Environment], Project]

_ON = ("a join condition", "连接条件")


def column_aliases(node: exp.Expr) -> tuple[str, ...]:
    """The names of `AS t(a, b)`."""
    alias = node.args.get("alias")
    return () if alias is None else tuple(str(part.this) for part in alias.args.get("columns") or ())


@lru_cache(maxsize=256)
def _view(text: str) -> tuple[Source, exp.Expr]:
    source = gate(text)
    return source, parse_text(source)


class Sources:
    """Reads one FROM. `bind_derived` binds a query inside it; `outer` is the scope of the query around it."""

    def __init__(
        self, context: Context, environment: Environment, bind_derived: BindDerived, outer: Scope | None
    ) -> None:
        self.context = context
        self.environment = environment
        self.text = environment.text
        self.bind_derived = bind_derived
        self.outer = outer

    def of(self, first: exp.Expr, written: Sequence[exp.Expr]) -> tuple[joins.Node, Scope]:
        """The FROM as its members and their conditions, and what names mean over it."""
        limit = self.context.limits.joins
        if len(written) > limit:
            raise refusals.too_complex("joins", "连接", limit, self.text.at(written[-1]))
        whole: tuple[joins.Node, Scope] | None = None
        node, scope = self._item(first)
        for join in written:
            if _is_comma(join):
                # A comma binds less than JOIN: conditions see what stands between two commas.
                whole = _beside(whole, (node, scope))
                node, scope = self._item(join.this)
            else:
                node, scope = self._join(join, node, scope)
        return _beside(whole, (node, scope))

    # items

    def _item(self, node: exp.Expr) -> tuple[joins.Node, Scope]:
        at = self.text.at(node)
        if type(node) is exp.Subquery and type(_inside(node)) is exp.Table:
            inner = _inside(node)
            if node.args.get("alias") is not None:
                instead = "name the tables inside the brackets", "请为括号内的表命名"
                raise refusals.never_allowed("a name for a join in brackets", *instead, at)
            return self.of(inner, inner.args.get("joins") or [])
        self.context.enter_block(at)
        leaf = self._leaf(node, at)
        return leaf, Scope((leaf.item,))

    def _leaf(self, node: exp.Expr, at: Position | None) -> joins.Leaf:
        aliases = column_aliases(node)
        if type(node) is exp.Subquery:
            return self._derived(node.this, self.environment, _alias(node), aliases, at)
        if type(node) is not exp.Table:
            raise refusals.syntax(at)
        parts = [str(part.this) for part in (node.args.get("catalog"), node.args.get("db"), node.this) if part]
        if len(parts) == 1 and fold(parts[0]) in self.environment.ctes:
            cte = self.environment.ctes[fold(parts[0])]
            names = aliases + cte.columns[len(aliases) :]
            return self._derived(cte.query, cte.environment, _alias(node) or parts[0], names, at)
        table = self._table(parts, at)
        if aliases:
            raise refusals.column_aliases(len(aliases), 0, at)
        names_, title = _names(_alias(node), table.name)
        return (
            self._view(table, names_, title, at) if table.view is not None else self._scan(table, names_, title, at)
        )

    def _table(self, parts: list[str], at: Position | None) -> Table:
        written = ".".join(parts)
        tables = self.context.catalog.tables
        if len(parts) <= 2:
            schema = parts[0] if len(parts) == 2 else self.context.space
            table = tables.get(TableName(schema, parts[-1]))
            wanted = (fold(schema), fold(parts[-1]))
            matching = [name for name in tables if (fold(name.schema), fold(name.name)) == wanted]
            if table is None and len(matching) == 1:
                table = tables[matching[0]]
            if table is not None:
                return table
        raise refusals.unknown_table(written, similar(written, (str(name) for name in tables)), at)

    def _scan(self, table: Table, names: frozenset[tuple[str, ...]], title: str, at: Position | None) -> joins.Leaf:
        scan = self.context.new_id()
        columns = {column.name: ColumnRef(scan, column.name, column.type) for column in table.columns}
        for column in table.columns:
            self.context.decimals[scan, column.name] = column.decimals
        return joins.Leaf(Scan(scan, table.name, tuple(columns)), FromItem(names, title, columns), at)

    def _derived(
        self,
        query: exp.Expr,
        environment: Environment,
        alias: str | None,
        aliases: tuple[str, ...],
        at: Position | None,
    ) -> joins.Leaf:
        project = self.bind_derived(self.context, query, environment)
        if len(aliases) > len(project.columns):
            raise refusals.column_aliases(len(aliases), len(project.columns), at)
        named = [*aliases, *(column.name for column in project.columns[len(aliases) :])]
        if len(set(named)) < len(named):
            raise refusals.duplicate_name(next(name for name in named if named.count(name) > 1), at)
        columns = {
            name: ColumnRef(project.id, column.name, column.expression.type)
            for name, column in zip(named, project.columns, strict=True)
        }
        names = frozenset() if alias is None else frozenset({(fold(alias),)})
        return joins.Leaf(project, FromItem(names, alias or "subquery", columns), at)

    def _view(self, table: Table, names: frozenset[tuple[str, ...]], title: str, at: Position | None) -> joins.Leaf:
        """The view's query, with every position at the place where the view is named.

        What the view reads but this caller may not see makes the view itself unknown: nothing of its text shows.
        """
        try:
            source, query = _view(table.view or "")
            inner = replace(self.context, space=table.name.schema, parameters={})
            project = self.bind_derived(inner, query, Environment(Text(source, at), {}))
        except Refused:
            raise refusals.unknown_table(str(table.name), (), at) from None
        self.context.take_over(inner)
        offered = {fold(named.name): named for named in project.columns}
        columns = {
            column.name: ColumnRef(
                project.id, offered[fold(column.name)].name, offered[fold(column.name)].expression.type
            )
            for column in table.columns
            if fold(column.name) in offered
        }
        return joins.Leaf(project, FromItem(names, title, columns), at)

    # joins

    def _join(self, join: exp.Expr, left: joins.Node, scope: Scope) -> tuple[joins.Node, Scope]:
        right, item = self._item(join.this)
        at = joins.leaf_of(right).at
        side = str(join.args.get("side") or "")
        if join.args.get("method") == "NATURAL":
            raise refusals.natural_join(_natural(scope, item, joins.leaf_of(right).item.title), at)
        using: list[exp.Expr] = join.args.get("using") or []
        if using:
            parts, scope = self._using(using, scope, item, side, at)
        else:
            scope = scope.joined(item, at)
            parts = self._on(join.args.get("on"), scope)
        if not side:
            return joins.inner(left, right, parts), scope
        condition = joins.conjunction(self.context, parts)
        if side == "RIGHT":
            return joins.outer(JoinKind.LEFT, right, left, condition), scope
        kind = JoinKind.LEFT if side == "LEFT" else JoinKind.FULL
        return joins.outer(kind, left, right, condition), scope

    def _on(self, on: exp.Expr | None, scope: Scope) -> tuple[Expression, ...]:
        if on is None:
            return ()
        special = {**MISPLACED, exp.Window: misplaced}
        names = Names(replace(scope, outer=self.outer), self.text, place=_ON, special=special)
        condition = Binder(self.context, names).predicate(on)
        here = scope.relations()
        strange = next((ref for ref in column_refs(condition) if ref.relation not in here), None)
        if strange is not None:
            raise refusals.correlation_unsupported(strange.at)
        return joins.conjuncts(condition)

    def _using(
        self, using: list[exp.Expr], scope: Scope, item: Scope, side: str, at: Position | None
    ) -> tuple[tuple[Expression, ...], Scope]:
        """The equalities of USING; each name is one column from here on, of the side whose rows all stay."""
        equalities: list[Expression] = []
        merged: dict[str, Expression] = {}
        for identifier in using:
            place, name = self.text.at(identifier), str(identifier.this)
            own = item.find(name, place)
            if own is None:
                title = item.items[0].title
                known = [column for each in item.items for column in each.columns]
                raise refusals.unknown_column(f"{title}.{name}", similar(name, known), place)
            ours = scope.resolve(name, (), place)
            equalities.append(calls.call(self.context, "=", (ours, own), place))
            if side == "FULL":
                merged[fold(name)] = calls.call(self.context, "coalesce", (ours, own), place)
            else:
                merged[fold(name)] = own if side == "RIGHT" else ours
        hidden = frozenset(merged)
        items = tuple(replace(each, merged=each.merged | (hidden & set(each.folded))) for each in item.items)
        joined = scope.joined(replace(item, items=items), at)
        return tuple(equalities), replace(joined, merged={**joined.merged, **merged})


def _natural(scope: Scope, item: Scope, title: str) -> str:
    """The join that NATURAL would be, spelled out."""
    known = {fold(name) for each in scope.items for name in each.columns}
    shared = [name for each in item.items for name in each.columns if fold(name) in known]
    return f"JOIN {title} USING ({', '.join(shared)})" if shared else f"JOIN {title} ON …"


def _beside(whole: tuple[joins.Node, Scope] | None, part: tuple[joins.Node, Scope]) -> tuple[joins.Node, Scope]:
    """What stands before a comma and after it."""
    if whole is None:
        return part
    return joins.inner(whole[0], part[0]), whole[1].joined(part[1], joins.leaf_of(part[0]).at)


def _is_comma(join: exp.Expr) -> bool:
    return not any(join.args.get(key) for key in ("on", "using", "side", "kind", "method"))


def _inside(node: exp.Expr) -> exp.Expr:
    """What stands in the innermost of brackets without a name."""
    while type(node) is exp.Subquery:
        node = node.this
    return node


def _alias(node: exp.Expr) -> str | None:
    alias = node.args.get("alias")
    return None if alias is None or alias.this is None else str(alias.this.this)


def _names(alias: str | None, table: TableName) -> tuple[frozenset[tuple[str, ...]], str]:
    if alias is not None:
        return frozenset({(fold(alias),)}), alias
    return frozenset({(fold(table.name),), (fold(table.schema), fold(table.name))}), table.name
