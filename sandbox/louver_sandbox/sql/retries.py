"""How often a parser may read one part of a text again.

After some words the parser goes back and reads what follows once more: a JOIN that might share a later ON, the name
of a type that might be that of a function, LIMIT and OFFSET that might be names, an IF that might open `IF ... THEN`.
Where such readings stand inside one another, each doubles those within it, so that 40 words could take years. Counted
here is how many stand around each word; with a bound on that, parsing takes time in proportion to the text.
"""

from __future__ import annotations

import re
from functools import cache

from sqlglot.dialects.duckdb import DuckDB

JOIN_WORDS = frozenset({"join", "straight_join"})

_SIGNS_BEFORE_A_NAME = frozenset({",", ".", "("})

_TWICE = {"limit": 1, "offset": 2}
"""Words that are tried as a clause before they are read as one, and the base-2 logarithm of how many readings."""

_PIECE = re.compile(r"\w+|[^\w\s]")


@cache
def type_words() -> frozenset[str]:
    """Words the parser may take for the name of a type, in small letters; of several words the last."""
    parser = DuckDB.parser_class
    kinds = parser.TYPE_TOKENS | parser.STRUCT_TYPE_TOKENS | parser.NESTED_TYPE_TOKENS | parser.ENUM_TYPE_TOKENS
    keywords = DuckDB.Tokenizer.KEYWORDS
    return frozenset(word.split()[-1].lower() for word, kind in keywords.items() if kind in kinds)


@cache
def keywords() -> frozenset[str]:
    """Every word that means something to the parser, in small letters."""
    return frozenset(part.lower() for keyword in DuckDB.Tokenizer.KEYWORDS for part in keyword.split())


class Retries:
    """Counts, word by word, the readings that may be repeated around the place where the text has got to."""

    def __init__(self) -> None:
        self.depth = 0
        self._open = [0]
        self._before: list[str] = []

    def see(self, kind: str, found: str) -> None:
        """One more token of the text: its kind at the gate, and its characters."""
        word = found.lower() if kind == "word" else "" if kind in ("name", "text") else found
        before = self._before[-1] if self._before else ""
        if before == "if" and word != "(":
            self._add(1)
        if word == "(":
            self._add(-1 if before == "using" and self._open[-1] else 0)
            self._open.append(0)
            self._add(int(before in type_words() or before == '"'))
        elif word == ")" and len(self._open) > 1:
            self.depth -= self._open.pop()
        elif word in JOIN_WORDS:
            self._add(int(not self._stands_alone()))
        elif word == "on":
            self._add(-1 if self._open[-1] else 0)
        elif word in _TWICE:
            self._add(_TWICE[word])
        self._before = [*self._before[-4:], word or ('"' if kind == "name" else "'")]

    def inside(self, name: str) -> int:
        """The depth in a quoted name that is taken for a type; it is read as a text of its own then."""
        nested = Retries()
        deepest = 0
        for piece in _PIECE.findall(name):
            nested.see("word" if piece[0].isalpha() else "operator", piece)
            deepest = max(deepest, nested.depth)
        return self.depth + deepest

    def _add(self, readings: int) -> None:
        self._open[-1] += readings
        self.depth += readings

    def _stands_alone(self) -> bool:
        """Whether the JOIN that comes next is for certain a CROSS one: after a keyword `cross` might be a name."""
        *_, table, kind = ["", "", *self._before]
        return kind == "cross" and table not in keywords() and table not in _SIGNS_BEFORE_A_NAME
