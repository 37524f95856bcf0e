"""How much work the parser does for texts that pass the gate, counted in steps from token to token, as JSON.

`python -m tests.support.parser_work` prints it for sqlglot in plain Python, which alone can be counted.
"""

from __future__ import annotations

import json
import random
import sys
from contextlib import suppress
from functools import cache
from typing import Any

import sqlglot
import sqlglot.parser
from sqlglot.errors import SqlglotError

from louver.errors import Refused
from louver_sandbox.sql.dialects import DIALECTS
from louver_sandbox.sql.lexical import LIMITS, gate

OPENINGS = ("select", "select 1 from", "select 1 from a", "select 1 from a where", "select 1 from a group by")
PIECES = (
    "join b", "left join b", "cross join b", "natural join b", "join natural join", "join cross join", "join b on 1",
    "join b using ( a )", "join ( select 1 from", "join b using sample 1", "for system_time natural join b",
    "limit 1 + ( select 1 from a", "limit ( select 1", "offset 1 + ( select 1 from a", "offset 1 limit 1", "+ if", "if",
    "if (", "date (", "decimal (", "row (", "struct (", "union (", "union select", "time (", "cast ( 1 as decimal (",
    '"int" (', '"int(int(int(int(int(int(int(1)))))))"', '"int(+if+if+if+if+if+if+if+if+if+1)"', ":: int (", "( (",
    "f (", "f ( 1 ,", "( select", "( select 1 from", "in (", "exists ( select", "case when", "then", "else", "end",
    "not", "-", "interval", "interval ( 1 )", "between 1 and", "and", "or", "is not", ", b", "filter ( where",
    "over ( partition by", "lateral (", "unnest (", "values (", "with x as ( select", "as a", "1", "a", "'x'", "distinct",
    "grouping sets (", "trim ( both", "extract ( year from", "position (", "* exclude (", "collate", "escape", "array",
    "map (", "struct < a", "match_condition (", "straight_join b", "next value for", "on", "using", "a .", "asof join b",
)  # fmt: skip
CLOSINGS = ("", "as a", "end", "on 1", "a", "order by 1", "union select 1")
SEED = 20261122
SAMPLES = 1_500
PATIENCE = 400
"""Steps for each token at which counting ends."""


class _Enough(BaseException):
    """Ends a parse; not an `Exception`, which the parser might take for its own."""


def shapes() -> list[tuple[str, str, str]]:
    """An opening, what is repeated inside itself or in a row, and what closes each repetition."""
    drawn = random.Random(SEED)
    single = [(opening, piece, "") for opening in OPENINGS for piece in PIECES]
    mixed = [
        (drawn.choice(OPENINGS), " ".join(drawn.choices(PIECES, k=drawn.randint(2, 3))), drawn.choice(CLOSINGS))
        for _ in range(SAMPLES)
    ]
    return [*single, *mixed]


def largest(opening: str, repeated: str, closing: str, dialect: str) -> str | None:
    """The text with as many repetitions as the gate lets through, up to 80."""
    brackets = repeated.count("(") - repeated.count(")")
    for times in (80, 40, 30, 20, 15, 10, 8, 6, 5, 4, 3, 2, 1) if brackets >= 0 else ():
        text = " ".join([opening, *[repeated] * times, "1", *[") " * brackets + closing] * times])
        with suppress(Refused):
            gate(text, LIMITS, DIALECTS[dialect])
            return text
    return None


class Steps:
    """Counts the parser's steps from token to token."""

    def __init__(self) -> None:
        self.made = 0
        self.most = sys.maxsize
        parser: Any = sqlglot.parser.Parser
        step = parser._advance

        def counted(this: Any, times: int = 1) -> None:
            self.made += 1
            if self.made > self.most:
                raise _Enough
            step(this, times)

        parser._advance = counted

    def of(self, text: str, dialect: str) -> int:
        """The steps one text takes; no more than `PATIENCE` for each of its tokens are waited for."""
        self.made, self.most = 0, PATIENCE * len(text.split())
        with suppress(SqlglotError, RecursionError, ValueError, TypeError, AttributeError, IndexError, _Enough):
            sqlglot.parse(text, read=DIALECTS[dialect].reader)
        return self.made


@cache
def measured() -> list[tuple[str, int, int]]:
    """Each text that passed, its tokens, and the parser's steps."""
    steps = Steps()
    texts = {largest(*shape, "duckdb") for shape in shapes()} - {None}
    return [(text, len(text.split()), steps.of(text, "duckdb")) for text in sorted(filter(None, texts))]


if __name__ == "__main__":
    json.dump(measured(), sys.stdout)
