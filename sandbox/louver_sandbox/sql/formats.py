"""Formats of dates: a closed list, and how dialects spell it.

The canonical spelling is strftime's with `%Y` (four digits), `%m` and `%d` (two digits), and marks between them.
"""

from __future__ import annotations

import re
from datetime import date

ISO = "%Y-%m-%d"
"""The format a cast reads."""

_KNOWN = re.compile(r"(?:%[Ymd]|[-/. _年月日])+")
_DIGITS = {"%Y": r"(?P<Y>[0-9]{4})", "%m": r"(?P<m>[0-9]{2})", "%d": r"(?P<d>[0-9]{2})"}

TRUNCATIONS = {
    **dict.fromkeys(("YYYY", "YEAR", "YY", "SYYYY"), "year"),
    "Q": "quarter",
    "QUARTER": "quarter",
    **dict.fromkeys(("MM", "MON", "MONTH"), "month"),
    "IW": "week",
    "WEEK": "week",
    **dict.fromkeys(("DD", "DDD", "J"), "day"),
}
"""What the format of Oracle's and Spark's TRUNC of a date cuts to."""


def is_known(template: str) -> bool:
    """Whether a format is on the list: at least one of year, month and day, each at most once."""
    conversions = re.findall(r"%.", template)
    return bool(_KNOWN.fullmatch(template)) and 0 < len(conversions) == len(set(conversions))


def from_template(template: str) -> str:
    """A format of PostgreSQL's or Oracle's TO_CHAR (`YYYY-MM-DD`) in the canonical spelling."""
    return _replaced(template.upper(), {"YYYY": "%Y", "MM": "%m", "DD": "%d"})


def from_pattern(pattern: str) -> str:
    """A pattern of Spark (`yyyy-MM-dd`), in which case matters, in the canonical spelling."""
    return _replaced(pattern, {"yyyy": "%Y", "MM": "%m", "dd": "%d"})


def _replaced(template: str, words: dict[str, str]) -> str:
    # A run of other letters is left as it is, and is then not on the list; so is a percent sign.
    runs = re.findall(r"[A-Za-z]+|%|[^A-Za-z%]+", template)
    alternatives = re.compile("|".join(words))
    parts: list[str] = []
    for run in runs:
        whole = re.fullmatch(f"(?:{alternatives.pattern})+", run)
        parts.append(alternatives.sub(lambda found: words[found[0]], run) if whole else run.replace("%", "%%"))
    return "".join(parts)


def read(text: str, template: str) -> date | None:
    """The date a text gives in a canonical format with year, month and day; None when it gives none."""
    pattern = re.sub(r"%.|.", lambda found: _DIGITS.get(found[0]) or re.escape(found[0]), template)
    found = re.fullmatch(pattern, text, re.ASCII)
    parts = {} if found is None else found.groupdict()
    if parts.keys() != {"Y", "m", "d"}:
        return None
    try:
        return date(int(parts["Y"]), int(parts["m"]), int(parts["d"]))
    except ValueError:
        return None
