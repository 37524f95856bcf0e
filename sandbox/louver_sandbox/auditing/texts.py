"""The SQL as auditors see it, and the words by which they find it.

Auditors read decisions, never data. A literal long enough to name somebody (a resident's or enterprise's code, a
telephone or account number) is not shown and not searched for; the entry's commitment still binds the whole text.
Names written in letters cannot be told from other words and stay.
"""

from __future__ import annotations

import re
import unicodedata

_RUN = re.compile(r"[^\W_]{8,}")
LONG_DIGITS = 8
"""Digits in one run of letters and digits from which on it may name somebody."""

MOST_WORDS = 200
"""Words of one text that are searched by; the rest of a longer one is found by these."""
LONGEST_WORD = 64
_WORD = re.compile(r"[^\W\u3400-\u9fff]+|[\u3400-\u9fff]+")


def shown(sql: str) -> str:
    """The text with every run of letters and digits that has eight digits or more replaced by its length."""
    return _RUN.sub(lambda found: f"‹{len(found.group())}›" if _may_name(found.group()) else found.group(), sql)


def _may_name(run: str) -> bool:
    return sum(unicodedata.category(character) == "Nd" for character in run) >= LONG_DIGITS


def words(text: str) -> tuple[str, ...]:
    """The words of a text, lower-case, each once: runs of letters, digits and underscores; of Chinese, each pair of
    neighbouring characters (or the one)."""
    found: dict[str, None] = {}
    plain = unicodedata.normalize("NFKC", text)
    for run in _WORD.findall(_RUN.sub(lambda one: " " if _may_name(one.group()) else one.group(), plain).lower()):
        chinese = "\u3400" <= run[0] <= "\u9fff"
        pieces = [run[i : i + 2] for i in range(len(run) - 1)] if chinese and len(run) > 1 else [run]
        for piece in pieces:
            found[piece[:LONGEST_WORD]] = None
            if len(found) >= MOST_WORDS:
                return tuple(found)
    return tuple(found)
