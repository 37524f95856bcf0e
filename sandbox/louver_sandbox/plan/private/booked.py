"""What a question is charged to: its datasets as data, whatever names they go by, each kind of unit by itself.

Tables that are copies of one another are one dataset (`Catalog.dataset_of`): they share its lifetime and allowances,
and of their terms the strictest hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.model import Catalog, UnitType
from louver_sandbox.obligations import Period, PrivacyCharge, PrivacyTerms
from louver_sandbox.plan.private.bounding import Rules
from louver_sandbox.plan.verify import PlanUnverified
from louver_sandbox.privacy.cost import NOTHING, PrivacyCost
from louver_sandbox.private_core import PrivateRules

Costs = Mapping[tuple[str, UnitType], PrivacyCost]
"""By dataset and kind of unit."""

_PERIODS = tuple(Period)


def dataset(table: str, catalog: Catalog) -> str:
    """The dataset that a table's budgets are of."""
    schema, _, name = table.partition(".")
    return str(catalog.dataset_of(TableName(schema, name)))


def booked_rules(rules: Rules, catalog: Catalog) -> Rules:
    """The rules by dataset and kind of unit, the strictest where copies have several; none for exempt ones."""
    held: dict[tuple[str, UnitType], list[PrivateRules]] = {}
    for (table, unit), rule in rules.items():
        if rule.terms is not None:
            held.setdefault((dataset(table, catalog), unit), []).append(rule)
    return {key: _together(key[0], several) for key, several in held.items()}


def _together(name: str, several: Sequence[PrivateRules]) -> PrivateRules:
    accuracies = [one.accuracy for one in several if one.accuracy is not None]
    return replace(
        several[0],
        dataset=name,
        terms=strictest([one.terms for one in several if one.terms is not None]),
        each=_least(one.each for one in several),
        delta=min(one.delta for one in several),
        accuracy=min(accuracies, default=None),
    )


def booked_charges(costs: Costs, rules: Rules, purpose: str) -> Iterator[PrivacyCharge]:
    """One charge for each dataset and kind of unit that cores are about, by the rules of datasets.

    Raises:
        PlanUnverified: a charge is above what policy lets one question cost, or is of no dataset with a budget.
    """
    if not costs.keys() <= rules.keys():
        raise PlanUnverified("a cost of a dataset without a budget")
    for (name, unit), rule in rules.items():
        cost = costs.get((name, unit), NOTHING)
        if rule.terms is None or cost == NOTHING:
            continue
        if not cost.within(rule.terms.most):
            raise PlanUnverified("a question that costs more than policy allows")
        yield PrivacyCharge(name, purpose, cost, rule.terms, rule.delta)


def strictest(several: Sequence[PrivacyTerms]) -> PrivacyTerms:
    """The least of each that any of the terms says, and the longest window; no part where one of them has none."""
    first, *others = several
    if not others:
        return first
    divided = [one.purposes for one in several if one.purposes]
    named = sorted({name for parts in divided for name in parts})
    return replace(
        first,
        lifetime=_least(one.lifetime for one in several),
        allowance=_least(one.allowance for one in several),
        most=_least(one.most for one in several),
        period=max((one.period for one in several), key=_PERIODS.index),
        purposes={name: _least(parts.get(name, NOTHING) for parts in divided) for name in named},
        shared=all(one.shared for one in several),
    )


def _least(costs: Iterable[PrivacyCost]) -> PrivacyCost:
    found = tuple(costs)
    return PrivacyCost(min(one.rho for one in found), min(one.delta for one in found))
