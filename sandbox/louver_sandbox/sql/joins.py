"""FROM as what it says, before an order is chosen: inner members that conditions link, and outer joins around them.

`FROM a, b WHERE a.x = b.x` and `a JOIN b ON a.x = b.x` are one question. So the members of inner joins, however they
are written, form one pool, and each is joined when a comparison links it to what stands before it. Comparisons in
WHERE are taken for members without a link of their own. A member that nothing links would multiply rows: refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from louver_sandbox.algebra.expressions import Call, Expression, column_refs
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Limit,
    Project,
    Relation,
    Scan,
    Sort,
    Window,
)
from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql import calls
from louver_sandbox.sql.context import Context
from louver_sandbox.sql.nullability import Column, present, shown
from louver_sandbox.sql.scopes import FromItem, fold

_EQUALITY, _RANGE = 2, 1


@dataclass(frozen=True, slots=True)
class Leaf:
    """One table, view, CTE or derived table of a FROM, and where it is named."""

    relation: Scan | Project
    item: FromItem
    at: Position | None


@dataclass(frozen=True, slots=True)
class Inner:
    """Members joined by inner joins, commas or CROSS JOIN; `conditions[i]` is what the ON of member i says."""

    members: tuple[Node, ...]
    conditions: tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True, slots=True)
class Outer:
    """A LEFT or FULL join; a RIGHT join is a LEFT join with its sides exchanged."""

    kind: JoinKind
    left: Node
    right: Node
    condition: Expression


Node = Leaf | Inner | Outer


def inner(left: Node, right: Node, condition: tuple[Expression, ...] = ()) -> Inner:
    """Both sides in one pool; the condition belongs to the last member of the right side."""
    members, conditions = _pool(left)
    more, their_conditions = _pool(right)
    last = (*their_conditions[-1], *condition)
    return Inner((*members, *more), (*conditions, *their_conditions[:-1], last))


def _pool(node: Node) -> tuple[tuple[Node, ...], tuple[tuple[Expression, ...], ...]]:
    return (node.members, node.conditions) if isinstance(node, Inner) else ((node,), ((),))


def outer(kind: JoinKind, left: Node, right: Node, condition: Expression) -> Outer:
    """An outer join whose condition equates the two sides. Raises LVR-1303."""
    if not any(_link(part, relations(left), relations(right)) == _EQUALITY for part in conjuncts(condition)):
        raise refusals.join_without_equality(rewrite(left, right), leaf_of(right).at)
    return Outer(kind, left, right, condition)


def relations(node: Node) -> frozenset[int]:
    """Ids of the relations whose columns the node offers."""
    match node:
        case Leaf():
            return frozenset({node.relation.id})
        case Inner():
            return frozenset(found for member in node.members for found in relations(member))
        case Outer():
            return relations(node.left) | relations(node.right)


def leaf_of(node: Node) -> Leaf:
    """The first leaf of the node, by which it is named in a refusal."""
    while not isinstance(node, Leaf):
        node = node.members[0] if isinstance(node, Inner) else node.left
    return node


def columns_present(node: Node, context: Context) -> frozenset[Column]:
    """The columns the node offers that are never NULL."""
    match node:
        case Leaf():
            return present(node.relation, context.catalog)
        case Inner():
            parts = [part for condition in node.conditions for part in condition]
            found = frozenset(column for member in node.members for column in columns_present(member, context))
            return found | shown(parts)
        case Outer(kind=JoinKind.LEFT):
            return columns_present(node.left, context)
        case Outer():
            return frozenset()


def rewrite(left: Node, right: Node) -> str:
    """The join that was probably meant."""
    first, item = leaf_of(left).item, leaf_of(right).item
    shared = next((name for name in item.columns if fold(name) in first.folded), None)
    if shared is not None and first is not item:
        return f"JOIN {item.title} USING ({shared})"
    return f"JOIN {item.title} ON {first.title}.… = {item.title}.…"


def conjuncts(predicate: Expression) -> tuple[Expression, ...]:
    """The parts of an AND, or the predicate itself."""
    return predicate.arguments if isinstance(predicate, Call) and predicate.function == "and" else (predicate,)


def conjunction(context: Context, parts: Sequence[Expression]) -> Expression:
    """One condition out of several; TRUE out of none."""
    return calls.call(context, "and", tuple(parts)) if parts else calls.true()


def place(context: Context, node: Node, where: Sequence[Expression]) -> tuple[Relation, tuple[Expression, ...]]:
    """The joins in the order chosen, and the conjuncts of WHERE that did not become part of one. Raises LVR-1303."""
    match node:
        case Leaf():
            return node.relation, tuple(where)
        case Outer():
            # A conjunct of WHERE may move below an outer join only on the side whose rows all stay.
            kept = where if node.kind is JoinKind.LEFT else ()
            left, rest = place(context, node.left, kept)
            right, _ = place(context, node.right, ())
            return Join(node.kind, left, right, node.condition), rest if kept else tuple(where)
        case Inner():
            return _Tower(context, node, where).build()


@dataclass
class _Part:
    """A conjunct with the index of the member whose ON it stands in; None for one of WHERE."""

    expression: Expression
    home: int | None


class _Tower:
    """Joins the members of one pool, each linked to what stands before it."""

    def __init__(self, context: Context, node: Inner, where: Sequence[Expression]) -> None:
        self.context = context
        self.node = node
        loose = sum(not condition for condition in node.conditions) > 1
        spread = [part for whole in where for part in (factored(context, whole) if loose else (whole,))]
        self.parts = [_Part(part, home) for home, whole in enumerate(node.conditions) for part in whole]
        self.parts += [_Part(part, None) for part in spread]
        self.placed: set[int] = set()
        self.known: frozenset[int] = frozenset()

    def build(self) -> tuple[Relation, tuple[Expression, ...]]:
        relation = self.add(self.first())
        while len(self.placed) < len(self.node.members):
            chosen = self.next()
            links = self.links(chosen)
            before = self.known
            right = self.add(chosen)
            own = [part for part in self.parts if part in links or self.is_due(part, before)]
            self.parts = [part for part in self.parts if part not in own]
            condition = conjunction(self.context, [part.expression for part in own])
            relation = Join(JoinKind.INNER, relation, right, condition)
        return relation, tuple(part.expression for part in self.parts)

    def add(self, index: int) -> Relation:
        member = self.node.members[index]
        where = [part.expression for part in self.parts if part.home is None]
        relation, rest = place(self.context, member, where)
        kept = [part for part in self.parts if part.home is not None]
        self.parts = kept + [_Part(part, None) for part in rest]
        self.placed.add(index)
        self.known |= relations(member)
        return relation

    def first(self) -> int:
        """The first member, of those that may have several rows where there are any."""
        many = (index for index, member in enumerate(self.node.members) if not _is_single(member))
        return next(many, 0)

    def next(self) -> int:
        """The first member that an equality links to what is placed, else the first that any comparison does.

        A member of one row needs no link: it multiplies nothing.
        """
        waiting = [index for index in range(len(self.node.members)) if index not in self.placed]
        for wanted in (_EQUALITY, _RANGE):
            for index in waiting:
                if any(self.strength(part, index) == wanted for part in self.parts):
                    return index
        for index in waiting:
            if _is_single(self.node.members[index]):
                return index
        lonely = self.node.members[waiting[0]]
        raise refusals.join_without_equality(rewrite(self.node.members[0], lonely), leaf_of(lonely).at)

    def strength(self, part: _Part, index: int) -> int:
        return _link(part.expression, self.known, relations(self.node.members[index]))

    def links(self, index: int) -> list[_Part]:
        """What links the member: its ON where that is enough, else the comparisons of WHERE, equalities first."""
        for wanted in (_EQUALITY, _RANGE):
            for of_where in (False, True):
                found = [
                    part
                    for part in self.parts
                    if (part.home is None) is of_where and self.strength(part, index) == wanted
                ]
                if found:
                    return found
        return []

    def is_due(self, part: _Part, before: frozenset[int]) -> bool:
        """Whether a conjunct of an ON can stand here: its member is placed and so is all it speaks of."""
        if part.home is None:
            return False
        needed = {ref.relation for ref in column_refs(part.expression)}
        linking = bool(needed & before) and bool(needed - before)
        return needed <= self.known and (part.home in self.placed or linking)


def _is_single(node: Node) -> bool:
    return isinstance(node, Leaf) and gives_one_row(node.relation)


def gives_one_row(relation: Relation) -> bool:
    """Whether the relation has one row at most, whatever the data."""
    match relation:
        case Project() | Filter() | Sort() | Limit() | Window():
            return gives_one_row(relation.input)
        case Aggregate():
            return not relation.keys
        case Join(kind=JoinKind.INNER | JoinKind.LEFT):
            return gives_one_row(relation.left) and gives_one_row(relation.right)
        case Join(kind=JoinKind.SEMI | JoinKind.ANTI):
            return gives_one_row(relation.left)
        case _:
            return False


def _link(part: Expression, left: frozenset[int], right: frozenset[int]) -> int:
    """How a conjunct compares something of one side with something of the other: 0 when it does not."""
    if not isinstance(part, Call):
        return 0
    inside = part.arguments[0] if part.function == "not" else None
    if isinstance(inside, Call) and inside.function == "is_distinct":
        strength, compared = _EQUALITY, inside.arguments
    elif part.function in ("=", "<", "<=", ">", ">="):
        strength, compared = (_EQUALITY if part.function == "=" else _RANGE), part.arguments
    else:
        return 0
    one, other = ({ref.relation for ref in column_refs(argument)} for argument in compared)
    if not one or not other:
        return 0
    return strength if (one <= left and other <= right) or (one <= right and other <= left) else 0


def factored(context: Context, part: Expression) -> tuple[Expression, ...]:
    """`(a AND b) OR (a AND c)` as `a AND (b OR c)`: what every branch demands may link two tables."""
    if not isinstance(part, Call) or part.function != "or":
        return (part,)
    branches = [conjuncts(branch) for branch in part.arguments]
    common = [item for item in branches[0] if all(item in branch for branch in branches[1:])]
    if not common:
        return (part,)
    rests = [conjunction(context, [item for item in branch if item not in common]) for branch in branches]
    return (*common, calls.call(context, "or", tuple(rests)))
