"""Which cores of a question are parts of another's, by the look of their trees: the same rows, more keys."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.support.naive_keys import behind, behind_keys
from tests.support.naive_names import Stored, stored
from tests.support.naive_protection import Division
from tests.support.naive_rows import without_select_lists
from tests.support.naive_sums import amounts

from louver_sandbox.algebra.expressions import AggregateCall, Expression
from louver_sandbox.algebra.relations import Aggregate, scans

_ID = re.compile(r"\b(relation|id)=(\d+)")
_SCANNED = re.compile(r"(Scan\(id=\d+, table=TableName\([^)]*\)), columns=\([^)]*\)\)")


def division(whole: Aggregate, parts: Aggregate) -> Division | None:
    """How the cells of `parts` divide those of `whole`; None where they do not, as far as their looks tell."""
    if whole.sets or parts.sets or not _of_the_same_rows(whole, parts):
        return None
    of_parts, of_whole = _keys(parts), _keys(whole)
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
    divides one of `whole`: any part that is missing keeps every such total back. The same question twice tells
    nothing more."""
    if not (whole.sets or parts.sets) or not _of_the_same_rows(whole, parts) or _is_asked_again(whole, parts):
        return ()
    if not any(one < other for one in _key_sets(whole) for other in _key_sets(parts)):
        return ()
    return _pairs(whole, parts)


def _is_asked_again(one: Aggregate, other: Aggregate) -> bool:
    plain, same = without_select_lists(one), without_select_lists(other)
    return _looks(plain, (plain.sets, plain.keys, plain.measures)) == _looks(
        same, (same.sets, same.keys, same.measures)
    )


def _of_the_same_rows(one: Aggregate, other: Aggregate) -> bool:
    plain, same = without_select_lists(one), without_select_lists(other)
    return _looks(plain, plain.input) == _looks(same, same.input)


def _keys(core: Aggregate) -> dict[str, str]:
    """The names of the keys by their looks."""
    plain = without_select_lists(core)
    return {_looks(plain, key.expression): key.name for key in plain.keys}


def _key_sets(core: Aggregate) -> list[set[str]]:
    plain = without_select_lists(core)
    keys = [_looks(plain, key.expression) for key in plain.keys]
    return [{keys[place] for place in one} for one in core.sets] or [set(keys)]


def _pairs(whole: Aggregate, parts: Aggregate) -> list[tuple[str, str]]:
    plain_whole, plain_parts = without_select_lists(whole), without_select_lists(parts)
    about = [(measure.name, _about(plain_parts, measure.expression)) for measure in plain_parts.measures]
    return [
        (measure.name, name)
        for measure in plain_whole.measures
        for name, columns in about
        if not columns.isdisjoint(_about(plain_whole, measure.expression))
    ]


def _about(core: Aggregate, measure: object) -> set[Stored]:
    """The stored columns of each product that is added up, none for rows, whatever the conditions. A mean tells of a
    sum and, beside the sum, of rows."""
    assert isinstance(measure, AggregateCall)
    if measure.function == "grouping":
        return set()
    if measure.function == "count":
        return {frozenset()}
    found = {columns for argument in measure.arguments for columns in _products(core, argument)}
    return (
        found if measure.function == "sum" else {*found, frozenset(), frozenset[tuple[object, str]]().union(*found)}
    )


def _products(core: Aggregate, argument: Expression) -> set[Stored]:
    everywhere: defaultdict[tuple[int, str], bool] = defaultdict(bool)
    try:
        added = amounts(argument, everywhere)
    except NotImplementedError:
        return {frozenset()}
    return {frozenset[tuple[object, str]]().union(*(stored(factor, core) for factor in one.factors)) for one in added}


def _looks(core: Aggregate, part: object) -> str:
    """The tree as text, with relations numbered in the order in which the core's input has them."""
    order: dict[str, int] = {}
    for _, number in _ID.findall(repr(core.input)):
        order.setdefault(number, len(order))
    text = _SCANNED.sub(r"\1)", repr(part))
    return _ID.sub(lambda found: f"{found[1]}={order.get(found[2], found[2])}", text)
