"""Sets of values of an ordered type: what a condition over one operand allows it to be.

Every condition made of comparisons with constants, lists, AND, OR and NOT is such a set, and one that is written in
several ways is one set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

Constant = None | int | Decimal | str | date | datetime
"""A value that an operand is compared with; all those of one operand are of one class. Truth values are 0 and 1."""

Cut = tuple[Constant, bool]
"""A place between two values: just before a constant (False) or just after it (True)."""


@dataclass(frozen=True, slots=True)
class Region:
    """A set of values: `inside` says whether the smallest belong to it, and at each cut that changes.

    `null` says that no value at all is allowed too. The cuts ascend; where a type has a smallest step, each is before
    a value.
    """

    inside: bool
    cuts: tuple[Cut, ...] = ()
    null: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing is allowed."""
        return not (self.inside or self.cuts or self.null)

    @property
    def points(self) -> int | None:
        """Of how many single values it consists; None where it holds a range without end, or one of no known step."""
        if self.inside or self.null or len(self.cuts) % 2:
            return None
        found = 0
        for low, high in zip(self.cuts[::2], self.cuts[1::2], strict=True):
            between = _between(low, high)
            if between is None:
                return None
            found += between
        return found

    @property
    def opposite(self) -> Region:
        """What the negation allows: of "has a value" that there is none, of any comparison the other values."""
        if not self.cuts:
            return Region(not self.inside, null=self.inside)
        return Region(not self.inside, self.cuts)


ANY_VALUE, NO_VALUE = Region(True), Region(False, null=True)

HOLDS = Region(False, ((1, False),))
"""Of a condition that is an operand itself: that it is true. The opposite is that it is false."""


def common(*regions: Region) -> Region:
    """What all allow; there is at least one."""
    return _paired(regions, lambda one, other: one and other)


def either(*regions: Region) -> Region:
    """What one of them allows, or several; there is at least one."""
    return _paired(regions, lambda one, other: one or other)


def _paired(regions: Sequence[Region], rule: Callable[[bool, bool], bool]) -> Region:
    """Pairs are merged, and then those: a long list takes little more than its length."""
    while len(regions) > 1:
        last = regions[len(regions) // 2 * 2 :]
        pairs = zip(regions[::2], regions[1::2], strict=False)
        regions = (*(_merged(one, other, rule) for one, other in pairs), *last)
    return regions[0]


def within(inner: Region, outer: Region) -> bool:
    """Whether the outer allows all that the inner does."""
    return inner == outer or _merged(inner, outer, lambda one, other: one and not other).empty


def _merged(left: Region, right: Region, rule: Callable[[bool, bool], bool]) -> Region:
    one, other = left.inside, right.inside
    start = now = rule(one, other)
    cuts: list[Cut] = []
    at = beside = 0
    while at < len(left.cuts) or beside < len(right.cuts):
        here = min((*left.cuts[at : at + 1], *right.cuts[beside : beside + 1]))
        if left.cuts[at : at + 1] == (here,):
            one, at = not one, at + 1
        if right.cuts[beside : beside + 1] == (here,):
            other, beside = not other, beside + 1
        if rule(one, other) is not now:
            now = not now
            cuts.append(here)
    return Region(start, tuple(cuts), rule(left.null, right.null))


def _between(low: Cut, high: Cut) -> int | None:
    """How many values lie between two cuts; None where that is not known."""
    (first, after), (last, beyond) = low, high
    if first == last:
        return 1
    if after or beyond:
        return None
    match first, last:
        case int(), int():
            return last - first
        case datetime(), _:
            return None
        case date(), date():
            return (last - first).days
        case Decimal(), Decimal():
            return int((last - first).scaleb(-int(last.as_tuple().exponent)))
        case _:
            return None


MOST = 2**62
_STEPS = 1000
"""How many places of the order below lie between two whole numbers."""


def hull(region: Region) -> tuple[int, int]:
    """A range of whole numbers that holds the region, in an order of its own: regions that share a value have hulls
    that meet, and the hull of a part lies in that of the whole. An index can compare it."""
    low = -MOST if region.inside or region.null or not region.cuts else _place(region.cuts[0][0])
    ends_inside = region.inside is (len(region.cuts) % 2 == 0)
    high = MOST if ends_inside or region.null or not region.cuts else _place(region.cuts[-1][0])
    return low, high


def _place(value: Constant) -> int:
    """A whole number that never falls as the value grows."""
    match value:
        case int() | Decimal():
            return max(-MOST, min(MOST, int((value * _STEPS) // 1)))
        case str():
            return int.from_bytes(value.encode("utf-8", "surrogatepass")[:7].ljust(7, b"\0"))
        case datetime():
            return value.toordinal() * 86_400 + value.hour * 3_600 + value.minute * 60 + value.second
        case date():
            return value.toordinal() * 86_400
        case None:
            return -MOST
