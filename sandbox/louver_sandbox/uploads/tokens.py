"""Columns of tokens on their way in: sixteen bytes a row, under a key that the column names.

Whether that is the institution's present key the service says when the table is whole; nothing here has a key.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.types as kinds

from louver.tokens.columns import METADATA, TOKEN_BYTES, NotTokens, TokenColumn
from louver_sandbox.elements.dictionary import ELEMENTS

DECLARED: Final = "LVR-5324"
STORED: Final = pa.binary(TOKEN_BYTES)


class TokensRefused(Exception):
    """A column of tokens is refused: a code, and nothing of a value."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def token_columns(schema: pa.Schema) -> dict[int, TokenColumn]:
    """The columns of tokens of an upload, by their place.

    Raises:
        TokensRefused: LVR-5324, one has another width, an unknown element, or does not say what it must.
    """
    found: dict[int, TokenColumn] = {}
    for place, item in enumerate(schema):
        if METADATA not in (item.metadata or {}):
            continue
        try:
            column = TokenColumn.from_bytes(item.metadata[METADATA])
        except NotTokens:
            raise TokensRefused(DECLARED) from None
        fixed = kinds.is_fixed_size_binary(item.type) and item.type.byte_width == TOKEN_BYTES
        if not fixed or column.element not in ELEMENTS:
            raise TokensRefused(DECLARED)
        found[place] = column
    return found


def type_of(column: TokenColumn) -> str:
    """The column's type as the catalogue shows it."""
    return f"token({column.element})"


def element_of(type_: str) -> str:
    """The data element of a column of that type; empty for a type that is none of tokens."""
    return type_.removeprefix("token(").removesuffix(")") if type_.startswith("token(") else ""
