"""Which further cells to withhold: the one question asked of this package (PRIVACY 5.5).

The releaser asks it, through `pattern`, with the table as it would leave after primary suppression, with every total
that it shows. What comes back is proved, or nothing of the table may leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from louver_sandbox.suppression.table import Table

if TYPE_CHECKING:
    from louver_sandbox.suppression.attacker import Interval

LARGEST_OPTIMAL = 500
"""Tables of at most so many cells get the optimum, unless the caller has less time."""


class Method(StrEnum):
    """How the secondary cells were found; the stable word in what leaves with the answer."""

    NONE_NEEDED = "none-needed"
    OPTIMAL = "optimal"
    NODE_LIMIT = "node-limit"
    HEURISTIC = "heuristic"


class Reason(StrEnum):
    """Why nothing of a table may leave."""

    RELEASED_EARLIER = "released-earlier"
    TOO_MUCH_KNOWN = "too-much-known"
    NOT_PROVED = "not-proved"


@dataclass(frozen=True, slots=True)
class Suppressed:
    """The secondary cells, and what proves that they suffice.

    `intervals` are the feasibility intervals of all withheld cells; with the heuristic they are at least so wide. No
    set of secondary cells that protects the table costs less than `bound`.
    """

    secondary: frozenset[str]
    intervals: Mapping[str, Interval]
    cost: int
    bound: int
    method: Method

    @property
    def gap(self) -> float:
        """The share of the cost by which the optimum may be cheaper; 0 for the optimum."""
        return (self.cost - self.bound) / self.cost if self.cost else 0.0


@dataclass(frozen=True, slots=True)
class WholeTable:
    """Nothing of the table may leave: the primary cells named could be bounded too closely whatever else is withheld.

    With `Reason.NOT_PROVED` none are named: the solver reached a limit, or its answer did not stand the attack.
    """

    reason: Reason
    exposed: frozenset[str]


def suppress(table: Table, *, largest_optimal: int = LARGEST_OPTIMAL) -> Suppressed | WholeTable:
    """The secondary cells of a table, or why nothing of it may leave. Equal tables get equal answers."""
    if not table.primary:
        return Suppressed(frozenset(), {}, 0, 0, Method.NONE_NEEDED)
    released = frozenset(name for name in table.primary if table[name].released)
    if released:
        return WholeTable(Reason.RELEASED_EARLIER, released)
    # What needs numpy and HiGHS is imported when a table needs it, not when the service starts.
    from louver_sandbox.suppression import proved

    return proved.suppress(table, optimal=len(table.cells) <= largest_optimal)
