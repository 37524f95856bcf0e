"""WITHHELD: what stands above the cores where a value may not leave, and what it does to everything it meets.

NULL would not do: COALESCE, IS NULL, CASE or GREATEST would make an ordinary value of it, an answer that is false. A
withheld value leaves as None, and so does every value that depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, TypeVar

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import Type
from louver_sandbox.sql.functions import evaluate_call


class Withheld(Enum):
    """The type of `WITHHELD`, its only member."""

    WITHHELD = "withheld"


WITHHELD: Final = Withheld.WITHHELD
"""A value that is there and may not leave."""

_Plain = TypeVar("_Plain")


def as_null(value: _Plain | Withheld) -> _Plain | None:
    """The value as it leaves, and as sorting and grouping see it: None where it is withheld."""
    return None if value is WITHHELD else value


def evaluate_withheld(function: str, values: Sequence[Value | Withheld], result: Type) -> Value | Withheld:
    """What a scalar function gives where some values are withheld: `WITHHELD`, unless the others decide alone."""
    if not _is_decided(function, values):
        return WITHHELD
    return evaluate_call(function, [as_null(value) for value in values], result)


def _is_decided(function: str, values: Sequence[Value | Withheld]) -> bool:
    """Whether the result is the same whatever the withheld values are (ISO/IEC 9075-2, 6.12 and 6.39)."""
    match function:
        case "and":
            return any(value is False for value in values)
        case "or":
            return any(value is True for value in values)
        case "coalesce":
            return next((value for value in values if value is not None), None) is not WITHHELD
        case "case":
            return _is_case_decided(values)
        case _:
            return False


def _is_case_decided(values: Sequence[Value | Withheld]) -> bool:
    """Conditions and results take turns, the default comes last. What is not looked at decides nothing."""
    for condition, result in zip(values[:-1:2], values[1::2], strict=True):
        if condition is WITHHELD:
            return False
        if condition is True:
            return result is not WITHHELD
    return values[-1] is not WITHHELD
