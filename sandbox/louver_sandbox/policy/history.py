"""Budgets by window and the history of questions, as policies write them, and the strictest of several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from louver_sandbox.obligations import AccessBudget, Period, WindowLimit
from louver_sandbox.policy.terms import BudgetTerms, HistoryTerms
from louver_sandbox.selections import HistoryRules

_WINDOWS = (
    ("query", Period.MONTH, "queries_per_month"),
    ("query", Period.YEAR, "queries_per_year"),
    ("query", Period.LIFETIME, "queries_in_all"),
    ("predicate", Period.MONTH, "predicates_per_month"),
    ("predicate", Period.YEAR, "predicates_per_year"),
    ("predicate", Period.LIFETIME, "predicates_in_all"),
)


def written_history(terms: HistoryTerms) -> HistoryRules:
    """One grant's history as rules."""
    return HistoryRules(**{name: getattr(terms, name) for name in HistoryTerms.model_fields})


def budget_of(terms: BudgetTerms) -> AccessBudget:
    """One grant's budget."""
    return AccessBudget(terms.queries_per_day, terms.predicates_per_day, tuple(_further(terms)))


def _further(terms: BudgetTerms) -> Iterator[WindowLimit]:
    for kind, period, name in _WINDOWS:
        most = getattr(terms, name)
        if most is not None:
            yield WindowLimit(kind, period, most)


def smallest_budget(several: Iterable[AccessBudget]) -> AccessBudget:
    """For each window the smallest number that any of the budgets gives; there is at least one budget."""
    budgets = tuple(several)
    further: dict[tuple[str, Period], int] = {}
    for limit in (limit for budget in budgets for limit in budget.further):
        known = further.get((limit.kind, limit.period), limit.most)
        further[(limit.kind, limit.period)] = min(known, limit.most)
    return AccessBudget(
        queries_per_day=min(budget.queries_per_day for budget in budgets),
        predicates_per_day=min(budget.predicates_per_day for budget in budgets),
        further=tuple(WindowLimit(kind, period, most) for (kind, period), most in sorted(further.items())),
    )
