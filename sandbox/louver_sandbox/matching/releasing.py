"""What leaves of a number or a sum: the true one, with noise for one subject more or less.

Nothing of what leaves or does not leave depends on the true number in another way: no threshold is compared with it
and no rule withholds it. A batch of k - 1 known hits and one more id would read that id off any such rule. What is
done after the noise is done with what everybody may see.
"""

from __future__ import annotations

from dataclasses import dataclass

from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.policy.match_numbers import NumberRules
from louver_sandbox.policy.match_terms import MatchMode


@dataclass(frozen=True, slots=True)
class Met:
    """The subjects on both sides, exactly: how many, and what the requester's amounts of them come to."""

    units: int
    total: int


def met_from(found: object) -> Met:
    """What a matcher has found. Raises ValueError for what is no such thing."""
    if not isinstance(found, list) or len(found) != 2 or any(type(one) is not int or one < 0 for one in found):
        raise ValueError("numbers of a match that are none")
    return Met(*found)


def release(met: Met, mode: MatchMode, ids: int, rules: NumberRules, sampler: Sampler) -> int:
    """The number as it may leave, never below nothing nor above what so many ids can come to.

    Raises:
        ValueError: more has met than was asked about, or a subject added more than its bound.
    """
    exact = met.total if mode is MatchMode.SUM else met.units
    most = ids * rules.bound
    if met.units > ids or exact > met.units * rules.bound:
        raise ValueError("numbers that contradict the batch")
    (drawn,) = rules.noise.drawn(sampler, 1)
    return min(most, max(0, exact + drawn))
