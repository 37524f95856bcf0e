"""Dominance and p% as policies write them: floors, and the strictest of several (PRIVACY 5.2).

Rules of one kind compare: the least share of one unit, the least share of two, and of (p,q) rules the one with the
greatest p/q, since cells are judged by that ratio. p% is (p,100). So the strictest of several grants are at most
three rules, and they hold together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from louver_sandbox.obligations import ClassDisclosure, ThresholdRules
from louver_sandbox.policy.terms import ThresholdTerms

MOST_PERCENT_OF_LARGEST: Final = {1: 90, 2: 95}
"""Largest share of a released sum that one unit, or the two largest together, may hold."""

LEAST_P_PERCENT: Final = 5
"""The p% rule: no unit's contribution may be estimable more closely than this."""

FULL_PRIOR: Final = 100
"""The q of p%: all that is known of a contribution is that it is not negative."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The rules in force on how a sum is shared out; fields as those of `ThresholdRules`."""

    dominance_percent: int
    dominance_of_two: int | None
    p_percent: int
    prior_percent: int


@dataclass(frozen=True, slots=True)
class SharesProblem:
    """A rule below a floor: `where` is the path below `threshold`."""

    where: tuple[str | int, ...]
    message: str
    message_zh: str


def problems(terms: ThresholdTerms) -> Iterator[SharesProblem]:
    """Every rule of a grant that says less than a floor."""
    if terms.dominance_percent > MOST_PERCENT_OF_LARGEST[1]:
        yield _above(("dominance_percent",), "dominance_percent", MOST_PERCENT_OF_LARGEST[1])
    for index, rule in enumerate(terms.dominance):
        if rule.k > MOST_PERCENT_OF_LARGEST[rule.n]:
            yield _above(("dominance", index, "k"), f"k of n = {rule.n}", MOST_PERCENT_OF_LARGEST[rule.n])
    if terms.p_percent < LEAST_P_PERCENT:
        yield _below(("p_percent",), "p_percent", str(LEAST_P_PERCENT))
    for index, pair in enumerate(terms.pq):
        if pair.p * FULL_PRIOR < LEAST_P_PERCENT * pair.q:
            yield _below(("pq", index, "p"), "p / q", f"{LEAST_P_PERCENT} / {FULL_PRIOR}")


def _above(where: tuple[str | int, ...], name: str, floor: int) -> SharesProblem:
    return SharesProblem(where, f"{name} is above the floor of {floor}", f"{name} 高于底线 {floor}")


def _below(where: tuple[str | int, ...], name: str, floor: str) -> SharesProblem:
    return SharesProblem(where, f"{name} is below the floor of {floor}", f"{name} 低于底线 {floor}")


def written(terms: ThresholdTerms) -> Shares:
    """One grant's rules."""
    ones = [Shares(terms.dominance_percent, None, terms.p_percent, FULL_PRIOR)]
    for rule in terms.dominance:
        one, two = (rule.k, None) if rule.n == 1 else (terms.dominance_percent, rule.k)
        ones.append(Shares(one, two, terms.p_percent, FULL_PRIOR))
    ones += [Shares(terms.dominance_percent, None, pair.p, pair.q) for pair in terms.pq]
    return strictest(ones)


def strictest(several: Iterable[Shares | ThresholdRules]) -> Shares:
    """What fulfils all of them."""
    given = list(several)
    of_two = [shares.dominance_of_two for shares in given if shares.dominance_of_two is not None]
    closest = max(given, key=lambda shares: (Fraction(shares.p_percent, shares.prior_percent), shares.p_percent))
    return Shares(
        min(shares.dominance_percent for shares in given),
        min(of_two, default=None),
        closest.p_percent,
        closest.prior_percent,
    )


def strictest_classes(several: Iterable[ClassDisclosure]) -> ClassDisclosure:
    """Classes are protected everywhere if anybody asks for it."""
    return ClassDisclosure.ALL if ClassDisclosure.ALL in set(several) else ClassDisclosure.OWN
