"""The totals that count as known beside a question's cells, whether it asks for them or not (PRIVACY 5.5, ADR 26).

With `totals: known` the worker computes every coarser grouping set of each set that is asked for, so that the
releaser can withhold what such a total, asked by anybody in another question, would tell. A date decides its month,
a month its quarter, a quarter its year: those are coarser sets too, by keys of the worker's result that no row has.

Keys that a set must keep are in all of them: the requester's own, of which totals are never answered, and those that
say which side of a UNION a row is from, without which subjects are counted in another way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, Literal, Named
from louver_sandbox.algebra.relations import Aggregate, Union, scans, walk
from louver_sandbox.algebra.types import TEXT, Kind
from louver_sandbox.catalog.model import Catalog, SpaceKind
from louver_sandbox.core_plan import AskedSet
from louver_sandbox.plan.provenance import Provenance
from louver_sandbox.plan.unions import is_apart
from louver_sandbox.refusals.sql import too_complex

MOST_SETS = 64
"""Grouping sets of one core with all that are coarser: six keys."""

_PERIODS = ("year", "quarter", "month", "day")
"""Each decides those before it; a moment by itself decides all."""

Keys = frozenset[int]


@dataclass(frozen=True, slots=True)
class WithTotals:
    """A core with every coarser set of its own, and which of them are those that it asks for."""

    core: Aggregate
    asked: tuple[AskedSet, ...]


def with_known_totals(
    core: Aggregate, attributes: Sequence[int], catalog: Catalog, provenance: Provenance
) -> WithTotals:
    """The core with every grouping set that is coarser than one of its own. `attributes` are the keys, by index, that
    cells are judged beside each other on: of those no period is a key of its own.

    Raises:
        Refused: LVR-1006, more than `MOST_SETS` of them.
    """
    if not core.keys:
        return WithTotals(core, ())
    kept = frozenset(
        index for index, key in enumerate(core.keys) if _is_kept(key.expression, core, catalog, provenance)
    )
    found = _Ladders(core, kept | frozenset(attributes), provenance)
    every = tuple(range(len(core.keys)))
    asked = tuple(AskedSet(one, tuple(sorted(found.cells(one)))) for one in core.sets or (every,))
    sets: dict[Keys, None] = {}
    for one in asked:
        for coarser in found.coarser(frozenset(one.cells), kept):
            sets[coarser] = None
            if len(sets) > MOST_SETS:
                at = core.keys[0].expression.at
                raise too_complex("grouping sets with their totals", "分组集及其合计", MOST_SETS, at)
    # In an order of their own, so that the statement is the same for every question with these keys.
    finest_first = sorted((tuple(sorted(one)) for one in sets), key=lambda one: (-len(one), one))
    return WithTotals(replace(core, keys=found.keys, sets=tuple(finest_first)), asked)


@dataclass(frozen=True, slots=True)
class _Ladder:
    """The keys made of one moment, from the coarsest period to the finest."""

    steps: tuple[Keys, ...]

    def up_to(self, one: Keys) -> int:
        """How many steps a set has: to the finest that one of its keys stands on."""
        return max((number for number, step in enumerate(self.steps, start=1) if step & one), default=0)


class _Ladders:
    """The keys of a core with those of coarser periods, which are added behind them."""

    def __init__(self, core: Aggregate, without: Keys, provenance: Provenance) -> None:
        made: dict[Expression, dict[int, set[int]]] = {}
        for index, key in enumerate(core.keys):
            dated = None if index in without else _dated(key.expression, provenance)
            if dated is not None:
                moment, period = dated
                made.setdefault(moment, {}).setdefault(period, set()).add(index)
        keys = list(core.keys)
        for levels in made.values():
            finest = max(levels)
            source = core.keys[min(levels[finest])].expression
            for period in range(finest):
                if period not in levels and not (period == _DAY and source.type.kind is Kind.DATE):
                    levels[period] = {len(keys)}
                    keys.append(Named(f"\0period{len(keys)}", _truncated(_PERIODS[period], source)))
        self.keys = tuple(keys)
        self._ladders = [
            _Ladder(tuple(frozenset(levels[period]) for period in sorted(levels))) for levels in made.values()
        ]

    def cells(self, one: Sequence[int]) -> Keys:
        """The keys of the set that has the cells of this one: those that its own decide are among them."""
        found = frozenset(one)
        decided = (step for ladder in self._ladders for step in ladder.steps[: ladder.up_to(found)])
        return found.union(*decided)

    def coarser(self, one: Keys, kept: Keys) -> Iterator[Keys]:
        """A set and all that are coarser, finer ones first."""
        plain = sorted(one - kept - frozenset().union(*(step for ladder in self._ladders for step in ladder.steps)))
        heights = [range(ladder.up_to(one), -1, -1) for ladder in self._ladders]
        for size in range(len(plain), -1, -1):
            for some, climbed in product(combinations(plain, size), product(*heights)):
                steps = (
                    step
                    for ladder, height in zip(self._ladders, climbed, strict=True)
                    for step in ladder.steps[:height]
                )
                yield (kept & one).union(some, *steps)


def _is_kept(key: Expression, core: Aggregate, catalog: Catalog, provenance: Provenance) -> bool:
    spaces = {scan.id: catalog.tables[scan.table].space for scan in scans(core.input)}
    if any(spaces[scan] is SpaceKind.INSTITUTION for scan, _ in provenance.columns(key)):
        return True
    unions = (node for node in walk(core.input) if isinstance(node, Union))
    return any(is_apart(union, (key,), provenance) for union in unions)


_DAY = _PERIODS.index("day")


def _dated(key: Expression, provenance: Provenance) -> tuple[Expression, int] | None:
    """The moment a key is made of and its period, by place; None where it is no moment, or one of weeks."""
    key = _followed(key, provenance)
    match key:
        case Call("date_trunc", (Literal(value=str(word)), moment)):
            return (_followed(moment, provenance), _PERIODS.index(word)) if word in _PERIODS else None
        case _ if key.type.kind in (Kind.DATE, Kind.TIMESTAMP):
            return key, len(_PERIODS)
        case _:
            return None


def _followed(expression: Expression, provenance: Provenance) -> Expression:
    """What a column of a derived table computes."""
    while isinstance(expression, ColumnRef) and expression.relation in provenance.derived:
        expression = provenance.definition(expression)
    return expression


def _truncated(period: str, moment: Expression) -> Call:
    return Call("date_trunc", (Literal(period, TEXT), moment), moment.type)
