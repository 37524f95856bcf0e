"""The second stage: every name resolved against what the caller may see; out comes a relation tree of our own.

An unknown table and one the caller may not see are the same case, since the catalogue that is handed in holds only
what this caller may see. Views and CTEs are bound again at every use, so that their columns keep their lineage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from sqlglot import exp

from louver.errors import Refused
from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, column_refs
from louver_sandbox.algebra.relations import Join, JoinKind, Project, Relation, Scan
from louver_sandbox.algebra.types import Position, TableName
from louver_sandbox.catalog.model import Catalog, Table
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql import calls
from louver_sandbox.sql.blocks import SelectBlock
from louver_sandbox.sql.context import Context, Text
from louver_sandbox.sql.expressions import Binder, Names
from louver_sandbox.sql.lexical import Source, gate
from louver_sandbox.sql.lineage import implied, uses
from louver_sandbox.sql.narrow import narrow
from louver_sandbox.sql.parse import parse_text
from louver_sandbox.sql.scopes import FromItem, Scope, fold, similar
from louver_sandbox.stages import Bound, OutputColumn, Parsed

Ctes = Mapping[str, tuple[exp.Select, "Environment"]]


class Environment:
    """Where a SELECT stands: its text, and the WITH queries it sees (those defined before it, never itself)."""

    def __init__(self, text: Text, ctes: Ctes) -> None:
        self.text = text
        self.ctes = ctes


def bind(parsed: Parsed, catalog: Catalog) -> Bound:
    """The query over `catalog`, which holds only what the caller may see. Raises `Refused` (LVR-1xxx)."""
    request = parsed.request
    context = Context(catalog, request.subject.institution, request.parameters)
    if not isinstance(parsed.tree, exp.Select):
        raise refusals.not_a_select(None)
    environment = Environment(Text(gate(request.sql)), {})
    try:
        relation = narrow(_Query(context, environment).select(parsed.tree, outermost=True))
    except RecursionError:
        raise refusals.too_deep(None) from None
    columns = tuple(OutputColumn(named.name, named.expression.type) for named in relation.columns)
    return Bound(request, relation, columns, uses(relation, catalog, context.limits), implied(relation), catalog)


@lru_cache(maxsize=256)
def _view(text: str) -> tuple[Source, exp.Select]:
    source = gate(text)
    return source, parse_text(source)


class _Query:
    """Binds one SELECT and everything in its FROM."""

    def __init__(self, context: Context, environment: Environment) -> None:
        self.context = context
        self.environment = environment
        self.text = environment.text

    def select(self, node: exp.Select, outermost: bool = False) -> Project:
        """The SELECT as its tower of relations."""
        self._define(node)
        source = node.args.get("from_")
        if source is None:
            raise refusals.no_table(self.text.at(node))
        relation, scope = self._from(node, source)
        return SelectBlock(self.context, node, self.text, scope, relation).bind(outermost)

    def _define(self, node: exp.Select) -> None:
        clause = node.args.get("with_")
        own: set[str] = set()
        for cte in clause.expressions if clause is not None else ():
            name = fold(str(cte.args["alias"].this.this))
            if name in own:
                raise refusals.duplicate_name(name, self.text.at(cte.args["alias"]))
            own.add(name)
            if len(own) > self.context.limits.ctes:
                limit = self.context.limits.ctes
                raise refusals.too_complex("WITH queries", "WITH 查询", limit, self.text.at(cte))
            if type(cte.this) is not exp.Select:
                raise refusals.not_a_select(self.text.at(cte))
            ctes = {**self.environment.ctes, name: (cte.this, self.environment)}
            self.environment = Environment(self.text, ctes)

    # FROM

    def _from(self, node: exp.Select, source: exp.Expr) -> tuple[Relation, Scope]:
        relation, item = self._item(source.this)
        scope = Scope((item,))
        joins = node.args.get("joins") or []
        if len(joins) > self.context.limits.joins:
            raise refusals.too_complex("joins", "连接", self.context.limits.joins, self.text.at(joins[-1]))
        for join in joins:
            relation, scope = self._join(join, relation, scope)
        return relation, scope

    def _item(self, node: exp.Expr) -> tuple[Relation, FromItem]:
        at = self.text.at(node)
        self.context.enter_block(at)
        if type(node) is exp.Subquery:
            return self._derived(node.this, self.environment, _alias(node), at)
        if type(node) is not exp.Table:
            raise refusals.syntax(at)
        parts = [str(part.this) for part in (node.args.get("catalog"), node.args.get("db"), node.this) if part]
        if len(parts) == 1 and fold(parts[0]) in self.environment.ctes:
            select, environment = self.environment.ctes[fold(parts[0])]
            return self._derived(select, environment, _alias(node) or parts[0], at)
        table = self._table(parts, at)
        names, title = _names(_alias(node), table.name)
        return self._view(table, names, title, at) if table.view is not None else self._scan(table, names, title)

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

    def _scan(self, table: Table, names: frozenset[tuple[str, ...]], title: str) -> tuple[Relation, FromItem]:
        scan = self.context.new_id()
        columns = {column.name: ColumnRef(scan, column.name, column.type) for column in table.columns}
        for column in table.columns:
            self.context.decimals[scan, column.name] = column.decimals
        return Scan(scan, table.name, tuple(columns)), FromItem(names, title, columns)

    def _derived(
        self, select: exp.Select, environment: Environment, alias: str | None, at: Position | None
    ) -> tuple[Relation, FromItem]:
        project = _Query(self.context, environment).select(select)
        columns = {named.name: ColumnRef(project.id, named.name, named.expression.type) for named in project.columns}
        names = frozenset() if alias is None else frozenset({(fold(alias),)})
        return project, FromItem(names, alias or "subquery", columns)

    def _view(
        self, table: Table, names: frozenset[tuple[str, ...]], title: str, at: Position | None
    ) -> tuple[Relation, FromItem]:
        """The view's query, with every position at the place where the view is named.

        What the view reads but this caller may not see makes the view itself unknown: nothing of its text shows.
        """
        try:
            source, select = _view(table.view or "")
            inner = replace(self.context, space=table.name.schema, parameters={})
            project = _Query(inner, Environment(Text(source, at), {})).select(select)
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
        return project, FromItem(names, title, columns)

    # joins

    def _join(self, join: exp.Expr, left: Relation, scope: Scope) -> tuple[Relation, Scope]:
        at = self.text.at(join.this)
        right, item = self._item(join.this)
        before = scope.relations()
        using: list[exp.Expr] = join.args.get("using") or []
        on: exp.Expr | None = join.args.get("on")
        if on is not None:
            scope = scope.joined(item, at)
            names = Names(scope, self.text, place=("a join condition", "连接条件"))
            condition = Binder(self.context, names).predicate(on)
        elif using:
            condition, item = self._using(using, scope, item)
            scope = scope.joined(item, at)
        else:
            raise refusals.join_without_equality(_rewrite(scope, item), at)
        if not any(_links(part, before) for part in conjuncts(condition)):
            raise refusals.join_without_equality(_rewrite(scope, item), at)
        kind = JoinKind.LEFT if join.args.get("side") == "LEFT" else JoinKind.INNER
        return Join(kind, left, right, condition), scope

    def _using(self, using: list[exp.Expr], scope: Scope, item: FromItem) -> tuple[Expression, FromItem]:
        equalities: list[Expression] = []
        for identifier in using:
            at, name = self.text.at(identifier), str(identifier.this)
            own = item.find(name, at)
            if own is None:
                raise refusals.unknown_column(f"{item.title}.{name}", similar(name, item.columns), at)
            equalities.append(calls.call(self.context, "=", (scope.resolve(name, (), at), own), at))
        merged = frozenset(fold(str(identifier.this)) for identifier in using)
        return calls.call(self.context, "and", tuple(equalities)), replace(item, merged=merged)


def _rewrite(scope: Scope, item: FromItem) -> str:
    """The join that was probably meant."""
    first = scope.items[0]
    shared = next((name for name in item.columns if fold(name) in first.folded), None)
    if shared is not None and first is not item:
        return f"JOIN {item.title} USING ({shared})"
    return f"JOIN {item.title} ON {first.title}.… = {item.title}.…"


def _alias(node: exp.Expr) -> str | None:
    alias = node.args.get("alias")
    return None if alias is None or alias.this is None else str(alias.this.this)


def _names(alias: str | None, table: TableName) -> tuple[frozenset[tuple[str, ...]], str]:
    if alias is not None:
        return frozenset({(fold(alias),)}), alias
    return frozenset({(fold(table.name),), (fold(table.schema), fold(table.name))}), table.name


def conjuncts(predicate: Expression) -> tuple[Expression, ...]:
    """The parts of an AND, or the predicate itself."""
    return predicate.arguments if isinstance(predicate, Call) and predicate.function == "and" else (predicate,)


def _links(part: Expression, left: frozenset[int]) -> bool:
    """Whether the part is an equality between something of the left side and something of the right."""
    if not isinstance(part, Call) or part.function != "=":
        return False
    sides = [{ref.relation in left for ref in column_refs(argument)} for argument in part.arguments]
    return sides in ([{True}, {False}], [{False}, {True}])
