"""The second stage: every name resolved against what the caller may see; out comes a relation tree of our own.

An unknown table and one the caller may not see are the same case, since the catalogue that is handed in holds only
what this caller may see. Views and CTEs are bound again at every use, so that their columns keep their lineage.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from louver_sandbox.algebra.expressions import ColumnRef, Named
from louver_sandbox.algebra.relations import Limit, Project, Sort
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql.blocks import SelectBlock
from louver_sandbox.sql.clauses import Item, limit_of, order_keys
from louver_sandbox.sql.context import Context, Text
from louver_sandbox.sql.expressions import Binder, Names
from louver_sandbox.sql.implied import implied
from louver_sandbox.sql.lineage import uses
from louver_sandbox.sql.narrow import narrow
from louver_sandbox.sql.scopes import FromItem, Scope, fold
from louver_sandbox.sql.sources import Cte, Environment, Sources, column_aliases
from louver_sandbox.sql.subqueries import MISPLACED, BoundQuery, Purpose, strays
from louver_sandbox.sql.unions import combine
from louver_sandbox.sql.windowing import check_rows, misplaced
from louver_sandbox.stages import Bound, OutputColumn, Parsed


def bind(parsed: Parsed, catalog: Catalog, *, about_one: bool = False) -> Bound:
    """The query over `catalog`, which holds only what the caller may see. Raises `Refused` (LVR-1xxx).

    `about_one`: the query will be cut down to one subject, whose single rows windows may rank.
    """
    request = parsed.request
    context = Context(catalog, request.subject.institution, request.parameters, dialect=request.dialect)
    if not isinstance(parsed.tree, (exp.Select, exp.SetOperation, exp.Subquery)):
        raise refusals.not_a_select(None)
    environment = Environment(Text(parsed.source), {})
    try:
        project = _Query(context, environment).bind(parsed.tree, outermost=True).project
        if not about_one:
            check_rows(project, catalog)
        relation = narrow(project)
    except RecursionError:
        raise refusals.too_deep(None) from None
    columns = tuple(OutputColumn(named.name, named.expression.type) for named in relation.columns)
    return Bound(request, relation, columns, uses(relation, catalog, context.limits), implied(relation), catalog)


class _Query:
    """Binds one query: a SELECT or a set operation, with its WITH. `outer` is the scope of the query around it."""

    def __init__(self, context: Context, environment: Environment, outer: Scope | None = None) -> None:
        self.context = context
        self.environment = environment
        self.text = environment.text
        self.outer = outer

    def bind(self, node: exp.Expr, purpose: Purpose = Purpose.ROWS, *, outermost: bool = False) -> BoundQuery:
        """The query as its tower of relations."""
        while type(node) is exp.Subquery:
            node = node.this
        self._define(node)
        if isinstance(node, exp.SetOperation):
            made = self._set_operation(node, outermost)
        elif type(node) is exp.Select:
            made = self._select(node, purpose, outermost)
        else:
            raise refusals.not_a_select(self.text.at(node))
        stray = strays(made.project) if self.outer is not None else None
        if stray is not None:
            raise refusals.correlation_unsupported(stray.at)
        return made

    def _define(self, node: exp.Expr) -> None:
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
            defined = Cte(cte.this, self.environment, column_aliases(cte))
            self.environment = Environment(self.text, {**self.environment.ctes, name: defined})

    def _select(self, node: exp.Select, purpose: Purpose, outermost: bool) -> BoundQuery:
        source = node.args.get("from_")
        if source is None:
            raise refusals.no_table(self.text.at(node))
        sources = Sources(self.context, self.environment, self._derived, self.outer)
        from_, scope = sources.of(source.this, node.args.get("joins") or [])
        scope = replace(scope, outer=self.outer)

        def inner(query: exp.Expr, wanted: Purpose) -> BoundQuery:
            return _Query(self.context, self.environment, scope).bind(query, wanted)

        return SelectBlock(self.context, node, self.text, scope, from_, inner).bind(purpose, outermost)

    def _derived(self, context: Context, node: exp.Expr, environment: Environment) -> Project:
        outer = self.outer if environment is self.environment else None
        return _Query(context, environment, outer).bind(node).project

    # set operations

    def _set_operation(self, node: exp.SetOperation, outermost: bool) -> BoundQuery:
        left = _Query(self.context, self.environment, self.outer).bind(node.this).project
        right = _Query(self.context, self.environment, self.outer).bind(node.expression).project
        relation, items = combine(self.context, node, left, right, self.text.at(node.expression))
        limit = limit_of(self.context, node, self.text, outermost)
        if outermost and node.args.get("order") is not None:
            keys = order_keys(node.args["order"], items, self.text, self._over(items).bind)
            relation = Sort(relation, keys) if keys else relation
        relation = Limit(relation, *limit) if limit is not None else relation
        columns = tuple(Named(item.name, item.expression) for item in items)
        project = Project(self.context.new_id(), relation, columns)
        values = tuple(ColumnRef(project.id, item.name, item.expression.type) for item in items)
        return BoundQuery(project, values)

    def _over(self, items: list[Item]) -> Binder:
        """Reads the ORDER BY of a set operation: names are those of its columns."""
        refs = {item.name: item.expression for item in items if isinstance(item.expression, ColumnRef)}
        scope = Scope((FromItem(frozenset(), "SELECT", refs),))
        place = ("ORDER BY of a set operation", "集合运算的 ORDER BY")
        special = {**MISPLACED, exp.Window: misplaced}
        return Binder(self.context, Names(scope, self.text, place=place, special=special))
