"""Every kind of interval holds as often as it says and is hardly wider than the noise that is in its number."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import sqrt

import pytest
from tests.support.private_worlds import DISTRICTS, PERSON, executed, planned, rules, world
from tests.support.relations import Row
from tests.support.seeded_noise import SeededSampler

from louver_sandbox.mechanisms.noise import DiscreteGaussian
from louver_sandbox.mechanisms.release import released
from louver_sandbox.private_core import PrivateCells, PrivateMeasure
from louver_sandbox.release.estimates import told
from louver_sandbox.stages import Execution

RUNS = 1_000
PEOPLE = 2_000
ALLOWED = (rules("gov.account", PERSON, rho=Fraction(2)),)
ROWS: list[Row] = [
    {"person_id": f"p{n}", "district": DISTRICTS[n % 2], "amount": Decimal(n * 37 % 100), "age": 20 + n % 50}
    for n in range(PEOPLE)
]
WHOLE = world(accounts=ROWS)
AMOUNTS = [n * 37 % 100 for n in range(PEOPLE)]
MEAN = sum(AMOUNTS) / PEOPLE
SQUARES = sum((x - MEAN) ** 2 for x in AMOUNTS)

ASKED: dict[str, tuple[str, float]] = {
    "count": ("count(*)", PEOPLE),
    "some": ("count(*) FILTER (WHERE age < 30)", PEOPLE / 5),
    "units": ("count(DISTINCT person_id)", PEOPLE),
    "sum": ("sum(amount) FILTER (WHERE age < 30)", sum(x for n, x in enumerate(AMOUNTS) if n % 50 < 10)),
    "mean": ("avg(amount)", MEAN),
    "share": ("avg(CASE WHEN age < 30 THEN 1 ELSE 0 END)", 0.2),
    "var_pop": ("var_pop(amount)", SQUARES / PEOPLE),
    "var_samp": ("var_samp(amount)", SQUARES / (PEOPLE - 1)),
    "stddev_pop": ("stddev_pop(amount)", sqrt(SQUARES / PEOPLE)),
    "stddev_samp": ("stddev_samp(amount)", sqrt(SQUARES / (PEOPLE - 1))),
}


@dataclass(frozen=True)
class Ideal:
    """The standard deviation of an answer, by the noise of its numbers to first order: no unbiased one that is computed
    from them has less."""

    cells: PrivateCells
    exact: dict[str, int]

    def deviation(self, measure: PrivateMeasure) -> float:
        if measure.kind in ("count", "units"):
            return self._scale(measure.count)
        unit = 10.0**-measure.digits
        if measure.kind == "sum":
            return self._scale(measure.total) * unit
        count, total = self.exact[measure.count], self.exact[measure.total]
        mean = total / count
        if measure.kind == "average":
            return self._length((1, measure.total), (mean, measure.count)) / count * unit
        variance = self.exact[measure.squares] / count - mean**2
        parts = ((1, measure.squares), (2 * mean, measure.total), (variance - mean**2, measure.count))
        found = self._length(*parts) / count * unit**2
        return found if measure.kind.startswith("var") else found / (2 * sqrt(variance) * unit)

    def _scale(self, name: str) -> float:
        return next(float(one.scale) for one in self.cells.noisy if one.name == name)

    def _length(self, *parts: tuple[float, str]) -> float:
        return sqrt(sum((factor * self._scale(name)) ** 2 for factor, name in parts))


def answer(execution: Execution) -> tuple[PrivateCells, dict[str, int]]:
    (core,) = execution.committed.plan.cores
    assert core.private is not None
    ((row,),) = execution.rows
    names = [one.name for one in core.private.noisy]
    return core.private, {name: int(str(value)) for name, value in zip(names, row, strict=True)}


@pytest.mark.parametrize("name", ASKED)
def test_an_interval_holds_in_95_of_100_answers_and_is_hardly_wider_than_the_noise(name: str) -> None:
    select, true = ASKED[name]
    execution = executed(WHOLE, planned(WHOLE, f"SELECT {select} AS x FROM gov.account", ALLOWED))
    cells, exact = answer(execution)
    ideal = Ideal(cells, exact).deviation(cells.measures[0])
    sampler = SeededSampler(20261122)
    drawn = {
        one.name: released([exact[one.name]] * RUNS, DiscreteGaussian(one.scale), sampler, one.least)
        for one in cells.noisy
    }
    found = [told(cells.measures[0], {of: draws[run] for of, draws in drawn.items()}) for run in range(RUNS)]
    ends = [(float(str(one.low)), float(str(one.high))) for one in found]
    held = sum(low - 1e-9 <= true <= high + 1e-9 for low, high in ends)
    widths = [high - low for low, high in ends]
    assert held >= 0.93 * RUNS
    # A whole number's interval has whole ends: two steps more at most.
    steps = 2 if name in ("count", "some", "units") else 0
    assert 0 < sorted(widths)[RUNS // 2] <= 1.3 * 2 * 1.96 * ideal + steps


def test_the_centre_of_nought_and_one_lies_between_them() -> None:
    """So that one person moves the sum of a share by a half, and its noise is half of what a whole one would need."""
    share = planned(WHOLE, "SELECT avg(CASE WHEN age < 30 THEN 1 ELSE 0 END) AS x FROM gov.account", ALLOWED)
    count = planned(WHOLE, "SELECT count(*), count(*) FILTER (WHERE age < 30) FROM gov.account", ALLOWED)
    (mean,), (counted,) = share.cores, count.cores
    assert mean.private is not None
    assert counted.private is not None
    of = {one.name: one.scale for one in mean.private.noisy}
    (measure,) = mean.private.measures
    assert measure.digits == 1
    assert of[measure.total] / 10 == counted.private.noisy[0].scale / 2
