"""The rows that a core would have without some of its conditions, and which of these are its own.

A cell of a requester's subjects is judged beside the rows that conditions on attributes left out (`plan/classes.py`).
The conditions become a mark of each row:

- WHERE and ON of an inner join are taken away and asked at the top;
- where tables meet by attributes alone, the one without subjects may be missing, and the mark is that it is there;
- below an aggregate whose rows are of one subject they move into the FILTER of each value, and the mark is that some
  row of the subject meets them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from louver_sandbox.algebra.expressions import (
    AggregateCall,
    Call,
    ColumnRef,
    Expression,
    Literal,
    Named,
    column_refs,
)
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Project,
    Relation,
    Scan,
    Union,
    inputs,
    walk,
)
from louver_sandbox.algebra.types import BOOLEAN, INTEGER
from louver_sandbox.plan.conditions import all_of, conjunction
from louver_sandbox.plan.lifting import lift, placed
from louver_sandbox.plan.provenance import conjuncts

_MARK = "\0selected"
"""How many rows of a subject meet the conditions. No query can spell this name: the lexical gate refuses NUL."""

Conditions = tuple[Expression, ...]


def without_conditions(
    relation: Relation, wanted: frozenset[Expression], about: Collection[int], guarded: frozenset[int]
) -> tuple[Relation, Conditions]:
    """The tree without these conditions where rows can be asked for them at the top, and what to ask for.

    `about` are the scans that have units, `guarded` the tables of judged cells, which are left as they are. A join
    keeps what it meets by: an equality of both sides that is not wanted.
    """

    def below(one: Relation) -> tuple[Relation, Conditions]:
        return without_conditions(one, wanted, about, guarded)

    if not wanted:
        return relation, ()
    match relation:
        case Filter():
            source, found = below(relation.input)
            kept, taken = _parted(relation.predicate, wanted)
            return (Filter(source, all_of(kept)) if kept else source), (*found, *taken)
        case Project() if relation.id not in guarded:
            source, found = below(relation.input)
            return replace(relation, input=source), found
        case Join(kind=JoinKind.INNER):
            (left, of_left), (right, of_right) = below(relation.left), below(relation.right)
            joined, taken = _joined(replace(relation, left=left, right=right), wanted, about, guarded)
            return joined, (*of_left, *of_right, *taken)
        case Join(kind=JoinKind.LEFT | JoinKind.SEMI | JoinKind.ANTI):
            left, found = below(relation.left)
            return replace(relation, left=left), found
        case Aggregate():
            source, found = below(relation.input)
            return _filtered(replace(relation, input=source), found)
        case _:
            return relation, ()


def _joined(
    join: Join, wanted: frozenset[Expression], about: Collection[int], guarded: frozenset[int]
) -> tuple[Relation, Conditions]:
    kept, taken = _parted(join.condition, wanted)
    if not taken or any(compares(part, join.left, join.right) for part in kept):
        return replace(join, condition=all_of(kept)), taken
    known = [side for side in (join.right, join.left) if not is_about(side, about, guarded)]
    if not known:
        raise TypeError("subjects that meet by attributes alone are refused")
    other = join.left if known[0] is join.right else join.right
    return Join(JoinKind.LEFT, other, known[0], join.condition), tuple(conjuncts(join.condition))


def _filtered(aggregate: Aggregate, conditions: Conditions) -> tuple[Relation, Conditions]:
    """The aggregate over rows that conditions left out as well, its values made of the others alone."""
    if not conditions:
        return aggregate, ()
    source, places = lift(aggregate.input, [ref for one in conditions for ref in column_refs(one)])
    mark = all_of(conjunction(placed(one, places) for one in conditions))
    measures = []
    for named in aggregate.measures:
        call = named.expression
        # Whose row it is stays known: the record keys that are carried.
        if isinstance(call, AggregateCall) and call.function != "grouping" and not named.name.startswith("\0"):
            parts = (mark,) if call.where is None else (mark, call.where)
            named = replace(named, expression=replace(call, where=all_of(conjunction(parts))))
        measures.append(named)
    measures.append(Named(_MARK, AggregateCall("count", (), INTEGER, where=mark)))
    met = Call(">", (ColumnRef(aggregate.id, _MARK, INTEGER), Literal(0, INTEGER)), BOOLEAN)
    return replace(aggregate, input=source, measures=tuple(measures)), (met,)


def is_about(relation: Relation, about: Collection[int], guarded: frozenset[int]) -> bool:
    """Whether the rows of a tree are some subject's."""
    named = (node for node in outside(relation, guarded) if isinstance(node, (Scan, Union)))
    return any(node.id in about for node in named)


def outside(relation: Relation, guarded: frozenset[int]) -> Iterator[Relation]:
    """The relation and all below it, down to tables of judged cells and these."""
    yield relation
    if isinstance(relation, (Aggregate, Project)) and relation.id in guarded:
        return
    for node in inputs(relation):
        yield from outside(node, guarded)


def compares(part: Expression, left: Relation, right: Relation) -> bool:
    """Whether rows of both sides meet by this condition."""
    if not isinstance(part, Call) or part.function != "=":
        return False
    met = {ref.relation for ref in column_refs(part)}
    return all(met & {node.id for node in walk(side) if isinstance(node, _NAMED)} for side in (left, right))


_NAMED = (Scan, Project, Aggregate, Union)


def _parted(condition: Expression, wanted: frozenset[Expression]) -> tuple[Conditions, Conditions]:
    parts = tuple(conjuncts(condition))
    return tuple(part for part in parts if part not in wanted), tuple(part for part in parts if part in wanted)


def selected(conditions: Conditions) -> Expression:
    """TRUE for the rows that the conditions select, FALSE for all others."""
    yes, no = Literal(True, BOOLEAN), Literal(False, BOOLEAN)
    return Call("case", (all_of(conjunction(conditions)), yes, no), BOOLEAN)
