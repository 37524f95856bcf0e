"""Every function and operator a query may use: one row each, and nothing else is allowed.

To add one, add its row to the tuple of its family and its page to `docs/reference/sql`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import DOUBLE, Type
from louver_sandbox.sql.aggregates import AGGREGATES
from louver_sandbox.sql.casts import TRY_CAST
from louver_sandbox.sql.choices import CHOICES
from louver_sandbox.sql.mathematics import MATHEMATICS
from louver_sandbox.sql.patterns import PATTERNS
from louver_sandbox.sql.quantiles import RULES_OF_QUANTILES
from louver_sandbox.sql.rules import FunctionKind, FunctionRule, to_type
from louver_sandbox.sql.scalars import NUMBERS, OPERATORS
from louver_sandbox.sql.statistics import STATISTICS
from louver_sandbox.sql.temporal import TEMPORAL, minus, plus
from louver_sandbox.sql.texts import TEXTS

__all__ = ["FUNCTIONS", "RULES", "FunctionKind", "FunctionRule", "evaluate_call"]

_WITH_DATES = tuple({"+": plus, "-": minus}.get(rule.name, lambda row: row)(rule) for rule in OPERATORS)

FUNCTIONS: tuple[FunctionRule, ...] = (
    *_WITH_DATES,
    TRY_CAST,
    *NUMBERS,
    *MATHEMATICS,
    *CHOICES,
    *TEXTS,
    *PATTERNS,
    *TEMPORAL,
    *AGGREGATES,
    *STATISTICS,
    *RULES_OF_QUANTILES,
)

RULES: Mapping[str, FunctionRule] = MappingProxyType({rule.name: rule for rule in FUNCTIONS})


def evaluate_call(function: str, values: Sequence[Value], result: Type) -> Value:
    """What the scalar `function` gives for `values`, as a value of `result`; None is NULL. Never raises on data."""
    rule = RULES[function]
    if rule.strict and any(value is None for value in values):
        return None
    if function in _OF_ONE_TYPE:
        values = [_kept(value, result) for value in values]
    value = rule.evaluate(*values)
    return _kept(value, result) if rule.keeps else to_type(value, result)


_OF_ONE_TYPE = frozenset({"coalesce", "greatest", "least"})
"""Functions whose arguments are all cast to the result's type first."""


def _kept(value: Value, result: Type) -> Value:
    """A value that is passed on: a double stays as it is, computed ones are rounded."""
    return value if isinstance(value, float) and result == DOUBLE else to_type(value, result)
