"""A good set of secondary cells for a table too large for the optimum, and how far from the optimum it may be."""

from __future__ import annotations

import numpy as np

from louver_sandbox.suppression.completion import Completion
from louver_sandbox.suppression.cuts import first_cuts, no_secondary_alone
from louver_sandbox.suppression.deviations import Deviations
from louver_sandbox.suppression.linear import SolverFailed
from louver_sandbox.suppression.optimal import Found, Master, next_cost
from louver_sandbox.suppression.witnesses import Witnesses

PRUNING = 400_000
"""Cells times programs that may be solved to find superfluous secondary cells."""


def approach(all_: Deviations) -> tuple[Found, Witnesses]:
    """A set that protects every primary cell, its cost and a bound, and the deviations that prove it.

    The cuts that hold before any attack give the bound, and degrees that guide the choice. Unprotectable where no set
    protects the table.
    """
    master = Master(all_, [*first_cuts(all_), *no_secondary_alone(all_)])
    try:
        degrees, bound = master.degrees()
    except SolverFailed:
        # Mostly cuts that no degrees fulfil: some cell cannot be protected, and the completion says which.
        degrees, bound = np.zeros(len(all_.up)), 0.0
    withheld, witnesses = Completion(all_).complete(all_.primary, degrees, PRUNING // len(all_.up))
    cost = all_.cost(withheld)
    return Found(withheld, cost, min(cost, next_cost(all_, bound))), witnesses
