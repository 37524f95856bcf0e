"""Carries the intervals of released numbers through the shape, beside the numbers themselves.

Each measure of a core under differential privacy has two more columns in its released rows, the ends of its interval,
under names that no query can spell. Select lists that show a measure as it is show its ends too, so whatever orders,
filters, joins or cuts the rows moves all three together. What is computed from several numbers has no interval.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from louver_sandbox.algebra.expressions import ColumnRef, Named
from louver_sandbox.algebra.relations import Filter, Join, Limit, Project, Relation, Scan, Sort, Window

Column = tuple[int, str]
"""The id of a relation and the name of one of its columns."""


def low(name: str) -> str:
    """What the lower end of a column's interval is called: the lexical gate refuses NUL."""
    return f"{name}\0low"


def high(name: str) -> str:
    """What the upper end is called."""
    return f"{name}\0high"


@dataclass(frozen=True, slots=True)
class WithEnds:
    """A relation whose rows have the ends of these columns' intervals."""

    relation: Relation
    columns: frozenset[Column]


def with_ends(shape: Relation, measures: Collection[Column]) -> WithEnds:
    """The shape with ends, where released rows have those of the measures."""
    match shape:
        case Scan():
            found = frozenset(column for column in measures if column[0] == shape.id)
            ends = tuple(end for _, name in sorted(found) for end in (low(name), high(name)))
            return WithEnds(replace(shape, columns=shape.columns + ends), found)
        case Project():
            return _projected(shape, with_ends(shape.input, measures))
        case Filter() | Sort() | Limit() | Window():
            below = with_ends(shape.input, measures)
            return WithEnds(replace(shape, input=below.relation), below.columns)
        case Join():
            left, right = with_ends(shape.left, measures), with_ends(shape.right, measures)
            relation = replace(shape, left=left.relation, right=right.relation)
            return WithEnds(relation, left.columns | right.columns)
        case _:
            return WithEnds(shape, frozenset())


def _projected(project: Project, below: WithEnds) -> WithEnds:
    shown = [named for named in project.columns if behind(named, below.columns) is not None]
    ends: list[Named] = []
    for named in shown:
        ref = named.expression
        if isinstance(ref, ColumnRef):
            ends += [Named(low(named.name), replace(ref, name=low(ref.name)))]
            ends += [Named(high(named.name), replace(ref, name=high(ref.name)))]
    relation = replace(project, input=below.relation, columns=(*project.columns, *ends))
    return WithEnds(relation, frozenset((project.id, named.name) for named in shown))


def behind(named: Named, columns: Collection[Column]) -> Column | None:
    """The column with an interval that a select list shows as it is."""
    ref = named.expression
    return (ref.relation, ref.name) if isinstance(ref, ColumnRef) and (ref.relation, ref.name) in columns else None
