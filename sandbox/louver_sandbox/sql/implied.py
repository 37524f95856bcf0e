"""What the rows that count in an answer are known to satisfy; read off the relation tree.

Levels that depend on a condition and rules about some rows only ask for it (`policy/conditions.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

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
    Window,
    walk,
)


def implied(relation: Project) -> Mapping[int, tuple[Expression, ...]]:
    """Per scan, the conjuncts over its own columns that every row of it that reaches the answer satisfies.

    A LEFT JOIN's condition holds for the rows of its right side that find a partner, and says nothing of the left;
    FULL and anti joins say nothing of either. What a Filter above a Window leaves out has been in the window.
    """
    projections = {node.id: _by_name(node.columns) for node in walk(relation) if isinstance(node, Project)}
    # In the total over a key, the key is null whatever the rows were.
    keys = {node.id: _by_name(node.keys) for node in walk(relation) if isinstance(node, Aggregate) and not node.sets}
    defined = {**projections, **keys}
    scans = _scan_ids(relation)
    found: dict[int, dict[Expression, None]] = {scan: {} for scan in scans}
    for node in walk(relation):
        if not isinstance(node, (Filter, Join)):
            continue
        within = _bound_by(node)
        for part in conjuncts(node.predicate if isinstance(node, Filter) else node.condition):
            expanded = _Expansion(defined, scans).of(part)
            owners = set() if expanded is None else {ref.relation for ref in column_refs(expanded)}
            if expanded is not None and len(owners) == 1 and owners <= within:
                found[next(iter(owners))] |= dict.fromkeys(conjuncts(expanded))
    return {scan: tuple(conjuncts) for scan, conjuncts in sorted(found.items()) if conjuncts}


def conjuncts(predicate: Expression) -> tuple[Expression, ...]:
    """The parts of an AND, or the predicate itself."""
    return predicate.arguments if isinstance(predicate, Call) and predicate.function == "and" else (predicate,)


def _by_name(columns: tuple[Named, ...]) -> Mapping[str, Expression]:
    return {column.name: column.expression for column in columns}


def _scan_ids(relation: Relation) -> set[int]:
    return {node.id for node in walk(relation) if isinstance(node, Scan)}


def _bound_by(node: Filter | Join) -> set[int]:
    """The scans whose rows must meet the node's condition to count in the answer."""
    match node:
        case Join(kind=JoinKind.FULL | JoinKind.ANTI):
            return set()
        case Join(kind=JoinKind.LEFT):
            bound: Relation = node.right
        case _:
            bound = node
    below = tuple(walk(bound))
    windowed = {id_ for window in below if isinstance(window, Window) for id_ in _scan_ids(window)}
    return {scan.id for scan in below if isinstance(scan, Scan)} - windowed


class _Expansion:
    """An expression over base columns. Gives up on large ones: a conjunct that is not known is only not used."""

    def __init__(self, defined: Mapping[int, Mapping[str, Expression]], scans: set[int], budget: int = 2_000) -> None:
        self.defined = defined
        self.scans = scans
        self.budget = budget

    def of(self, expression: Expression) -> Expression | None:
        """The expression, None where an aggregate stands in between or the budget is spent."""
        self.budget -= 1
        if self.budget < 0:
            return None
        match expression:
            case Literal():
                return expression
            case ColumnRef():
                if expression.relation in self.scans:
                    return expression
                behind = self.defined.get(expression.relation, {}).get(expression.name)
                return None if behind is None else self.of(behind)
            case Call():
                arguments: list[Expression] = []
                for part in expression.arguments:
                    known = self.of(part)
                    if known is None:
                        return None
                    arguments.append(known)
                return Call(expression.function, tuple(arguments), expression.type, expression.at)
            case AggregateCall():
                return None
