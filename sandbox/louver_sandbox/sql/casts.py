"""The cast row: every cast is a TRY_CAST, so that no value of the data can make a query fail."""

from __future__ import annotations

from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.sql.rules import FunctionKind, FunctionRule, Texts, Types, engine_type

_CASTABLE = {
    Kind.BOOLEAN: {Kind.BOOLEAN, Kind.INTEGER, Kind.TEXT},
    Kind.INTEGER: {Kind.BOOLEAN, Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE, Kind.TEXT},
    Kind.DECIMAL: {Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE, Kind.TEXT},
    Kind.DOUBLE: {Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE},
    Kind.TEXT: {Kind.BOOLEAN, Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE, Kind.TEXT, Kind.DATE, Kind.TIMESTAMP},
    Kind.DATE: {Kind.TEXT, Kind.DATE, Kind.TIMESTAMP},
    Kind.TIMESTAMP: {Kind.TEXT, Kind.DATE, Kind.TIMESTAMP},
    Kind.NULL: set(Kind) - {Kind.TEXT_LIST, Kind.INTERVAL},
}


def castable(given: Type, wanted: Type) -> bool:
    """Whether values of `given` can be cast to `wanted` at all."""
    return wanted.kind in _CASTABLE.get(given.kind, set())


def _emit(texts: Texts, types: Types, result: Type) -> str:
    return f"TRY_CAST({texts[0]} AS {engine_type(result)})"


TRY_CAST = FunctionRule(
    "try_cast",
    FunctionKind.SCALAR,
    # The wanted type is the call's own; the binder asks `castable`.
    lambda types: types[0] if len(types) == 1 else None,
    _emit,
    lambda value: value,
)
