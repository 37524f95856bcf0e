"""A problem and its pattern as bytes: JSON of numbers only, for the process in which it is solved.

What is read is checked: a process may end or lie, and a pattern must be about the cells it was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from louver_sandbox.suppression.pattern import Number, Pattern, Problem
from louver_sandbox.suppression.table import Protection


class Malformed(Exception):
    """The bytes are no problem or no pattern of it."""


def problem_to_bytes(problem: Problem) -> bytes:
    """The problem as JSON."""
    return _bytes(
        {
            "weights": problem.weights,
            "relations": problem.relations,
            "hidden": sorted(problem.hidden),
            "of_cells": [_number(number) for number in problem.of_cells],
            "of_values": [_number(number) for number in problem.of_values],
            "shown": sorted(problem.shown),
        }
    )


def problem_from_bytes(content: bytes) -> Problem:
    """The problem in these bytes, which the service has written. Raises `Malformed`."""
    try:
        found = json.loads(content)
        return Problem(
            tuple(found["weights"]),
            tuple((total, tuple(parts)) for total, parts in found["relations"]),
            frozenset(found["hidden"]),
            tuple(map(_number_of, found["of_cells"])),
            tuple(map(_number_of, found["of_values"])),
            frozenset(found["shown"]),
        )
    except (ValueError, KeyError, TypeError) as wrong:
        raise Malformed("no problem") from wrong


def pattern_to_bytes(pattern: Pattern | None) -> bytes:
    """The pattern as JSON; null where there is none."""
    if pattern is None:
        return b"null"
    return _bytes([sorted(pattern.hidden), sorted(pattern.emptied), sorted(pattern.unproved)])


def pattern_from_bytes(content: bytes, problem: Problem) -> Pattern | None:
    """The pattern in these bytes. Raises `Malformed` where it cannot be one of this problem: a cell that must be
    withheld is not, or one is named that is not there."""
    try:
        found = json.loads(content)
        if found is None:
            return None
        hidden, emptied, unproved = (frozenset(map(_place, places)) for places in found)
    except (ValueError, TypeError) as wrong:
        raise Malformed("no pattern") from wrong
    cells, numbers = range(len(problem.weights)), range(len(problem.of_values))
    needed = frozenset().union(*(problem.emptied_for(number) for number in problem.of_values))
    known = all(place in cells for place in hidden | emptied) and all(place in numbers for place in unproved)
    if not known or not problem.hidden <= hidden or not needed <= hidden | emptied:
        raise Malformed("no pattern of this problem")
    if (hidden | emptied) & problem.shown:
        raise Malformed("no pattern of this problem")
    return Pattern(hidden, emptied, unproved)


def _place(place: object) -> int:
    if type(place) is not int:
        raise TypeError("not a place")
    return place


def _number(number: Number) -> Mapping[str, object]:
    levels = ((cell, each.lower, each.upper, each.sliding) for cell, each in sorted(number.protections.items()))
    return {"values": number.values, "most": number.most, "protections": list(levels)}


def _number_of(found: Mapping[str, Any]) -> Number:
    protections = {cell: Protection(*levels) for cell, *levels in found["protections"]}
    return Number(tuple(found["values"]), protections, tuple(found["most"]))


def _bytes(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
