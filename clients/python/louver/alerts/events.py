"""What an entry says that rules may ask about: a pure function of its fields, which were written by others.

Whatever is not of its form counts as not said; nothing that a log holds can stop an evaluation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

_BY_KIND: Final = {"admission": "admitted", "outcome": "answered", "refusal": "refused", "aborted": "aborted"}
_WITHHELD: Final = ("CELLS_WITHHELD", "VALUES_WITHHELD")
_DECIMAL: Final = re.compile(r"[0-9]{1,40}(?:\.[0-9]{1,40})?")
MOST_KEYS: Final = 1000
"""Keys of one entry that are looked at."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Units of one access budget that an entry charged, and what is granted of it for a day. ``keys`` are digests of
    what the question chose by."""

    dataset: str
    kind: str
    units: int
    limit: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """An entry for rules. ``time`` is in POSIX seconds by the log; ``said`` has what filters and `per` ask for.

    ``withheld`` and ``rows`` are of an outcome; ``sql`` is without literals that may name somebody.
    """

    index: int
    time: float
    said: Mapping[str, tuple[str, ...]]
    spent: tuple[Spent, ...] = ()
    rho: tuple[tuple[str, str, Fraction], ...] = ()
    rows: int = 0
    withheld: int = 0
    sql: str = ""

    def one(self, name: str) -> str:
        """What it says of a field, as one text."""
        return " ".join(self.said.get(name, ()))


def event_of(fields: Mapping[str, Any], sql: str = "", datasets: Sequence[str] = ()) -> Event:
    """The event of an entry. ``datasets`` are those of its admission, for an outcome."""
    spent, losses = tuple(_spent(fields)), tuple(_losses(fields))
    own = {one.dataset for one in spent} | {dataset for dataset, _, _ in losses}
    own |= set(_mapping(fields.get("snapshots")))
    kind = _text(fields.get("kind"))
    said = {
        "kind": (kind,),
        "verdict": (_verdict(kind, fields),),
        "dataset": tuple(sorted(own - {""})) or tuple(sorted(datasets)),
        "finding": tuple(sorted({_text(one.get("pattern")) for one in _objects(fields.get("history"))})),
    } | {name: (_text(fields.get(name)),) for name in ("institution", "purpose", "code", "treatment")}
    return Event(
        index=_number(fields.get("index")),
        time=_seconds(fields.get("time")),
        said={name: tuple(one for one in values if one) for name, values in said.items()},
        spent=spent,
        rho=losses,
        rows=_number(fields.get("rows")),
        withheld=_withheld(fields),
        sql=sql,
    )


def _verdict(kind: str, fields: Mapping[str, Any]) -> str:
    if kind == "explain":
        return "refused" if fields.get("code") else "explained"
    return _BY_KIND.get(kind, "")


def _spent(fields: Mapping[str, Any]) -> Iterator[Spent]:
    for item in _objects(fields.get("charges")):
        given = item.get("keys")
        keys = tuple(one for one in given if isinstance(one, str)) if isinstance(given, list) else ()
        units = (_number(item.get("count")) + len(keys)) * _number(item.get("amount", 1))
        yield Spent(
            _text(item.get("dataset")), _text(item.get("kind")), units, _number(item.get("limit")), keys[:MOST_KEYS]
        )


def _losses(fields: Mapping[str, Any]) -> Iterator[tuple[str, str, Fraction]]:
    for item in _objects(fields.get("privacy")):
        text = _text(_mapping(item.get("cost")).get("rho"))
        if not _DECIMAL.fullmatch(text):
            continue  # `1e99999999` is a number too, and takes hours to read
        rho = Fraction(text)
        yield _text(item.get("dataset")), _text(item.get("unit")), rho


def _withheld(fields: Mapping[str, Any]) -> int:
    notices = _mapping(fields.get("notices"))
    return sum(_number(count) for name, count in notices.items() if name.partition(" ")[0] in _WITHHELD)


def _seconds(value: object) -> float:
    try:
        return datetime.fromisoformat(_text(value)).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int:
    return value if type(value) is int and value >= 0 else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
