"""When a cell or one of its measures may leave: the rules of PRIVACY 5.1 to 5.3, over exact parts.

Everything here is a pure function of the parts; the releaser applies it to what a worker sent, and trusts no
judgement made in the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from louver_sandbox.core_plan import CountedUnit, JudgedTotal
from louver_sandbox.obligations import ThresholdRules

Number = int | Decimal


class Rule(StrEnum):
    """Why something was withheld; the stable word in a notice."""

    UNITS = "units"
    CONTRIBUTORS = "contributors"
    OWN_KNOWLEDGE = "own-knowledge"
    DOMINANCE = "dominance"
    P_PERCENT = "p-percent"
    DIFFERENCE = "difference"
    COMPLEMENTARY = "complementary"
    NOISE = "noise"


Verdicts = Sequence[Rule | None]
"""For each total of a core, in order, the rule that it breaks in a cell."""


class Contributions(NamedTuple):
    """What the units of one group contribute to one measure of one cell.

    `units` are all units of the cell, `contributors` those whose contribution is not zero; `largest` and `second`
    are absolute contributions and `magnitude` the sum of all of them, None for measures that only count.
    """

    units: int
    contributors: int
    largest: Number | None = None
    second: Number | None = None
    magnitude: Number | None = None


def reaches(counts: Sequence[int], groups: Sequence[CountedUnit], rules: ThresholdRules) -> bool:
    """Whether every unit group reaches its k, optional groups only where they are present, and one is present.

    An optional group without units constrains nothing: a cell of enterprises needs no persons. Any other group that
    is missing is the empty side of a LEFT JOIN, and "none matched" would be told apart from "one matched".
    """
    some = False
    for count, group in zip(counts, groups, strict=True):
        if count or not group.optional:
            if count < rules.k[group.type]:
                return False
            some = True
    return some


def withheld_by(
    parts: Sequence[Contributions], groups: Sequence[CountedUnit], rules: ThresholdRules, total: JudgedTotal
) -> Rule | None:
    """The first rule a total breaks in a cell whose units reach their thresholds, or None.

    Totals over the requester's own columns, and those that count units with a property, need k units that have it
    and k that have not: the requester knows who has its labels, a cell where all have a property tells it of each
    (class disclosure), and the count with the cell's total gives the others away. Having a value at all (`presence`)
    is no property when every unit has one. A guard only has to have as many contributors as any cell, or none at all
    where that is possible.
    """
    contributors = [part.contributors for part in parts]
    if total.optional and not any(contributors):
        return None
    if not reaches(contributors, groups, rules):
        return Rule.CONTRIBUTORS
    counts = (total.tallies or not total.largest) and not total.optional
    if total.own or counts:
        others = [part.units - part.contributors for part in parts]
        if total.own and not reaches(others, groups, rules):
            return Rule.OWN_KNOWLEDGE
        all_may_have_it = total.presence and not any(others)
        if counts and not all_may_have_it and not reaches(others, groups, rules):
            return Rule.CONTRIBUTORS
    for part in parts:
        if _dominated(part, rules):
            return Rule.DOMINANCE
    for part in parts:
        if _estimable(part, rules):
            return Rule.P_PERCENT
    return None


def _dominated(part: Contributions, rules: ThresholdRules) -> bool:
    """(n,k) dominance: the largest unit, or the two largest, hold more than their percent of the cell."""
    if part.largest is None or part.magnitude is None or not part.units:
        return False
    if part.largest * 100 > part.magnitude * rules.dominance_percent:
        return True
    two = part.largest + (part.second or 0)
    return rules.dominance_of_two is not None and two * 100 > part.magnitude * rules.dominance_of_two


def _estimable(part: Contributions, rules: ThresholdRules) -> bool:
    """(p,q), of which p% is (p,100): the second largest unit, who knows every other contribution to within q percent,
    could estimate the largest to within p percent of it."""
    if part.largest is None or part.magnitude is None or not part.units:
        return False
    left = part.magnitude - part.largest - (part.second or 0)
    return left * rules.prior_percent < part.largest * rules.p_percent
