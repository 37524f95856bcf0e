"""The optimal set of secondary cells, by cutting planes (Fischetti and Salazar 2001; Benders 1962).

A master program knows which cells are withheld and what the cuts so far say of them; attacks on its solution yield
further cuts, until no attack succeeds. First over degrees between 0 and 1, where the cuts are strongest and cheap to
find, then over sets. What the master costs is never more than what the optimum costs, so the gap is known at any
time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from louver_sandbox.suppression.completion import Completion
from louver_sandbox.suppression.cuts import Cut, capacity_cut, cover_cut, first_cuts, no_secondary_alone
from louver_sandbox.suppression.deviations import FARTHEST, SLACK, Attack, Demand, Deviations, Mask
from louver_sandbox.suppression.linear import (
    INFINITY,
    Chosen,
    Floats,
    LinearProgram,
    Rows,
    SolverFailed,
    minimise_binary,
)

ROUNDS_OF_DEGREES = 60
ROUNDS_OF_SETS = 40
NODES = 200
PRUNINGS = 1_000
LEAST_GAIN = 1e-4
"""The share by which a round over degrees must raise the bound to be followed by another, over five rounds."""


@dataclass(frozen=True, slots=True)
class Found:
    """A set that protects the table, its cost, and a bound that no set's cost is below."""

    withheld: Mask
    cost: float
    bound: float


class Master:
    """The cuts found so far, as a linear program over degrees and as an integer program over sets."""

    def __init__(self, all_: Deviations, cuts: Iterable[Cut]) -> None:
        self._all = all_
        self._cuts: dict[Cut, None] = dict.fromkeys(cuts)
        rows, least = _rows(tuple(self._cuts))
        self._program = LinearProgram(
            np.where(all_.open, all_.weights, 0.0),
            all_.primary.astype(np.float64),
            (all_.primary | all_.open).astype(np.float64),
            rows,
            least,
            np.full(len(rows), INFINITY),
            primal=False,
        )

    def add(self, cuts: Iterable[Cut]) -> bool:
        """Takes in further cuts; whether any was new."""
        new = tuple(dict.fromkeys(cut for cut in cuts if cut not in self._cuts))
        self._cuts.update(dict.fromkeys(new))
        if new:
            self._program.add_rows(*_rows(new))
        return bool(new)

    def degrees(self) -> tuple[Floats, float]:
        """The cheapest degrees that fulfil the cuts, and their cost."""
        optimum = self._program.minimise()
        return np.clip(optimum.values, 0.0, 1.0), optimum.objective

    def sets(self, target: float, nodes: int) -> Chosen:
        """The cheapest set that fulfils the cuts; one that costs at most `target` or took `nodes` nodes will do."""
        rows, least = _rows(tuple(self._cuts))
        all_ = self._all
        return minimise_binary(
            np.where(all_.open, all_.weights, 0.0),
            all_.primary.astype(np.float64),
            (all_.primary | all_.open).astype(np.float64),
            rows,
            least,
            nodes=nodes,
            target=target,
        )


def relax(all_: Deviations, attack: Attack, master: Master, rounds: int) -> tuple[Floats, float]:
    """The cheapest degrees that no attack defeats, as far as `rounds` rounds get; with their cost, a lower bound."""
    bounds: list[float] = []
    for _ in range(rounds):
        degrees, bound = master.degrees()
        bounds.append(bound)
        if len(bounds) > 5 and bound - bounds[-6] <= LEAST_GAIN * abs(bound):
            break
        if not master.add(_cuts_against(all_, attack, degrees)):
            break
    return master.degrees()


def optimise(all_: Deviations) -> Found:
    """The cheapest set that protects every primary cell.

    Where a limit is reached, the best set found, and the bound shows how far it may be from the cheapest.
    Unprotectable where no set protects the table.
    """
    attack, completion = Attack(all_), Completion(all_)
    best, _ = completion.complete(all_.primary, np.zeros(len(all_.up)), 0)
    master = Master(all_, [*first_cuts(all_), *no_secondary_alone(all_)])
    degrees, bound = relax(all_, attack, master, ROUNDS_OF_DEGREES)
    guided, _ = completion.complete(all_.primary, degrees, PRUNINGS)
    best = guided if all_.cost(guided) < all_.cost(best) else best
    nodes = NODES
    for _ in range(ROUNDS_OF_SETS):
        if nodes <= 0 or next_cost(all_, bound) >= all_.cost(best):
            break
        try:
            master_set = master.sets(next_cost(all_, bound) + SLACK, nodes)
        except SolverFailed:
            # Out of nodes before any set: what was found so far protects the table, and the bound says how well.
            break
        nodes, chosen, bound = nodes - master_set.nodes, master_set.columns, max(bound, master_set.bound)
        cuts = _cuts_against_set(all_, attack, chosen)
        if cuts:
            master.add(cuts)
            chosen, _ = completion.complete(chosen, degrees, PRUNINGS)
        best = chosen if all_.cost(chosen) < all_.cost(best) else best
    return Found(best, all_.cost(best), min(all_.cost(best), next_cost(all_, bound)))


def next_cost(all_: Deviations, bound: float) -> float:
    """The bound as a cost that a set can have: weights are whole numbers."""
    step = float(np.gcd.reduce(all_.weights[all_.open].astype(np.int64), initial=0)) or 1.0
    return step * float(np.ceil(bound / step - SLACK))


def _cuts_against(all_: Deviations, attack: Attack, degrees: Floats) -> list[Cut]:
    """The capacity cuts that these degrees violate."""
    cuts = []
    for demand in all_.demands:
        reached, _, multipliers = attack.reach(demand, degrees, 1.0)
        if reached < 1.0 - 10 * SLACK:
            cut = capacity_cut(all_, demand, multipliers)
            if cut is not None and _missing(cut, degrees) > 1e-4:
                cuts.append(cut)
    return cuts


def _cuts_against_set(all_: Deviations, attack: Attack, chosen: Mask) -> list[Cut]:
    """The cuts against every attack that succeeds against this set; none where it protects the table."""
    cuts = []
    degrees = chosen.astype(np.float64)
    for demand in all_.demands:
        reached, _, multipliers = attack.reach(demand, degrees, FARTHEST)
        if reached < 1.0 - SLACK:
            found = (
                capacity_cut(all_, demand, multipliers),
                _least_cover(all_, attack, demand, cover_cut(all_, demand, multipliers, chosen)),
            )
            cuts += [cut for cut in found if cut is not None]
    return cuts


def _least_cover(all_: Deviations, attack: Attack, demand: Demand, cover: Cut | None) -> Cut | None:
    """A cover cut without cells that do not suffice, even with all that are not in the cut: a stronger cut."""
    if cover is None:
        return None
    shown = np.zeros(len(all_.up), dtype=np.bool_)
    shown[list(cover.cells)] = True
    usable = all_.primary | all_.open
    for cell in cover.cells:
        shown[cell] = False
        reached, _, _ = attack.reach(demand, (usable & ~shown).astype(np.float64), FARTHEST)
        shown[cell] = reached >= 1.0 - SLACK
    least = np.flatnonzero(shown).tolist()
    return Cut(tuple(least), tuple(1.0 for _ in least))


def _missing(cut: Cut, degrees: Floats) -> float:
    return cut.least - float(np.dot(cut.coefficients, degrees[list(cut.cells)]))


def _rows(cuts: Sequence[Cut]) -> tuple[Rows, Floats]:
    return Rows.of([(cut.cells, cut.coefficients) for cut in cuts]), np.array([cut.least for cut in cuts])
