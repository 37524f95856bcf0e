"""How values look to people: aligned, with control characters made visible. Never used for export."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence

from louver.decoding import Row

WITHHELD = "·"
"""What stands for a withheld or missing cell."""

_NEVER_SHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that can move a cursor, hide text or reverse it."""


def visible(text: str) -> str:
    """The text with every control, format and line-separating character escaped, so that none acts on a terminal."""
    return "".join(_escape(char) if unicodedata.category(char) in _NEVER_SHOWN else char for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def cell(value: object) -> str:
    """One cell as people read it."""
    if value is None:
        return WITHHELD
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(cell(item) for item in value) + "]"
    return visible(str(value))


def width(text: str) -> int:
    """Columns the text takes on a terminal: Chinese characters take two (Unicode Standard Annex 11)."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def table(names: Sequence[str], rows: Sequence[Row]) -> str:
    """A plain aligned table."""
    grid = [[visible(name) for name in names], *([cell(value) for value in row] for row in rows)]
    widths = [max(width(line[index]) for line in grid) for index in range(len(names))]
    padded = ["  ".join(text + " " * (widths[i] - width(text)) for i, text in enumerate(line)) for line in grid]
    return "\n".join(
        [padded[0].rstrip(), "  ".join("-" * size for size in widths), *(p.rstrip() for p in padded[1:])]
    )


def html_table(names: Sequence[str], rows: Sequence[Row]) -> str:
    """A table for notebooks; every text is escaped."""
    head = "".join(f"<th>{html.escape(visible(name))}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell(v))}</td>" for v in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
