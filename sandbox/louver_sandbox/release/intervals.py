"""Carries the intervals of released numbers through the shape, beside the numbers themselves.

Each measure of a core under differential privacy has more columns in its released rows, the ends of its interval and
the scale of its noise, under names that no query can spell. Select lists that show a measure as it is show those too,
so whatever orders, filters, joins or cuts the rows moves all together.

What the last select list computes from several of them has an interval that holds in 95 of 100 answers as well (ADR
42, 51). Where it is a sum of counts and sums with factors, or a quotient of two, the noise of the whole is known and
decides (`quotients`, `mechanisms.joint`). Other smooth functions of counts, sums and averages have all that a ball
around the released numbers holds (`smooth`, `mechanisms.curved`). Where that bends too much for the noise, and for
anything else, there is what the intervals of the n parts leave possible, each of which holds in all but 5 / n of 100,
so that all hold in 95 whatever their noises have in common (Bonferroni); for sums of averages what
`mechanisms.averages` says. Which is shown the released numbers decide; what that costs is measured (ADR 51).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import partial

from louver_sandbox.algebra.expressions import ColumnRef, Expression, Named, column_refs
from louver_sandbox.algebra.intervals import Bounds, bounds_of
from louver_sandbox.algebra.relations import Filter, Join, Limit, Project, Relation, Scan, Sort, Window
from louver_sandbox.mechanisms.averages import Averaged, of_averages
from louver_sandbox.mechanisms.curved import Jet, Numbers, of_curve
from louver_sandbox.mechanisms.joint import MOST_LOST, Spread, lost, of_quotient, of_sum
from louver_sandbox.mechanisms.noise import CONFIDENCE
from louver_sandbox.release.quotients import Quotient, quotient
from louver_sandbox.release.smooth import Leaf, Smooth, is_smooth
from louver_sandbox.stages import Cell

Column = tuple[int, str]
"""The id of a relation and the name of one of its columns."""

MOST_PARTS = 4
"""Noisy numbers that an interval of another form is computed from: with more it would be too wide to say anything."""
MOST_ADDED = 64
"""Noisy numbers of one sum or quotient."""
_OF_DOUBLES = Fraction(1, 2**40)
_LARGEST = Fraction(10) ** 26


@dataclass(frozen=True, slots=True)
class Additive:
    """A measure that is one noisy number: which one, its least scale and the step between its values, in the unit of
    its column, and whether no true one is below zero."""

    noise: str
    scale: Fraction
    step: Fraction
    from_zero: bool


@dataclass(frozen=True, slots=True)
class Average:
    """A measure that is a noisy sum over a noisy number of values: which noises these are, their least scales, the
    step between sums, and the centre of values and how far they can be from it, in the unit of its column."""

    noise: str
    noise_of_total: str
    noise_of_count: str
    scales: tuple[Fraction, Fraction]
    step: Fraction
    centre: Fraction
    reach: Fraction


Source = Additive | Average
Measures = Mapping[Column, Source | None]
"""The columns that have an interval, None for those whose noise is known in no other form."""


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


def of_average(name: str) -> tuple[str, str, str, str]:
    """What an average's noisy sum, number of values and the scales of both are called."""
    return f"{name}\0total", f"{name}\0count", scale(name), f"{name}\0scale of count"


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


def _beside(name: str, of: Source | None, levels: Sequence[int]) -> Iterator[str]:
    """The columns beside one measure."""
    for parts in levels:
        yield low(name, parts)
        yield high(name, parts)
    if isinstance(of, Additive):
        yield scale(name)
    elif of is not None:
        yield from of_average(name)


def _projected(project: Project, below: WithEnds, levels: Sequence[int]) -> WithEnds:
    found: dict[Column, Source | None] = {}
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

    In a widened row they stand one after the other: with a `level`, the ends of each noisy number's interval where so
    many are combined; with `sources`, its value and the scale of its noise (of an average those of its sum and number
    of values); then every exact value.
    """

    expression: Expression
    noisy: tuple[ColumnRef, ...]
    exact: tuple[ColumnRef, ...] = ()
    sources: tuple[Source, ...] = ()
    level: int = 0

    @property
    def cells(self) -> int:
        """How many cells of a widened row are these parts'."""
        return len(tuple(self.beside()))

    def beside(self) -> Iterator[ColumnRef]:
        """The columns whose cells are these parts'."""
        yield from self._ends()
        for ref, of in zip(self.noisy, self.sources, strict=bool(self.sources)):
            if isinstance(of, Additive):
                yield from (ref, replace(ref, name=scale(ref.name)))
            else:
                yield from (replace(ref, name=name) for name in of_average(ref.name))
        yield from self.exact

    def _ends(self) -> Iterator[ColumnRef]:
        for ref in self.noisy if self.level else ():
            yield from (replace(ref, name=end(ref.name, self.level)) for end in (low, high))

    def ends(self, cells: Sequence[Cell]) -> Bounds | None:
        """The ends in one row; None where they leave anything possible, or a part has no value."""
        values = [_exact(value) for value in cells]
        first = len(values) - len(self.exact)
        noisy = [value for value in values[:first] if value is not None]
        if len(noisy) < first:
            return None
        exact = {(ref.relation, ref.name): value for ref, value in zip(self.exact, values[first:], strict=True)}
        known = len(self.noisy) * 2 if self.level else 0
        if self.sources:
            found = self._together(Released.of(self.sources, iter(noisy[known:])), exact)
            if found is not None or not self.level:
                return found
        pairs = zip(self.noisy, noisy[:known:2], noisy[1:known:2], strict=True)
        bounds = {(ref.relation, ref.name): (least, most) for ref, least, most in pairs}
        bounds |= {column: (value, value) for column, value in exact.items() if value is not None}
        return bounds_of(self.expression, bounds)

    def _together(self, released: Released, exact: Mapping[Column, Fraction | None]) -> Bounds | None:
        made = quotient(self.expression, _names(self.noisy, self.sources), exact)
        numbers, spreads, slack = released.numbers, released.spreads, Fraction(0)
        if made is None or released.averages:
            ends = of_curve(Smooth(self.expression, self._leaves(), exact), numbers, spreads)
            if ends is None and made is not None and not self.level:
                ends = of_averages(made.above, released.averages, numbers, spreads)
        elif made.is_sum:
            ends = of_sum(made.above, numbers, spreads)
        else:
            ends, slack = of_quotient(made.above, made.below, numbers, spreads), made.slack
        if ends is None:
            return None
        slack += max(map(abs, ends)) * _OF_DOUBLES
        known = self._possible(exact) if made is None or not self._never_negative(made) else (Fraction(0), _LARGEST)
        least, most = known or (ends[0] - slack, ends[1] + slack)
        return min(max(ends[0] - slack, least), most), max(min(ends[1] + slack, most), least)

    def _never_negative(self, made: Quotient) -> bool:
        """Whether the true value is not below zero whatever the rows: counts are not."""
        whole = {of.noise for of in self.sources if isinstance(of, Additive) and of.from_zero}
        return all(
            combined.constant >= 0 and all(name in whole and factor >= 0 for name, factor in combined.factors.items())
            for combined in (made.above, made.below)
        )

    def _leaves(self) -> dict[Column, Leaf]:
        """The released columns as functions of released numbers."""
        return {
            (ref.relation, ref.name): partial(_leaf, of) for ref, of in zip(self.noisy, self.sources, strict=True)
        }

    def _possible(self, exact: Mapping[Column, Fraction | None]) -> Bounds | None:
        """What the true value can be whatever the rows: no count is below zero, no average beyond its bounds."""
        known: dict[Column, Bounds] = {
            (ref.relation, ref.name): (
                (of.centre - of.reach, of.centre + of.reach)
                if isinstance(of, Average)
                else (Fraction(0) if of.from_zero else -_LARGEST, _LARGEST)
            )
            for ref, of in zip(self.noisy, self.sources, strict=True)
        }
        known |= {column: (value, value) for column, value in exact.items() if value is not None}
        return bounds_of(self.expression, known)


@dataclass(frozen=True, slots=True)
class Released:
    """The numbers behind a column in one row, by their noise, and the averages among them."""

    numbers: Mapping[str, Fraction]
    spreads: Mapping[str, Spread]
    averages: Mapping[str, Averaged]

    @classmethod
    def of(cls, sources: Sequence[Source], cells: Iterator[Fraction]) -> Released:
        """From the cells that stand beside a column."""
        numbers: dict[str, Fraction] = {}
        spreads: dict[str, Spread] = {}
        averages: dict[str, Averaged] = {}
        for of in sources:
            if isinstance(of, Additive):
                numbers[of.noise], width = next(cells), float(next(cells))
                spreads[of.noise] = Spread(width, float(of.step))
                continue
            total, count = next(cells) * of.step, next(cells)
            numbers[of.noise_of_total], numbers[of.noise_of_count] = total, count
            spreads[of.noise_of_total] = Spread(float(next(cells)), float(of.step))
            spreads[of.noise_of_count] = Spread(float(next(cells)), 1.0)
            averages[of.noise] = Averaged(total, count, of.noise_of_total, of.noise_of_count, of.centre, of.reach)
        return cls(numbers, spreads, averages)


def _leaf(of: Source, at: Numbers) -> Jet:
    if isinstance(of, Additive):
        return at.jet(of.noise)
    mean = at.divided(at.jet(of.noise_of_total), at.jet(of.noise_of_count))
    return mean.plus(at.constant(float(of.centre)))


def _names(noisy: Sequence[ColumnRef], sources: Sequence[Source]) -> dict[Column, str]:
    return {(ref.relation, ref.name): of.noise for ref, of in zip(noisy, sources, strict=True)}


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
    sources = _sources(noisy, columns)
    names = _names(noisy, sources) if sources else {}
    made = quotient(expression, names, {(ref.relation, ref.name): Fraction(1) for ref in exact}) if names else None
    averages = [of for of in sources if isinstance(of, Average)]
    if made is not None and (not averages or (made.is_sum and _are_apart(sources, averages))):
        return Parts(expression, noisy, exact, sources)
    if len(noisy) > MOST_PARTS:
        return None
    return Parts(expression, noisy, exact, sources if is_smooth(expression) else (), len(noisy))


def _sources(noisy: Sequence[ColumnRef], columns: Measures) -> tuple[Source, ...]:
    """What noises are in several numbers; nothing where one has none of a known form, or too little for it.

    Decided by the plan alone: an interval chosen by how wide it turned out would hold less often."""
    found = [of for ref in noisy if (of := columns[ref.relation, ref.name]) is not None]
    if not 2 <= len(noisy) <= MOST_ADDED or len(found) < len(noisy) or _missed(found) > MOST_LOST:
        return ()
    return tuple(found)


def _are_apart(sources: Sequence[Source], averages: Sequence[Average]) -> bool:
    """Whether no noise is in two groups: those of averages over one number of values, and that of all else."""
    groups: dict[str, set[str]] = {"": {of.noise for of in sources if isinstance(of, Additive)}}
    for of in averages:
        groups.setdefault(of.noise_of_count, {of.noise_of_count}).add(of.noise_of_total)
    return sum(map(len, groups.values())) == len(set().union(*groups.values()))


def _missed(sources: Sequence[Source]) -> float:
    """The chance that goes to noises not being continuous."""
    scales: dict[str, float] = {}
    for of in sources:
        if isinstance(of, Additive):
            scales[of.noise] = float(of.scale / of.step)
        else:
            scales[of.noise_of_total] = float(of.scales[0] / of.step)
            scales[of.noise_of_count] = float(of.scales[1])
    return lost(list(scales.values()))
