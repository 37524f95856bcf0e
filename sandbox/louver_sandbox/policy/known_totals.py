"""Whether totals that count as known are those that are shown: grants of one table that would have other patterns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from louver_sandbox.catalog.model import Verb
from louver_sandbox.obligations import Totals
from louver_sandbox.policy.model import Grant, GrantTreatment
from louver_sandbox.policy.terms import ThresholdTerms
from louver_sandbox.policy.unit_sets import TermsProblem

_DECIDE = (
    "totals",
    "person",
    "enterprise",
    "dominance_percent",
    "p_percent",
    "dominance",
    "pq",
    "class_disclosure",
)
"""The terms by which cells are withheld."""


def other_patterns(grant: Grant, others: Iterable[tuple[str, Grant]]) -> Iterator[TermsProblem]:
    """What is wrong with `totals: known` beside other grants of the table, each with the id of its policy.

    Under other rules, or over other rows, other cells are withheld, and both answers show together more than either.
    """
    if grant.threshold.totals is not Totals.KNOWN:
        return
    for policy, other in others:
        computed = other.treatment.rank <= GrantTreatment.THRESHOLD.rank and Verb.ANALYSE in other.verbs
        if computed and (_deciding(other.threshold), other.row_filter) != (
            _deciding(grant.threshold),
            grant.row_filter,
        ):
            says = f"under {policy}/{other.id} other cells are withheld: it has other rules, or a row filter"
            says_zh = f"{policy}/{other.id} 的规则或行过滤不同，据其隐去的单元格也不同"
            hint = "give every grant of the table the same rules and totals: known"
            yield TermsProblem(("totals",), says, says_zh, hint)
            return


def _deciding(terms: ThresholdTerms) -> tuple[object, ...]:
    return tuple(getattr(terms, name) for name in _DECIDE)
