"""OpenDP's samplers draw what the mechanisms charge for. Skipped where the extra `louver[dp]` is not installed."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from fractions import Fraction
from math import exp, sqrt
from typing import Any

import pytest
from tests.support.privacy_audit import least_epsilon

from louver_sandbox.mechanisms.noise import DiscreteGaussian, DiscreteLaplace, Noise, Sensitivity, granted, laplace
from louver_sandbox.mechanisms.opendp_sampler import OpenDpSampler
from louver_sandbox.mechanisms.release import released
from louver_sandbox.privacy.refused import PrivacyRefused


def sampler() -> OpenDpSampler:
    pytest.importorskip("opendp", reason="the extra louver[dp] is not installed: 264 MB (docs/dependencies.md)")
    return OpenDpSampler()


def test_without_the_extra_there_is_no_noise_and_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opendp.measurements", None)
    monkeypatch.setitem(sys.modules, "opendp", None)
    with pytest.raises(PrivacyRefused, match="SAMPLER_MISSING"):
        OpenDpSampler()


@pytest.mark.parametrize(
    "noise",
    [
        DiscreteLaplace(Fraction(1, 2)),
        DiscreteLaplace(granted(Fraction(7, 3))),
        DiscreteGaussian(Fraction(1, 2)),
        DiscreteGaussian(granted(Fraction(7, 3))),
    ],
    ids=str,
)
def test_draws_are_distributed_as_charged(noise: Noise) -> None:
    """A chi-squared statistic; real randomness, so it is set to fail by chance less than once in 10^9 runs."""
    draws, scale = 10_000, float(noise.scale)
    seen = Counter(noise.drawn(sampler(), draws))
    weights = {
        x: exp(-abs(x) / scale if isinstance(noise, DiscreteLaplace) else -x * x / (2 * scale**2))
        for x in range(-200, 201)
    }
    whole = sum(weights.values())
    cells = [(draws * weight / whole, seen[x]) for x, weight in weights.items() if draws * weight / whole >= 20]
    statistic = sum((count - expected) ** 2 / expected for expected, count in cells)
    assert statistic < len(cells) + 7 * sqrt(2 * len(cells)) + 35


def test_a_count_with_real_noise_proves_no_more_than_it_costs() -> None:
    noise, one = laplace(Fraction(1), Sensitivity(1)), Sensitivity(1)
    runs = [[number.value for number in released([exact] * 10_000, noise, sampler())] for exact in (100, 101)]
    assert 0.5 < least_epsilon(runs[0], runs[1], 0.0) <= noise.epsilon(one)


def test_charges_are_those_that_opendp_states_for_the_same_scale() -> None:
    """Its own are rounded up to a double."""
    sampler()
    measurements: Any = importlib.import_module("opendp.measurements")
    dp: Any = importlib.import_module("opendp.prelude")
    vectors, scale, sensitivity = dp.vector_domain(dp.atom_domain(T="i64")), granted(Fraction(7, 3)), Sensitivity(3)
    stated = measurements.make_gaussian(vectors, dp.l2_distance(T="f64"), float(scale)).map(3.0)
    assert DiscreteGaussian(scale).cost(sensitivity).rho <= Fraction(stated)
    assert float(DiscreteGaussian(scale).cost(sensitivity).rho) == pytest.approx(stated, rel=1e-12)
    stated = measurements.make_laplace(vectors, dp.l1_distance(T="i64"), float(scale)).map(3)
    assert DiscreteLaplace(scale).epsilon(sensitivity) <= Fraction(stated)
    assert float(DiscreteLaplace(scale).epsilon(sensitivity)) == pytest.approx(stated, rel=1e-12)


def test_draws_differ_and_large_scales_are_not_cut_off() -> None:
    noise = DiscreteGaussian(Fraction(1 << 48))
    first, second = (noise.drawn(sampler(), 50) for _ in range(2))
    assert len({*first, *second}) == 100
    assert max(map(abs, (*first, *second))) < 1 << 62
    assert noise.drawn(sampler(), 0) == ()


def test_a_scale_that_a_double_cannot_hold_is_refused() -> None:
    with pytest.raises(PrivacyRefused, match="SCALE_OUT_OF_RANGE"):
        sampler().discrete_laplace(Fraction(7, 3), 1)
