"""What many answers, as they leave, prove about one unit is never above what they were charged for.

From the question to the released rows: planned, executed by the engine on two worlds that differ by one unit, released
again and again. The audit is shown to work on a clip, a cut and a partition that are broken. `LOUVER_AUDIT_DRAWS` asks
for more draws; docs/reference/dp.md tells what 100,000 have proven.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from tests.support.line_audit import CASES, Audited, proven, unclipped, uncut, unnoised

from louver_sandbox.stages import Plan

DRAWS = int(os.environ.get("LOUVER_AUDIT_DRAWS", "250"))
SEEING = 20_000
"""Draws from which on the audit must see something of what is charged."""
NAMED = {one.name: one for one in CASES}


@pytest.mark.parametrize("of", CASES, ids=lambda of: of.name.replace(" ", "-"))
def test_no_number_of_answers_proves_more_than_is_charged(of: Audited) -> None:
    found, charged = proven(of, DRAWS)
    assert found <= charged
    assert DRAWS < SEEING or found >= of.tight * charged


@pytest.mark.parametrize(
    ("name", "broken"),
    [("sum", unclipped), ("count", uncut), ("count", unnoised), ("groups", unnoised)],
    ids=["a-clip", "a-cut", "a-number-without-noise", "a-partition-without-noise"],
)
def test_the_audit_accuses_what_is_broken(name: str, broken: Callable[[Plan], Plan]) -> None:
    found, charged = proven(NAMED[name], 1_200, broken)
    assert found > charged
