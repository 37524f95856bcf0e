"""Which columns are never NULL, as far as the catalogue and the conditions on the way prove it.

NOT IN needs this (ISO/IEC 9075-2, 8.4): only where neither side can be NULL is `x NOT IN (SELECT y ...)` an anti join
on plain equality. The proof is sound and incomplete; what is not proved is treated as if it could be NULL.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, Literal
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
    Union,
    Window,
)
from louver_sandbox.catalog.model import Catalog

Column = tuple[int, str]
"""The id of a relation and the name of one of its columns."""

_COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">=", "in", "like", "ilike"})


def is_present(expression: Expression, columns: Collection[Column]) -> bool:
    """Whether the expression is never NULL where `columns` never are."""
    match expression:
        case Literal():
            return expression.value is not None
        case ColumnRef():
            return (expression.relation, expression.name) in columns
        case Call(function="coalesce"):
            return any(is_present(part, columns) for part in expression.arguments)
        case Call(function="is_null" | "is_distinct"):
            return True
        case _:
            return False


def shown(conjuncts: Iterable[Expression]) -> frozenset[Column]:
    """The columns that cannot be NULL in a row for which all the conjuncts are true."""
    found: set[Column] = set()
    for part in conjuncts:
        if not isinstance(part, Call):
            continue
        if part.function == "and":
            found |= shown(part.arguments)
        elif part.function in _COMPARISONS:
            compared = part.arguments[:1] if part.function == "in" else part.arguments
            found.update((item.relation, item.name) for item in compared if isinstance(item, ColumnRef))
        elif part.function == "not":
            inside = part.arguments[0]
            if (
                isinstance(inside, Call)
                and inside.function == "is_null"
                and isinstance(inside.arguments[0], ColumnRef)
            ):
                found.add((inside.arguments[0].relation, inside.arguments[0].name))
    return frozenset(found)


def present(relation: Relation, catalog: Catalog) -> frozenset[Column]:
    """The columns that the relation offers and that are never NULL."""
    match relation:
        case Scan():
            table = catalog.tables[relation.table]
            return frozenset((relation.id, column.name) for column in table.columns if not column.nullable)
        case Project():
            below = present(relation.input, catalog)
            return frozenset(
                (relation.id, item.name) for item in relation.columns if is_present(item.expression, below)
            )
        case Filter():
            return present(relation.input, catalog) | shown([relation.predicate])
        case Join():
            return _joined(relation, catalog)
        case Aggregate():
            below = present(relation.input, catalog)
            keys = () if relation.sets else relation.keys
            return frozenset((relation.id, key.name) for key in keys if is_present(key.expression, below))
        case Union():
            left, right = present(relation.left, catalog), present(relation.right, catalog)
            pairs = zip(relation.columns, relation.left.columns, relation.right.columns, strict=True)
            return frozenset(
                (relation.id, column.name)
                for column, one, other in pairs
                if (relation.left.id, one.name) in left and (relation.right.id, other.name) in right
            )
        case Window() | Sort() | Limit():
            return present(relation.input, catalog)


def _joined(join: Join, catalog: Catalog) -> frozenset[Column]:
    left = present(join.left, catalog)
    match join.kind:
        case JoinKind.INNER:
            return left | present(join.right, catalog) | shown([join.condition])
        case JoinKind.LEFT | JoinKind.SEMI | JoinKind.ANTI:
            return left
        case JoinKind.FULL:
            return frozenset()
