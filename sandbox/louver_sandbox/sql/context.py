"""What is shared while one query is bound: the catalogue as the caller sees it, ids, limits and positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from louver_sandbox.algebra.expressions import AggregateCall, Call, Expression, Value, children
from louver_sandbox.algebra.types import Position
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql.functions import RULES
from louver_sandbox.sql.grammar import place_of
from louver_sandbox.sql.lexical import LIMITS, Limits, Source


@dataclass(frozen=True)
class Text:
    """The text names stand in. Inside a view everything stands where the view is named (`fixed`)."""

    source: Source
    fixed: Position | None = None

    def at(self, node: exp.Expr) -> Position | None:
        """Where the node stands in the caller's own text."""
        if self.fixed is not None:
            return self.fixed
        place = place_of(node, self.source)
        return None if place is None else self.source.position(place[0], place[1] + 1)


@dataclass
class Context:
    """Counters of one binding; used by one thread and thrown away with it."""

    catalog: Catalog
    space: str
    parameters: Mapping[str, Value]
    limits: Limits = LIMITS
    dialect: str = "duckdb"
    decimals: dict[tuple[int, str], int] = field(default_factory=dict)
    _ids: int = 0
    _blocks: int = 0
    _aliases: int = 0
    _weights: dict[int, tuple[Expression, int]] = field(default_factory=dict)

    def new_id(self) -> int:
        """The next relation id, from 1."""
        self._ids += 1
        return self._ids

    def take_over(self, other: Context) -> None:
        """Continues counting where a context made from this one (for a view) has got to."""
        self._ids, self._blocks = other._ids, other._blocks

    def enter_alias(self, at: Position | None) -> None:
        """Counts one more use of an alias of the SELECT list; each copies what the alias stands for."""
        self._aliases += 1
        if self._aliases > self.limits.aliases:
            raise refusals.too_complex("uses of aliases", "别名引用", self.limits.aliases, at)

    def enter_block(self, at: Position | None) -> None:
        """Counts one more table, view, CTE use or derived table."""
        self._blocks += 1
        if self._blocks > self.limits.blocks:
            raise refusals.too_complex("tables and subqueries", "表与子查询", self.limits.blocks, at)

    def weighed(self, expression: Expression) -> Expression:
        """The same expression, after checking how large the engine's binder will make it.

        The engine copies some arguments (NULLIF is a macro with its first argument twice), so that 18 of them inside
        one another took it 67 s; aliases and BETWEEN copy expressions here.
        """
        match expression:
            case Call() | AggregateCall():
                types = tuple(part.type for part in expression.arguments)
                mentions = RULES[expression.function].mentions(types)
                weight = 1 + sum(
                    self._weight(part) * (mentions[index] if index < len(mentions) else 1)
                    for index, part in enumerate(children(expression))
                )
            case _:
                weight = 1
        if weight > self.limits.weight:
            raise refusals.too_complex(
                "parts in one expression", "单个表达式的组成部分", self.limits.weight, expression.at
            )
        # The expression is kept beside its weight, so that its id cannot be taken over by another object.
        self._weights[id(expression)] = (expression, weight)
        return expression

    def _weight(self, expression: Expression) -> int:
        known = self._weights.get(id(expression))
        return known[1] if known is not None else 1
