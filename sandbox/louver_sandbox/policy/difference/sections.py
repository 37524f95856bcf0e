"""What differs in parts of documents that have no effect of their own to compare: templates with their warnings,
reports, cubes, budgets of privacy loss, and whatever key a document may have one day.

Nothing is listed here that could be forgotten: every leaf of a document is compared, but for the keys whose effect is
compared instead (`BY_EFFECT`) and those that change nothing (`UNSAID`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import BaseModel

from louver_sandbox.policy.difference.directions import Direction

Leaf = tuple[str, str, str, Direction]
"""Where in a section, what was, what is, and which way that goes."""

BY_EFFECT: Mapping[str, frozenset[str]] = {
    "policy": frozenset({"grants", "denies"}),
    "grant": frozenset({"id", "to", "verbs", "purposes", "valid", "table", "row_filter", "columns", "treatment"})
    | {"threshold", "atoms", "budget", "history", "matching", "tokens", "scoring"},
    "platform": frozenset({"purposes", "groups", "own_data_budget", "negative_list", "requester_rules", "expires"}),
}
"""Keys whose effect for requesters is compared, by kind of document."""
THRESHOLD = frozenset({"dominance", "pq", "encrypted"})
"""Terms of thresholds that are compared leaf by leaf beside their effect."""
UNSAID = frozenset({"kind", "id", "version", "tests"})
"""Keys of a document that change nothing of what is allowed."""
_TITLES = frozenset({"title"})

_MORE_IS_LOOSER = re.compile(
    r"(^|\.)(most_rows|valid_days|warning\.(most|per_day|per_subject|longest_days)|epsilon|delta|until)$"
)
_LESS_IS_LOOSER = re.compile(r"(^|\.)valid\.from$")
_LISTED_IS_LOOSER = re.compile(r"(^|\.)(purposes|templates|cubes)\.[^.]+$")
_SHOWN = re.compile(r"(^|\.)fields\.[^.]+\.show$")
_THERE = "listed"


def named(document: BaseModel, kind: str) -> Iterator[tuple[str, object]]:
    """The parts of a document beside what is compared by effect, by name; those with ids each by itself."""
    for key, value in _plain(document).items():
        if key in UNSAID or key in BY_EFFECT[kind]:
            continue
        if isinstance(value, list) and value and all(isinstance(one, dict) and "id" in one for one in value):
            for one in value:
                yield f"{key} {one['id']}@{one.get('version', '')}".rstrip("@"), one
        elif value not in ([], {}, None):
            yield key, value


def of_grant(document: BaseModel) -> dict[str, object]:
    """What of a grant is compared leaf by leaf."""
    whole = _plain(document)
    left = {key: value for key, value in whole.items() if key not in BY_EFFECT["grant"]}
    terms = {key: value for key, value in whole["threshold"].items() if key in THRESHOLD}
    return left | ({"threshold": terms} if terms else {})


def changed_leaves(before: object, after: object) -> Iterator[Leaf]:
    """Every leaf that differs, titles aside."""
    old, new = dict(_leaves(before, ())), dict(_leaves(after, ()))
    for at in sorted({*old, *new}):
        was, now = old.get(at, ""), new.get(at, "")
        if was != now:
            yield at, was, now, leaf_direction(at, was, now)


def leaf_direction(at: str, before: str, after: str) -> Direction:
    """Which way one leaf went; what has no known order is for a person to judge."""
    if _LISTED_IS_LOOSER.search(at):
        return Direction.of(more=not before, less=not after)
    if _SHOWN.search(at):
        masked = [said not in ("", "whole") for said in (before, after)]
        return Direction.of(
            more=not before or (masked[0] and after == "whole"), less=not after or (before == "whole" and masked[1])
        )
    was, now = _number(before), _number(after)
    if was is None or now is None:
        return Direction.UNCLEAR
    if _MORE_IS_LOOSER.search(at):
        return Direction.of(more=now > was, less=now < was)
    if _LESS_IS_LOOSER.search(at):
        return Direction.of(more=now < was, less=now > was)
    return Direction.UNCLEAR


def _plain(document: BaseModel) -> dict[str, Any]:
    plain: dict[str, Any] = document.model_dump(mode="json", by_alias=True)
    return plain


def _leaves(value: object, at: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if at and at[-1] in _TITLES:
        return
    if isinstance(value, Mapping):
        if not value and at:
            yield ".".join(at), "{}"
        for key, one in value.items():
            yield from _leaves(one, (*at, str(key)))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for place, one in enumerate(value):
            if isinstance(one, Mapping):
                yield from _leaves(one, (*at, str(one.get("id", place))))
            else:
                yield ".".join((*at, str(one))), _THERE
    elif value is not None:
        yield ".".join(at), str(value)


def _number(text: str) -> Decimal | None:
    """A number, or a day as one."""
    try:
        return Decimal(date.fromisoformat(text).toordinal())
    except ValueError:
        try:
            return Decimal(text)
        except InvalidOperation:
            return None
