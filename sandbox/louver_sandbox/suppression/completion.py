"""A set that protects the table, found step by step: for tables too large for the optimum, and on the way to it.

Each step is one linear program: a cell still unprotected deviates as far as it must, and the deviations that make
room for it cost least, those of withheld cells next to nothing. The cells that deviate are withheld. At last,
secondary cells that turned out superfluous are shown again (Kelly, Golden and Assad 1992; Fischetti and Salazar 2001,
section 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from louver_sandbox.suppression.deviations import FARTHEST, SLACK, Demand, Deviations, Mask, Side
from louver_sandbox.suppression.linear import Floats, LinearProgram, Rows
from louver_sandbox.suppression.local import Neighbourhood, Neighbourhoods, spread
from louver_sandbox.suppression.witnesses import Witnesses, whole

NEXT_TO_NOTHING = 1e-3
"""The cost of deviating in a cell that is withheld already; the dearest cell costs 1."""
PRICELESS = 1e4
"""What a unit of the deviation sought is worth: more than the way to it can cost."""
LEAST_COST = 2e-3
PATTERNS = 60
"""How many ways of rising and falling together are tried at most."""
NEAR = 1e3
"""The largest level that is sought in one program with another, by the smallest: what HiGHS can tell from noise."""
FEW = 8
"""Fewer open demands are looked at one by one."""
LEAST_PROGRESS = 0.98
"""The share of demands left open by a way of rising and falling, above which no other is tried."""
MANY = 300
"""So many open demands take too long one by one: room is made for several at once, at a higher cost."""
AT_ONCE = 15
"""For how many cells room is made at once: more take less time, and withhold more."""
LEAST_SUCCESS = 0.3
"""The share of those that must find room, else the rest is looked at one by one."""
PRUNED_AT_ONCE = 40
"""A secondary cell on which more demands than this rest is not tried to be shown."""


class Unprotectable(Exception):
    """Even with every open cell withheld, the feasibility intervals of these cells (by index) are too narrow."""

    def __init__(self, cells: frozenset[int]) -> None:
        super().__init__("some cells cannot be protected")
        self.cells = cells


class Completion:
    """Completes sets of withheld cells until they protect the table, again and again for the same table.

    Columns of the program are the rise of each cell, then the fall of each, in units of `_unit`.
    """

    def __init__(self, all_: Deviations) -> None:
        self._all = all_
        self._count = len(all_.up)
        nothing, still = np.zeros(len(all_.rows)), np.zeros(2 * self._count)
        self._program = LinearProgram(
            still, still, still, _both_ways(all_.rows, self._count), nothing, nothing, primal=False
        )
        self._costs = self._room = self._upper = still
        self._usable = np.zeros(self._count, dtype=np.bool_)
        self._unit = 0.0
        self._relations: dict[int, list[int]] = {cell: [] for cell in np.flatnonzero(all_.primary).tolist()}
        for row in range(len(all_.rows)):
            for cell in all_.members(row)[all_.primary[all_.members(row)]].tolist():
                self._relations[cell].append(row)
        self._near = Neighbourhoods(all_)
        self.programs = 0

    def complete(self, withheld: Mask, degrees: Floats, prunings: int) -> tuple[Mask, Witnesses]:
        """A set with these cells that protects the table, and what proves it.

        `degrees` near 1 make a cell cheap to choose. At most `prunings` programs are solved to find superfluous
        cells. Unprotectable where no set protects the table.
        """
        withheld, witnesses = withheld.copy(), Witnesses(self._all)
        dearest = float(self._all.weights.max(initial=1.0)) or 1.0
        costs = np.maximum(self._all.weights / dearest * (1.05 - degrees), LEAST_COST)
        self._price(np.where(withheld, NEXT_TO_NOTHING, costs))
        self._prove_together(withheld, witnesses)
        self._usable, self._unit = withheld | self._all.open, 0.0
        self._extend_together(withheld, witnesses)
        self._unit = 0.0
        hopeless = set()
        for demand in _largest_first(self._all.demands):
            if not witnesses.fulfil(demand):
                points = self._fulfil(demand)
                if points is None:
                    hopeless.add(demand.cell)
                for point in points or ():
                    added = witnesses.take(point, demand.level) & ~withheld
                    withheld |= added
                    self._make_cheap(added)
        if hopeless:
            raise Unprotectable(frozenset(hopeless))
        return self._prune(withheld, witnesses, prunings)

    def _prove_together(self, withheld: Mask, witnesses: Witnesses) -> None:
        """Finds deviations within the withheld cells that each prove many demands at once.

        In each program every cell with an open demand deviates as far as its level, some upward and some downward, so
        that they make room for each other; then all the other way.
        """
        self._usable = withheld
        for pattern in range(PATTERNS):
            unmet = _largest_first(witnesses.unmet(self._all.demands))
            unit = unmet[0].level if unmet else 0.0
            near = [demand for demand in unmet if demand.level * NEAR >= unit]
            for turn in (1.0, -1.0):
                if len(unmet) >= FEW:
                    self._scale(unit, FARTHEST)
                    upward = [_is_odd(demand.cell, pattern) == (turn > 0) for demand in near]
                    witnesses.take(self._all_toward(near, upward), near[-1].level)
            if len(witnesses.unmet(unmet)) > len(unmet) * LEAST_PROGRESS:
                break

    def _extend_together(self, withheld: Mask, witnesses: Witnesses) -> None:
        """Makes room for many cells in one program, while many lack it: for cells no relation ties to each other."""
        unmet = _largest_first(witnesses.unmet(self._all.demands))
        # One by one withholds less, and is quick where a small part of the table is looked at.
        while len(unmet) >= MANY and self._near.of(unmet[0].cell) is None:
            apart = self._apart([demand for demand in unmet if demand.level * NEAR >= unmet[0].level])
            self._scale(unmet[0].level, FARTHEST)
            point = self._all_toward(apart, [demand.side is not Side.LOWER for demand in apart])
            added = witnesses.take(point, apart[-1].level) & ~withheld
            withheld |= added
            self._make_cheap(added)
            before, unmet = len(unmet), _largest_first(witnesses.unmet(unmet))
            if len(unmet) > before - len(apart) * LEAST_SUCCESS:
                break

    def _apart(self, demands: Sequence[Demand]) -> list[Demand]:
        taken, apart = np.zeros(len(self._all.up), dtype=np.bool_), []
        for demand in demands:
            if not taken[demand.cell]:
                apart.append(demand)
                for row in self._relations[demand.cell]:
                    taken[self._all.members(row)] = True
        return apart[:AT_ONCE]

    def _all_toward(self, demands: Sequence[Demand], upward: Sequence[bool]) -> Floats:
        """A cheapest deviation in which these cells deviate by their levels, as far as they can."""
        targets: dict[int, float] = {}
        for demand, rises in zip(demands, upward, strict=True):
            column, other = demand.cell, demand.cell + self._count
            column, other = (column, other) if rises else (other, column)
            targets[column] = max(targets.get(column, 0.0), demand.level / self._unit)
            self._program.change_column(other, 0.0, 0.0)
        for column, target in targets.items():
            self._program.change_column(column, 0.0, min(target, self._room[column]))
            self._program.change_cost(column, -PRICELESS)
        values = self._program.minimise().values
        self.programs += 1
        self._program.change_costs(self._costs)
        return (values[: self._count] - values[self._count :]) * self._unit

    def _fulfil(self, demand: Demand) -> list[Floats] | None:
        """The cheapest deviations that fulfil a demand, or None where there are none; nearby ones where that is
        quicker."""
        near = self._near.of(demand.cell)
        if near is not None:
            found = self._deviate_near(demand, near)
            if found is not None:
                return found
        if not demand.level <= self._unit < 4 * demand.level:
            self._scale(demand.level, 1.0)
        found = self._deviate(demand)
        if found is None:
            # A cell rarely has to deviate farther than by a level for another's sake; but it may.
            self._scale(demand.level, FARTHEST)
            found = self._deviate(demand)
            self._unit = 0.0
        return found

    def _deviate(self, demand: Demand) -> list[Floats] | None:
        """Deviations that fulfil a demand; a sliding level first half on either side, then where there is room.

        Only whole numbers count, so what one side reaches beyond one is asked of the other again.
        """
        level = demand.level / self._unit
        goal = level * (1.0 - SLACK)
        if demand.side is not Side.SLIDING:
            reached, point = self._toward(demand.cell, demand.side.value[0], level)
            return [point] if reached >= goal else None
        risen, up = self._toward(demand.cell, 1.0, (demand.level + 1) // 2 / self._unit)
        fallen, down = self._toward(demand.cell, -1.0, level - whole(risen * self._unit) / self._unit)
        if whole(risen * self._unit) + whole(fallen * self._unit) < demand.level:
            risen, up = self._toward(demand.cell, 1.0, level - whole(fallen * self._unit) / self._unit)
        enough = whole(risen * self._unit) + whole(fallen * self._unit) >= demand.level
        return [up, down] if enough else None

    def _deviate_near(self, demand: Demand, near: Neighbourhood) -> list[Floats] | None:
        """Deviations of the cell's neighbourhood that fulfil a demand, none larger than by a level."""
        columns = np.concatenate([near.cells, near.cells + self._count])
        room = np.concatenate([self._all.up, self._all.down])[columns] / demand.level
        upper = np.where(np.tile(self._usable[near.cells], 2), np.minimum(room, 1.0), 0.0)
        costs, nothing = self._costs[columns], np.zeros(len(columns))
        place, count = near.place(demand.cell), len(near.cells)
        reached, points = 0.0, []
        for sign in demand.side.value:
            column, other = (place, place + count) if sign > 0 else (place + count, place)
            bounds, priced = upper.copy(), costs.copy()
            bounds[column] = min(1.0 - reached / demand.level, room[column])
            bounds[other] = 0.0
            priced[column] = -PRICELESS
            near.program.change_bounds(nothing, bounds)
            near.program.change_costs(priced)
            values = near.program.minimise().values
            reached += whole(float(values[column]) * demand.level)
            points.append(spread(near, values * demand.level, self._count))
        return points if reached >= demand.level else None

    def _toward(self, cell: int, sign: float, target: float) -> tuple[float, Floats]:
        """How far a cell can deviate until `target` units, and a cheapest deviation that does so."""
        column, other = (cell, cell + self._count) if sign > 0 else (cell + self._count, cell)
        self._program.change_column(column, 0.0, min(target, self._room[column]))
        self._program.change_column(other, 0.0, 0.0)
        self._program.change_cost(column, -PRICELESS)
        values = self._program.minimise().values
        self.programs += 1
        for each in (column, other):
            self._program.change_column(each, 0.0, self._upper[each])
            self._program.change_cost(each, self._costs[each])
        return float(values[column]), (values[: self._count] - values[self._count :]) * self._unit

    def _scale(self, unit: float, farthest: float) -> None:
        """Measures deviations in other units, none larger than `farthest`."""
        self._unit = unit
        self._room = np.concatenate([self._all.up, self._all.down]) / unit
        self._upper = np.where(np.tile(self._usable, 2), np.minimum(self._room, farthest), 0.0)
        self._program.change_bounds(np.zeros(2 * self._count), self._upper)

    def _price(self, costs: Floats) -> None:
        self._costs = np.tile(costs, 2)
        self._program.change_costs(self._costs)

    def _make_cheap(self, cells: Mask) -> None:
        for column in np.flatnonzero(np.tile(cells, 2)).tolist():
            self._costs[column] = NEXT_TO_NOTHING
            self._program.change_cost(column, NEXT_TO_NOTHING)

    def _prune(self, withheld: Mask, witnesses: Witnesses, prunings: int) -> tuple[Mask, Witnesses]:
        """Shows secondary cells again, dearest first, as long as the others protect the table without them."""
        self._price(np.where(self._all.primary, NEXT_TO_NOTHING, 1.0))
        self._usable, self._unit = withheld.copy(), 0.0
        last = self.programs + prunings
        secondary = np.flatnonzero(withheld & ~self._all.primary).tolist()
        for cell in sorted(secondary, key=lambda each: (-self._all.weights[each], each)):
            if self.programs >= last:
                break
            without = witnesses.without(cell)
            resting = without.unmet(self._all.demands)
            if len(resting) > PRUNED_AT_ONCE:
                continue
            self._usable[cell], self._unit = False, 0.0
            if self._proved(resting, without):
                witnesses = without
            else:
                self._usable[cell], self._unit = True, 0.0
        return self._usable.copy(), witnesses

    def _proved(self, demands: Sequence[Demand], witnesses: Witnesses) -> bool:
        for demand in demands:
            if not witnesses.fulfil(demand):
                points = self._fulfil(demand)
                if points is None:
                    return False
                for point in points:
                    witnesses.take(point, demand.level)
        return True


def _is_odd(cell: int, pattern: int) -> bool:
    """A fixed pattern of cells (Fibonacci hashing), another one for each number."""
    return bool(cell * 2654435761 >> (8 + pattern % 24) & 1)


def _largest_first(demands: Sequence[Demand]) -> list[Demand]:
    return sorted(demands, key=lambda each: (-each.level, each.cell, each.side.name))


def _both_ways(rows: Rows, cells: int) -> Rows:
    """The relations over rises and falls."""
    parts = [slice(start, end) for start, end in pairwise(rows.starts.tolist())]
    columns = [part for each in parts for part in (rows.columns[each], rows.columns[each] + cells)]
    coefficients = [part for each in parts for part in (rows.coefficients[each], -rows.coefficients[each])]
    return Rows(
        rows.starts * np.int32(2),
        np.concatenate([*columns, np.zeros(0)]).astype(np.int32),
        np.concatenate([*coefficients, np.zeros(0)]),
    )
