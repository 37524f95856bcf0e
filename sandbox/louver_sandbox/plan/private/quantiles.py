"""Quantiles under differential privacy: what is ranked is counted in bins, by a statement of its own for each.

A histogram is a core whose cells have one more key, the bin, and one number, how many rows count. Rows without a
value are left out first, so that they use up none of a unit's. A unit's rows over all cells and bins are at most
`rows`, so it changes each level of the tree over the bins by at most that, however its rows lie (L2, ADR 33). Bins
come from declared bounds and the number of public cells, never from data. All quantiles of one value in one core
share one histogram.

Where every row belongs to a person and to an enterprise at once, of the rows of an enterprise in a cell the first c
count, its bins taken in an order of its own that no row decides (a hash of its record key, the cell and the bin).
One row more, of the person who is protected beside it, then adds 1 to one bin and takes 1 from at most one other: the
last that counted falls out. So the r rows of a person change the nodes of a level by p - q with p, q >= 0 that add up
to r at most each, and |p - q|^2 <= |p|^2 + |q|^2 <= 2 r^2; an enterprise changes those of a cell by c at most
(ADR 42).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Final

from louver_sandbox.algebra.expressions import Call, Expression, Literal, Named
from louver_sandbox.algebra.relations import Aggregate, Filter, Relation, Scan
from louver_sandbox.algebra.types import BOOLEAN, DOUBLE, INTEGER, Position, Type, decimal
from louver_sandbox.core_plan import CorePlan
from louver_sandbox.mechanisms.grid import Segment, grid, segments
from louver_sandbox.mechanisms.ranks import BRANCHES, Bins
from louver_sandbox.mechanisms.release import Bounds
from louver_sandbox.plan.private.bounding import Bounded
from louver_sandbox.plan.private.measures import ROWS, Number, finite
from louver_sandbox.plan.private.statement import Statement
from louver_sandbox.private_core import PrivateRanks
from louver_sandbox.refusals.private import too_many_groups_for_quantiles

MOST_DRAWN: Final = 60_000
"""Draws of noise for the histograms of one core: OpenDP takes 25 microseconds for each."""

_LEAVES: Final = (1024, 256, 64, 16)
_LEAVES_OF_LISTED: Final = 64
"""Where a threshold lists the groups nobody knows beforehand how many there will be."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """What one value is ranked by: its bins, and the statement that counts them. At most `most` cells have one."""

    ranking: Number
    bins: Bins
    statement: Statement
    most: int

    def ranks(self, scale: Fraction) -> PrivateRanks:
        """What is said of it with so much noise on every node of its tree."""
        return PrivateRanks(segments(self.bins), self.ranking.digits, scale, self.most)


def histograms(
    core: Aggregate,
    source: Relation,
    limits: Bounded,
    rankings: Sequence[Number],
    cells: int | None,
    at: Position | None,
) -> tuple[Histogram, ...]:
    """Those of one core's rankings; `cells` is how many public groups there are (None: listed).

    Raises:
        Refused: LVR-2361, too many groups.
    """
    found: list[Histogram] = []
    for ranking in rankings:
        bins = grid(Bounds(ranking.low, ranking.high), _leaves(cells, len(rankings), at))
        most = MOST_DRAWN // len(rankings) // _nodes(BRANCHES ** (bins.levels - 1))
        found.append(Histogram(ranking, bins, _statement(core, source, limits, ranking, bins), most))
    return tuple(found)


def cores_of(core: CorePlan, made: Sequence[Statement], source_of: Callable[[Scan], str]) -> tuple[CorePlan, ...]:
    """The plans of histograms beside that of their core."""
    return tuple(
        CorePlan(
            -(core.core_id * len(_PLACES) + place),
            True,
            one.text(source_of),
            one.columns,
            unit_groups=core.unit_groups,
            ranks_of=core.core_id,
        )
        for place, one in enumerate(made, start=1)
    )


_PLACES: Final = range(1024)
"""More than one question has columns. No relation has a negative id."""


def _statement(core: Aggregate, source: Relation, limits: Bounded, ranking: Number, bins: Bins) -> Statement:
    value = _valued(ranking)
    keys = (*core.keys, Named("bin", bin_of(value, ranking, segments(bins))))
    present = Call("not", (Call("is_null", (value,), BOOLEAN),), BOOLEAN)
    counted = replace(core, keys=keys, measures=(), sets=())
    # Rows bound what a unit adds; cells only bound in how many it is counted.
    return Statement(counted, Filter(source, present), replace(limits, cells=limits.rows), (ROWS,), binned=True)


def _valued(ranking: Number) -> Expression:
    """What is ranked, as an exact number with the digits of its bins."""
    if ranking.argument is None:
        raise TypeError("a ranking of nothing")
    type_, given = _type_of(ranking), ranking.argument
    if given.type == DOUBLE:
        given = _near(given, ranking)
    return given if given.type == type_ else Call("try_cast", (given,), type_)


def _near(value: Expression, ranking: Number) -> Expression:
    """A double that is a number, brought to within a whole unit of its bounds, so that none is too large to be a
    decimal; NULL where it is not finite."""
    unit = 10**ranking.digits
    low, high = (Literal(float(end), DOUBLE) for end in (ranking.low // unit - 1, -(-ranking.high // unit) + 1))
    held = Call("least", (Call("greatest", (value, low), DOUBLE), high), DOUBLE)
    return Call("case", (finite(value), held, Literal(None, DOUBLE)), DOUBLE)


def _type_of(ranking: Number) -> Type:
    return decimal(ranking.digits) if ranking.digits else INTEGER


def bin_of(value: Expression, ranking: Number, of: Sequence[Segment]) -> Expression:
    """The number of the bin of a value that is present: beyond its bounds it counts as the bound."""
    type_ = _type_of(ranking)

    def constant(units: int) -> Literal:
        exact = Decimal(units).scaleb(-ranking.digits)
        return Literal(exact if ranking.digits else units, type_)

    held = Call("least", (Call("greatest", (value, constant(ranking.low)), type_), constant(ranking.high)), type_)
    whole: Expression = held
    if ranking.digits:
        whole = Call("try_cast", (Call("*", (held, _whole(10**ranking.digits)), type_),), INTEGER)
    branches: list[Expression] = []
    first = 0
    for (start, step, number), after in zip(of, (*of[1:], None), strict=True):
        place: Expression = Call("-", (whole, _whole(start)), INTEGER)
        place = place if step == 1 else Call("//", (place, _whole(step)), INTEGER)
        numbered = Call("+", (place, _whole(first)), INTEGER)
        branches += [numbered] if after is None else [Call("<", (whole, _whole(after[0])), BOOLEAN), numbered]
        first += number
    return branches[0] if len(branches) == 1 else Call("case", tuple(branches), INTEGER)


def _whole(value: int) -> Literal:
    return Literal(value, INTEGER)


def _leaves(cells: int | None, rankings: int, at: Position | None) -> int:
    if cells is None:
        return _LEAVES_OF_LISTED
    for leaves in _LEAVES:
        if _nodes(leaves) * cells * rankings <= MOST_DRAWN:
            return leaves
    raise too_many_groups_for_quantiles(MOST_DRAWN // rankings // _nodes(_LEAVES[-1]), at)


def _nodes(leaves: int) -> int:
    """Nodes of a complete tree with these leaves, the root among them."""
    levels = round(math.log(leaves, BRANCHES)) + 1
    return int((BRANCHES**levels - 1) // (BRANCHES - 1))
