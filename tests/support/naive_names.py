"""One stored column under several names, by definition: what two sums of it tell when they are subtracted.

Nothing is shared with `plan/names.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import permutations

from tests.support.naive_sums import Amount, Test, apart, is_presence

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, column_refs
from louver_sandbox.algebra.relations import Aggregate, Project, Scan, Union, scans, walk
from louver_sandbox.engines.oracle import Row

Stored = frozenset[tuple[object, str]]
"""Columns of tables, whichever scan they are seen through."""


class DifferentRows(Exception):
    """Two names of one column are added up over rows that may meet and are not the same."""


def between_names(
    amount: Amount, everything: Sequence[Amount], core: Aggregate
) -> Iterator[Callable[[Row], Fraction | None]]:
    """What one sum has more than each sum of the same stored columns under another name, row by row.

    Raises:
        DifferentRows: for two that are not over the same rows.
    """
    for other in everything:
        if not amount.factors or amount.factors == other.factors or not _is_one_product(amount, other, core):
            continue
        if _rows_of(amount, core) == _rows_of(other, core):
            yield lambda row, other=other: (amount.of(row) or Fraction(0)) - (other.of(row) or Fraction(0))  # type: ignore[misc]  # a loop variable kept
        elif not apart(amount, other):
            raise DifferentRows


def _is_one_product(one: Amount, other: Amount, core: Aggregate) -> bool:
    return len(one.factors) == len(other.factors) and any(
        all(stored(a, core) & stored(b, core) for a, b in zip(one.factors, order, strict=True))
        for order in permutations(other.factors)
    )


def _rows_of(amount: Amount, core: Aggregate) -> frozenset[Test]:
    """The tests on the rows, but for those that the value is there under another name."""
    own: Stored = frozenset().union(*(stored(factor, core) for factor in amount.factors))
    return frozenset(
        test for test in amount.tests if not (is_presence(test[0]) and _asked_about(test[0], core) & own)
    )


def _asked_about(test: Expression, core: Aggregate) -> Stored:
    inner = test.arguments[0] if isinstance(test, Call) else None
    value = inner.arguments[0] if isinstance(inner, Call) else None
    return stored(value, core) if isinstance(value, ColumnRef) else frozenset()


def stored(ref: ColumnRef, core: Aggregate) -> Stored:
    """The stored columns that the values under a name are made of."""
    below = next(
        node
        for node in walk(core.input)
        if isinstance(node, Scan | Aggregate | Project | Union) and node.id == ref.relation
    )
    match below:
        case Scan():
            return frozenset({(below.table, ref.name)})
        case Union():
            place = [column.name for column in below.columns].index(ref.name)
            made = [side.columns[place].expression for side in (below.left, below.right)]
        case Project():
            made = [named.expression for named in below.columns if named.name == ref.name]
        case Aggregate():
            made = [named.expression for named in below.keys + below.measures if named.name == ref.name]
    if any(isinstance(one, AggregateCall) and one.function == "count" for one in made):
        return frozenset((scan.table, "*") for scan in scans(below))
    found = [inner for one in made for inner in column_refs(one)]
    return frozenset().union(*(stored(inner, core) for inner in found))
