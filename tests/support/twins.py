"""Every story about exact answers has its perturbed twin: the same question under a policy that asks for noise.

Noise comes after the rules and is no excuse for them. So of a question that is answered without noise the twin has the
same cells, and withholds the same values of each; a question that is refused stays refused; and where noise cannot be
computed it is refused (LVR-2322), never answered without. Only a quotient may be withheld besides, where noise leaves
nothing to divide by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import duckdb
from tests.support.relations import RULES_5, committed, reply_to

from louver.errors import Refused
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.core_plan import CorePlan
from louver_sandbox.obligations import NoiseRules, RoundingKind, ThresholdRules
from louver_sandbox.plan.plan import plan
from louver_sandbox.release.cells import Judged
from louver_sandbox.release.decode import decode
from louver_sandbox.release.differences import without_differences
from louver_sandbox.release.threshold import _released, keeps_totals
from louver_sandbox.release.withheld import WITHHELD
from louver_sandbox.stages import Admitted, Execution, Plan
from louver_sandbox.suppression.pattern import choose

NOISE = NoiseRules(
    {UnitType.PERSON: "persons", UnitType.ENTERPRISE: "enterprises"}, RoundingKind.RANDOM, 5, Decimal(2)
)
SECRET = bytes(range(32))
NOT_COMPUTED = frozenset({"LVR-2322"})
"""What noise refuses beyond the other rules."""

Seen = Counter[tuple[object, ...]]
"""The cells that leave: keys, and of each measure whether there is a value."""


@dataclass
class Twins:
    """Looks at each question and its twin; `compared` are those that both were answered, `refused` only without."""

    compared: int = 0
    refused: int = 0

    def answered(self, permit: Admitted, execution: Execution, connection: duckdb.DuckDBPyConnection) -> None:
        """Of a question that was answered over the snapshots that are attached."""
        twin = _twin(permit)
        if twin is None:
            return
        try:
            made = plan(twin)
        except Refused as refused:
            if refused.code not in NOT_COMPUTED:
                raise
            self.refused += 1
            return
        noisy = decode(reply_to(connection, made), committed(made))
        self.compared += 1
        assert _cells(execution) == _cells(noisy), "noise changes what is withheld"

    def turned_down(self, permit: Admitted) -> None:
        """Of a question that was refused."""
        twin = _twin(permit)
        if twin is not None:
            try:
                plan(twin)
            except Refused:
                return
            raise AssertionError("noise answers what is refused without")


def _twin(permit: Admitted) -> Admitted | None:
    """The same permit with noise; none for exact questions, other noise and thresholds without a supplied table."""
    rules = permit.threshold
    if rules is None or rules.noise is not None or dict(rules.k) != dict(RULES_5.k):
        return None
    return replace(permit, threshold=replace(rules, noise=NOISE))


def _cells(execution: Execution) -> list[tuple[Seen, Seen]]:
    """What may be seen of each core: its cells, and its remainder."""
    made = execution.committed.plan
    assert made.threshold is not None
    released = _judged(made, execution, made.threshold)
    return [
        (_seen(core, judged.rows), _seen(core, () if judged.remainder is None else (judged.remainder,)))
        for core, judged in zip(made.cores, released, strict=True)
        if core.protected
    ]


def _judged(made: Plan, execution: Execution, rules: ThresholdRules) -> Sequence[Judged]:
    solve = choose if keeps_totals(rules, [core for core in made.cores if core.protected]) else None
    released = [
        _released(core, rows, rules, solve, SECRET) for core, rows in zip(made.cores, execution.rows, strict=True)
    ]
    return without_differences(made.cores, execution.rows, released, rules)


def _seen(core: CorePlan, rows: Sequence[object]) -> Seen:
    kinds = {measure.name: measure.kind for measure in core.measures}
    found: Seen = Counter()
    for row in rows:
        assert isinstance(row, dict)
        told: list[tuple[str, str]] = []
        for (_, name), value in sorted(row.items(), key=lambda item: item[0]):
            if name not in kinds:
                told.append((name, repr(value)))
            elif kinds[name] == "average" and value is not None:
                told.append((name, "a quotient"))
            else:
                told.append((name, "withheld" if value is WITHHELD else "null" if value is None else "shown"))
        found[tuple(told)] += 1
    return found
