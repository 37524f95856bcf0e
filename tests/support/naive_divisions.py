"""Which cores of a question are parts of another's, by the look of their trees: the same rows, more keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tests.support.naive_keys import behind, behind_keys
from tests.support.naive_protection import Division

from louver_sandbox.algebra.expressions import AggregateCall
from louver_sandbox.algebra.relations import Aggregate, scans

_ID = re.compile(r"\b(relation|id)=(\d+)")
_SCANNED = re.compile(r"(Scan\(id=\d+, table=TableName\([^)]*\)), columns=\([^)]*\)\)")


def division(whole: Aggregate, parts: Aggregate) -> Division | None:
    """How the cells of `parts` divide those of `whole`; None where they do not, as far as their looks tell."""
    if whole.sets or parts.sets or _looks(whole, whole.input) != _looks(parts, parts.input):
        return None
    of_parts = {_looks(parts, key.expression): key.name for key in parts.keys}
    of_whole = {_looks(whole, key.expression): key.name for key in whole.keys}
    if not of_whole.keys() < of_parts.keys():
        return None
    keys = [(name, of_parts[looks]) for looks, name in of_whole.items()]
    return Division(keys, _pairs(whole, parts), frozenset(_by_key(whole, parts)))


def _by_key(whole: Aggregate, parts: Aggregate) -> Iterator[str]:
    """The measures of the whole that look at what the parts are made by."""
    same = dict(zip((scan.id for scan in scans(parts)), (scan.id for scan in scans(whole)), strict=True))
    made_by = {(same[scan], name) for scan, name in behind_keys(parts) if scan in same}
    for measure in whole.measures:
        assert isinstance(measure.expression, AggregateCall)
        call = measure.expression
        looked_at = call.arguments if call.where is None else (*call.arguments, call.where)
        if made_by & behind(looked_at, whole):
            yield measure.name


def bluntly(whole: Aggregate, parts: Aggregate) -> Sequence[tuple[str, str]]:
    """Pairs of measures about the same values, where one of two cores has grouping sets and some set of `parts`
    divides one of `whole`: any part that is missing keeps every such total back."""
    if whole is parts or not (whole.sets or parts.sets) or _looks(whole, whole.input) != _looks(parts, parts.input):
        return ()
    if not any(one < other for one in _key_sets(whole) for other in _key_sets(parts)):
        return ()
    return _pairs(whole, parts)


def _key_sets(core: Aggregate) -> list[set[str]]:
    keys = [_looks(core, key.expression) for key in core.keys]
    return [{keys[place] for place in one} for one in core.sets] or [set(keys)]


def _pairs(whole: Aggregate, parts: Aggregate) -> list[tuple[str, str]]:
    about = [(measure.name, _about(parts, measure.expression)) for measure in parts.measures]
    return [
        (measure.name, name)
        for measure in whole.measures
        for name, looks in about
        if not looks.isdisjoint(_about(whole, measure.expression))
    ]


def _about(core: Aggregate, measure: object) -> set[tuple[str, ...]]:
    """A count tells of rows, an average of a sum and, beside the sum, of rows."""
    assert isinstance(measure, AggregateCall)
    where = "" if measure.where is None else _looks(core, measure.where)
    values = (where, *(_looks(core, part) for part in measure.arguments))
    match measure.function:
        case "count":
            return {(where,)}
        case "sum":
            return {values}
        case "grouping":
            return set()
        case _:
            return {values, (where,)}


def _looks(core: Aggregate, part: object) -> str:
    """The tree as text, with relations numbered in the order in which the core's input has them."""
    order: dict[str, int] = {}
    for _, number in _ID.findall(repr(core.input)):
        order.setdefault(number, len(order))
    text = _SCANNED.sub(r"\1)", repr(part))
    return _ID.sub(lambda found: f"{found[1]}={order.get(found[2], found[2])}", text)
