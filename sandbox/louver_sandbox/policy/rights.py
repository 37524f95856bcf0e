"""Whether a column's rights allow one use of it (PRIVACY 3).

A use is allowed by what it is (clause, function) and by how the column got there (`through`): a comparison inside
an aggregate is a filter too, and an aggregate below a filter or key is an aggregate too.
"""

from __future__ import annotations

from louver_sandbox.policy.model import ColumnRights
from louver_sandbox.sql.functions import RULES
from louver_sandbox.sql.quantiles import QUANTILES
from louver_sandbox.sql.rules import FunctionKind
from louver_sandbox.stages import Clause, Use

DEFAULT_AGGREGATES = frozenset({"count", "sum", "avg"})
"""What `aggregate` allows when no functions are listed."""

QUANTILE = "quantile"
"""The one word by which `aggregate` allows every quantile: MEDIAN, QUANTILE_CONT, PERCENTILE_DISC, ..."""

LINEAR = frozenset({"+", "-", "*", "/", "negate", "try_cast", "case", "coalesce", "nullif", "and", "or", "not"})
"""Scalar functions that every aggregate right allows inside: they keep a sum a sum."""

ONLY_WHERE_LISTED = frozenset({"regexp_matches", "regexp_full_match", "similar"})
"""Operators that a filter right allows only by naming them: a pattern can ask for one value in many disguises."""

BARE = "bare"
"""The binning name for the column itself."""


def missing_right(use: Use, rights: ColumnRights | None) -> str | None:
    """The first right the use lacks, as a refusal names it (`filter (<)`); None if it is allowed."""
    if rights is None:
        return _named(use.clause.value, use.function)
    return _missing_for_clause(use, rights) or _missing_on_the_way(use, rights) or _missing_operator(use, rights)


def _missing_operator(use: Use, rights: ColumnRights) -> str | None:
    """The first operator that must be listed and is not, whatever the clause it stands in."""
    for function in (use.function, *use.through):
        if function in ONLY_WHERE_LISTED and not _may_filter(function, rights):
            return _named("filter", function)
    return None


def _missing_for_clause(use: Use, rights: ColumnRights) -> str | None:
    match use.clause:
        case Clause.JOIN_KEY:
            allowed = rights.join_key
        case Clause.GROUP_KEY:
            allowed = _may_group(use, rights)
        case Clause.FILTER:
            allowed = _may_filter(use.function, rights)
        case Clause.AGGREGATE:
            allowed = _may_aggregate(use.function, rights)
        case Clause.ORDER:
            allowed = rights.order
        case Clause.OUTPUT:
            allowed = rights.output is not None
    return None if allowed else _named(use.clause.value, use.function)


def _missing_on_the_way(use: Use, rights: ColumnRights) -> str | None:
    for function in use.through:
        if _is_aggregate(function):
            if not _may_aggregate(function, rights):
                return _named("aggregate", function)
        elif use.clause is Clause.AGGREGATE:
            if _is_condition(function):
                if not _may_filter(function, rights):
                    return _named("filter", function)
            elif not _may_transform(function, rights):
                return _named("aggregate", f"{use.function} of {function}")
    return None


def _is_aggregate(function: str) -> bool:
    rule = RULES.get(function)
    return rule is not None and rule.kind is FunctionKind.AGGREGATE


def _is_condition(function: str) -> bool:
    rule = RULES.get(function)
    return function in ("in", "is_null") or (rule is not None and rule.comparison)


def _may_transform(function: str, rights: ColumnRights) -> bool:
    """Sums of many different functions of a column are as many equations for its values: where an officer lists
    functions, only linear ones and the listed may stand inside."""
    if rights.aggregate is None or rights.aggregate.functions is None:
        return True
    return function in LINEAR or function in rights.aggregate.functions


def _may_group(use: Use, rights: ColumnRights) -> bool:
    if rights.group_key is None:
        return False
    binnings = rights.group_key.binnings
    if binnings is None:
        return True
    # A function below the binning could shift its edges and so cut finer than the bins.
    first = use.through[0] if use.through else use.function
    return (use.function or BARE) in binnings and first == use.function


def _may_filter(function: str, rights: ColumnRights) -> bool:
    if rights.filter is None:
        return False
    if rights.filter.operators is None:
        return function not in ONLY_WHERE_LISTED
    return function in rights.filter.operators


def _may_aggregate(function: str, rights: ColumnRights) -> bool:
    if rights.aggregate is None:
        return False
    allowed = DEFAULT_AGGREGATES if rights.aggregate.functions is None else rights.aggregate.functions
    return (QUANTILE if function in QUANTILES else function) in allowed


def _named(right: str, function: str) -> str:
    function = QUANTILE if function in QUANTILES else function
    return f"{right} ({function})" if function else right


def described(rights: ColumnRights | None) -> tuple[str, ...]:
    """The rights a column has, for a hint."""
    if rights is None:
        return ()
    parts = (
        "join_key" if rights.join_key else None,
        _narrowed("group_key", rights.group_key.binnings) if rights.group_key else None,
        _narrowed("filter", rights.filter.operators) if rights.filter else None,
        _narrowed("aggregate", rights.aggregate.functions) if rights.aggregate else None,
        "order" if rights.order else None,
        "output" if rights.output else None,
        "match" if rights.match else None,
        "score" if rights.score else None,
    )
    return tuple(part for part in parts if part is not None)


def _narrowed(right: str, names: tuple[str, ...] | None) -> str:
    return f"{right} ({', '.join(names)})" if names else right
