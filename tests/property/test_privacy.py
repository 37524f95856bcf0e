"""The accountant and the mechanisms by definition: for all costs, budgets, bounds and data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import log, log1p

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.support.seeded_noise import SeededSampler, Silent

from louver_sandbox.mechanisms import groups
from louver_sandbox.mechanisms.noise import Sensitivity, gaussian, half_width, laplace
from louver_sandbox.mechanisms.quantiles import quantile
from louver_sandbox.mechanisms.ranks import evenly, ranks
from louver_sandbox.mechanisms.release import Bounds, clipped_sum, released, summed
from louver_sandbox.privacy import amounts
from louver_sandbox.privacy.budget import Charge, PrivacyBudget, remaining
from louver_sandbox.privacy.calendar import Period, opened_at, refreshes_at
from louver_sandbox.privacy.conversion import delta_of, epsilon_of, rho_of
from louver_sandbox.privacy.cost import PrivacyCost, composed
from louver_sandbox.privacy.refused import PrivacyRefused
from louver_sandbox.privacy.split import Wanted, split

RHOS = st.fractions(Fraction(1, 10**6), Fraction(10), max_denominator=10**9)
DELTAS = st.integers(2, 12).map(lambda exponent: Fraction(1, 10**exponent))
COSTS = st.builds(PrivacyCost, RHOS, st.integers(0, 9).map(lambda part: Fraction(part, 10**13)))
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))
PERIODS = st.sampled_from(list(Period))


@given(st.lists(COSTS, max_size=8), COSTS)
def test_costs_add_up_exactly_in_any_order(costs: list[PrivacyCost], more: PrivacyCost) -> None:
    whole = composed(costs)
    assert whole == composed(reversed(costs))
    assert whole.within(whole + more)
    assert not (whole + more).within(whole)
    assert whole.rho == sum(cost.rho for cost in costs)


@given(RHOS, DELTAS, st.floats(1e-4, 1e4))
@settings(deadline=None, max_examples=40)
def test_no_order_gives_a_smaller_epsilon_than_the_one_stated(rho: Fraction, delta: Fraction, above: float) -> None:
    """But for those below zero, which is what a large delta makes of a small rho."""
    order = 1 + above
    other = order * float(rho) + (log(1 / delta) - log(order)) / (order - 1) + log1p(-1 / order)
    assert float(epsilon_of(PrivacyCost(rho), delta)) <= max(0.0, other) * (1 + 1e-9) + 1e-9


@given(RHOS, RHOS, DELTAS)
@settings(deadline=None, max_examples=40)
def test_more_is_never_less_and_two_together_never_more_than_both(
    first: Fraction, second: Fraction, delta: Fraction
) -> None:
    """Stated together they are at most the sum of what each is stated at with half of delta."""
    assume(first != second)
    low, high = sorted((first, second))
    assert epsilon_of(PrivacyCost(low), delta) <= epsilon_of(PrivacyCost(high), delta)
    assert epsilon_of(PrivacyCost(low), delta / 10) >= epsilon_of(PrivacyCost(low), delta)
    together = epsilon_of(PrivacyCost(first + second), delta)
    apart = sum(epsilon_of(PrivacyCost(rho), delta / 2) for rho in (first, second))
    assert together <= apart + Fraction(1, 10**9)


@given(st.fractions(Fraction(1, 100), Fraction(15), max_denominator=10**6), DELTAS)
@settings(deadline=None, max_examples=40)
def test_what_may_be_spent_is_never_stated_higher_than_was_allowed(epsilon: Fraction, delta: Fraction) -> None:
    cost = rho_of(epsilon, delta)
    assert epsilon_of(cost, delta) <= epsilon + Fraction(1, 10**12)
    assert delta_of(cost, epsilon) <= delta * (1 + Fraction(1, 10**9))
    assert epsilon_of(PrivacyCost(cost.rho * Fraction(1_000_001, 10**6)), delta) > epsilon - Fraction(1, 10**9)


@given(st.one_of(st.integers(), st.floats(), st.decimals(), st.text(), st.none(), st.booleans(), st.fractions()))
def test_any_epsilon_is_exact_or_refused(value: object) -> None:
    for read in (amounts.epsilon, amounts.delta, amounts.rho):
        try:
            found = read(value)
        except PrivacyRefused:
            continue
        assert isinstance(value, int | Decimal | Fraction)
        assert found == value
        assert found > 0


@given(RHOS, st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**12)), min_size=1, max_size=6))
def test_shares_never_exceed_the_budget_and_are_equally_accurate(
    rho: Fraction, numbers: list[tuple[int, int]]
) -> None:
    wanted = [Wanted(str(place), size, Fraction(expected)) for place, (size, expected) in enumerate(numbers)]
    try:
        shares = split(rho, wanted)
    except PrivacyRefused:
        return
    assert sum(share.rho for share in shares) <= rho
    clear = [share for share in shares if share.rho > Fraction(1, 10**9)]
    errors = [share.relative_error for share in clear]
    assert not errors or max(errors) - min(errors) <= max(errors) * Fraction(1, 10**6) + Fraction(1, 10**8)


@given(
    st.lists(st.tuples(RHOS, INSTANTS, st.sampled_from("ab"), st.sampled_from("xy")), max_size=12), PERIODS, INSTANTS
)
@settings(deadline=None, max_examples=50)
def test_what_is_left_and_what_was_spent_are_the_limit(
    spent: list[tuple[Fraction, datetime, str, str]], period: Period, now: datetime
) -> None:
    """Recomputed naively; nothing spent now can be spent again before the window ends."""
    charges = [Charge(who, what, PrivacyCost(rho), at) for rho, at, who, what in spent if at <= now]
    budget = PrivacyBudget(
        "a", PrivacyCost(Fraction(40)), PrivacyCost(Fraction(20)), period, {"x": PrivacyCost(Fraction(9))}
    )
    left = remaining(charges, budget, "x", now)
    opened = opened_at(period, now)
    inside = [one for one in charges if one.institution == "a" and (opened is None or one.at >= opened)]
    for found, limit, of in (
        (left.lifetime, 40, charges),
        (left.allowance, 20, inside),
        (left.purpose, 9, [one for one in inside if one.purpose == "x"]),
    ):
        assert found.rho == max(0, limit - sum(one.cost.rho for one in of))
    refreshed = refreshes_at(period, now)
    if left.spendable.rho:
        late = now if refreshed is None else refreshed - timedelta(microseconds=1)
        again = remaining([*charges, Charge("a", "x", left.spendable, now)], budget, "x", late)
        assert again.spendable.rho == 0


@given(PERIODS.filter(lambda period: period is not Period.LIFETIME), INSTANTS)
def test_every_instant_is_in_one_window(period: Period, now: datetime) -> None:
    opened, refreshed = opened_at(period, now), refreshes_at(period, now)
    assert opened is not None
    assert refreshed is not None
    assert opened <= now < refreshed
    assert opened_at(period, refreshed) == refreshed
    assert opened_at(period, refreshed - timedelta(microseconds=1)) == opened


@given(RHOS, st.integers(1, 10**6), st.integers(1, 50))
@settings(deadline=None, max_examples=40)
def test_granted_noise_is_never_cheaper_than_charged(budget: Fraction, largest: int, numbers: int) -> None:
    sensitivity = Sensitivity(largest, numbers)
    for noise in (gaussian(budget, sensitivity), laplace(budget, sensitivity)):
        assert Fraction(float(noise.scale)) == noise.scale
        assert half_width(noise, Fraction(99, 100)) >= half_width(noise)
    assert gaussian(budget, sensitivity).cost(sensitivity).rho <= budget
    assert laplace(budget, sensitivity).epsilon(sensitivity) <= budget


@given(st.lists(st.integers(-(10**9), 10**9)), st.integers(), st.integers(-1000, 999), st.integers(1, 1000))
def test_one_unit_changes_a_clipped_sum_by_no_more_than_planned(
    values: list[int], value: int, low: int, width: int
) -> None:
    bounds = Bounds(low, low + width)
    changed = clipped_sum([*values, value], bounds) - clipped_sum(values, bounds)
    assert abs(changed) <= summed(bounds, 1, 1).largest


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.fractions(Fraction(1, 50), Fraction(49, 50)))
@settings(deadline=None, max_examples=40)
def test_without_noise_a_quantile_is_in_its_interval(values: list[int], share: Fraction) -> None:
    bins = evenly(Bounds(0, 30), 31)
    noise = gaussian(Fraction(8), bins.sensitivity())
    found = quantile(ranks([values.count(value) for value in range(31)], bins, noise, Silent()), share)
    true = sorted(values)[-(-len(values) * share.numerator // share.denominator) - 1]
    assert found.low <= true <= found.high
    assert found.low <= found.value <= found.high


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 200), max_size=9), st.integers(0, 10**6))
def test_groups_are_listed_by_their_noisy_numbers_alone(units: dict[str, int], seed: int) -> None:
    noise = laplace(Fraction(1), Sensitivity(1))
    tau = groups.threshold(noise, 1, Fraction(1, 10**6))
    found = groups.selected(units, noise, tau, SeededSampler(seed))
    assert all(number.value >= tau for number in found.values())
    assert list(found) == sorted(found, key=repr)
    assert found == groups.selected(dict(reversed(units.items())), noise, tau, SeededSampler(seed))


@given(st.lists(st.integers(0, 10**6), max_size=5), st.integers(0, 10**6))
def test_a_released_count_lies_in_its_interval_or_below_zero(exact: list[int], seed: int) -> None:
    for number in released(exact, laplace(Fraction(1, 2), Sensitivity(1)), SeededSampler(seed), least=0):
        assert 0 <= number.low <= number.high
        assert number.low <= max(0, number.value) <= number.high
