"""The types a cast may name."""

from __future__ import annotations

from sqlglot import exp

from louver_sandbox.algebra.types import BOOLEAN, DATE, DOUBLE, INTEGER, TEXT, TIMESTAMP, Type, decimal
from louver_sandbox.sql.constructs import words
from louver_sandbox.sql.rules import MAX_SCALE

_INTEGER_TYPES = words("TINYINT SMALLINT INT BIGINT INT128 UTINYINT USMALLINT UINT UBIGINT")
_TEXT_TYPES = words("TEXT VARCHAR CHAR")
_PLAIN_TYPES = {
    "BOOLEAN": BOOLEAN,
    "DOUBLE": DOUBLE,
    "FLOAT": DOUBLE,
    "DATE": DATE,
    "TIMESTAMP": TIMESTAMP,
    "TIMESTAMPNTZ": TIMESTAMP,
}


def type_named(node: exp.Expr) -> Type | None:
    """The type that a cast names; None for one there is not. A DECIMAL has the digits its dialect gives it by now."""
    name = getattr(node.this, "value", "")
    digits = [str(part.this.this) for part in node.expressions if isinstance(part, exp.DataTypeParam)]
    if name in _PLAIN_TYPES and not digits:
        return _PLAIN_TYPES[name]
    if name in _INTEGER_TYPES and not digits:
        return INTEGER
    if name in _TEXT_TYPES:
        return TEXT
    if name != "DECIMAL" or not digits or not all(item.isdigit() for item in digits):
        return None
    scale = int(digits[1]) if len(digits) > 1 else 0
    return None if scale > MAX_SCALE else decimal(scale)
