"""Computes perturbation tables: the distribution of maximal entropy with mean zero and at most the variance V.

Only the operator's command and tests need this; the release reads stored tables. Root finding is SciPy's, and its
result is rounded to whole weights in a way that keeps the mean exactly zero.

For mean zero and variance at most V the distribution of maximal entropy is p(v) ~ exp(slope v - curvature v^2) with
curvature >= 0 (Kuhn and Tucker). It is log-concave, so larger noise is never likelier than smaller noise on its side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, fsum

from louver_sandbox.perturbation.table import (
    KEYS,
    MagnitudeTable,
    Multipliers,
    NoiseRow,
    NoiseTerms,
    PerturbationTable,
)
from louver_sandbox.perturbation.verify import verified, verified_for_magnitudes

_PRECISION = 1e-14


def solved_for_magnitudes(terms: NoiseTerms) -> MagnitudeTable:
    """The symmetric noise that magnitudes share, in steps, verified. `terms.threshold` must be 1.

    Raises:
        PerturbationRefused: the solver's result does not hold what it should.
    """
    return verified_for_magnitudes(MagnitudeTable(terms, _row(terms, terms.last_count)))


def solved(terms: NoiseTerms) -> PerturbationTable:
    """The table for these terms, verified. Needs the extra `tables`.

    Raises:
        PerturbationRefused: the solver's result does not hold what it should.
    """
    counts = range(1, terms.last_count + 1)
    rows = (NoiseRow((0,), (KEYS,)), *(_row(terms, count) for count in counts))
    return verified(PerturbationTable(terms, rows))


def _row(terms: NoiseTerms, count: int) -> NoiseRow:
    support = terms.support(count)
    if count * (terms.threshold - count) >= terms.variance:
        return _least_variance(terms, count)
    slope, curvature = _multipliers(support, float(terms.variance))
    shares = _shares(support, slope, curvature)
    weights = _symmetric(shares) if count >= terms.last_count else _with_mean_zero(support, shares)
    return NoiseRow(support, weights, Multipliers(repr(slope), repr(curvature)))


def _least_variance(terms: NoiseTerms, count: int) -> NoiseRow:
    """A count so far below k that V is too little: to zero or to k, with a trace of k + 1 to keep the mean exact."""
    # k up + higher = i KEYS is mean zero: `higher` of the `up` draws go one further.
    up, higher = divmod(count * KEYS, terms.threshold)
    noise = (-count, terms.threshold - count, terms.threshold - count + 1)
    return NoiseRow(noise, (KEYS - up, up - higher, higher))


def _multipliers(support: Sequence[int], variance: float) -> tuple[float, float]:
    """Slope and curvature for mean zero and variance V, or curvature zero where that has less variance anyway."""
    from scipy.optimize import brentq

    def excess(curvature: float) -> float:
        shares = _shares(support, _slope(support, curvature), curvature)
        return fsum(share * step * step for step, share in zip(support, shares, strict=True)) - variance

    if excess(0.0) <= 0:
        return _slope(support, 0.0), 0.0
    most = _until(lambda curvature: excess(curvature) <= 0, 1 / variance)
    curvature = float(brentq(excess, 0.0, most, xtol=_PRECISION))
    return _slope(support, curvature), curvature


def _slope(support: Sequence[int], curvature: float) -> float:
    """The slope for mean zero: the mean grows with it."""
    from scipy.optimize import brentq

    def mean(slope: float) -> float:
        return fsum(share * step for step, share in zip(support, _shares(support, slope, curvature), strict=True))

    if support[0] == -support[-1] and len(support) == 2 * support[-1] + 1:
        return 0.0
    least = -_until(lambda size: mean(-size) <= 0, 1.0)
    most = _until(lambda size: mean(size) >= 0, 1.0)
    return float(brentq(mean, least, most, xtol=_PRECISION))


def _until(holds: Callable[[float], bool], start: float) -> float:
    """The first of start, 2 start, 4 start, ... for which it holds."""
    while not holds(start):
        start *= 2
    return start


def _shares(support: Sequence[int], slope: float, curvature: float) -> list[float]:
    exponents = [slope * step - curvature * step * step for step in support]
    largest = max(exponents)
    masses = [exp(exponent - largest) for exponent in exponents]
    whole = fsum(masses)
    return [mass / whole for mass in masses]


def _symmetric(shares: Sequence[float]) -> tuple[int, ...]:
    """Whole weights, the same for noise up and noise down."""
    half = [round(share * KEYS) for share in shares[: len(shares) // 2]]
    return (*half, KEYS - 2 * sum(half), *reversed(half))


def _with_mean_zero(support: Sequence[int], shares: Sequence[float]) -> tuple[int, ...]:
    """Whole weights that add up to `KEYS` with mean zero: two neighbours take up what rounding left over.

    Neighbours differ by one, so the two equations have a whole solution; the pair with the most weight has room.
    """
    weights = [round(share * KEYS) for share in shares]
    pairs = [n for n in range(len(support) - 1) if support[n + 1] == support[n] + 1]
    lower = max(pairs, key=lambda n: min(weights[n], weights[n + 1]))
    rest = [n for n in range(len(support)) if n not in (lower, lower + 1)]
    missing = KEYS - sum(weights[n] for n in rest)
    moment = -sum(weights[n] * support[n] for n in rest)
    weights[lower + 1] = moment - missing * support[lower]
    weights[lower] = missing - weights[lower + 1]
    return tuple(weights)
