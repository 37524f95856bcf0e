"""What complementary suppression takes and withholds: tables with totals up to 10,000 cells, beside alternatives.

First the solver alone over made tables of counts (threshold 10): processor time, the gap to the bound, and the cells
withheld beside the primary ones, against a naive greedy that goes through the totals until none has a single withheld
part. The greedy's cells are then attacked: what it leaves unprotected is the price of its simplicity. Then whole
answers with CUBE: how many of the totals and of the cells that may leave by themselves do leave, against `keep-back`
and with `known`. Last, two-way tables without totals: how many of their cells leave where totals count as known.

Keys: `largest_s` (10,201 cells, some 2,300 of them primary, goal <= 10), `cells_10000_s`, `gap_median`;
`ratio_greedy` is our secondary cells over the greedy's (median), `greedy_exposed` the share of the greedy's primary
cells that an attacker narrows too much, in tables of up to 1,000 cells, where all are attacked; `totals_shown`,
`parts_shown` and both with `_keep_back` and `_known`; `plain_shown` and `plain_large_shown` (of cells of ten firms
and more), the shares of two-way tables without totals; `known_ratio`, time in the releaser with `known` over that
with `complementary`; `plain_ms` and `plain_without_ms`, that of a two-way table with and without; `same_twice`.
"""

import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.report import arguments, report, show
from bench.support.tables import Plain, Shown, crossed, greedily_withheld, plain_of, shown_of, wide
from louver_sandbox.obligations import Totals
from louver_sandbox.suppression.attacker import attack
from louver_sandbox.suppression.suppress import Suppressed, suppress
from louver_sandbox.suppression.table import Table

ATTACKED = 1_000
CITIES, CITIES_FULL = 6, 30


@dataclass(frozen=True)
class Case:
    """A table with its name."""

    name: str
    table: Table


def cases(*, full: bool) -> list[Case]:
    """Tables of growing size; the largest is two crossed hierarchies of 101 nodes each."""
    found = [
        Case("10 x 10", wide(1, 9, 9, share=0.3)),
        Case("15 x 15", wide(2, 14, 14, share=0.2)),
        Case("31 x 31", wide(3, 30, 30, share=0.1)),
        Case("crossed 31 x 31", crossed(4, (6, 4), share=0.2)),
        Case("100 x 100", wide(5, 99, 99, share=0.05)),
        Case("crossed 101 x 101, few", crossed(6, (10, 9), share=0.05)),
        Case("crossed 101 x 101, many", crossed(7, (10, 9), share=0.5)),
    ]
    more = [
        Case("22 x 22", wide(2, 21, 21, share=0.1)),
        Case("crossed 101 x 101, nearly all", crossed(8, (10, 9), share=0.9)),
    ]
    return [*found, *more] if full else found


@dataclass(frozen=True)
class Solved:
    """A case with what it took: seconds of processor time."""

    case: Case
    seconds: float
    outcome: Suppressed

    def row(self, greedy: frozenset[str]) -> dict[str, object]:
        """A line of the table."""
        primary = self.case.table.primary
        return {
            "table": self.case.name,
            "cells": len(self.case.table.cells),
            "primary": len(primary),
            "s": self.seconds,
            "method": self.outcome.method.value,
            "gap": self.outcome.gap,
            "secondary": len(self.outcome.secondary),
            "greedy's": len(greedy - primary),
            "exposed": _exposed(self.case.table, greedy),
        }


def solve(case: Case) -> Solved:
    """Once, by the processor's clock: a busy machine spoils it less."""
    begin = time.process_time()
    outcome = suppress(case.table)
    seconds = time.process_time() - begin
    if not isinstance(outcome, Suppressed):
        raise TypeError(f"{case.name}: {outcome.reason}")
    return Solved(case, seconds, outcome)


def _exposed(table: Table, withheld: frozenset[str]) -> int | None:
    """How many primary cells an attacker narrows too much; None where attacking all of them takes too long."""
    if len(table.cells) > ATTACKED:
        return None
    return sum(not interval.protects(table[name]) for name, interval in attack(table, withheld).items())


def shares(shown: Sequence[Shown]) -> dict[str, float]:
    """Of the cells that may leave by themselves, the share that leaves, totals and parts apart."""
    totals, parts = sum(one.totals for one in shown), sum(one.parts for one in shown)
    return {
        "totals_shown": round(sum(one.totals_kept for one in shown) / totals, 3),
        "totals_shown_keep_back": round(sum(one.totals_kept_back for one in shown) / totals, 3),
        "parts_shown": round(sum(one.parts_kept for one in shown) / parts, 3),
        "parts_shown_keep_back": round(sum(one.parts_kept_back for one in shown) / parts, 3),
        "totals_shown_known": round(sum(one.totals_known for one in shown) / totals, 3),
        "parts_shown_known": round(sum(one.parts_known for one in shown) / parts, 3),
        "known_ratio": round(
            sum(one.seconds[Totals.KNOWN] for one in shown) / sum(one.seconds[Totals.COMPLEMENTARY] for one in shown),
            2,
        ),
    }


def plain_shares(several: Sequence[Plain]) -> dict[str, float]:
    """Of the cells of tables without totals that may leave by themselves, the share that leaves beside known ones."""
    return {
        "plain_shown": round(sum(one.parts_known for one in several) / sum(one.parts for one in several), 3),
        "plain_large_shown": round(sum(one.large_known for one in several) / sum(one.large for one in several), 3),
        "plain_ms": round(1000 * statistics.median(one.seconds_known for one in several), 1),
        "plain_without_ms": round(1000 * statistics.median(one.seconds for one in several), 1),
    }


def main() -> None:
    """Solve, compare, report."""
    full = arguments(__doc__ or "").full
    solved = [solve(case) for case in cases(full=full)]
    greedy = [greedily_withheld(one.case.table) for one in solved]
    rows = [one.row(withheld) for one, withheld in zip(solved, greedy, strict=True)]
    small = [(row, one) for row, one in zip(rows, solved, strict=True) if row["exposed"] is not None]
    by_name = {one.case.name: one for one in solved}
    again = solve(by_name["crossed 31 x 31"].case)
    show("secondary cells of made tables", rows)
    shown = [shown_of(random.Random(seed)) for seed in range(CITIES_FULL if full else CITIES)]
    found = shares(shown)
    plain = plain_shares([plain_of(random.Random(seed)) for seed in range(CITIES_FULL if full else CITIES)])
    report(
        "values of answers with CUBE that may leave by themselves, and do",
        [
            {"totals": "complementary", "shown": found["totals_shown"], "parts": found["parts_shown"]},
            {
                "totals": "keep-back",
                "shown": found["totals_shown_keep_back"],
                "parts": found["parts_shown_keep_back"],
            },
            {"totals": "known", "shown": found["totals_shown_known"], "parts": found["parts_shown_known"]},
            {"totals": "known, none asked for", "shown": None, "parts": plain["plain_shown"]},
        ],
        {
            "largest_s": round(by_name["crossed 101 x 101, many"].seconds, 2),
            "cells_10000_s": round(by_name["100 x 100"].seconds, 2),
            "gap_median": round(statistics.median(one.outcome.gap for one in solved), 3),
            "ratio_greedy": round(
                statistics.median(
                    len(one.outcome.secondary) / max(1, len(withheld - one.case.table.primary))
                    for one, withheld in zip(solved, greedy, strict=True)
                ),
                3,
            ),
            "greedy_exposed": round(
                sum(int(str(row["exposed"])) for row, _ in small)
                / sum(len(one.case.table.primary) for _, one in small),
                3,
            ),
            **found,
            **plain,
            "same_twice": int(again.outcome == by_name["crossed 31 x 31"].outcome),
        },
    )


if __name__ == "__main__":
    main()
