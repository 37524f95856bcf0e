"""Carries the intervals of released numbers through the shape, beside the numbers themselves.

Each measure of a core under differential privacy has more columns in its released rows, the ends of its interval and
the scale of its noise, under names that no query can spell. Select lists that show a measure as it is show those too,
so whatever orders, filters, joins or cuts the rows moves all together.

What the last select list computes from several of them has an interval that holds in 95 of 100 answers as well
(ADR 42). Where it is a sum of counts and sums with factors, or a quotient of two, the noise of the whole is known and
decides (`quotients`, `mechanisms.joint`). Anything else has what the intervals of its n parts leave possible, each of
which holds in all but 5 / n of 100, so that all hold in 95 whatever their noises have in common (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from louver_sandbox.algebra.expressions import ColumnRef, Expression, Named, column_refs
from louver_sandbox.algebra.intervals import Bounds, bounds_of
from louver_sandbox.algebra.relations import Filter, Join, Limit, Project, Relation, Scan, Sort, Window
from louver_sandbox.mechanisms.joint import MOST_LOST, Spread, lost, of_quotient, of_sum
from louver_sandbox.mechanisms.noise import CONFIDENCE
from louver_sandbox.release.quotients import Quotient, quotient
from louver_sandbox.stages import Cell

Column = tuple[int, str]
"""The id of a relation and the name of one of its columns."""

MOST_PARTS = 4
"""Noisy numbers that an interval of another form is computed from: with more it would be too wide to say anything."""
MOST_ADDED = 64
"""Noisy numbers of one sum or quotient."""
_OF_DOUBLES = Fraction(1, 2**40)


@dataclass(frozen=True, slots=True)
class Additive:
    """A measure that is one noisy number: which one, its least scale and the step between its values, in the unit of
    its column, and whether no true one is below zero."""

    noise: str
    scale: Fraction
    step: Fraction
    from_zero: bool


Measures = Mapping[Column, Additive | None]
"""The columns that have an interval, None for those made of several noisy numbers."""


def low(name: str, parts: int = 1) -> str:
    """What the lower end of a column's interval is called, where so many are combined: the lexical gate refuses
    NUL."""
    return f"{name}\0low{parts}"


def high(name: str, parts: int = 1) -> str:
    """What the upper end is called."""
    return f"{name}\0high{parts}"


def scale(name: str) -> str:
    """What the scale of a number's noise is called, in the unit of its column."""
    return f"{name}\0scale"


def confidence(parts: int) -> Fraction:
    """How often each of so many intervals has to hold for all to hold in 95 of 100."""
    return 1 - (1 - CONFIDENCE) / parts


@dataclass(frozen=True, slots=True)
class WithEnds:
    """A relation whose rows have the ends of these columns' intervals."""

    relation: Relation
    columns: Measures


def with_ends(shape: Relation, measures: Measures, levels: Sequence[int]) -> WithEnds:
    """The shape with ends for each number of parts in `levels`, where released rows have those of the measures."""
    match shape:
        case Scan():
            found = {column: of for column, of in sorted(measures.items()) if column[0] == shape.id}
            more = tuple(one for (_, name), of in found.items() for one in _beside(name, of, levels))
            return WithEnds(replace(shape, columns=shape.columns + more), found)
        case Project():
            return _projected(shape, with_ends(shape.input, measures, levels), levels)
        case Filter() | Sort() | Limit() | Window():
            below = with_ends(shape.input, measures, levels)
            return WithEnds(replace(shape, input=below.relation), below.columns)
        case Join():
            left, right = with_ends(shape.left, measures, levels), with_ends(shape.right, measures, levels)
            relation = replace(shape, left=left.relation, right=right.relation)
            return WithEnds(relation, {**left.columns, **right.columns})
        case _:
            return WithEnds(shape, {})


def _beside(name: str, of: Additive | None, levels: Sequence[int]) -> Iterator[str]:
    """The columns beside one measure."""
    for parts in levels:
        yield low(name, parts)
        yield high(name, parts)
    if of is not None:
        yield scale(name)


def _projected(project: Project, below: WithEnds, levels: Sequence[int]) -> WithEnds:
    found: dict[Column, Additive | None] = {}
    ends: list[Named] = []
    for named in project.columns:
        ref, column = named.expression, behind(named, below.columns)
        if column is None or not isinstance(ref, ColumnRef):
            continue
        of = below.columns[column]
        found[project.id, named.name] = of
        pairs = zip(_beside(named.name, of, levels), _beside(ref.name, of, levels), strict=True)
        ends += [Named(own, replace(ref, name=inner)) for own, inner in pairs]
    relation = replace(project, input=below.relation, columns=(*project.columns, *ends))
    return WithEnds(relation, found)


def behind(named: Named, columns: Collection[Column]) -> Column | None:
    """The column with an interval that a select list shows as it is."""
    ref = named.expression
    return (ref.relation, ref.name) if isinstance(ref, ColumnRef) and (ref.relation, ref.name) in columns else None


@dataclass(frozen=True, slots=True)
class Parts:
    """What a column of the answer is computed from: noisy numbers, and values that are exact.

    In a widened row they stand one after the other, two cells for each noisy number (its value and the scale of its
    noise with `additive`, else the ends of its interval) and one for each exact value.
    """

    expression: Expression
    noisy: tuple[ColumnRef, ...]
    exact: tuple[ColumnRef, ...] = ()
    additive: tuple[Additive, ...] = ()

    @property
    def cells(self) -> int:
        """How many cells of a widened row are these parts'."""
        return 2 * len(self.noisy) + len(self.exact)

    @property
    def level(self) -> int:
        """How many intervals are combined; none where the noise of the whole decides."""
        return 0 if self.additive else len(self.noisy)

    def beside(self) -> Iterator[ColumnRef]:
        """The columns whose cells are these parts'."""
        for ref in self.noisy:
            if self.additive:
                yield from (ref, replace(ref, name=scale(ref.name)))
            else:
                yield from (replace(ref, name=end(ref.name, self.level)) for end in (low, high))
        yield from self.exact

    def ends(self, cells: Sequence[Cell]) -> Bounds | None:
        """The ends in one row; None where they leave anything possible, or a part has no value."""
        count = 2 * len(self.noisy)
        pairs = [(_exact(one), _exact(other)) for one, other in zip(cells[:count:2], cells[1:count:2], strict=True)]
        found = [(one, other) for one, other in pairs if one is not None and other is not None]
        if len(found) < len(pairs):
            return None
        exact = {
            (ref.relation, ref.name): _exact(value) for ref, value in zip(self.exact, cells[count:], strict=True)
        }
        if self.additive:
            return self._together(found, exact)
        known = {(ref.relation, ref.name): ends for ref, ends in zip(self.noisy, found, strict=True)}
        known |= {column: (value, value) for column, value in exact.items() if value is not None}
        return bounds_of(self.expression, known)

    def _together(
        self, found: Sequence[tuple[Fraction, Fraction]], exact: Mapping[Column, Fraction | None]
    ) -> Bounds | None:
        made = quotient(self.expression, _names(self.noisy, self.additive), exact)
        if made is None:
            return None
        numbers = {of.noise: value for of, (value, _) in zip(self.additive, found, strict=True)}
        spreads = {
            of.noise: Spread(float(width), float(of.step))
            for of, (_, width) in zip(self.additive, found, strict=True)
        }
        if made.is_sum:
            ends: Bounds | None = of_sum(made.above, numbers, spreads)
        else:
            ends = of_quotient(made.above, made.below, numbers, spreads)
        if ends is None:
            return None
        least = Fraction(0) if self._never_negative(made) else None
        slack = made.slack + max(map(abs, ends)) * _OF_DOUBLES
        first, last = ends[0] - slack, ends[1] + slack
        return (first, last) if least is None else (max(first, least), max(last, least))

    def _never_negative(self, made: Quotient) -> bool:
        """Whether the true value is not below zero whatever the rows: counts are not."""
        whole = {of.noise for of in self.additive if of.from_zero}
        return all(
            combined.constant >= 0 and all(name in whole and factor >= 0 for name, factor in combined.factors.items())
            for combined in (made.above, made.below)
        )


def _names(noisy: Sequence[ColumnRef], additive: Sequence[Additive]) -> dict[Column, str]:
    return {(ref.relation, ref.name): of.noise for ref, of in zip(noisy, additive, strict=True)}


def _exact(value: Cell) -> Fraction | None:
    return Fraction(value) if isinstance(value, int | float | Decimal) else None


@dataclass(frozen=True, slots=True)
class Widened:
    """An answer's select list with the cells that its intervals are made of after its own, and which these are: for
    each column of the answer its parts, None where it has no interval. Released rows have intervals for each number
    of parts in `levels`."""

    relation: Project
    parts: tuple[Parts | None, ...]
    levels: tuple[int, ...]


def widened(shape: Project, measures: Measures, is_noisy: Callable[[ColumnRef], bool]) -> Widened:
    """The shape with intervals; `is_noisy` says of a column whether noise reaches it."""
    columns = with_ends(shape.input, measures, ()).columns
    parts = tuple(_parts(named.expression, columns, is_noisy) for named in shape.columns)
    levels = tuple(sorted({1, *(one.level for one in parts if one is not None and one.level)}))
    below = with_ends(shape.input, measures, levels)
    beside = (ref for one in parts if one is not None for ref in one.beside())
    more = (Named(f"\0{place}", ref) for place, ref in enumerate(beside))
    return Widened(replace(shape, input=below.relation, columns=(*shape.columns, *more)), parts, levels)


def _parts(expression: Expression, columns: Measures, is_noisy: Callable[[ColumnRef], bool]) -> Parts | None:
    refs = tuple(dict.fromkeys(column_refs(expression)))
    noisy = tuple(ref for ref in refs if (ref.relation, ref.name) in columns)
    exact = tuple(ref for ref in refs if ref not in noisy)
    if not noisy or any(map(is_noisy, exact)):
        return None
    additive = _additive(expression, noisy, exact, columns)
    if additive:
        return Parts(expression, noisy, exact, additive)
    return Parts(expression, noisy, exact) if len(noisy) <= MOST_PARTS else None


def _additive(
    expression: Expression, noisy: Sequence[ColumnRef], exact: Sequence[ColumnRef], columns: Measures
) -> tuple[Additive, ...]:
    """The numbers of a sum or quotient of several; none of another form, or where their noise is too small for it.

    Decided by the plan alone: an interval chosen by how wide it turned out would hold less often."""
    found = [of for ref in noisy if (of := columns[ref.relation, ref.name]) is not None]
    if not 2 <= len(noisy) <= MOST_ADDED or len(found) < len(noisy):
        return ()
    if lost([float(of.scale / of.step) for of in dict.fromkeys(found)]) > MOST_LOST:
        return ()
    known = {(ref.relation, ref.name): Fraction(1) for ref in exact}
    return tuple(found) if quotient(expression, _names(noisy, found), known) is not None else ()
