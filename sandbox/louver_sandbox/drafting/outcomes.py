"""What becomes of a question, told without its answer: a treatment or a refusal, by which rule, at what cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from louver_sandbox.stages import Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a question: a treatment, a refusal's code or `unfinished`; its cost, and under which terms."""

    verdict: str
    rule: str
    cost: tuple[tuple[str, int], ...]
    terms: str

    def plain(self) -> Mapping[str, Any]:
        """The same as plain data."""
        return {"verdict": self.verdict, "rule": self.rule, "cost": dict(self.cost), "terms": self.terms}


UNFINISHED = Outcome("unfinished", "", (), "")
"""Of a question whose check took too long."""


def outcome_of(verdict: Verdict | None) -> Outcome:
    """The outcome that a verdict tells of; None is one that could not be finished."""
    if verdict is None:
        return UNFINISHED
    if verdict.plan is None:
        refusal = verdict.refusal
        return Outcome(refusal.code, refusal.rule, (), "") if refusal else UNFINISHED
    plan = verdict.plan
    cost: Counter[str] = Counter()
    for charge in plan.charges:
        cost[f"{charge.dataset} {charge.kind}"] += charge.amount
    cost.update({f"{cell.dataset} cells": cell.cells for cell in plan.cells})
    limits = sorted({(charge.dataset, charge.kind, charge.limit, charge.further) for charge in plan.charges})
    return Outcome(
        plan.treatment.value,
        ", ".join(plan.policies),
        tuple(sorted(cost.items())),
        repr((plan.threshold, plan.history, limits)),
    )
