"""Which rights a query needs, found again in the naivest way: names looked up in sqlglot's tree of the text itself.

Nothing is shared with the binder or with `sql/lineage.py`. It knows the generated schema's full column names
(`alias.column`) only, and asks for less than the product where the product has finer rules: a column that it finds
used without a right is certainly used so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import TypeGuard

import sqlglot
from sqlglot import exp

Rights = Mapping[str, Mapping[str, frozenset[str]]]
"""By table and column; tables that are not here are the caller's own."""

UNITS = ("uscc", "person_id", "id_no")
LINKING = ("join_key", "filter")
WAYS = ("", "key", "aggregate", "whole")
"""How a column comes to a place: as it is, as a key, inside an aggregate, or inside one over everything. Of several
on the way the last of these tells what it is now: a sum of keys is a sum."""


@dataclass(frozen=True)
class Origin:
    """A base column behind a reference, and how it came, one of `WAYS`."""

    table: str
    column: str
    came: str = ""


@dataclass
class Block:
    """One SELECT: what its FROM names stand for, the block around it, and if an aggregating block is above it."""

    node: exp.Select
    below_groups: bool
    outer: Block | None = None
    sources: dict[str, str | list[Block]] = field(default_factory=dict)

    @property
    def grouped(self) -> bool:
        return bool(self.node.args.get("group")) or any(_own(self.node, exp.AggFunc, self.node.expressions))

    @property
    def keyed(self) -> bool:
        return self.grouped or bool(self.node.args.get("distinct"))

    @property
    def whole(self) -> bool:
        return self.grouped and not self.node.args.get("group")


def _own(root: exp.Expr, kind: type[exp.Expr], parts: Sequence[exp.Expr]) -> Iterator[exp.Expr]:
    """Nodes of a kind in the parts that belong to this SELECT and not to one inside it, windows left out."""
    for part in parts:
        for node in part.find_all(kind):
            if node.find_ancestor(exp.Select) is root and node.find_ancestor(exp.Window, exp.Select) is root:
                yield node


def _measures(block: Block, parts: Sequence[exp.Expr]) -> Iterator[exp.Expr]:
    return (call for call in _own(block.node, exp.AggFunc, parts) if type(call) is not exp.Grouping)


def used_without_right(sql: str, rights: Rights) -> list[str]:
    """What the query does with columns that it has no right to do."""
    tree = sqlglot.parse_one(sql, dialect="duckdb")
    checker = _Checker(rights)
    checker.top(tree)
    return sorted(checker.found)


def _given(tree: exp.Expr) -> list[exp.Expr]:
    """The SELECTs an answer's values come from: of EXCEPT and INTERSECT those of the left side."""
    if isinstance(tree, exp.Subquery):
        return _given(tree.this)
    if isinstance(tree, exp.SetOperation):
        return _given(tree.left) + (_given(tree.right) if isinstance(tree, exp.Union) else [])
    return [tree]


_COMPARED = {exp.LT: lt, exp.GT: gt, exp.LTE: le, exp.GTE: ge, exp.EQ: eq, exp.NEQ: ne}


def _is_false(part: exp.Expr) -> bool:
    """Whether a condition is FALSE whatever the data: two numbers are compared, beside anything else."""
    match part:
        case exp.Paren():
            return _is_false(part.this)
        case exp.And():
            return _is_false(part.left) or _is_false(part.right)
        case exp.LT() | exp.GT() | exp.LTE() | exp.GTE() | exp.EQ() | exp.NEQ():
            sides = (part.left, part.right)
            if not all(isinstance(side, exp.Literal) and side.is_number for side in sides):
                return False
            one, other = (Decimal(side.name) for side in sides)
            return not _COMPARED[type(part)](one, other)
        case _:
            return False


def _is_negated_difference(comparison: exp.Expr | None) -> TypeGuard[exp.NEQ]:
    """Whether NOT stands before a comparison by <>, which makes it an equality."""
    around = comparison.parent if comparison is not None else None
    while isinstance(around, exp.Paren):
        around = around.parent
    return isinstance(comparison, exp.NEQ) and isinstance(around, exp.Not)


class _Checker:
    def __init__(self, rights: Rights) -> None:
        self.rights = rights
        self.found: set[str] = set()
        self.ctes: dict[str, exp.Expr] = {}

    def top(self, tree: exp.Expr) -> None:
        blocks = self.blocks(tree, None, below_groups=False)
        for block in blocks:
            for item in block.node.expressions:
                self.shown(item, block)
        order, given = tree.args.get("order"), _given(tree)
        for key in order.expressions if order is not None else ():
            place = int(key.this.name) - 1
            for block in blocks:
                if any(block.node is one for one in given):
                    self.columns(block.node.expressions[place], block, "order")

    def blocks(self, tree: exp.Expr, outer: Block | None, *, below_groups: bool) -> list[Block]:
        """The SELECTs a query is made of, each with everything in it checked but its select list."""
        for cte in tree.args["with_"].expressions if tree.args.get("with_") else ():
            self.ctes[cte.alias] = cte.this
        if isinstance(tree, exp.Subquery):
            return self.blocks(tree.this, outer, below_groups=below_groups)
        if isinstance(tree, exp.SetOperation):
            sides = (tree.left, tree.right)
            return [one for side in sides for one in self.blocks(side, outer, below_groups=below_groups)]
        assert isinstance(tree, exp.Select)
        block = Block(tree, below_groups, outer)
        self.sources(block)
        self.clauses(block)
        return [block]

    def sources(self, block: Block) -> None:
        joins = block.node.args.get("joins") or []
        for item in (block.node.args["from_"].this, *(join.this for join in joins)):
            below = block.below_groups or block.grouped
            if isinstance(item, exp.Table) and item.db:
                block.sources[item.alias] = f"{item.db}.{item.name}"
            else:
                query = self.ctes[item.name] if isinstance(item, exp.Table) else item.this
                block.sources[item.alias] = self.blocks(query, None, below_groups=below)
        for join in joins:
            for name in join.args.get("using") or ():
                for alias in block.sources:
                    self.need_name(alias, name.name, block)
            if join.args.get("on") is not None:
                self.condition(join.args["on"], block)

    def need_name(self, alias: str, name: str, block: Block) -> None:
        source = block.sources[alias]
        if isinstance(source, str) and name not in self.rights.get(source, {}):
            return
        if not isinstance(source, str) and name not in source[0].node.named_selects:
            return
        self.columns(exp.column(name, table=alias), block, *LINKING)

    def clauses(self, block: Block) -> None:
        node = block.node
        if node.args.get("where") is not None:
            self.condition(node.args["where"].this, block)
        if node.args.get("group") is not None:
            for part in node.args["group"].find_all(exp.Column):
                self.columns(part, block, "group_key")
        if node.args.get("distinct") is not None and not self.over_groups(block):
            for item in node.expressions:
                self.columns(item, block, "group_key")
        if node.args.get("having") is not None:
            having = node.args["having"].this
            for call in _measures(block, [having]):
                self.measure(call, block)
            for column in _own(node, exp.Column, [having]):
                if not isinstance(column.find_ancestor(exp.AggFunc, exp.Select), exp.AggFunc):
                    self.columns(column, block, "filter")
            self.subqueries(having, block, below_groups=block.below_groups)
        for window in node.find_all(exp.Window):
            if window.find_ancestor(exp.Select) is node and window.args.get("order") is not None:
                self.columns(window.args["order"], block, "order")

    def over_groups(self, block: Block) -> bool:
        return block.grouped or all(
            not isinstance(source, str) and all(self.over_groups(inner) for inner in source)
            for source in block.sources.values()
        )

    def subqueries(self, part: exp.Expr, block: Block, *, below_groups: bool) -> None:
        for query in part.find_all(exp.Select):
            if query.parent_select is block.node:
                for inner in self.blocks(query, block, below_groups=below_groups):
                    if not isinstance(query.parent, exp.Exists):
                        for item in inner.node.expressions:
                            self.sought(item, inner)

    def sought(self, item: exp.Expr, block: Block) -> None:
        """The select list of IN (SELECT ...) or of a scalar subquery."""
        for call in _measures(block, [item]):
            self.measure(call, block)
        if not block.grouped:
            self.columns(item, block, *LINKING)

    def condition(self, part: exp.Expr, block: Block) -> None:
        self.subqueries(part, block, below_groups=block.below_groups or block.grouped)
        if _is_false(part):
            # Nothing that stands beside it decides anything.
            return
        for column in _own(block.node, exp.Column, [part]):
            parent = column.parent
            pair = (isinstance(parent, exp.EQ) or _is_negated_difference(parent)) and all(
                isinstance(side, exp.Column) for side in (parent.left, parent.right)
            )
            within = isinstance(parent, exp.In) and parent.args.get("query") is not None
            self.columns(column, block, *(LINKING if pair or within else ("filter",)))

    def shown(self, item: exp.Expr, block: Block) -> None:
        for call in _measures(block, [item]):
            self.measure(call, block)
        if not block.grouped:
            self.columns(item, block, "group_key" if block.keyed else "output", *(("output",) if block.keyed else ()))

    def measure(self, call: exp.Expr, block: Block) -> None:
        """An aggregate's argument; what a CASE or a FILTER tests is a filter."""
        around = call.parent if isinstance(call.parent, exp.Filter) else call
        for column in around.find_all(exp.Column):
            tested = column.find_ancestor(exp.If, exp.Where, exp.Select)
            in_test = isinstance(tested, exp.Where) or (
                isinstance(tested, exp.If) and any(column is node for node in tested.this.walk())
            )
            self.columns(column, block, "filter" if in_test else "aggregate")

    def columns(self, part: exp.Expr, block: Block, *needed: str) -> None:
        """Each base column behind the part must have one of the rights; what a FILTER tests has its own, and the
        order of an aggregate needs none."""
        for column in part.find_all(exp.Column):
            within = column.find_ancestor(exp.Where, exp.AggFunc, exp.Select, exp.Order)
            if needed == ("order",) and isinstance(within, exp.Where | exp.AggFunc):
                continue
            for origin in self.origins(column, block):
                if self.excused(origin, block, needed):
                    continue
                table = self.rights.get(origin.table)
                if table is not None and needed and not table.get(origin.column, frozenset()).intersection(needed):
                    self.found.add(f"{origin.table}.{origin.column} without {' or '.join(needed)}")

    def excused(self, origin: Origin, block: Block, needed: tuple[str, ...]) -> bool:
        """Released values may be shown, ordered, joined, grouped again and, where all rows are cells, added up; a
        comparison with a total is none with its rows."""
        if origin.came == "whole" or (origin.came == "aggregate" and needed == ("order",)):
            return True
        if origin.came and ((not block.below_groups and not block.grouped) or self.over_cells(block)):
            summed = {"aggregate"} if self.over_cells(block) else set()
            return not {"output", "join_key", "group_key", *summed}.isdisjoint(needed) or (
                origin.came == "aggregate" and needed == ("filter",)
            )
        return False

    def over_cells(self, block: Block) -> bool:
        """Whether all rows of the FROM are the caller's own or cells, none of them a single unit's."""
        sources = block.sources.values()
        return all(
            source not in self.rights if isinstance(source, str) else all(map(self.makes_cells, source))
            for source in sources
        )

    def makes_cells(self, block: Block) -> bool:
        if self.over_cells(block):
            return True
        group = block.node.args.get("group")
        keys = [group] if group is not None else block.node.expressions if block.node.args.get("distinct") else []
        behind = {
            one.column for key in keys for item in key.find_all(exp.Column) for one in self.origins(item, block)
        }
        return (block.grouped or bool(keys)) and behind.isdisjoint(UNITS)

    def origins(self, column: exp.Column, block: Block) -> set[Origin]:
        at: Block | None = block
        while at is not None and column.table not in at.sources:
            at = at.outer
        assert at is not None, "the generator qualifies every column"
        source = at.sources[column.table]
        if isinstance(source, str):
            return {Origin(source, column.name)}
        place = source[0].node.named_selects.index(column.name)
        return {origin for inner in source for origin in self.behind(inner.node.expressions[place], inner)}

    def behind(self, item: exp.Expr, block: Block) -> Iterator[Origin]:
        for call in _measures(block, [item]):
            self.measure(call, block)
        for column in item.find_all(exp.Column):
            inside = isinstance(column.find_ancestor(exp.AggFunc, exp.Select), exp.AggFunc)
            around = column.find_ancestor(exp.AggFunc, exp.Where, exp.Select)
            if isinstance(around, exp.Grouping | exp.Where):
                continue
            for origin in self.origins(column, block):
                came = "whole" if block.whole else "aggregate" if inside else "key" if block.keyed else origin.came
                yield Origin(origin.table, origin.column, max(origin.came, came, key=WAYS.index))
