"""Functions that give one of their arguments, one row each."""

from __future__ import annotations

from louver_sandbox.sql.rules import FunctionKind, FunctionRule, copied, unify
from louver_sandbox.sql.scalars import compared, of_one_type, value_type

CHOICES: tuple[FunctionRule, ...] = (
    FunctionRule(
        "coalesce",
        FunctionKind.SCALAR,
        value_type,
        of_one_type("coalesce({})"),
        lambda *values: next((value for value in values if value is not None), None),
        strict=False,
        keeps=True,
    ),
    FunctionRule(
        "nullif",
        FunctionKind.SCALAR,
        lambda types: types[0] if len(types) == 2 and compared(types) else None,
        lambda t, g, r: f"NULLIF({t[0]}, {t[1]})",
        lambda left, right: None if left is not None and left == right else left,
        strict=False,
        mentions=copied(2, 1),
        comparison=True,
        keeps=True,
    ),
    FunctionRule(
        "greatest",
        FunctionKind.SCALAR,
        lambda types: unify(types) if compared(types) else None,
        of_one_type("greatest({})"),
        lambda *values: max((value for value in values if value is not None), default=None),
        strict=False,
        comparison=True,
        keeps=True,
    ),
    FunctionRule(
        "least",
        FunctionKind.SCALAR,
        lambda types: unify(types) if compared(types) else None,
        of_one_type("least({})"),
        lambda *values: min((value for value in values if value is not None), default=None),
        strict=False,
        comparison=True,
        keeps=True,
    ),
)
