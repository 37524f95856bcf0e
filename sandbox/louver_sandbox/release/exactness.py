"""How far one perturbed number of a core may be from the true one: by the plan and the policy, never by a row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import chain

from louver_sandbox.core_plan import CorePlan, NoisyTotal
from louver_sandbox.obligations import NoiseRules, ThresholdRules
from louver_sandbox.perturbation.accuracy import accuracy
from louver_sandbox.perturbation.named import magnitudes_of, mode_of, named, rounding_of
from louver_sandbox.perturbation.rounding import Rounding, RoundingMode
from louver_sandbox.perturbation.sum_accuracy import SumAccuracy
from louver_sandbox.release.additive import limits_of
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.noise import is_rounded_together


@dataclass(frozen=True, slots=True)
class Exactness:
    """The true number is at most `below` under the released one and at most `above` over it, each with `relative`
    times the sum of absolute amounts added; the standard error is at most `error` and `relative_error` times that.
    `of_table`: not of the cell's own amounts but of the largest of its table, which is rounded as a whole."""

    error: Fraction = Fraction(0)
    below: Fraction = Fraction(0)
    above: Fraction = Fraction(0)
    relative_error: Fraction = Fraction(0)
    relative: Fraction = Fraction(0)
    of_table: bool = False

    def times(self, factor: Fraction) -> Exactness:
        """Of the number times a constant, and of absolute amounts that are as many times larger."""
        size = abs(factor)
        low, high = (self.below, self.above) if factor > 0 else (self.above, self.below)
        return Exactness(
            size * self.error, size * low, size * high, self.relative_error, self.relative, self.of_table
        )

    def plus(self, other: Exactness) -> Exactness:
        """Of a sum of two numbers, in proportion to the absolute amounts of both together."""
        return Exactness(
            self.error + other.error,
            self.below + other.below,
            self.above + other.above,
            max(self.relative_error, other.relative_error),
            max(self.relative, other.relative),
            self.of_table or other.of_table,
        )

    def or_worse(self, other: Exactness) -> Exactness:
        """Of a number that may be one or the other."""
        return Exactness(
            max(self.error, other.error),
            max(self.below, other.below),
            max(self.above, other.above),
            max(self.relative_error, other.relative_error),
            max(self.relative, other.relative),
            self.of_table or other.of_table,
        )


@dataclass(frozen=True)
class Exact:
    """Reads the exactness of the numbers of a plan. `doubt` is how often a statement may fail, 0 for never."""

    rules: ThresholdRules
    noise: NoiseRules

    def of(self, total: NoisyTotal, core: CorePlan, doubt: Fraction) -> Exactness:
        """One perturbed number by itself."""
        counted = Exactness() if total.of else self._counted(total, core, doubt)
        return counted.or_worse(self._summed(total, core, doubt)) if total.amounts else counted

    def bases(self, total: NoisyTotal, core: CorePlan, doubt: Fraction) -> Fraction | None:
        """How many of its own bases a sum is off at most, where each cell has its own; None for other numbers, and
        where sums of several cells stand beside them. (What is in proportion to amounts holds for these as well:
        errors add up to no more than amounts do, whether they depend on one another or not.)"""
        if not total.of or total.base or mode_of(self.noise) is None or is_rounded_together(core, self.noise):
            return None
        return self._sums(total).bases(1 - doubt if doubt else None)

    def _counted(self, total: NoisyTotal, core: CorePlan, doubt: Fraction) -> Exactness:
        """A number of units, one after another of several types; where a subject may have several rows, of one."""
        together = is_rounded_together(core, self.noise)
        limits = limits_of(total, self.rules)
        moved = Fraction(limits.most + limits.base if together else 0)
        rounding = None if together else rounding_of(self.noise)
        tables = [_table(self.noise, keyed.type) for keyed in total.sets]
        share = doubt / (1 if total.amounts else len(tables))
        found = [_plus(spread(table, rounding, share), moved) for table in tables]
        return worst(found) if total.amounts else added(found)

    def _summed(self, total: NoisyTotal, core: CorePlan, doubt: Fraction) -> Exactness:
        scale = next(column.type.scale for column in core.columns if column.name == total.value)
        one = self._sums(total)
        reach = one.within(1 - doubt) if doubt else one.always
        error = one.standard_error if doubt else reach
        unit = Fraction(1, 10**scale)
        far = reach.absolute * unit
        found = Exactness(error.absolute * unit, far, far, error.relative, reach.relative)
        if not total.of and is_rounded_together(core, self.noise):
            # Moved as the counts of the table are, and rounded to what the coarsest of its numbers needs.
            return replace(_plus(found, Fraction(limits_of(total, self.rules).most)), of_table=True)
        return found

    def _sums(self, total: NoisyTotal) -> SumAccuracy:
        if self.noise.share is None:
            raise WorkerLied("a sum under noise that has none")
        # A sum has passed dominance; a number of rows has not.
        dominance = self.rules.dominance_percent if total.of else 100
        unit = 1 if total.of else self.noise.base
        return SumAccuracy(magnitudes_of(self.noise.share), dominance, mode_of(self.noise), unit, total.base)


def _plus(one: Exactness, moved: Fraction) -> Exactness:
    return one.plus(Exactness(moved, moved, moved))


def added(several: Iterable[Exactness]) -> Exactness:
    """Of the sum of several numbers."""
    found = Exactness()
    for one in several:
        found = found.plus(one)
    return found


def worst(several: Iterable[Exactness]) -> Exactness:
    """Of a number that may be any of several."""
    found = Exactness()
    for one in several:
        found = found.or_worse(one)
    return found


def _table(rules: NoiseRules, unit: str) -> str:
    found = next((name for type_, name in rules.tables.items() if type_ == unit), None)
    if found is None:
        raise WorkerLied("units without a perturbation table")
    return found


@cache
def spread(table: str, rounding: Rounding | None, doubt: Fraction) -> Exactness:
    """Of any count by the table of that name, with this doubt or, where it is 0, always: the largest standard error,
    and by how much a released count is at most too large and too small."""
    if not doubt:
        return _widest(named(table).terms.maximum, rounding)
    found = accuracy(named(table), rounding, 1 - doubt).statements
    statements = [(value, one) for value, one in enumerate(found) if one is not None]
    below = max(chain((0,), (value - one.low for value, one in statements)))
    above = max(chain((0,), (one.high - value for value, one in statements)))
    return Exactness(max(Fraction(one.standard_error) for _, one in statements), Fraction(below), Fraction(above))


def _widest(maximum: int, rounding: Rounding | None) -> Exactness:
    """What no draw exceeds; an error among numbers that were chosen by what was drawn is no larger."""
    further = 0
    if rounding is not None:
        further = rounding.base - 1 if rounding.mode is RoundingMode.RANDOM else rounding.base // 2
    most = Fraction(maximum + further)
    return Exactness(most, most, most)
