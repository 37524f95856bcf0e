"""The columns of a threshold core that its noise is made of: combined record keys, and the largest numbers of rows.

They stand beside the parts that cells are judged by, in `cell` and in the remainder, over the same rows: one per
unit, or the base itself where every row is another unit. So each unit is combined once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from louver_sandbox.algebra.types import INTEGER
from louver_sandbox.core_plan import CoreColumn, Part
from louver_sandbox.plan.noise import Keyed, Noisy

if TYPE_CHECKING:
    from louver_sandbox.plan.rewrites.threshold import Layout

Made = tuple[CoreColumn, str, str]
"""A column, how it is made of the rows of a cell, and how of several cells whose units differ."""


def noise_columns(layout: Layout, noisy: Iterable[Noisy]) -> Iterator[Made]:
    """Every column that the noise of these totals needs besides the parts that are there anyway, each once."""
    totals = tuple(noisy)
    for keyed in dict.fromkeys(one for total in totals for one in total.sets):
        yield from _units(layout, keyed)
    for number in dict.fromkeys(total.number for total in totals if total.ranks_rows):
        for group, _ in enumerate(layout.groups):
            yield from _ranked(layout, number, group)


def _units(layout: Layout, keyed: Keyed) -> Iterator[Made]:
    unit = _unit(layout, keyed.group)
    only = f" FILTER (WHERE {_held(layout, keyed)})" if keyed.number else ""
    type_ = layout.groups[keyed.group].type
    if keyed.valued:
        counted = f'COALESCE(sum("c"."{keyed.units}"), 0)'
        yield CoreColumn(keyed.units, Part.VALUE, INTEGER), f"count({unit}){only}", counted
    column = CoreColumn(keyed.combined, Part.COMBINED, INTEGER, unit=type_)
    yield column, f"COALESCE(bit_xor({unit}){only}, 0)", f'COALESCE(bit_xor("c"."{keyed.combined}"), 0)'


def _unit(layout: Layout, group: int) -> str:
    return f'"b"."c{len(layout.keys) + group + 1}"' if layout.single else f'"p"."u{group + 1}"'


def _held(layout: Layout, keyed: Keyed) -> str:
    """The condition that a row of the base, or a unit's partial, contributes to the total or has a value for it."""
    summed = layout.terms[keyed.number - 1].summed and not keyed.valued
    if layout.single:
        argument = layout.argument(keyed.number - 1)
        held = f"{argument} IS NOT NULL" if keyed.valued else f"{argument} <> 0"
    else:
        held = f'"p"."{"s" if summed else "n"}{keyed.number}" <> 0'
    return f'{held} AND "p"."g{keyed.group + 1}"' if layout.marked() else held


def _ranked(layout: Layout, number: int, group: int) -> Iterator[Made]:
    """The largest two numbers of rows that one unit has, and of rows in all: never asked where each has one.

    As for sums, the rows of no unit count as one contributor of every group.
    """
    rows = f'"p"."n{number or ""}"'
    of_group = f'"p"."g{group + 1}" AND ("p"."u{group + 1}" IS NOT NULL OR "p"."o")'
    only = f" FILTER (WHERE {of_group})" if layout.marked() else ""
    suffix = f"{number}_{group + 1}"
    for place, name in ((1, "a"), (2, "d")):
        column = CoreColumn(f"{name}{suffix}", Part.VALUE, INTEGER)
        yield column, f"list_extract(max({rows}, 2){only}, {place})", f'max("c"."{name}{suffix}")'
    yield CoreColumn(f"w{suffix}", Part.VALUE, INTEGER), f"sum({rows}){only}", f'sum("c"."w{suffix}")'
