"""Predicates that the catalogue and policies write about one table, and when a query's conditions imply one.

`implies` is sound and incomplete: True is a proof over SQL's three-valued logic, False says nothing. A conjunct
"holds" for a row when it is TRUE, so a comparison that holds also says that its column is not NULL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TypeGuard

from sqlglot import exp

from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, Literal, Value
from louver_sandbox.catalog.model import Catalog, Table
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql.context import Context, Text
from louver_sandbox.sql.expressions import Binder, Names
from louver_sandbox.sql.lexical import gate
from louver_sandbox.sql.parse import parse_text
from louver_sandbox.sql.scopes import FromItem, Scope, fold

_PREFIX = "SELECT 1 WHERE "
_MOST_CASES = 64
_RANGES = frozenset({"<", "<=", ">", ">="})


def bind_predicate(text: str, table: Table, scan: int) -> Expression:
    """The predicate over the table's own columns, as references to scan `scan`; `:as_of` is the table's date.

    Raises `Refused` (LVR-1xxx) like a query; positions count from the start of the predicate.
    """
    source = gate(_PREFIX + text)
    tree = parse_text(source)
    where = tree.args.get("where")
    if where is None or {key for key, value in tree.args.items() if value} != {"expressions", "where"}:
        raise refusals.syntax(None)
    columns = {column.name: ColumnRef(scan, column.name, column.type) for column in table.columns}
    scope = Scope((FromItem(frozenset({(fold(table.name.name),)}), table.name.name, columns),))
    context = Context(Catalog({}, ""), table.name.schema, {"as_of": table.as_of})
    names = Names(scope, Text(source), place=("a predicate on rows", "行条件"))
    return Binder(context, names).predicate(_only(where))


def _only(where: exp.Expr) -> exp.Expr:
    inner = where.this
    if not isinstance(inner, exp.Expr):
        raise refusals.syntax(None)
    return inner


def implies(conjuncts: Sequence[Expression], predicate: Expression) -> bool:
    """Whether every row for which all conjuncts hold also satisfies the predicate, as far as this can tell."""
    return _implies(_flat(conjuncts), predicate, _MOST_CASES)


def _flat(conjuncts: Iterable[Expression]) -> tuple[Expression, ...]:
    parts: list[Expression] = []
    for conjunct in conjuncts:
        parts += conjunct.arguments if isinstance(conjunct, Call) and conjunct.function == "and" else (conjunct,)
    return tuple(dict.fromkeys(parts))


def _implies(facts: tuple[Expression, ...], goal: Expression, cases: int) -> bool:
    if goal in facts or (isinstance(goal, Literal) and goal.value is True):
        return True
    if any(isinstance(fact, Literal) and fact.value is not True for fact in facts):
        # A row for which FALSE or NULL holds does not exist.
        return True
    if isinstance(goal, Call) and goal.function == "and":
        return all(_implies(facts, part, cases) for part in goal.arguments)
    if _follows(facts, goal):
        return True
    if (
        isinstance(goal, Call)
        and goal.function == "or"
        and any(_implies(facts, part, cases) for part in goal.arguments)
    ):
        return True
    return _by_cases(facts, goal, cases)


def _by_cases(facts: tuple[Expression, ...], goal: Expression, cases: int) -> bool:
    for fact in facts:
        if isinstance(fact, Call) and fact.function == "or" and len(fact.arguments) <= cases:
            others = tuple(other for other in facts if other is not fact)
            left = cases // len(fact.arguments)
            return all(_implies(_flat((*others, part)), goal, left) for part in fact.arguments)
    return False


@dataclass
class _Known:
    """What facts say about one subject: bounds (value, inclusive), the only possible values, impossible ones."""

    low: tuple[Value, bool] | None = None
    high: tuple[Value, bool] | None = None
    only: frozenset[Value] | None = None
    never: set[Value] = field(default_factory=set)
    present: bool = False
    absent: bool = False


def _follows(facts: tuple[Expression, ...], goal: Expression) -> bool:
    """Whether an atomic goal follows from the facts about its subject."""
    atom = _atom(goal)
    if atom is None:
        return False
    subject, operator, values = atom
    known = _known_about(subject, facts)
    match operator:
        case "is_null":
            return known.absent
        case "is_not_null":
            return known.present
        case "=" | "in":
            wanted = frozenset(values)
            possible = _possible(known)
            return known.present and possible is not None and possible <= wanted
        case "<>":
            return known.present and _excluded(known, values[0])
        case "not in":
            return known.present and all(_excluded(known, value) for value in values)
        case _:
            return known.present and _within(known, operator, values[0])


def _possible(known: _Known) -> frozenset[Value] | None:
    if known.only is not None:
        return frozenset(value for value in known.only if _allowed(known, value))
    if known.low is not None and known.low == known.high and known.low[1]:
        return frozenset({known.low[0]})
    return None


def _allowed(known: _Known, value: Value) -> bool:
    above = known.low is None or _holds(value, ">=" if known.low[1] else ">", known.low[0])
    below = known.high is None or _holds(value, "<=" if known.high[1] else "<", known.high[0])
    return above and below and value not in known.never


def _excluded(known: _Known, value: Value) -> bool:
    return not _allowed(known, value) or (known.only is not None and value not in known.only)


def _within(known: _Known, operator: str, bound: Value) -> bool:
    possible = _possible(known)
    if possible is not None:
        return all(_holds(value, operator, bound) for value in possible)
    edge = known.high if operator in ("<", "<=") else known.low
    if edge is None:
        return False
    # An open edge at the very bound satisfies the strict comparison too.
    return _holds(edge[0], operator, bound) or (not edge[1] and edge[0] == bound)


def _known_about(subject: Expression, facts: tuple[Expression, ...]) -> _Known:
    known = _Known()
    for fact in facts:
        if fact == subject:
            known.only, known.present = frozenset({True}), True
        atom = _atom(fact)
        if atom is not None and atom[0] == subject:
            _learn(known, atom[1], atom[2])
    return known


def _learn(known: _Known, operator: str, values: tuple[Value, ...]) -> None:
    if operator == "is_null":
        known.absent = True
        return
    known.present = True
    match operator:
        case "=" | "in":
            known.only = frozenset(values) if known.only is None else known.only & frozenset(values)
        case "<>" | "not in":
            known.never.update(values)
        case ">" | ">=":
            edge = (values[0], operator == ">=")
            if known.low is None or _tighter(edge, known.low, ">"):
                known.low = edge
        case "<" | "<=":
            edge = (values[0], operator == "<=")
            if known.high is None or _tighter(edge, known.high, "<"):
                known.high = edge


def _tighter(edge: tuple[Value, bool], than: tuple[Value, bool], operator: str) -> bool:
    return _holds(edge[0], operator, than[0]) or (edge[0] == than[0] and not edge[1])


def _atom(expression: Expression) -> tuple[Expression, str, tuple[Value, ...]] | None:
    """Subject, operator and constants of a comparison with constants; None for anything else."""
    if isinstance(expression, ColumnRef):
        return expression, "=", (True,)
    if not isinstance(expression, Call):
        return None
    name, arguments = expression.function, expression.arguments
    if name == "is_null":
        return arguments[0], "is_null", ()
    if name == "not":
        inner = _atom(arguments[0])
        if inner is None or isinstance(arguments[0], ColumnRef):
            return None if inner is None else (arguments[0], "=", (False,))
        negated = {"is_null": "is_not_null", "in": "not in"}.get(inner[1])
        return None if negated is None else (inner[0], negated, inner[2])
    if name not in _RANGES | {"=", "<>", "in"}:
        return None
    values = tuple(item.value for item in arguments[1:] if isinstance(item, Literal) and item.value is not None)
    return (arguments[0], name, values) if len(values) == len(arguments) - 1 else None


def _is_number(value: Value) -> TypeGuard[int | float | Decimal]:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _holds(left: Value, operator: str, right: Value) -> bool:
    """Whether a comparison of two constants is certainly true."""
    order = _order(left, right)
    if order is None:
        return False
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]


def _order(left: Value, right: Value) -> int | None:
    """-1, 0 or 1; None for values that are not of one ordered kind. Text is ordered by code point, as UTF-8 is."""
    if _is_number(left) and _is_number(right):
        return (left > right) - (left < right)
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    if isinstance(left, datetime) and isinstance(right, datetime):
        return (left > right) - (left < right)
    if type(left) is date and type(right) is date:
        return (left > right) - (left < right)
    return None
