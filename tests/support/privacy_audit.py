"""A statistical audit: how large an epsilon must be, at least, for what a mechanism was seen to do.

Draws on neighbouring data are compared by the events "at least t" and "less than t". The event is chosen on one half of
the draws, by Chernoff bounds, and judged on the other with Clopper and Pearson's exact interval (Biometrika 1934), so
that a sound mechanism is accused with a chance below 2e-10.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import exp, lgamma, log, log1p

_DOUBT = 1e-10
_TRIED = 2_000
"""Thresholds that an event is chosen among, evenly spread over the draws: of money more are different than matter."""


def least_epsilon(first: Sequence[int], second: Sequence[int], delta: float) -> float:
    """The largest lower bound of epsilon that the draws prove, in both directions."""
    half = len(first) // 2
    one, two = sorted(first[:half]), sorted(second[:half])
    events = [
        (_proven(*pair, delta), order, threshold, above)
        for threshold in _thresholds(one, two)
        for above in (True, False)
        for order, pair in (
            (1, (_share(one, threshold, above), _share(two, threshold, above), half)),
            (-1, (_share(two, threshold, above), _share(one, threshold, above), half)),
        )
    ]
    _, order, threshold, above = max(events)
    rest = (sorted(first[half:]), sorted(second[half:]))[::order]
    shares = [_share(draws, threshold, above) for draws in rest]
    most, least = _exact_end(shares[1], len(rest[0]), 1.0), _exact_end(shares[0], len(rest[0]), 0.0)
    return max(0.0, log((least - delta) / most)) if least > delta else 0.0


def _thresholds(one: Sequence[int], two: Sequence[int]) -> list[int]:
    found = sorted(set(one) | set(two))
    return found[:: -(-len(found) // _TRIED)]


def _share(draws: Sequence[int], threshold: int, above: bool) -> float:
    below = bisect_left(draws, threshold) / len(draws)
    return 1 - below if above else below


def _proven(likely: float, unlikely: float, draws: int, delta: float) -> float:
    """ln((p - delta) / p') with the least p and the largest p' that the shares leave possible."""
    most, least = _end(unlikely, draws, 1.0), _end(likely, draws, 0.0)
    return log((least - delta) / most) if least > delta else 0.0


def _end(share: float, draws: int, limit: float) -> float:
    """The chance farthest towards the limit under which such a share is not yet less likely than the doubt."""
    inside, outside = share, limit
    for _ in range(40):
        middle = (inside + outside) / 2
        inside, outside = (
            (middle, outside) if draws * _divergence(share, middle) <= -log(_DOUBT) else (inside, middle)
        )
    return outside


def _exact_end(share: float, draws: int, limit: float) -> float:
    """The chance farthest towards the limit under which so extreme a share has at least the chance of the doubt."""
    seen = round(share * draws)
    inside, outside = share, limit
    for _ in range(40):
        middle = (inside + outside) / 2
        beyond = _tail(seen, draws, middle) if limit == 0.0 else _tail(draws - seen, draws, 1 - middle)
        inside, outside = (middle, outside) if beyond >= _DOUBT else (inside, middle)
    return outside


def _tail(least: int, draws: int, chance: float) -> float:
    """The chance of at least so many successes, where they are no fewer than are expected."""
    if least == 0:
        return 1.0
    if not 0 < chance < 1:
        return chance
    ways = lgamma(draws + 1) - lgamma(least + 1) - lgamma(draws - least + 1)
    term = exp(ways + least * log(chance) + (draws - least) * log1p(-chance))
    total, number = 0.0, least
    while term > total * 1e-12:
        total += term
        term *= (draws - number) / (number + 1) * chance / (1 - chance)
        number += 1
    return total


def _divergence(share: float, chance: float) -> float:
    terms = ((share, chance), (1 - share, 1 - chance))
    return sum(p * log(p / q) for p, q in terms if p > 0)
