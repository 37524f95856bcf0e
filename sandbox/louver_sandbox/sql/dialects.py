"""The dialects a question may be written in: what differs before meaning is given, per dialect.

One parser reads all of them: DuckDB's, without the functions whose name means different things in different dialects.
Those reach the binder by the name that was written, and `spellings` gives each its meaning there. What a dialect
writes with other characters (backticks, `"text"`) the gate turns into DuckDB's. What would need a guess is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

from sqlglot.dialects.dialect import Dialect as Reader
from sqlglot.dialects.dialect import DialectType
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.expressions.core import SQLGLOT_ANONYMOUS
from sqlglot.tokenizer_core import Token, TokenType

_EVERYWHERE = frozenset({"power", "pow", "log", "log2", "log10", "date_part", "datepart", "isodow"})

BY_NAME: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        name: _EVERYWHERE | frozenset(more.split())
        for name, more in {
            "duckdb": "date_sub datesub strftime regexp_matches prefix suffix isoyear weekday",
            "postgres": "to_char to_date regexp_like btrim every",
            "mysql": "date_sub subdate adddate datediff timestampdiff date_format str_to_date regexp_like std "
            "variance stddev length weekday isnull substring_index mid",
            "spark": "date_sub datediff date_diff timestampdiff date_format to_date regexp_like regexp every some "
            "std weekday isnull isnotnull decode btrim substring_index",
            "oracle": "decode to_char to_date regexp_like",
        }.items()
    }
)
"""Functions that keep the name they were written with, since the name alone does not say what they mean."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one dialect differs at the gate and in the parser.

    `names` and `texts` are the characters that quote; `operators` are allowed beyond the common ones, with what they
    become (of the same length); `refused` maps words and operators to what to write instead (English, Chinese).
    """

    name: str
    reader: Reader = field(repr=False)
    names: str = '"'
    texts: str = "'"
    escapes: bool = False
    operators: Mapping[str, str] = field(default_factory=dict)
    words: frozenset[str] = frozenset()
    refused: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    empty_is_null: bool = False
    dashes_need_space: bool = False


_CASTS = frozenset({"CAST", "TRY_CAST", "SAFE_CAST"})
_BARE_DECIMAL = {"duckdb": (18, 3), "mysql": (10, 0), "spark": (10, 0)}
"""Digits of a DECIMAL without any."""
_NOT_FIXED = (38, 38)
"""For dialects where it has no fixed number of digits: more than are allowed."""


def _reader(dialect: str, nulls: str, keywords: Mapping[str, TokenType]) -> Reader:
    """DuckDB's parser without the functions read by name, with the order of NULLs that the dialect has.

    The parser is taken as it is, for its compiled build cannot be derived from: what differs is said by the tokens.
    """
    by_name = frozenset(name.upper() for name in BY_NAME[dialect])
    digits = _BARE_DECIMAL.get(dialect, _NOT_FIXED)

    class Louver(DuckDB):
        NULL_ORDERING = nulls

        class Tokenizer(DuckDB.Tokenizer):
            KEYWORDS: ClassVar[dict[str, TokenType]] = {**DuckDB.Tokenizer.KEYWORDS, **keywords}

        def tokenize(self, sql: str, dialect: DialectType = None) -> list[Token]:
            return _retold(super().tokenize(sql, dialect), by_name, digits)

    return Louver()


def _retold(tokens: list[Token], by_name: frozenset[str], digits: tuple[int, int]) -> list[Token]:
    """The tokens, with a mark on every call that must keep its name, and with digits after a bare DECIMAL."""
    callers: list[str] = []
    bare: list[int] = []
    for index, token in enumerate(tokens):
        kind = token.token_type
        if kind is TokenType.L_PAREN:
            callers.append(_written(tokens, index - 1))
        elif kind is TokenType.R_PAREN:
            if callers and callers.pop() in by_name:
                token.comments.append(SQLGLOT_ANONYMOUS)
        elif kind is TokenType.DECIMAL:
            before = _written(tokens, index - 1)
            casts = before == "::" or (before == "AS" and bool(callers) and callers[-1] in _CASTS)
            after = tokens[index + 1].token_type if index + 1 < len(tokens) else None
            if after is TokenType.STRING or (casts and after is not TokenType.L_PAREN):
                bare.append(index)
    for index in reversed(bare):
        tokens[index + 1 : index + 1] = _digits(tokens[index], digits)
    return tokens


def _written(tokens: Sequence[Token], index: int) -> str:
    """The word of a token in capitals, "" before the first."""
    return tokens[index].text.upper() if index >= 0 else ""


def _digits(token: Token, digits: tuple[int, int]) -> Iterator[Token]:
    """`(precision, scale)` after a type, at its own place in the text."""
    number, comma = TokenType.NUMBER, TokenType.COMMA
    parts = ((TokenType.L_PAREN, "("), (number, str(digits[0])), (comma, ","), (number, str(digits[1])))
    for kind, text in (*parts, (TokenType.R_PAREN, ")")):
        yield Token(kind, text, token.line, token.col, token.start, token.end)


_MINUS = {"MINUS": TokenType.EXCEPT}

_UNITS = frozenset({"dow", "dayofweek", "weekofyear", "isoyear", "hour", "minute", "signed"})
"""Names of parts of a date, and of a type, that stand without a bracket in some dialect."""

_NOW = (
    "write the date as a constant or parameter, so that the question can be repeated",
    "请将日期写为常量或参数，使查询可重现",
)
_OR = ("write concat(a, b) for texts, or OR for conditions", "连接文本请写 concat(a, b)，条件请写 OR")

_ALL = (
    Dialect(
        "duckdb",
        _reader("duckdb", "nulls_are_last", {}),
        operators={"==": "= ", "//": "//", "~": "~", "!~": "!~"},
        words=_UNITS | frozenset({"similar", "to", "escape"}),
    ),
    Dialect(
        "postgres",
        _reader("postgres", "nulls_are_large", {}),
        operators={"~": "~", "!~": "!~"},
        words=_UNITS | frozenset({"similar", "to", "escape"}),
    ),
    Dialect(
        "mysql",
        _reader("mysql", "nulls_are_small", {}),
        names="`",
        texts="'\"",
        escapes=True,
        operators={"<=>": "<=>"},
        words=_UNITS | frozenset({"div", "rlike", "regexp", "escape"}),
        refused={"||": _OR, "sysdate": _NOW},
        dashes_need_space=True,
    ),
    Dialect(
        "spark",
        _reader("spark", "nulls_are_small", _MINUS),
        names="`",
        texts="'\"",
        escapes=True,
        operators={"<=>": "<=>", "==": "= "},
        words=_UNITS | frozenset({"div", "rlike", "regexp", "escape", "minus"}),
    ),
    Dialect(
        "oracle",
        _reader("oracle", "nulls_are_large", _MINUS),
        words=_UNITS | frozenset({"escape", "number", "varchar2", "nvarchar2", "minus"}),
        refused={
            "rownum": ("write LIMIT n after ORDER BY", "请在 ORDER BY 之后写 LIMIT n"),
            "rowid": ("name a column of the catalogue", "请使用目录中的列"),
            "sysdate": _NOW,
            "systimestamp": _NOW,
        },
        empty_is_null=True,
    ),
)

DIALECTS: Mapping[str, Dialect] = MappingProxyType({dialect.name: dialect for dialect in _ALL})
DUCKDB = DIALECTS["duckdb"]
