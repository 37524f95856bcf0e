"""Carries the intervals of released numbers through the shape, beside the numbers themselves.

Each measure of a core under differential privacy has two more columns in its released rows, the ends of its interval,
under names that no query can spell. Select lists that show a measure as it is show its ends too, so whatever orders,
filters, joins or cuts the rows moves all three together. What the last select list computes from several of them has
the interval that theirs leave possible, by interval arithmetic; it holds when all of theirs do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from louver_sandbox.algebra.expressions import ColumnRef, Expression, Named, column_refs
from louver_sandbox.algebra.intervals import Bounds, bounds_of
from louver_sandbox.algebra.relations import Filter, Join, Limit, Project, Relation, Scan, Sort, Window
from louver_sandbox.stages import Cell

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


MOST_PARTS = 3
"""Noisy numbers that one interval is computed from: each fails in 5 of 100 answers, so all hold in 85 at least."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a column of the answer is computed from: noisy numbers with their ends, and values that are exact.

    In a widened row they stand one after the other, two cells for each noisy number and one for each exact value.
    """

    expression: Expression
    noisy: tuple[ColumnRef, ...]
    exact: tuple[ColumnRef, ...] = ()

    @property
    def cells(self) -> int:
        """How many cells of a widened row are these parts'."""
        return 2 * len(self.noisy) + len(self.exact)

    @property
    def percent(self) -> int:
        """In how many of 100 answers the interval holds, at least."""
        return 100 - 5 * len(self.noisy)

    def ends(self, cells: Sequence[Cell]) -> Bounds | None:
        """The ends in one row; None where they leave anything possible, or a part has no value."""
        known: dict[Column, Bounds] = {}
        lows, highs = cells[: 2 * len(self.noisy) : 2], cells[1 : 2 * len(self.noisy) : 2]
        for ref, first, last in zip(self.noisy, lows, highs, strict=True):
            least, most = _exact(first), _exact(last)
            if least is None or most is None:
                return None
            known[ref.relation, ref.name] = (least, most)
        for ref, value in zip(self.exact, cells[2 * len(self.noisy) :], strict=True):
            if (number := _exact(value)) is not None:
                known[ref.relation, ref.name] = (number, number)
        return bounds_of(self.expression, known)


def _exact(value: Cell) -> Fraction | None:
    return Fraction(value) if isinstance(value, int | float | Decimal) else None


@dataclass(frozen=True, slots=True)
class Widened:
    """An answer's select list with the cells that its intervals are made of after its own, and which these are: for
    each column of the answer its parts, None where it has no interval."""

    relation: Project
    parts: tuple[Parts | None, ...]


def widened(shape: Project, measures: Collection[Column], is_noisy: Callable[[ColumnRef], bool]) -> Widened:
    """The shape with intervals; `is_noisy` says of a column whether noise reaches it."""
    below = with_ends(shape.input, measures)
    parts = tuple(_parts(named.expression, below.columns, is_noisy) for named in shape.columns)
    more: list[Named] = []
    for one in parts:
        for ref in () if one is None else one.noisy:
            more += [Named(f"\0{len(more)}", replace(ref, name=low(ref.name)))]
            more += [Named(f"\0{len(more)}", replace(ref, name=high(ref.name)))]
        for ref in () if one is None else one.exact:
            more += [Named(f"\0{len(more)}", ref)]
    return Widened(replace(shape, input=below.relation, columns=(*shape.columns, *more)), parts)


def _parts(
    expression: Expression, columns: Collection[Column], is_noisy: Callable[[ColumnRef], bool]
) -> Parts | None:
    refs = tuple(dict.fromkeys(column_refs(expression)))
    noisy = tuple(ref for ref in refs if (ref.relation, ref.name) in columns)
    exact = tuple(ref for ref in refs if ref not in noisy)
    if not 1 <= len(noisy) <= MOST_PARTS or any(map(is_noisy, exact)):
        return None
    return Parts(expression, noisy, exact)
