"""On which terms encrypted numbers are added up by protected columns: as policies write them, and the strictest."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from louver_sandbox.encrypted_core import ContractRules, EncryptedRules, StrictRules
from louver_sandbox.policy.private import cost_of
from louver_sandbox.policy.terms import ContractTerms, StrictTerms
from louver_sandbox.privacy import amounts
from louver_sandbox.privacy.calendar import Period
from louver_sandbox.privacy.cost import PrivacyCost

_PERIODS = list(Period)


def written(terms: ContractTerms | StrictTerms | None) -> EncryptedRules | None:
    """One grant's terms as a rule. Raises `PrivacyRefused` for amounts that are none."""
    match terms:
        case None:
            return None
        case ContractTerms():
            each, allowance, lifetime = map(cost_of, (terms.each, terms.allowance, terms.lifetime))
            delta = Fraction(terms.each.delta)
            of_columns = tuple(sorted(terms.most_of.items()))
            return ContractRules(terms.most, terms.rows, each, allowance, lifetime, terms.window, delta, of_columns)
        case StrictTerms():
            ways_of_all = terms.labels if terms.labels_of_all is None else terms.labels_of_all
            epsilon = amounts.epsilon(terms.epsilon)
            return StrictRules(epsilon, terms.labels, terms.rows, terms.error_percent, ways_of_all)


def strictest(several: Iterable[EncryptedRules | None]) -> EncryptedRules | None:
    """The strictest of all terms; None where one owner has given none, for then nothing is allowed.

    What trusts nobody's values is stricter than what trusts a contract. The larger bound on values or rows is the
    stricter one: it takes more noise.
    """
    found = tuple(several)
    rules = [one for one in found if one is not None]
    if not rules or len(rules) < len(found):
        return None
    strict = [one for one in rules if isinstance(one, StrictRules)]
    if strict:
        return StrictRules(
            min(one.epsilon for one in strict),
            min(one.labels for one in strict),
            max(one.rows for one in rules),
            min(one.error_percent for one in strict),
            min(one.labels_of_all for one in strict),
        )
    contracts = [one for one in rules if isinstance(one, ContractRules)]
    return ContractRules(
        most=max(one.most for one in contracts),
        rows=max(one.rows for one in contracts),
        each=_least(one.each for one in contracts),
        allowance=_least(one.allowance for one in contracts),
        lifetime=_least(one.lifetime for one in contracts),
        period=max((one.period for one in contracts), key=_PERIODS.index),
        delta=min(one.delta for one in contracts),
        most_of=tuple(
            (name, max(one.bound(name) for one in contracts))
            for name in sorted({name for one in contracts for name, _ in one.most_of})
        ),
    )


def _least(costs: Iterable[PrivacyCost]) -> PrivacyCost:
    given = tuple(costs)
    return PrivacyCost(min(cost.rho for cost in given), min(cost.delta for cost in given))
