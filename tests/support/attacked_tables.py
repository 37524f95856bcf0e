"""Random tables whose withheld cells an attacker tries to bound; a function of a number, so that processes share them."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.additive_tables import flat, random_table, tree

from louver_sandbox.suppression import proved
from louver_sandbox.suppression.attacker import attack
from louver_sandbox.suppression.suppress import Method, Suppressed

SHAPES = (
    [flat("T", "ab"), flat("T", "xyz")],
    [flat("T", "abcd"), flat("T", "wxyz")],
    [tree(2, 3), flat("T", "xyz")],
    [flat("T", "ab"), flat("T", "xy"), flat("T", "pq")],
    [tree(3, 2), tree(2, 2)],
    [tree(2, 2, 2)],
)


@dataclass(frozen=True, slots=True)
class Attacked:
    """Cells that are known too well, and whether the table needed secondary cells at all."""

    recovered: tuple[str, ...]
    needed: bool


def attacked(seed: int) -> Attacked:
    """One table, solved to the optimum or by the heuristic. An optimal answer leaves no cell known at all."""
    table = random_table(seed, SHAPES[seed // 5 % len(SHAPES)], share=0.25, amounts=seed % 2 == 0)
    outcome = proved.suppress(table, optimal=seed % 10 < 5)
    assert isinstance(outcome, Suppressed)
    intervals = attack(table, table.primary | outcome.secondary)
    found = [name for name, interval in intervals.items() if not interval.protects(table[name])]
    if outcome.method is Method.OPTIMAL:
        found += [name for name, interval in intervals.items() if interval.known]
    return Attacked(tuple(f"{seed}: {name}" for name in found), bool(outcome.secondary))
