"""Histograms: a public domain is released whole; groups that only the data name are chosen by a threshold.

A group that exists because of one unit must stay hidden: it is listed only when its noisy number of units reaches
tau. That it is listed all the same has a chance, which is the delta that the threshold spends (Korolova et al., WWW
2009; with zCDP: Rogers, A Unifying Privacy Analysis Framework for Unknown Domain Algorithms, 2023).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from typing import TypeVar

from louver_sandbox.mechanisms.noise import Noise, Sensitivity
from louver_sandbox.mechanisms.release import Noisy, released
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.privacy.cost import PrivacyCost
from louver_sandbox.privacy.directed import rounded_up
from louver_sandbox.privacy.refused import PrivacyRefused, Reason

Key = TypeVar("Key", bound=Hashable)
_PLACES = 30
"""Digits of a delta that is charged."""


def whole(counts: Mapping[Key, int], domain: Sequence[Key], noise: Noise, sampler: Sampler) -> dict[Key, Noisy]:
    """Every group of a public domain in its order, those without units too: that one is listed tells nothing.

    Groups that the domain does not name are left out. To refuse because of them would tell that there are some.

    Raises:
        PrivacyRefused: DOMAIN_UNSOUND: a group is named twice.
    """
    if len(set(domain)) != len(domain):
        raise PrivacyRefused(Reason.DOMAIN_UNSOUND, "the domain names a group twice", "公开值域中有重复的分组")
    numbers = released([counts.get(group, 0) for group in domain], noise, sampler, least=0)
    return dict(zip(domain, numbers, strict=True))


def threshold(noise: Noise, groups_per_unit: int, delta: Fraction) -> int:
    """tau: the least number for which groups of one unit stay hidden but for delta.

    Of a unit that is alone in each of its groups, none is listed unless a draw reaches tau - 1.

    Raises:
        PrivacyRefused: DELTA_OUT_OF_RANGE.
    """
    if not 0 < delta < 1:
        raise PrivacyRefused(Reason.DELTA_OUT_OF_RANGE, "delta is not between 0 and 1", "delta 须在 0 与 1 之间")
    high = 1
    while groups_per_unit * noise.tail(high) > delta:
        high *= 2
    low = high // 2
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if groups_per_unit * noise.tail(middle) <= delta else (middle, high)
    return high + 1


def selection_cost(noise: Noise, groups_per_unit: int, tau: int) -> PrivacyCost:
    """What it costs to list the groups that reach tau together with their numbers of distinct units."""
    listed = groups_per_unit * noise.tail(tau - 1) if tau > 1 else Fraction(1)
    return PrivacyCost(noise.cost(Sensitivity(1, groups_per_unit)).rho, min(Fraction(1), rounded_up(listed, _PLACES)))


def selected(units: Mapping[Key, int], noise: Noise, tau: int, sampler: Sampler) -> dict[Key, Noisy]:
    """The groups whose noisy number of distinct units reaches tau, in an order that does not depend on the data's.

    Of a group with few units an interval holds the true number less often once it is known that the group is listed;
    over all draws, groups are listed with an interval that fails in at most 5 of 100.
    """
    groups = sorted((group for group, count in units.items() if count > 0), key=repr)
    numbers = released([units[group] for group in groups], noise, sampler, least=1)
    return {group: number for group, number in zip(groups, numbers, strict=True) if number.value >= tau}
