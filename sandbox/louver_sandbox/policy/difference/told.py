"""A difference for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from louver_sandbox.policy.difference.compare import Change, Difference
from louver_sandbox.policy.difference.directions import Direction

_SIGNS = {Direction.LOOSER: "+", Direction.STRICTER: "-", Direction.UNCLEAR: "?"}


def as_json(difference: Difference) -> dict[str, Any]:
    """The whole difference as plain data."""
    return {
        "summary": {way.value: difference.count(way) for way in Direction},
        "rules": {
            "added": list(difference.added),
            "removed": list(difference.removed),
            "changed": list(difference.altered),
        },
        "changes": [asdict(change) for change in difference.changes],
    }


def as_lines(difference: Difference) -> Iterator[str]:
    """A line for each change, `+` for looser and `-` for stricter ones, then the rules and the sums."""
    if difference.nothing:
        yield "no difference"
        return
    yield from map(_line, difference.changes)
    for said, rules in (
        ("added", difference.added),
        ("removed", difference.removed),
        ("changed", difference.altered),
    ):
        if rules:
            yield f"rules {said}: {', '.join(rules)}"
    yield ", ".join(f"{difference.count(way)} {way.value}" for way in Direction)


def _line(change: Change) -> str:
    parts = [f"{_SIGNS[change.direction]} {change.direction.value:8} {change.what:8}"]
    place = f"{change.table}.{change.column}" if change.column else change.table
    if place:
        rows = f" where {change.row_filter}" if change.row_filter else ""
        parts.append(f"{place}{rows}  {change.subject}")
    else:
        parts.append(change.subject)
    parts.append(f"{change.before or '-'} -> {change.after or '-'}")
    if change.requesters:
        parts.append(f"{', '.join(change.requesters)}; {change.verb}; {', '.join(change.purposes)}")
    return "  ".join(parts)
