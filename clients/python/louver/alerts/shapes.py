"""Statements as sets of words, so that two that differ by a literal or a predicate are known to be neighbours.

It reads no grammar: it must work for what was refused because it has none. Words are kept as short keyed digests, so
that what a follower remembers tells no statement to whoever reads its file.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 20_000
"""Characters of a statement that are looked at."""
MOST_WORDS: Final = 400

# Every alternative begins with another character and none can match in two ways, so reading takes linear time.
_WORD: Final = re.compile(
    r"""--[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?|(?P<literal>'[^']*'?|\d[\w.]*|‹\d+›)|"[^"]*"?|`[^`]*`?|[^\W\d]\w*|[<>=!]+|[^\w\s]"""
)


@dataclass(frozen=True, slots=True)
class Shape:
    """``literals`` is a digest of them in order; ``words`` are digests of the other words, each with how often it
    had come before."""

    literals: str
    words: frozenset[str]

    def near(self, other: Shape, apart: int) -> bool:
        """Whether they differ, in literals alone or in so many words at most."""
        if self == other:
            return False
        if abs(len(self.words) - len(other.words)) > apart:
            return False
        return len(self.words ^ other.words) <= apart


def shape_of(sql: str, key: bytes) -> Shape:
    """The shape of a statement; the same for what differs in spaces, comments and case."""
    literals: list[str] = []
    seen: dict[str, int] = {}
    words: set[str] = set()
    for found in _WORD.finditer(sql[:LONGEST]):
        text = found.group()
        if text.startswith(("--", "/*")):
            continue
        if found["literal"] is not None:
            literals.append(text)
            text = "?"
        text = text.lower()
        seen[text] = seen.get(text, 0) + 1
        words.add(f"{text} {seen[text]}")
        if len(words) >= MOST_WORDS:
            break
    return Shape(_digest("\0".join(literals), key), frozenset(_digest(word, key) for word in words))


def _digest(text: str, key: bytes) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6, key=key).hexdigest()
