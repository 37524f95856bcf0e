"""What a question does with columns of tokens: they are joined, counted, and used for nothing else.

Every place where such a column stands is looked at, also under another name above a subquery. What is let through
has one meaning whichever distinct values stand for the ids: so a worker may read the ids that the government has
itself in place of their tokens, and the answer is the one over ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, column_refs
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    Limit,
    Project,
    Relation,
    Scan,
    Sort,
    Union,
    Window,
    expressions,
    walk,
)
from louver_sandbox.catalog.model import Column, SpaceKind
from louver_sandbox.encrypted_core import TokenUse
from louver_sandbox.plan.conditions import conjunction
from louver_sandbox.refusals.encrypted.tokens import misused
from louver_sandbox.stages import Bound

Origin = tuple[int, str]
"""A base column: the scan's id and the column's name."""


def token_uses(bound: Bound, source_of: Callable[[Scan], str]) -> tuple[TokenUse, ...]:
    """The columns of tokens that the question reads, each with the published columns that it is joined with.

    Raises:
        Refused: LVR-5326, one is used otherwise than to join, to count, or to ask whether it is null.
    """
    nodes = tuple(walk(bound.relation))
    known = {node.id: bound.catalog.tables[node.table] for node in nodes if isinstance(node, Scan)}
    if not any(column.tokens for table in known.values() for column in table.columns):
        return ()
    origins = _origins(nodes)
    columns = {origin: known[origin[0]].column(origin[1]) for origin in set(origins.values())}
    government = {id_ for id_, table in known.items() if table.space is SpaceKind.GOVERNMENT}
    reading = _Reading(bound.relation, origins, {o: c for o, c in columns.items() if c is not None}, government)
    joined = [pair for node in nodes for pair in reading.joins(node)]
    aliases = {node.id: source_of(node) for node in nodes if isinstance(node, Scan)}
    published: dict[tuple[str, str], dict[tuple[str, str], None]] = {}
    for own, (scan, name) in joined:
        published.setdefault((own.element, own.tokens), {})[(aliases[scan], name)] = None
    found: dict[tuple[str, str], TokenUse] = {}
    for (scan, name), column in sorted(reading.columns.items(), key=lambda item: (item[0][0], item[0][1])):
        if column.tokens:
            beside = tuple(sorted(published.get((column.element, column.tokens), ())))
            use = TokenUse(aliases[scan], name, column.element, column.tokens, beside)
            found.setdefault((use.source, use.column), use)
    return tuple(found.values())


def _origins(nodes: tuple[Relation, ...]) -> dict[Origin, Origin]:
    """For each column that a relation offers as it stands in a table: which column that is."""
    found: dict[Origin, Origin] = {}
    for node in reversed(nodes):
        match node:
            case Scan():
                found |= {(node.id, name): (node.id, name) for name in node.columns}
            case Project() | Aggregate():
                named = node.columns if isinstance(node, Project) else node.keys
                for one in named:
                    if isinstance(one.expression, ColumnRef) and (origin := found.get(_of(one.expression))):
                        found[(node.id, one.name)] = origin
            case _:
                continue
    return found


def _of(ref: ColumnRef) -> Origin:
    return ref.relation, ref.name


class _Reading:
    """One question: what its columns are, and where those of tokens stand."""

    def __init__(
        self, top: Relation, origins: Mapping[Origin, Origin], columns: Mapping[Origin, Column], government: set[int]
    ) -> None:
        self._top = top
        self._origins = origins
        self._government = government
        self.columns = columns

    def joins(self, node: Relation) -> Iterator[tuple[Column, Origin]]:
        """The columns of tokens that this node joins, each with a published column. Raises `Refused` LVR-5326."""
        match node:
            case Scan() | Limit():
                return
            case Project():
                self._shown(node)
            case Filter():
                yield from self._conditions(node.predicate)
            case Join():
                yield from self._conditions(node.condition)
            case Aggregate():
                yield from self._aggregate(node)
            case Union():
                self._union(node)
            case Sort() | Window():
                self._none(expressions(node), "nothing is ordered or partitioned by it", "不能用于排序或窗口分区")

    def _token(self, expression: Expression) -> Column | None:
        """The column of tokens that the expression is; None for anything else."""
        if not isinstance(expression, ColumnRef):
            return None
        column = self.columns.get(self._origins.get(_of(expression), (-1, "")))
        return column if column is not None and column.tokens else None

    def _tokens_in(self, expression: Expression) -> list[ColumnRef]:
        return [ref for ref in column_refs(expression) if self._token(ref) is not None]

    def _none(self, several: tuple[Expression, ...], what: str, what_zh: str) -> None:
        for ref in (ref for expression in several for ref in self._tokens_in(expression)):
            raise misused(ref.name, what, what_zh, ref.at)

    def _shown(self, node: Project) -> None:
        for one in node.columns:
            if node is self._top or self._token(one.expression) is None:
                self._none((one.expression,), "it is never shown, nor computed with", "不能输出，也不能参与计算")

    def _union(self, node: Union) -> None:
        for side in (node.left, node.right):
            columns = tuple(one.expression for one in side.columns)
            self._none(columns, "it is in no column of a UNION", "不能出现在 UNION 的列中")

    def _aggregate(self, node: Aggregate) -> Iterator[tuple[Column, Origin]]:
        for key in node.keys:
            if self._token(key.expression) is None:
                self._none((key.expression,), "nothing is computed from it", "不能参与计算")
        for measure in node.measures:
            call = measure.expression
            if not isinstance(call, AggregateCall):
                self._none((call,), "nothing is computed from it", "不能参与计算")
                continue
            if call.where is not None:
                yield from self._conditions(call.where)
            counted = call.function in ("count", "grouping") and all(map(self._is_plain, call.arguments))
            if not counted:
                self._none(
                    call.arguments, "it is counted, and no other aggregate is of it", "只能计数，不能作其他聚合"
                )

    def _is_plain(self, expression: Expression) -> bool:
        return self._token(expression) is not None or not self._tokens_in(expression)

    def _conditions(self, condition: Expression) -> Iterator[tuple[Column, Origin]]:
        for part in conjunction((condition,)):
            if not self._tokens_in(part):
                continue
            match part:
                case Call(function="=", arguments=(left, right)):
                    if (pair := self._equality(left, right)) is not None:
                        yield pair
                case Call(function="is_null", arguments=(inner,)) if self._token(inner) is not None:
                    continue
                case Call(function="not", arguments=(Call(function="is_null", arguments=(inner,)),)) if self._token(
                    inner
                ):
                    continue
                case _:
                    what = "it is compared by = alone, as a condition of its own"
                    self._none((part,), what, "只能单独以 = 作比较")

    def _equality(self, left: Expression, right: Expression) -> tuple[Column, Origin] | None:
        """The pair where tokens meet a published column, None where they meet tokens of the institution's own."""
        if self._token(left) is None:
            left, right = right, left
        own, other = self._token(left), self._token(right)
        ref = [*self._tokens_in(left), *self._tokens_in(right)][0]
        if own is None:
            raise misused(ref.name, "nothing is computed from it", "不能参与计算", ref.at)
        if isinstance(right, Literal):
            raise misused(ref.name, "it is compared with no value", "不能与常量比较", ref.at)
        if other is not None:
            if (other.element, other.tokens) == (own.element, own.tokens):
                return None
            raise misused(
                ref.name,
                "it is joined with tokens of the same element and key",
                "只能与同一数据元、同一密钥的令牌连接",
                ref.at,
            )
        origin = self._origins.get(_of(right)) if isinstance(right, ColumnRef) else None
        column = None if origin is None else self.columns.get(origin)
        if origin is None or column is None or origin[0] not in self._government or column.element != own.element:
            what = f"it is joined with a government column whose data element is {own.element}, as it stands there"
            raise misused(ref.name, what, f"只能与数据元为 {own.element} 的政府列原值连接", ref.at)
        return own, origin
