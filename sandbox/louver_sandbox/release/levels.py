"""Protection levels of the cells of a core, from the rules that they break (PRIVACY 5.5).

Formulas are those of `suppression.levels`; here they meet the parts of a cell. Where a cell has several rows of a
unit, levels in units become levels in rows by the cell's rows per unit, rounded up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from louver_sandbox.core_plan import CountedUnit
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.release.rules import Contributions
from louver_sandbox.suppression.levels import (
    Parts,
    dominance_protection,
    magnitude_protection,
    prior_posterior_protection,
    strictest,
    units_protection,
)
from louver_sandbox.suppression.table import Protection


def units_protection_of(units: int, least: int) -> Protection:
    """Of a number of units below its threshold."""
    return units_protection(units, least)


def cell_protection(
    rows: int, units: Sequence[int], groups: Sequence[CountedUnit], rules: ThresholdRules
) -> Protection:
    """Of the number of rows of a cell whose units do not reach their thresholds."""
    found = [
        _times(units_protection(count, rules.k[group.type]), rows, count)
        for count, group in zip(units, groups, strict=True)
        if count < rules.k[group.type] and (count or not group.optional)
    ]
    most = max(rules.k[group.type] for group in groups)
    return strictest(*found) if found else Protection(min(rows, 1), most, most)


def count_protection(
    value: int,
    rows: int,
    parts: Sequence[Contributions],
    groups: Sequence[CountedUnit],
    rules: ThresholdRules,
    *,
    presence: bool,
) -> Protection | None:
    """Of a number of rows with a property that too few units have, or lack, in a cell of so many rows.

    No level is beyond what the number of rows allows, for that may be known; None where it allows one value only.
    """
    levels = [
        level
        for part, group in zip(parts, groups, strict=True)
        for level in _of_property(value, rows, part, rules.k[group.type], presence=presence)
    ]
    wanted = strictest(*levels) if levels else Protection(1, 1)
    lower, upper = min(wanted.lower, value), min(wanted.upper, rows - value)
    sliding = min(wanted.sliding, rows)
    return Protection(lower, upper, sliding) if max(lower, upper, sliding) else None


def _of_property(value: int, rows: int, part: Contributions, least: int, *, presence: bool) -> Iterator[Protection]:
    having, lacking = part.contributors, part.units - part.contributors
    if having < least:
        yield _times(units_protection(having, least), value, having)
    if lacking < least and not (presence and not lacking):
        level = _times(units_protection(lacking, least), rows - value, lacking)
        yield Protection(level.upper, level.lower, level.sliding)


def sum_protection(part: Contributions, rules: ThresholdRules) -> Protection:
    """Of a sum of contributions in whole units, none of them negative."""
    largest, second, total = int(part.largest or 0), int(part.second or 0), int(part.magnitude or 0)
    parts = Parts(part.units, (largest, second), total)
    p, q = max(1, rules.p_percent), rules.prior_percent
    # Who knows contributions beforehand must be as far from the amount as who knows nothing, in proportion.
    levels = [magnitude_protection(parts, min(100, -(-100 * p // q)))]
    for units, percent in ((1, rules.dominance_percent), (2, rules.dominance_of_two)):
        if percent is not None and sum(parts.largest[:units]) * 100 > total * percent:
            levels.append(dominance_protection(parts, units, percent))
    if (total - largest - second) * q < largest * rules.p_percent:
        levels.append(prior_posterior_protection(parts, p, q))
    wanted = strictest(*levels)
    return Protection(min(wanted.lower, total), wanted.upper, wanted.sliding)


def _times(protection: Protection, rows: int, units: int) -> Protection:
    """Levels in units as levels in rows."""
    if not units or rows == units:
        return protection
    lower, upper, sliding = (
        -(-level * rows // units) for level in (protection.lower, protection.upper, protection.sliding)
    )
    return Protection(lower, upper, sliding) if max(lower, upper, sliding) else Protection(0, 1)
