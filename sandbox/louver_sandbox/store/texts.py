"""Texts with a NUL character, which PostgreSQL keeps in no column and which strangers may send.

What has to come back as it was is kept in another spelling; what is only looked for, with U+2400 in place of each.
"""

from __future__ import annotations

import json

_MARK = "\ue0f0"
"""Begins another spelling. It is of Unicode's private area, so no text that means anything begins with it."""
_VISIBLE = "\u2400"


def storable(text: str) -> str:
    """The text as any database keeps it; `told` gives it back."""
    return _MARK + json.dumps(text) if "\0" in text or text.startswith(_MARK) else text


def told(stored: str) -> str:
    """The text that was kept."""
    return str(json.loads(stored[1:])) if stored.startswith(_MARK) else stored


def findable(text: str) -> str:
    """The text as it is looked for."""
    return text.replace("\0", _VISIBLE)
