"""One value under several names: the columns of a core that repeat the same stored columns.

A self-join on the unit, an inner MAX beside an inner AVG, a UNION that selects a column twice: each gives a second
name to what is one amount for most subjects, so sums of the two are compared as sums of one column are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

from louver_sandbox.algebra.expressions import AggregateCall, ColumnRef, column_refs
from louver_sandbox.algebra.types import Position
from louver_sandbox.plan.columns import RowColumns
from louver_sandbox.plan.combinations import difference
from louver_sandbox.plan.conditions import Conditions, disjoint, present_column
from louver_sandbox.plan.counts import Guard
from louver_sandbox.plan.measures import Total
from louver_sandbox.plan.provenance import ROWS
from louver_sandbox.refusals.plan import overlapping_sums

Origin = frozenset[tuple[object, str]]
"""Stored columns, each with its table whatever the scan."""


def origin(ref: ColumnRef, columns: RowColumns) -> Origin:
    """The stored columns that the values under a name are taken from; what only selects rows is left out."""
    known = columns.provenance
    if ref.relation in known.scans:
        return frozenset({(columns.tables[ref.relation].name, ref.name)})
    if ref.relation in known.unions:
        sides = (inner for side in known.sides(ref) for inner in column_refs(side))
        return frozenset().union(*(origin(inner, columns) for inner in sides))
    match known.definition(ref):
        case AggregateCall(function="count"):
            return frozenset((columns.tables[scan].name, ROWS) for scan in known.below[ref.relation])
        case AggregateCall(arguments=arguments):
            inside = (inner for argument in arguments for inner in column_refs(argument))
        case expression:
            inside = (inner for inner in column_refs(expression))
    return frozenset().union(*(origin(inner, columns) for inner in inside))


def representatives(totals: Iterable[Total], columns: RowColumns) -> Mapping[ColumnRef, ColumnRef]:
    """For every factor, one that stands for all that share a stored column with it."""
    factors = dict.fromkeys(factor for total in totals for factor in total.summand.factors)
    groups: list[tuple[ColumnRef, Origin]] = []
    for factor in factors:
        own = origin(factor, columns)
        near = [group for group in groups if group[1] & own]
        groups = [group for group in groups if group not in near]
        first = near[0][0] if near else factor
        groups.append((first, own.union(*(found for _, found in near))))
    return {factor: next(first for first, all_ in groups if all_ & origin(factor, columns)) for factor in factors}


def between_names(
    totals: Iterable[Total], first: Mapping[ColumnRef, ColumnRef], places: Mapping[Total, Position | None]
) -> Iterator[tuple[Total, Guard]]:
    """For sums of one product under several names, their differences over the same rows.

    `first` are the representatives of the factors.

    Raises:
        Refused: LVR-2311, for two names over rows that may meet and are not the same.
    """
    alike: dict[tuple[ColumnRef, ...], list[Total]] = {}
    for total in totals:
        if total.summand.factors:
            alike.setdefault(tuple(sorted((first[one] for one in total.summand.factors), key=repr)), []).append(total)
    for same in alike.values():
        for one, other in combinations(same, 2):
            if one.summand.factors == other.summand.factors:
                continue
            conditions, others = (_besides_value(total, first) for total in (one, other))
            if conditions == others:
                guard = Guard(difference(one, other))
                yield from ((one, guard), (other, guard))
            elif not disjoint(conditions, others):
                raise overlapping_sums(places[other])


def _besides_value(total: Total, first: Mapping[ColumnRef, ColumnRef]) -> Conditions:
    """The conditions, but for those that a value of the product is there under another name."""
    own = {first[factor] for factor in total.summand.factors}
    columns = ((part, present_column(part)) for part in total.summand.conditions)
    return tuple(part for part, column in columns if column is None or first.get(column) not in own)
