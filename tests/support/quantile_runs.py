"""Many answers to one question for a quantile: how often what is said holds, and how wide intervals are."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil

from tests.support.private_worlds import PERSON, planned, rules
from tests.support.relations import World, column, person, table
from tests.support.seeded_noise import SeededSampler

from louver_sandbox.algebra.types import INTEGER
from louver_sandbox.mechanisms.grid import joined
from louver_sandbox.mechanisms.noise import DiscreteGaussian
from louver_sandbox.mechanisms.quantiles import rank_error
from louver_sandbox.mechanisms.release import Bounds
from louver_sandbox.release.estimates import quantile_told
from louver_sandbox.release.private_quantiles import ranked


@dataclass(frozen=True)
class Seen:
    """Runs whose interval `held` the true quantile, and whose value was as `close` in rank as was predicted; the
    median `width`, the width of the middle 95 % of what was released, and the widest bin up to the median of it."""

    held: int
    close: int
    width: int
    ideal: int
    steps: int


def runs(values: Sequence[int], bounds: Bounds, share: Fraction, number: int) -> Seen:
    """Of sorted values, one for each person, with the bins and the noise of a plan that may cost rho 1/50 (epsilon 0.9
    at delta 1e-6)."""
    column_ = column("x", INTEGER, bounds=(Decimal(bounds.low), Decimal(bounds.high)))
    described = table("gov.account", [column("person_id", nullable=False), column_], [person(rows_per_unit=1)])
    allowed = (rules("gov.account", PERSON, rho=Fraction(1, 50)),)
    asked = f"SELECT quantile_disc(x, {float(share)}) FROM gov.account"
    cells = planned(World((described,), {}), asked, allowed).cores[0].private
    assert cells is not None
    (of,) = cells.ranks
    bins = joined(of.segments)
    counts: Counter[int] = Counter()
    for value, several in Counter(values).items():
        counts[bisect_right(bins.edges, value) - 1] += several
    true, target = values[ceil(share * len(values)) - 1], float(share * len(values))
    reach = rank_error(bins, DiscreteGaussian(of.scale), share)
    sampler, held, close = SeededSampler(20_261_122), 0, 0
    released: list[int] = []
    widths: list[int] = []
    for _ in range(number):
        (cell,) = ranked(of, tuple(counts.items()), [()], sampler).values()
        told = quantile_told(cells.measures[0], cell)
        value, low, high = (int(str(part)) for part in (told.value, told.low, told.high))
        place = bisect_right(bins.edges, value) - 1
        below = sum(several for at, several in counts.items() if at < place)
        held += low <= true <= high
        close += below - reach <= target <= below + counts[place] + reach
        released.append(value)
        widths.append(high - low)
    released.sort()
    middle = bisect_right(bins.edges, released[number // 2])
    steps = max(end - start for start, end in zip(bins.edges[:middle], bins.edges[1:], strict=False))
    ideal = released[-number // 40 - 1] - released[number // 40]
    return Seen(held, close, sorted(widths)[number // 2], ideal, steps)
