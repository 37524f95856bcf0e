"""How what a question may cost is divided over all its numbers (ADR 34).

A number of L2 sensitivity D with noise of variance v costs rho = D^2 / (2 v). Of all divisions of a total, the one
with the least sum of a_i v_i gives every number a part in proportion to D_i sqrt(a_i), by Lagrange: the derivatives
a_i D_i^2 / (2 rho_i^2) are then equal. Here a_i is the number's importance over the square of the most one row adds
to it, so that counts of rows and sums of money are judged by the same measure. A histogram for quantiles is
one such number: a row adds 1 to a node at each level of its tree, all nodes have the same variance, and D is that of
the whole tree.

Parts are exact fractions and add up to the whole; noise scales are rounded up from them, so no total is exceeded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.mechanisms.noise import gaussian
from louver_sandbox.plan.private.bounding import Rules
from louver_sandbox.plan.private.drafts import Draft, Scales
from louver_sandbox.plan.private.measures import Number
from louver_sandbox.privacy.cost import PrivacyCost
from louver_sandbox.privacy.directed import root_up

_STEP: Final = 1 << 20
"""Weights are whole numbers of this fineness: longer ones would make every later fraction longer."""

Budgets = Mapping[UnitType, PrivacyCost]
"""What a core may cost each kind of unit."""


def weight(draft: Draft, number: Number, unit: UnitType) -> int:
    """A number's part, in proportion: its sensitivity and the root of its importance, in rows' worth."""
    square = Fraction(
        draft.sensitivity(number, unit).squared_l2 * draft.importance[number], number.largest * number.largest
    )
    scaled = root_up(square) * _STEP
    return max(1, -(-scaled.numerator // scaled.denominator))


def weights(draft: Draft, unit: UnitType) -> Mapping[Number, int]:
    """The parts of all numbers of a core, and of all nodes of each ranking's tree together."""
    return {number: weight(draft, number, unit) for number in draft.paid}


def budgets(drafts: Sequence[Draft], each: Mapping[tuple[str, UnitType], PrivacyCost], rules: Rules) -> list[Budgets]:
    """What each core may cost, so that no dataset's units lose more than `each` gives: cores about the same units
    share it by the weights of their numbers. `rules` are those of datasets.

    Delta is shared in equal parts by the cores that list their groups. It is the least that any dataset of the
    question allows: its epsilon is told at one delta, which must be more than what is spent.
    """
    whole: dict[tuple[str, UnitType], int] = {}
    listing: dict[tuple[str, UnitType], int] = {}
    for draft in drafts:
        for key in draft.datasets:
            whole[key] = whole.get(key, 0) + sum(weights(draft, key[1]).values())
            listing[key] = listing.get(key, 0) + (draft.domain is None)
    delta = min((rule.each.delta for rule in rules.values()), default=Fraction(0))
    made: list[Budgets] = []
    for draft in drafts:
        of: dict[UnitType, PrivacyCost] = {}
        for unit in draft.units:
            own = sum(weights(draft, unit).values())
            keys = [key for key in draft.datasets if key[1] is unit]
            # A core that only shows declared groups has no number and costs nothing.
            rho = min(each[key].rho * own / max(1, whole[key]) for key in keys)
            of[unit] = PrivacyCost(rho, delta / max(1, *(listing[key] for key in keys)))
        made.append(of)
    return made


def divided(draft: Draft, spend: Budgets) -> Scales:
    """The noise of every number of a core that may cost so much: the largest that any kind of unit needs, so the
    others pay less than their part. Raises PrivacyRefused where a part is too small for any noise."""
    scales: dict[Number, Fraction] = dict.fromkeys(draft.paid, Fraction(0))
    for unit, budget in spend.items():
        of = weights(draft, unit)
        whole = sum(of.values())
        for number, part in of.items():
            noise = gaussian(budget.rho * part / whole, draft.sensitivity(number, unit))
            scales[number] = max(scales[number], noise.scale)
    return scales


def proportion(draft: Draft, number: Number, unit: UnitType) -> Fraction:
    """A number's scale beside the others': the variance is D^2 / rho, and rho is in proportion to the weight."""
    square = Fraction(draft.sensitivity(number, unit).squared_l2, weight(draft, number, unit))
    return root_up(square)
