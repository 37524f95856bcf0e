"""What an observer of many releases can prove about one person's presence is never above what was charged.

The audit is shown to work: it accuses a clip that does not clip, a partition that is released without noise, and a
threshold of one. Draws are seeded; `tests/unit/sandbox/test_opendp_sampler.py` audits the real sampler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest
from tests.support.privacy_audit import least_epsilon
from tests.support.seeded_noise import SeededSampler, Silent

from louver_sandbox.mechanisms import groups
from louver_sandbox.mechanisms.noise import DiscreteGaussian, Noise, Sensitivity, gaussian, laplace
from louver_sandbox.mechanisms.quantiles import quantile
from louver_sandbox.mechanisms.ranks import evenly, ranks
from louver_sandbox.mechanisms.release import Bounds, clipped_sum, released, summed
from louver_sandbox.privacy.conversion import epsilon_of
from louver_sandbox.privacy.cost import PrivacyCost

DRAWS = 40_000
WAGES = Bounds(0, 50)
DELTA = Fraction(1, 100)
RHO = Fraction(1, 8)
Clip = Callable[[Sequence[int]], int]


def repeated(exact: int, noise: Noise, seed: int) -> list[int]:
    """Releases of one number, as an observer of many worlds sees it."""
    return [number.value for number in released([exact] * DRAWS, noise, SeededSampler(seed))]


def proven(first: int, second: int, noise: Noise, delta: Fraction) -> float:
    return least_epsilon(repeated(first, noise, 1), repeated(second, noise, 2), float(delta))


@pytest.mark.parametrize("epsilon", [Fraction(1, 2), Fraction(1), Fraction(2)], ids=str)
def test_counts_with_laplace_noise_prove_nearly_what_they_cost_and_no_more(epsilon: Fraction) -> None:
    noise = laplace(epsilon, Sensitivity(1))
    found = proven(100, 101, noise, Fraction(0))
    assert 0.8 * epsilon < found <= noise.epsilon(Sensitivity(1))


def test_counts_with_gaussian_noise_prove_no_more_than_they_cost() -> None:
    noise = gaussian(RHO, Sensitivity(1))
    found = proven(100, 101, noise, DELTA)
    assert 0.4 < found <= epsilon_of(noise.cost(Sensitivity(1)), DELTA)


def of_sums(clip: Clip, noise: Noise, delta: Fraction) -> float:
    """With and without the one person whose wage is far above the bound."""
    return proven(clip([10, 20, 30]), clip([10, 20, 30, 400]), noise, delta)


def clipped(values: Sequence[int]) -> int:
    return clipped_sum(values, WAGES)


def broken(values: Sequence[int]) -> int:
    """A clip that forgets the upper bound: what the audit must find."""
    return sum(max(value, WAGES.low) for value in values)


def charged(noise: Noise, sensitivity: Sensitivity) -> tuple[float, Fraction]:
    if isinstance(noise, DiscreteGaussian):
        return float(epsilon_of(noise.cost(sensitivity), DELTA)), DELTA
    return float(noise.epsilon(sensitivity)), Fraction(0)


@pytest.mark.parametrize(
    "noise",
    [laplace(Fraction(1), summed(WAGES, 1, 1)), gaussian(RHO, summed(WAGES, 1, 1))],
    ids=["laplace", "gaussian"],
)
def test_a_sum_is_safe_and_the_audit_accuses_it_when_its_clip_is_broken(noise: Noise) -> None:
    cost, delta = charged(noise, summed(WAGES, 1, 1))
    assert 0.3 * cost < of_sums(clipped, noise, delta) <= cost
    assert of_sums(broken, noise, delta) > cost


def listed(units: dict[str, int], tau: int, noise: Noise, sampler: SeededSampler | Silent) -> list[int]:
    """Whether the group of one person is listed, in many worlds."""
    return [int("rare" in groups.selected(units, noise, tau, sampler)) for _ in range(DRAWS // 4)]


def test_the_group_of_one_person_stays_hidden_but_for_delta_and_the_audit_accuses_what_shows_it() -> None:
    noise, delta = laplace(Fraction(1), Sensitivity(1)), Fraction(1, 50)
    tau = groups.threshold(noise, 1, delta)
    absent = listed({}, tau, noise, SeededSampler(1))
    present = listed({"rare": 1}, tau, noise, SeededSampler(2))
    assert 0 < sum(present) <= 1.3 * float(groups.selection_cost(noise, 1, tau).delta) * len(present)
    assert least_epsilon(absent, present, float(delta)) <= 1
    unnoised = listed({"rare": 1}, 1, noise, Silent())
    assert least_epsilon(absent, unnoised, float(delta)) > 4
    low = listed({"rare": 1}, 1, noise, SeededSampler(3))
    assert least_epsilon(absent, low, float(delta)) > 4, "a threshold of one costs a delta of one, as is charged"
    assert groups.selection_cost(noise, 1, 1).delta == 1


def test_a_median_proves_no_more_than_it_costs() -> None:
    bins = evenly(Bounds(0, 15), 16)
    noise, sampler = gaussian(Fraction(1), bins.sensitivity()), SeededSampler(4)
    counts = [0] * 7 + [3, 3] + [0] * 7
    more = [*counts[:15], counts[15] + 1]
    runs = [
        [quantile(ranks(of, bins, noise, sampler), Fraction(1, 2)).value for _ in range(DRAWS // 5)]
        for of in (counts, more)
    ]
    cost = noise.cost(bins.sensitivity())
    assert cost.within(PrivacyCost(Fraction(1)))
    assert least_epsilon(runs[0], runs[1], float(DELTA)) <= epsilon_of(cost, DELTA)


def test_two_releases_prove_no_more_than_their_composition() -> None:
    noise = gaussian(RHO, Sensitivity(1))
    first, second = (
        [one + two for one, two in zip(repeated(exact, noise, seed), repeated(exact, noise, seed + 9), strict=True)]
        for exact, seed in ((100, 1), (101, 2))
    )
    both = noise.cost(Sensitivity(1)) + noise.cost(Sensitivity(1))
    found = least_epsilon(first, second, float(DELTA))
    assert proven(100, 101, noise, DELTA) < found <= epsilon_of(both, DELTA)
