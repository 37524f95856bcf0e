"""Divisions of a question's cost, and the planner's inverse: what it finds is enough, and hardly less would not be."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import isclose, sqrt

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.private_worlds import BOTH, PERSON, USUAL, asked, rules, world

from louver.errors import Refused
from louver_sandbox.mechanisms.noise import DiscreteGaussian, half_width
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.private import precision
from louver_sandbox.privacy.conversion import rho_of
from louver_sandbox.private_core import NoisyColumn, WantedAccuracy, Wish
from louver_sandbox.release.losses import predicted
from louver_sandbox.stages import Plan

EMPTY = world()
MEASURES = (
    "count(*)",
    "count(amount)",
    "sum(amount)",
    "avg(amount)",
    "var_pop(amount)",
    "count(*) FILTER (WHERE month = 1)",
)
selects = st.lists(st.sampled_from(MEASURES), min_size=1, max_size=4, unique=True)
RICH = (rules("gov.pay", PERSON, rho=Fraction(100)), replace(USUAL[2]))


def question(select: list[str], keys: str, of: tuple[str, ...] = ("gov.pay",)) -> str:
    named = ", ".join(f"{measure} AS c{place}" for place, measure in enumerate(select))
    parts = [f"(SELECT {named} FROM {table}{keys}) t{place}" for place, table in enumerate(of)]
    return f"SELECT * FROM {', '.join(parts)}" if len(of) > 1 else f"SELECT {named} FROM {of[0]}{keys}"


def planned(sql: str, wish: Wish | None, allowed: tuple[object, ...] = USUAL) -> Plan:
    permit = asked(EMPTY, sql, allowed)  # type: ignore[arg-type]
    return plan(replace(permit, bound=replace(permit.bound, request=replace(permit.bound.request, wish=wish))))


def noisy(made: Plan) -> list[NoisyColumn]:
    return [one for core in made.cores if core.private is not None for one in core.private.noisy]


@settings(max_examples=25, deadline=None)
@given(selects, st.integers(1, 60), st.sampled_from(["", " GROUP BY district"]), st.booleans(), st.booleans())
def test_parts_add_up_to_all_that_may_be_spent_and_to_nothing_more(
    select: list[str], sixtieths: int, keys: str, both: bool, twice: bool
) -> None:
    epsilon = Fraction(sixtieths, 30)
    tables = ("gov.pay", "gov.pay") if twice and not keys else ("gov.pay",)
    made = planned(question(select, keys, tables), Wish(epsilon), BOTH if both else USUAL)
    allowed = rho_of(epsilon, Fraction(2, 10**6), Fraction(1, 10**6)).rho
    spent = [charge.cost.rho for charge in made.privacy]
    assert all(rho <= allowed for rho in spent)
    # A second kind of unit pays less than its part; the dearest pays all but what scales are rounded up by.
    assert max(spent) > allowed * (1 - Fraction(1, 2**30))
    assert isclose(float(sum(one.share for one in noisy(made))), 1, abs_tol=1e-3)
    shares = [float(item.share) for item in predicted(made) if item.share]
    assert isclose(sum(shares), 100, rel_tol=0.01)
    assert made == planned(question(select, keys, tables), Wish(epsilon), BOTH if both else USUAL)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(1, 9)), min_size=2, max_size=6), st.data())
def test_no_other_division_has_a_smaller_sum_of_variances(
    numbers: list[tuple[int, int]], data: st.DataObject
) -> None:
    """The closed form against random divisions of the same total: D sqrt(a) is best for the sum of a D^2 / (2 rho)."""
    best = [size * sqrt(weight) for size, weight in numbers]
    best = [part / sum(best) for part in best]
    other = [data.draw(st.floats(0.01, 1)) for _ in numbers]
    other = [part / sum(other) for part in other]

    def variances(parts: list[float]) -> float:
        return sum(weight * size**2 / (2 * part) for (size, weight), part in zip(numbers, parts, strict=True))

    assert variances(best) <= variances(other) * (1 + 1e-9)


def test_the_plan_divides_by_the_closed_form() -> None:
    """The number of values is needed by three columns, their sum by the average and four times by the variance."""
    made = planned("SELECT count(amount), avg(amount), var_pop(amount) FROM gov.pay", None)
    (core,) = made.cores
    assert core.private is not None
    spread = core.private.measures[2]
    shares = {one.name: float(one.share) for one in core.private.noisy}
    roots = {spread.count: sqrt(3), spread.total: sqrt(1 + 4), spread.squares: 1.0}
    assert shares.keys() == roots.keys()
    for name, root in roots.items():
        assert isclose(shares[name], root / sum(roots.values()), abs_tol=2e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 50))
def test_the_largest_noise_is_enough_and_the_next_is_not(wanted: int, merged: int) -> None:
    scale = precision.largest_scale(wanted, merged)
    if scale is None:
        assert precision.width_of_number(precision.scale_at(0), merged) > wanted
        return
    assert precision.width_of_number(scale, merged) <= wanted
    assert precision.width_of_number(scale * Fraction(1002, 1000), merged) > wanted


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(MEASURES[:4]), min_size=1, max_size=3, unique=True),
    st.lists(st.integers(2, 4000), min_size=3, max_size=3),
    st.integers(100, 10**6),
)
def test_what_is_found_meets_every_wish_and_a_slightly_smaller_cost_does_not(
    select: list[str], limits: list[int], among: int
) -> None:
    """Each number's noise is as large as the wishes let it be: with a five-hundredth more, one of them is not met."""
    wanted = tuple(
        WantedAccuracy(f"c{place}", Fraction(limit), among=among if "avg" in measure else None)
        for place, (measure, limit) in enumerate(zip(select, limits, strict=False))
    )
    try:
        made = planned(question(select, ""), Wish(accuracy=wanted), RICH)
    except Refused as refused:
        if refused.code not in ("LVR-2370", "LVR-2374"):
            raise
        return
    (core,) = made.cores
    assert core.private is not None
    scales = {one.name: one.scale for one in core.private.noisy}

    def met(of: dict[str, Fraction]) -> bool:
        assert core.private is not None
        return all(
            width(of, measure.kind, measure.count, measure.total, measure.centre, measure.high, among)
            <= wish.within * 10**measure.digits
            for measure, wish in zip(core.private.measures, wanted, strict=True)
        )

    assert met(scales)
    for name, scale in scales.items():
        assert not met(scales | {name: scale * Fraction(502, 500)}), f"{name} could have more noise"


def width(of: dict[str, Fraction], kind: str, count: str, total: str, centre: int, high: int, among: int) -> float:
    """Half the width of the interval by the definition: of the number itself, or of the widest of all averages."""
    if kind != "average":
        return half_width(DiscreteGaussian(of[count or total]))
    farthest = high - centre
    z = 1.959963984540054
    left = among - z * float(of[count]) - 0.5
    spread = z * sqrt(float(of[total]) ** 2 + (farthest * float(of[count])) ** 2) + (1 + farthest) / 2
    return spread / left if left > 0 else float("inf")
