"""What of an id both sides evaluate: one spelling, so that a list and a loan book mean the same subject."""

from __future__ import annotations

import unicodedata

LONGEST = 64
"""Characters of the longest id."""


def canonical(subject: str) -> str:
    """The id in the spelling that is matched: compatibility forms folded, without spaces and hyphens, upper case.

    A unified social credit code or a citizen number is the same in full-width digits, in groups, and with a small x.
    Raises ``ValueError`` for what is then empty, too long, or no text of letters and digits.
    """
    folded = unicodedata.normalize("NFKC", subject)
    text = "".join(folded.split()).replace("-", "").upper()
    if not text or len(text) > LONGEST or not text.isalnum():
        raise ValueError("not an id")
    return text


def value_of(subject: str) -> bytes:
    """The input of the oblivious function for this id. Raises ``ValueError`` as ``canonical`` does."""
    return b"subject\0" + canonical(subject).encode()
