"""What a text that is not understood as SQL was probably meant to be.

This is advice only: nothing is read differently for it.
The words named are the caller's own keywords and names, never a text or number: those may be data.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from louver_sandbox.algebra.types import Position
from louver_sandbox.sql.constructs import KEYWORDS
from louver_sandbox.sql.functions import RULES

_TOKEN = re.compile(r"(?P<quoted>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")|(?P<word>[^\W\d]\w*)|(?P<other>\d[\w.]*|\S)")
_CLAUSES = (
    "SELECT", "DISTINCT", "FROM", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "OFFSET", "JOIN", "LEFT", "RIGHT",
    "INNER", "OUTER", "USING", "UNION", "INTERSECT", "EXCEPT", "BETWEEN", "LIKE", "WITH", "CASE", "WHEN", "THEN",
    "ELSE", "QUALIFY", "PARTITION", "FILTER", "OVER", "EXISTS", "NULL",
)  # fmt: skip
"""Keywords that are worth guessing at."""

_LIKE_ENOUGH = 0.74
"""Two letters exchanged in a word of four (FORM for FROM) still count as alike."""

_TAKE_BY = frozenset({"ORDER", "GROUP", "PARTITION"})

Advice = tuple[str, str]
"""English and Chinese; empty where nothing better than the general advice is known."""

NOTHING: Advice = ("", "")


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int
    is_word: bool

    @property
    def is_name(self) -> bool:
        return self.is_word and self.text.lower() not in KEYWORDS

    @property
    def is_open(self) -> bool:
        """Whether an expression may end here."""
        return self.is_name or self.text == ")"


def advice(text: str, at: Position | None) -> Advice:
    """What to look at, for a text that the parser could not read beyond a place."""
    if at is None:
        return NOTHING
    lines = text.split("\n")
    offset = sum(len(line) + 1 for line in lines[: at.line - 1]) + at.column - 1
    tokens = [_token(match) for match in _TOKEN.finditer(text)]
    seen = [token for token in tokens if token.start <= offset]
    around = tokens[max(0, len(seen) - 3) : len(seen) + 1]
    return (
        _misspelt(around)
        or _without_by(seen[-2:])
        or _without_comma(seen[-3:])
        or _without_end(tokens)
        or _stopped(seen[-1:])
    )


def misspelt_first(word: str) -> Advice:
    """For a text whose first word is not SELECT or WITH."""
    near = difflib.get_close_matches(word.upper(), ("SELECT", "WITH"), n=1, cutoff=_LIKE_ENOUGH)
    return _meant(word, near[0]) if near and near[0] != word.upper() else NOTHING


def _token(match: re.Match[str]) -> _Token:
    return _Token(match.group(), match.start(), match.lastgroup == "word")


def _meant(word: str, keyword: str) -> Advice:
    return f"did you mean {keyword} instead of {word}?", f"{word} 是否应为 {keyword}？"


def _misspelt(seen: list[_Token]) -> Advice | None:
    """The last words before the stumble that are nearly a keyword, the nearest to it first."""
    for token in reversed(seen):
        if token.is_name and token.text.lower() not in RULES:
            near = difflib.get_close_matches(token.text.upper(), _CLAUSES, n=1, cutoff=_LIKE_ENOUGH)
            if near:
                return _meant(token.text, near[0])
    return None


def _without_by(seen: list[_Token]) -> Advice | None:
    for before in seen[:-1]:
        if before.text.upper() in _TAKE_BY:
            written = before.text.upper()
            return f"write {written} BY", f"请写 {written} BY"
    return None


def _without_comma(seen: list[_Token]) -> Advice | None:
    """`a b c` and `a b (`: two expressions side by side."""
    if len(seen) == 3 and seen[0].is_open and seen[1].is_name and (seen[2].is_name or seen[2].text == "("):
        place = seen[1].text if seen[2].text == "(" else seen[2].text
        return f"is a comma missing before {place}?", f"{place} 之前是否缺少逗号？"
    return None


def _without_end(tokens: list[_Token]) -> Advice | None:
    words = [token.text.upper() for token in tokens if token.is_word]
    if words.count("CASE") > words.count("END"):
        return "a CASE is not closed: write CASE WHEN ... THEN ... END", "CASE 没有闭合：请写 CASE WHEN … THEN … END"
    return None


def _stopped(seen: list[_Token]) -> Advice:
    """At least where reading stopped. What could be data is not repeated."""
    named = [token.text for token in seen if token.is_word or (len(token.text) == 1 and not token.text.isdigit())]
    if not named:
        return NOTHING
    return (
        f"reading stopped at {named[0]}: look there and just before it; docs/reference/sql has what can be written",
        f"读到 {named[0]} 处中断：请检查此处及其前面的写法；可用写法见 docs/reference/sql",
    )
