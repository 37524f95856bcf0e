"""Mechanisms: noise against sums made from its definition, costs, histograms, ranks; intervals that cover."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import accumulate
from math import exp, sqrt
from random import Random

import pytest
from tests.support.seeded_noise import SeededSampler, Silent

from louver_sandbox.mechanisms import groups, moments
from louver_sandbox.mechanisms.moments import Estimate, Moments
from louver_sandbox.mechanisms.noise import (
    DiscreteGaussian,
    DiscreteLaplace,
    Noise,
    Sensitivity,
    gaussian,
    granted,
    half_width,
    laplace,
)
from louver_sandbox.mechanisms.quantiles import HIGHEST, LOWEST, Quantile, quantile
from louver_sandbox.mechanisms.ranks import Bins, evenly, ranks
from louver_sandbox.mechanisms.release import Bounds, Noisy, clipped_sum, counted, released, summed
from louver_sandbox.mechanisms.wanted import Accuracy, least_cost, reached
from louver_sandbox.privacy.cost import PrivacyCost
from louver_sandbox.privacy.refused import PrivacyRefused, Reason

RUNS = 1_000
ONE = Sensitivity(1)
SCALES = [
    Fraction(1, 4),
    Fraction(1, 2),
    Fraction(1),
    Fraction(7, 3),
    Fraction(4),
    Fraction(5),
    Fraction(40),
    Fraction(333),
]
NOISES = [kind(granted(scale)) for kind in (DiscreteLaplace, DiscreteGaussian) for scale in SCALES]


def chances(noise: Noise) -> dict[int, float]:
    """The distribution from its definition, by plain sums."""
    scale = float(noise.scale)
    reach = int(40 * scale) + 3
    exponent: Callable[[int], float] = (
        (lambda x: -abs(x) / scale)
        if isinstance(noise, DiscreteLaplace)
        else (lambda x: -x * x / (2 * scale * scale))
    )
    weights = {x: exp(exponent(x)) for x in range(-reach, reach + 1)}
    whole = sum(weights.values())
    return {x: weight / whole for x, weight in weights.items()}


@pytest.mark.parametrize("noise", NOISES, ids=str)
def test_tails_and_variances_are_those_of_the_discrete_distribution(noise: Noise) -> None:
    """Never less than the truth. More by at most two in a hundred, but for small Gaussian scales and rounding at 0."""
    known = chances(noise)
    for least in (1, 2, int(2 * noise.scale) + 1, int(3 * noise.scale) + 2):
        true = sum(chance for x, chance in known.items() if x >= least)
        assert true * (1 - 1e-9) <= noise.tail(least)
        if least > 2 * noise.scale:
            assert noise.tail(least) <= max(true * 1.02, 1e-300) + 1e-40
    spread = sum(chance * x * x for x, chance in known.items())
    assert spread * (1 - 1e-9) <= noise.variance()
    if noise.scale >= 1:
        assert float(noise.variance()) == pytest.approx(spread, rel=1e-4)


@pytest.mark.parametrize("noise", NOISES, ids=str)
@pytest.mark.parametrize("confidence", [Fraction(95, 100), Fraction(999, 1000)], ids=str)
def test_intervals_are_the_narrowest_that_hold(noise: Noise, confidence: Fraction) -> None:
    known, width = chances(noise), half_width(noise, confidence)
    inside = [sum(known[x] for x in range(-w, w + 1)) for w in (width, width - 1) if w >= 0]
    assert inside[0] >= float(confidence) - 1e-12
    assert width == 0 or inside[1] < confidence


@pytest.mark.parametrize("noise", NOISES[1::3], ids=str)
def test_the_seeded_stand_in_draws_what_it_says(noise: Noise) -> None:
    """A chi-squared statistic of 20,000 draws over cells that expect at least 20; far beyond its mean is wrong."""
    draws, seen = 20_000, Counter(noise.drawn(SeededSampler(1), 20_000))
    cells = [(draws * chance, seen[x]) for x, chance in chances(noise).items() if draws * chance >= 20]
    statistic = sum((count - expected) ** 2 / expected for expected, count in cells)
    assert statistic < len(cells) + 5 * sqrt(2 * len(cells)) + 5


def test_noise_costs_at_most_what_was_granted_and_hardly_less() -> None:
    for rho in (Fraction(1, 10**6), Fraction(1, 3), Fraction(7, 100)):
        for sensitivity in (ONE, Sensitivity(12_345, 7), Sensitivity(10**8)):
            cost = gaussian(rho, sensitivity).cost(sensitivity)
            assert rho * (1 - Fraction(1, 2**36)) <= cost.rho <= rho
            assert cost.delta == 0
            noise = laplace(rho, sensitivity)
            assert rho * (1 - Fraction(1, 2**36)) <= noise.epsilon(sensitivity) <= rho
            assert noise.cost(sensitivity) == PrivacyCost(noise.epsilon(sensitivity) ** 2 / 2)
            assert Fraction(float(noise.scale)) == noise.scale, "a double holds it"


def test_costs_by_hand() -> None:
    assert DiscreteGaussian(Fraction(5)).cost(Sensitivity(2, 3)) == PrivacyCost(Fraction(12, 50))
    assert DiscreteLaplace(Fraction(4)).epsilon(Sensitivity(2, 3)) == Fraction(3, 2)
    assert summed(Bounds(-5, 3), 2, 4) == Sensitivity(10, 4)
    assert counted(3, 2) == Sensitivity(3, 2)
    assert moments.of_total(Bounds(0, 90)) == Sensitivity(45)
    assert moments.of_squares(Bounds(0, 91), 2, 3) == Sensitivity(2 * 46**2, 3)
    assert clipped_sum([-9, 2, 9], Bounds(-5, 3)) == 0


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Sensitivity(0), Reason.BOUNDS_UNSOUND),
        (lambda: Sensitivity(1, 0), Reason.BOUNDS_UNSOUND),
        (lambda: Bounds(3, 3), Reason.BOUNDS_UNSOUND),
        (lambda: Bins((1,)), Reason.BOUNDS_UNSOUND),
        (lambda: Bins((1, 1)), Reason.BOUNDS_UNSOUND),
        (lambda: laplace(Fraction(0), ONE), Reason.EPSILON_OUT_OF_RANGE),
        (lambda: gaussian(Fraction(-1), ONE), Reason.RHO_OUT_OF_RANGE),
        (lambda: gaussian(Fraction(1, 10), Sensitivity(1 << 60)), Reason.SCALE_OUT_OF_RANGE),
        (lambda: gaussian(Fraction(10**6), ONE), Reason.SCALE_OUT_OF_RANGE),
        (lambda: DiscreteLaplace(Fraction(0)), Reason.SCALE_OUT_OF_RANGE),
        (lambda: groups.threshold(laplace(Fraction(1), ONE), 1, Fraction(0)), Reason.DELTA_OUT_OF_RANGE),
        (lambda: groups.whole({}, ["a", "a"], laplace(Fraction(1), ONE), Silent()), Reason.DOMAIN_UNSOUND),
        (lambda: Accuracy(Fraction(0)), Reason.ACCURACY_OUT_OF_REACH),
        (lambda: least_cost(Accuracy(Fraction(1, 2)), ONE, 0, [Fraction(1)]), Reason.ACCURACY_OUT_OF_REACH),
    ],
)
def test_unsound_settings_are_refused(make: Callable[[], object], reason: Reason) -> None:
    with pytest.raises(PrivacyRefused) as refused:
        make()
    assert refused.value.reason is reason


def test_a_public_domain_is_released_whole_and_nothing_beside_it() -> None:
    noise = gaussian(Fraction(1, 8), ONE)
    found = groups.whole({"b": 7, "stranger": 9}, ["a", "b", "c"], noise, SeededSampler(1))
    assert list(found) == ["a", "b", "c"]
    assert all(number.low >= 0 for number in found.values())


@pytest.mark.parametrize("delta", [Fraction(1, 100), Fraction(1, 10**9)], ids=str)
@pytest.mark.parametrize(
    "noise", [laplace(Fraction(1), Sensitivity(1, 3)), gaussian(Fraction(1, 8), Sensitivity(1, 3))], ids=str
)
def test_tau_is_the_least_that_keeps_its_delta(noise: Noise, delta: Fraction) -> None:
    tau = groups.threshold(noise, 3, delta)
    cost = groups.selection_cost(noise, 3, tau)
    assert cost.delta <= delta < groups.selection_cost(noise, 3, tau - 1).delta
    assert cost.rho == noise.cost(Sensitivity(1, 3)).rho
    true = sum(chance for x, chance in chances(noise).items() if 1 + x >= tau)
    assert 3 * true * (1 - 1e-9) <= cost.delta
    assert groups.selection_cost(noise, 3, 1).delta == 1, "a threshold of one hides nothing"


def test_groups_below_tau_are_not_listed_and_order_tells_nothing() -> None:
    noise = laplace(Fraction(1), ONE)
    units = {"z": 100, "few": 3, "a": 100, "none": 0}
    assert list(groups.selected(units, noise, 20, Silent())) == ["a", "z"]


def test_accuracy_by_cost_and_cost_by_accuracy_agree() -> None:
    grid = [Fraction(step, 10_000) for step in range(1, 2_000)]
    wanted = Accuracy(Fraction(2, 100))
    cost = least_cost(wanted, ONE, 1_000, grid)
    assert reached(cost, ONE, 1_000) <= wanted.relative
    assert all(reached(rho, ONE, 1_000) > wanted.relative for rho in grid if rho < cost)
    with pytest.raises(PrivacyRefused, match="ACCURACY_OUT_OF_REACH"):
        least_cost(wanted, ONE, 10, grid)


def test_ranks_without_noise_are_the_ranks() -> None:
    counts = [3, 0, 2, 7, 1, 4, 0, 0, 9]
    found = ranks(counts, Bins(tuple(range(10))), gaussian(Fraction(1), ONE), Silent())
    assert found.below == pytest.approx([0, *accumulate(counts)])


def test_a_unit_changes_one_node_of_every_level() -> None:
    assert evenly(Bounds(0, 63), 64).sensitivity(2) == Sensitivity(2, 4)
    assert evenly(Bounds(0, 64), 65).sensitivity() == Sensitivity(1, 5)
    assert evenly(Bounds(0, 63), 1).sensitivity() == Sensitivity(1, 1)


@pytest.mark.parametrize("edge", [1, 7, 16, 21, 48, 63])
def test_the_error_of_a_rank_is_what_noise_makes_of_it(edge: int) -> None:
    bins = evenly(Bounds(0, 63), 64)
    noise, sampler = gaussian(Fraction(1, 50), bins.sensitivity()), SeededSampler(edge)
    draws = [ranks([0] * 64, bins, noise, sampler) for _ in range(600)]
    off = [found.below[edge] - 0.5 * found.total for found in draws]
    seen = sqrt(sum(value * value for value in off) / len(off))
    assert seen == pytest.approx(draws[0].error(edge, 0.5), rel=0.12)


def test_a_true_extreme_is_refused_and_extreme_quantiles_are_not() -> None:
    bins = evenly(Bounds(0, 90), 91)
    assert (bins.edges[0], bins.edges[-1], bins.number) == (0, 91, 91)
    found = ranks([100] * 91, bins, gaussian(Fraction(1), bins.sensitivity()), Silent())
    assert (quantile(found, LOWEST).value, quantile(found, HIGHEST).value) == (0, 90)
    for share in (Fraction(0), Fraction(1), Fraction(-1), Fraction(2)):
        with pytest.raises(PrivacyRefused, match="RANK_OUT_OF_RANGE"):
            quantile(found, share)
    with pytest.raises(ValueError, match="each bin"):
        ranks([1], bins, gaussian(Fraction(1), ONE), Silent())


VALUES = [min(90, max(0, round(Random(n).gauss(38, 22)))) for n in range(4_000)]
AGES = Bounds(0, 90)
CENTRED = [age - AGES.centre for age in VALUES]
TRUE_MEAN = sum(VALUES) / len(VALUES)
TRUE_VARIANCE = sum((age - TRUE_MEAN) ** 2 for age in VALUES) / len(VALUES)
BINS = evenly(AGES, 91)
PER_AGE = [VALUES.count(age) for age in range(91)]
RHO = Fraction(1, 400)


def noisy(exact: int, sensitivity: Sensitivity, sampler: SeededSampler) -> Noisy:
    return released([exact], gaussian(RHO, sensitivity), sampler)[0]


def drawn_moments(sampler: SeededSampler) -> Moments:
    return Moments(
        AGES,
        noisy(len(VALUES), ONE, sampler),
        noisy(sum(CENTRED), moments.of_total(AGES), sampler),
        noisy(sum(x * x for x in CENTRED), moments.of_squares(AGES), sampler),
    )


def variance_of_the_young(sampler: SeededSampler) -> Estimate:
    """Far from the centre of the bounds, where sums and counts matter as much as squares."""
    exact = (4_000, 4_000 * -38, 4_000 * (38**2 + 25))
    sensitivities = (ONE, moments.of_total(AGES), moments.of_squares(AGES))
    drawn = [noisy(number, sensitivity, sampler) for number, sensitivity in zip(exact, sensitivities, strict=True)]
    return moments.variance(Moments(AGES, *drawn), sample=False)


def plain(number: Noisy) -> Estimate:
    return Estimate(Fraction(number.value), Fraction(number.low), Fraction(number.high))


def of_quantile(share: Fraction) -> Callable[[SeededSampler], Quantile]:
    noise = gaussian(RHO, BINS.sensitivity())
    return lambda sampler: quantile(ranks(PER_AGE, BINS, noise, sampler), share)


def true_quantile(share: Fraction) -> int:
    return sorted(VALUES)[-(-len(VALUES) * share.numerator // share.denominator) - 1]


def disjoint(sampler: SeededSampler) -> Estimate:
    return moments.share(noisy(1_600, ONE, sampler), noisy(2_400, ONE, sampler))


def divided(sampler: SeededSampler) -> Estimate:
    return moments.ratio(noisy(50_000, Sensitivity(100), sampler), noisy(400, ONE, sampler), Bounds(0, 1_000))


INTERVALS: dict[str, tuple[Callable[[SeededSampler], Estimate | Quantile], float]] = {
    "count": (lambda sampler: plain(noisy(4_000, ONE, sampler)), 4_000),
    "count, Laplace": (lambda s: plain(released([4_000], laplace(Fraction(1, 20), ONE), s)[0]), 4_000),
    "sum": (lambda sampler: plain(noisy(sum(VALUES), summed(AGES, 1, 1), sampler)), sum(VALUES)),
    "sum, Laplace": (lambda s: plain(released([9], laplace(Fraction(1, 9), summed(AGES, 1, 1)), s)[0]), 9),
    "total": (lambda s: moments.total(released([5, 7, 9], gaussian(RHO, ONE), s)), 21),
    "average": (lambda sampler: moments.mean(drawn_moments(sampler)), TRUE_MEAN),
    "variance": (lambda s: moments.variance(drawn_moments(s), sample=False), TRUE_VARIANCE),
    "sample variance": (lambda s: moments.variance(drawn_moments(s)), TRUE_VARIANCE * 4_000 / 3_999),
    "variance far from the centre": (variance_of_the_young, 25.0),
    "share": (disjoint, 0.4),
    "ratio of few": (divided, 125.0),
    "median": (of_quantile(Fraction(1, 2)), true_quantile(Fraction(1, 2))),
    "90th percentile": (of_quantile(Fraction(9, 10)), true_quantile(Fraction(9, 10))),
    "10th percentile": (of_quantile(Fraction(1, 10)), true_quantile(Fraction(1, 10))),
}


@pytest.mark.parametrize("name", INTERVALS)
def test_intervals_cover_and_are_hardly_wider_than_they_must(name: str) -> None:
    """Of 1,000 seeded runs at least 93.5 % hold the truth (95 % less three standard errors of 1,000 runs is 92.9).

    The ideal width is that of the middle 95 % of the values released; quantiles may have one value more at either end.
    """
    draw, true = INTERVALS[name]
    sampler = SeededSampler(20_261_122)
    found = [draw(sampler) for _ in range(RUNS)]
    assert sum(one.low - 1e-9 <= true <= one.high + 1e-9 for one in found) >= 0.935 * RUNS
    values = sorted(float(one.value) for one in found)
    ideal = values[-RUNS // 40 - 1] - values[RUNS // 40]
    widths = sorted(float(one.high - one.low) for one in found)
    assert widths[RUNS // 2] <= 1.3 * ideal + (2 if isinstance(found[0], Quantile) else 0)


def test_where_the_number_of_values_may_be_nothing_everything_is_possible() -> None:
    noise = gaussian(Fraction(1, 5000), ONE)
    few = Moments(AGES, Noisy(30, 0, 200, noise), Noisy(10, 0, 0, noise), Noisy(10, 0, 0, noise))
    assert [moments.mean(few).low, moments.mean(few).high] == [Fraction(0), Fraction(90)]
    assert moments.variance(few).low == 0
    assert moments.variance(few).high >= 45**2
    none = moments.share(Noisy(0, 0, 9, noise), Noisy(-3, 0, 9, noise))
    assert [none.low, none.high] == [Fraction(0), Fraction(1)]


def test_a_deviation_is_the_root_of_a_variance() -> None:
    assert moments.deviation(Estimate(Fraction(9), Fraction(0), Fraction(16))) == Estimate(
        Fraction(3), Fraction(0), Fraction(4)
    )


def test_variances_need_squares_and_gaussian_noise() -> None:
    noise = laplace(Fraction(1), ONE)
    number = Noisy(100, 0, 200, noise)
    with pytest.raises(ValueError, match="squares"):
        moments.variance(Moments(AGES, number, number))
    with pytest.raises(ValueError, match="Gaussian"):
        moments.mean(Moments(AGES, number, number))
