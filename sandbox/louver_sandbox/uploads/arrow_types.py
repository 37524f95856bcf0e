"""The closed list of Arrow types an own table may have, and the one type each is stored in."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.types as kinds

from louver_sandbox.algebra.types import BOOLEAN, DATE, DOUBLE, INTEGER, TEXT, TEXT_LIST, TIMESTAMP, Type, decimal

MAX_SCALE = 18
"""Most digits after the point, as in the catalogue."""


def stored_type(type_: pa.DataType) -> pa.DataType | None:
    """The Arrow type values of `type_` are stored in, or None when such a column is refused.

    Dictionaries are stored as their values; integers as 64 bits; strings of every layout as text; a column of nulls
    alone as text.
    """
    if kinds.is_dictionary(type_):
        return None if kinds.is_dictionary(type_.value_type) else stored_type(type_.value_type)
    if kinds.is_boolean(type_):
        return pa.bool_()
    if kinds.is_integer(type_):
        return None if kinds.is_uint64(type_) else pa.int64()
    if kinds.is_float32(type_) or kinds.is_float64(type_):
        return pa.float64()
    if kinds.is_decimal128(type_):
        return type_ if 0 <= type_.scale <= min(MAX_SCALE, type_.precision) else None
    if _is_text(type_) or kinds.is_null(type_):
        return pa.large_string()
    if kinds.is_date32(type_):
        return pa.date32()
    if kinds.is_timestamp(type_):
        return None if type_.tz is not None else pa.timestamp("us")
    if (kinds.is_list(type_) or kinds.is_large_list(type_)) and _is_text(type_.value_type):
        return pa.large_list(pa.large_string())
    return None


def _is_text(type_: pa.DataType) -> bool:
    return bool(kinds.is_string(type_) or kinds.is_large_string(type_) or kinds.is_string_view(type_))


def algebra_type(stored: pa.DataType) -> Type:
    """The catalogue's type of a stored column."""
    if kinds.is_decimal128(stored):
        return decimal(stored.scale)
    return _ALGEBRA[stored]


_ALGEBRA = {
    pa.bool_(): BOOLEAN,
    pa.int64(): INTEGER,
    pa.float64(): DOUBLE,
    pa.large_string(): TEXT,
    pa.date32(): DATE,
    pa.timestamp("us"): TIMESTAMP,
    pa.large_list(pa.large_string()): TEXT_LIST,
}
