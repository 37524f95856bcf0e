"""Policies under which questions about the firms of `bench.support.firms` get noise, one purpose per setting."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SETTINGS: Final = {
    "within": ("MODEL_BUILD", {"groups": 8, "rows": 8}),
    "cells over": ("POST_LOAN", {"groups": 4, "rows": 8}),
    "rows over": ("LOAN_ORIGINATION", {"groups": 8, "rows": 4}),
}
"""Purposes, and what one firm may add. Each firm has eight rows, which are up to eight cells."""

_RETURNS = """
  - id: {id}
    to: {{groups: [banks]}}
    verbs: [analyse]
    purposes: [{purpose}]
    valid: {{from: 2026-01-01, until: 2036-12-31}}
    table: gov.tax_quarter
    treatment: dp
    privacy:
      enterprise:
        lifetime: {{epsilon: 20, delta: 0.0000001}}
        allowance: {{epsilon: 20, delta: 0.0000001}}
        window: day
        most: {{epsilon: {epsilon}, delta: 0.0000000001}}
        each: {{epsilon: {epsilon}, delta: 0.0000000001}}
        groups: {groups}
        rows: {rows}
    budget: {{queries_per_day: 100000, predicates_per_day: 100000}}
    columns:
      uscc: {{join_key: true, group_key: {{}}, aggregate: {{functions: [count]}}}}
      quarter: [group_key, filter, order]
      revenue: {{aggregate: {{functions: [count, sum, avg, quantile_cont]}}, order: true}}
      vat_paid: {{aggregate: {{functions: [count, sum, avg]}}, order: true}}
      cit_paid: {{aggregate: {{functions: [count, sum, avg]}}, order: true}}
      invoice_cnt: {{aggregate: {{functions: [count, sum, avg]}}, order: true}}
      zero_declared: [group_key, filter, aggregate, order]
"""


def add(policies: Path, epsilon: float) -> None:
    """Adds a grant with noise for each setting to the policies in the folder; a question costs `epsilon`."""
    purposes = [purpose for purpose, _ in SETTINGS.values()]
    platform, registry, returns = (policies / f"{name}.yaml" for name in ("platform", "registry", "taxation"))
    named = "".join(f"\n  {purpose}: a setting of the benchmark" for purpose in purposes)
    _replaced(platform, "\n  RESEARCH: statistics", f"\n  RESEARCH: statistics{named}")
    _replaced(registry, "purposes: [RESEARCH]", f"purposes: [RESEARCH, {', '.join(purposes)}]")
    grants = (
        _RETURNS.format(id=name.replace(" ", "-"), purpose=purpose, epsilon=epsilon, **most)
        for name, (purpose, most) in SETTINGS.items()
    )
    returns.write_text(returns.read_text(encoding="utf-8").rstrip() + "".join(grants), encoding="utf-8")


def _replaced(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    if old not in text:
        raise ValueError(f"{file.name} does not say {old!r}")
    file.write_text(text.replace(old, new), encoding="utf-8")
