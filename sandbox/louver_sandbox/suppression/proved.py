"""Finds secondary cells, attacks them, and gives out only what stood the attack."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from louver_sandbox.suppression.attacker import Interval, attack
from louver_sandbox.suppression.completion import Completion, Unprotectable
from louver_sandbox.suppression.deviations import Deviations, Mask
from louver_sandbox.suppression.heuristic import approach
from louver_sandbox.suppression.linear import SolverFailed
from louver_sandbox.suppression.optimal import Found, optimise
from louver_sandbox.suppression.suppress import Method, Reason, Suppressed, WholeTable
from louver_sandbox.suppression.table import Table
from louver_sandbox.suppression.witnesses import Witnesses, whole


def suppress(table: Table, *, optimal: bool) -> Suppressed | WholeTable:
    """The secondary cells by the integer program or by the heuristic; the whole table where they cannot be proved."""
    all_ = Deviations.of(table)
    try:
        return _optimum(table, all_) if optimal else _approached(table, all_)
    except Unprotectable as impossible:
        names = frozenset(table.cells[index].name for index in impossible.cells)
        return WholeTable(Reason.TOO_MUCH_KNOWN, names)
    except SolverFailed:
        return WholeTable(Reason.NOT_PROVED, frozenset())


def _optimum(table: Table, all_: Deviations) -> Suppressed | WholeTable:
    """The optimum; where the attacker still narrows a cell too much, what it takes to protect it, once."""
    found = optimise(all_)
    outcome = _attacked(table, found)
    if isinstance(outcome, WholeTable):
        withheld, _ = Completion(all_).complete(found.withheld, np.zeros(len(all_.up)), 0)
        outcome = _attacked(table, Found(withheld, all_.cost(withheld), found.bound))
    return outcome


def _attacked(table: Table, found: Found) -> Suppressed | WholeTable:
    intervals = attack(table, _names(table, found.withheld))
    if not _protects(table, intervals):
        return WholeTable(Reason.NOT_PROVED, frozenset())
    # A secondary cell that the others give away protects nothing; whether it may be shown is attacked all the same.
    useful = [name for name, interval in intervals.items() if name in table.primary or not interval.known]
    if len(useful) < len(intervals):
        without = attack(table, useful)
        intervals = without if _protects(table, without) else intervals
    method = Method.OPTIMAL if found.bound >= found.cost else Method.NODE_LIMIT
    return _outcome(table, intervals, found.bound, method)


def _protects(table: Table, intervals: Mapping[str, Interval]) -> bool:
    return all(interval.protects(table[name]) for name, interval in intervals.items())


def _approached(table: Table, all_: Deviations) -> Suppressed | WholeTable:
    """The heuristic's set, proved by deviations that were checked one by one."""
    found, witnesses = approach(all_)
    intervals = {name: _reached(table, name, witnesses) for name in _names(table, found.withheld)}
    if not _protects(table, intervals):
        return WholeTable(Reason.NOT_PROVED, frozenset())
    return _outcome(table, intervals, found.bound, Method.HEURISTIC)


def _reached(table: Table, name: str, witnesses: Witnesses) -> Interval:
    index, value = table.place[name], table[name].value
    return Interval(
        value - int(whole(float(witnesses.fallen[index]))), value + int(whole(float(witnesses.risen[index])))
    )


def _outcome(table: Table, intervals: Mapping[str, Interval], bound: float, method: Method) -> Suppressed:
    secondary = frozenset(intervals) - table.primary
    cost = sum(table[name].weight for name in secondary)
    return Suppressed(secondary, dict(sorted(intervals.items())), cost, min(cost, round(bound)), method)


def _names(table: Table, withheld: Mask) -> list[str]:
    return [cell.name for cell, chosen in zip(table.cells, withheld.tolist(), strict=True) if chosen]
