"""Subqueries as joins.

IN and EXISTS keep the rows that have a partner (a semi join), NOT IN and NOT EXISTS those that have none (an anti
join), and a subquery used as a value is a left join to the one row it gives. Columns of the outer query may stand in
the subquery's own WHERE: those comparisons become part of the join (the usual decorrelation; Neumann and Kemper,
"Unnesting Arbitrary Queries", BTW 2015, describe the general case, which is not needed here).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from sqlglot import exp

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, Named, column_refs
from louver_sandbox.algebra.relations import (
    Aggregate,
    Join,
    JoinKind,
    Project,
    Relation,
    Scan,
    Union,
    Window,
    expressions,
    walk,
)
from louver_sandbox.algebra.types import INTEGER, Position
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql import calls
from louver_sandbox.sql.context import Context, Text
from louver_sandbox.sql.expressions import Binder, Handler, has_aggregate
from louver_sandbox.sql.functions import RULES
from louver_sandbox.sql.joins import conjunction, gives_one_row
from louver_sandbox.sql.nullability import Column, is_present, present


class Purpose(Enum):
    """What a query is wanted for: its rows, whether it has any, its values to compare with, or its one value."""

    ROWS = auto()
    EXISTS = auto()
    MEMBER = auto()
    SCALAR = auto()


@dataclass(frozen=True, slots=True)
class BoundQuery:
    """A bound query. `values` are over the columns of `project`: what IN compares, or the one value.

    `condition` is what its WHERE said about the query around it, over the columns of `project` and of that query.
    `single` says that one row at most meets it, whatever the data.
    """

    project: Project
    values: tuple[Expression, ...]
    condition: tuple[Expression, ...] = ()
    single: bool = False


@dataclass(frozen=True, slots=True)
class Attachment:
    """A join that stands for a subquery: to what it belongs is on the left."""

    kind: JoinKind
    right: Project
    condition: Expression

    def to(self, left: Relation, condition: Expression | None = None) -> Join:
        """The join."""
        return Join(self.kind, left, self.right, self.condition if condition is None else condition)


Tested = Attachment | Expression
"""What a condition with a subquery becomes: a join, or a predicate over a value that was attached."""

_ROWS = AggregateCall("count", (), INTEGER)

BindInner = Callable[[exp.Expr, Purpose], BoundQuery]


@dataclass
class Subqueries:
    """The subqueries of one SELECT. `relations` are those of its FROM; `values` collects the left joins to values."""

    context: Context
    text: Text
    relations: Collection[int]
    columns_present: Callable[[], frozenset[Column]]
    bind_inner: BindInner
    values: list[Attachment] = field(default_factory=list)
    known: dict[int, Expression] = field(default_factory=dict)

    def value(self, binder: Binder, node: exp.Expr) -> Expression:
        """A subquery used as a value. Raises LVR-1311 and LVR-1312."""
        if id(node) not in self.known:
            inner = self.bind_inner(node, Purpose.SCALAR)
            if len(inner.values) != 1:
                raise refusals.subquery_shape(1, self.text.at(node))
            if inner.single or gives_one_row(inner.project):
                condition = conjunction(self.context, inner.condition)
                self.values.append(Attachment(JoinKind.LEFT, inner.project, condition))
                found = inner.values[0]
            else:
                found = self._only(inner, self.text.at(node))
            self.known[id(node)] = replace(found, at=self.text.at(node))
        return self.known[id(node)]

    def _only(self, inner: BoundQuery, at: Position | None) -> Expression:
        """The value where exactly one row has it. Standard SQL fails on several rows; here nothing fails on data, and
        what has no result is NULL."""
        kind = inner.values[0].type
        if RULES["max"].result((kind,)) != kind:
            raise refusals.subquery_shape(1, at)
        largest = AggregateCall("max", inner.values, kind, at=at)
        count, value = self._per_compared(inner.project, inner.condition, (_ROWS, largest))
        one = calls.call(self.context, "=", (count, Literal(1, INTEGER)))
        return calls.call(self.context, "case", (one, value, calls.null()))

    def test(self, binder: Binder, node: exp.Expr, negated: bool) -> Tested | None:
        """IN, EXISTS, `= ANY` or `<> ALL` over a subquery; None for any other condition."""
        if type(node) is exp.Exists:
            return self._existence(node, negated)
        found = _membership(node)
        return None if found is None else self._member(binder, node, found[0], found[1], negated is not found[2])

    def existence(self, binder: Binder, node: exp.Expr) -> Expression:
        """EXISTS inside an expression, as a count that is left joined. Raises LVR-1311."""
        if id(node) not in self.known:
            inner = self.bind_inner(node.this, Purpose.EXISTS)
            is_alone = not inner.condition
            found = self._counted(inner.project, False) if is_alone else self._marked(inner.project, inner.condition)
            self.known[id(node)] = replace(found, at=self.text.at(node))
        return self.known[id(node)]

    def member(self, binder: Binder, node: exp.Expr) -> Expression:
        """IN over a subquery inside an expression. Raises LVR-1310 where NULL would have to be told from FALSE."""
        query = node.args.get("query")
        if query is None:
            return binder.member(node)
        if id(node) not in self.known:
            inner = self.bind_inner(query, Purpose.MEMBER)
            pairs = self._pairs(binder, node.this, inner, self.text.at(node))
            if not _only_truth_counts(node) and not self._is_certain(inner.project, pairs):
                raise refusals.subquery_misplaced(self.text.at(node))
            same = [calls.call(self.context, "=", pair) for pair in pairs]
            found = self._marked(inner.project, (*same, *inner.condition))
            self.known[id(node)] = replace(found, at=self.text.at(node))
        return self.known[id(node)]

    def _existence(self, node: exp.Expr, negated: bool) -> Tested:
        inner = self.bind_inner(node.this, Purpose.EXISTS)
        if not inner.condition:
            return self._counted(inner.project, negated)
        return self._attached(inner.project, inner.condition, negated)

    def _member(self, binder: Binder, node: exp.Expr, operand: exp.Expr, query: exp.Expr, negated: bool) -> Tested:
        at = self.text.at(node)
        inner = self.bind_inner(query, Purpose.MEMBER)
        pairs = self._pairs(binder, operand, inner, at)
        same = conjunction(self.context, [calls.call(self.context, "=", pair, at) for pair in pairs])
        if negated and not self._is_certain(inner.project, pairs):
            # A comparison with NULL is unknown, and NOT IN holds only where no comparison is (ISO 9075-2, 8.4).
            same = calls.call(self.context, "coalesce", (same, calls.true()), at)
        return self._attached(inner.project, (same, *inner.condition), negated)

    def _pairs(
        self, binder: Binder, operand: exp.Expr, inner: BoundQuery, at: Position | None
    ) -> list[tuple[Expression, Expression]]:
        written = operand.expressions if type(operand) is exp.Tuple else [operand]
        operands = [binder.bind(part) for part in written]
        if len(operands) != len(inner.values):
            raise refusals.subquery_shape(len(operands), at)
        return list(zip(operands, inner.values, strict=True))

    def _is_certain(self, project: Project, pairs: Sequence[tuple[Expression, Expression]]) -> bool:
        theirs = present(project, self.context.catalog)
        ours = self.columns_present()
        return all(is_present(one, ours) and is_present(other, theirs) for one, other in pairs)

    def _attached(self, right: Project, condition: Sequence[Expression], negated: bool) -> Tested:
        whole = conjunction(self.context, condition)
        if not has_aggregate(whole) and all(ref.relation == right.id for ref in column_refs(whole)):
            return self._counted(right, negated, whole)
        return Attachment(JoinKind.ANTI if negated else JoinKind.SEMI, right, whole)

    def _counted(self, inner: Project, negated: bool, condition: Expression | None = None) -> Expression:
        """A question about the subquery alone: how many rows it has, as a value of one row."""
        (rows,) = self._per_compared(inner, (), (replace(_ROWS, where=condition),))
        return calls.call(self.context, "=" if negated else ">", (rows, Literal(0, INTEGER)))

    def _marked(self, inner: Project, condition: Sequence[Expression]) -> Expression:
        """Whether a row has a partner in the subquery, as a value: how many rows there are for what is compared."""
        (rows,) = self._per_compared(inner, condition, (_ROWS,))
        zero = Literal(0, INTEGER)
        return calls.call(self.context, ">", (calls.call(self.context, "coalesce", (rows, zero)), zero))

    def _per_compared(
        self, inner: Project, condition: Sequence[Expression], measures: Sequence[AggregateCall]
    ) -> list[ColumnRef]:
        """Aggregates of the subquery's rows, left joined for what is compared by `=`. Raises LVR-1311."""
        sides = [equated(part, {inner.id}) for part in condition]
        keys = tuple(Named(f"k{index}", side) for index, (_, side) in enumerate(sides, start=1))
        counted = tuple(Named(f"m{index}", measure) for index, measure in enumerate(measures, start=1))
        aggregate = Aggregate(self.context.new_id(), inner, keys, counted)
        columns = tuple(
            Named(item.name, ColumnRef(aggregate.id, item.name, item.expression.type)) for item in (*keys, *counted)
        )
        made = Project(self.context.new_id(), aggregate, columns)
        on = [
            calls.call(self.context, "=", (outer, ColumnRef(made.id, key.name, key.expression.type)))
            for (outer, _), key in zip(sides, keys, strict=True)
        ]
        self.values.append(Attachment(JoinKind.LEFT, made, conjunction(self.context, on)))
        return [ColumnRef(made.id, item.name, item.expression.type) for item in counted]


def _only_truth_counts(node: exp.Expr) -> bool:
    """Whether what stands around a condition treats unknown like false: ANDs and ORs up to a WHERE or a CASE."""
    place: exp.Expr | None = node
    while place is not None and type(place.parent) in (exp.And, exp.Or, exp.Paren):
        place = place.parent
    around = None if place is None else place.parent
    is_case = type(around) is exp.If and around.this is place
    return type(around) in (exp.Where, exp.Having, exp.Qualify) or is_case


def _membership(node: exp.Expr) -> tuple[exp.Expr, exp.Expr, bool] | None:
    """Operand, subquery, and whether it is NOT IN."""
    if type(node) is exp.In and node.args.get("query") is not None:
        return node.this, node.args["query"], False
    for kind, quantifier, negated in ((exp.EQ, exp.Any, False), (exp.NEQ, exp.All, True)):
        if type(node) is kind and type(node.expression) is quantifier:
            return node.this, node.expression.this, negated
    return None


def conditions(node: exp.Expr, negated: bool = False) -> Iterator[tuple[exp.Expr, bool]]:
    """The parts of a condition that must all hold, each with whether it is negated; NOT is pushed inwards."""
    stack = [(node, negated)]
    while stack:
        part, flipped = stack.pop()
        kind = type(part)
        if kind is exp.Paren:
            stack.append((part.this, flipped))
        elif kind is exp.Not:
            stack.append((part.this, not flipped))
        elif kind is (exp.Or if flipped else exp.And):
            stack += [(part.expression, flipped), (part.this, flipped)]
        else:
            yield part, flipped


def misplaced(binder: Binder, node: exp.Expr) -> Expression:
    """Refuses a subquery where it cannot become a join (LVR-1310)."""
    raise refusals.subquery_misplaced(binder.names.text.at(node))


def _member_of_list(binder: Binder, node: exp.Expr) -> Expression:
    return misplaced(binder, node) if node.args.get("query") is not None else binder.member(node)


MISPLACED: Mapping[type[exp.Expr], Handler] = {
    exp.Subquery: misplaced,
    exp.Exists: misplaced,
    exp.Any: misplaced,
    exp.All: misplaced,
    exp.In: _member_of_list,
}
"""How subqueries are read inside an expression; a SELECT has its own reading of one used as a value."""


# columns of the query around


def is_correlated(expression: Expression, own: Collection[int]) -> bool:
    """Whether the expression names a column of a query around the one whose relations are `own`."""
    return any(ref.relation not in own for ref in column_refs(expression))


def equated(part: Expression, own: Collection[int]) -> tuple[Expression, Expression]:
    """The outer and the inner side of a comparison by `=`. Raises LVR-1311 for any other condition."""
    if isinstance(part, Call) and part.function == "=":
        for outer_side, inner_side in (part.arguments, part.arguments[::-1]):
            theirs = {ref.relation in own for ref in column_refs(outer_side)}
            ours = {ref.relation in own for ref in column_refs(inner_side)}
            if theirs == {False} and ours == {True}:
                return outer_side, inner_side
    raise refusals.correlation_unsupported(part.at)


class Exposed:
    """Columns a subquery shows to the join's condition beyond what it selects."""

    def __init__(self, project: int) -> None:
        self.project = project
        self.columns: dict[Expression, str] = {}

    def column(self, expression: Expression) -> ColumnRef:
        """The expression as a column of the subquery."""
        name = self.columns.setdefault(expression, f"h{len(self.columns) + 1}")
        return ColumnRef(self.project, name, expression.type, expression.at)

    def over(self, expression: Expression, own: Collection[int]) -> Expression:
        """The expression with the subquery's own columns as they are seen from outside."""
        match expression:
            case ColumnRef():
                return self.column(expression) if expression.relation in own else expression
            case Call():
                return replace(expression, arguments=tuple(self.over(part, own) for part in expression.arguments))
            case _:
                return expression

    def named(self) -> tuple[Named, ...]:
        """The columns to add to the subquery's select list."""
        return tuple(Named(name, expression) for expression, name in self.columns.items())


def strays(project: Project) -> ColumnRef | None:
    """A reference inside the query to a relation outside it, None when there is none."""
    nodes = list(walk(project))
    inside = {node.id for node in nodes if isinstance(node, Scan | Project | Aggregate | Window | Union)}
    refs = (ref for node in nodes for expression in expressions(node) for ref in column_refs(expression))
    return next((ref for ref in refs if ref.relation not in inside), None)
