"""The columns of a threshold core that classes are judged by: how many units each margin of a cell has (PRIVACY 5.4).

A margin is made of the same partial sums as the cells, one row per unit, so a unit in several cells counts once.
Where every row is a unit of its own the cells' numbers add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from louver_sandbox.algebra.expressions import Expression, column_refs
from louver_sandbox.algebra.relations import Relation
from louver_sandbox.algebra.types import INTEGER
from louver_sandbox.core_plan import CoreColumn, Part
from louver_sandbox.plan.lifting import lift, placed

if TYPE_CHECKING:
    from louver_sandbox.plan.rewrites.threshold import Layout


@dataclass(frozen=True, slots=True)
class Margins:
    """The keys, by index, that cells are judged beside each other on, and what says whether a row is of a cell at all
    (None: all are)."""

    keys: tuple[int, ...] = ()
    selection: Expression | None = None

    def left_out(self) -> tuple[int | None, ...]:
        """What the cells of each margin need not agree on: a key, or None for the selection."""
        return (*self.keys, *(() if self.selection is None else (None,)))


EVERYTHING = Margins()
"""No cell is judged beside others, and all rows are of cells."""


class Margin(NamedTuple):
    """One SELECT: its columns, source, condition and groups."""

    columns: list[str]
    source: str
    where: str
    group_by: list[str]


def with_selection(base: Relation, selection: Expression | None) -> tuple[Relation, Expression | None]:
    """The base with the columns that the selection looks at, and the selection over its columns."""
    if selection is None:
        return base, None
    lifted, places = lift(base, column_refs(selection))
    return lifted, placed(selection, places)


def of_cells(layout: Layout) -> str:
    """The condition that a partial row is of a cell; nothing where all are."""
    return "".join(f'"p".{name}' for name in layout.selection())


def margin_columns(layout: Layout) -> Iterator[CoreColumn]:
    """The number of units of every group in each margin of a cell, in result order."""
    for number, key in enumerate(layout.margins.left_out(), start=1):
        of = "" if key is None else layout.keys[key].name
        for index, group in enumerate(layout.groups, start=1):
            yield CoreColumn(f"y{number}_{index}", Part.MARGIN, INTEGER, of=of, unit=group.type)


def margin_texts(layout: Layout) -> list[str]:
    """Where they stand."""
    return [
        f'"m{number}"."y{number}_{index}"'
        for number, _ in enumerate(layout.margins.left_out(), start=1)
        for index, _ in enumerate(layout.groups, start=1)
    ]


def margin_tables(layout: Layout) -> Iterator[tuple[str, Margin]]:
    """Each margin's numbers by the keys that its cells agree on."""
    alias = "c" if layout.single else "p"
    source = '"cell" AS "c"' if layout.single else '"partial" AS "p"'
    for number, key in enumerate(layout.margins.left_out(), start=1):
        shared = _shared(layout, key)
        counts = []
        for index, _ in enumerate(layout.groups, start=1):
            counted = f'COALESCE(sum("c"."u{index}"), 0)' if layout.single else f'count(DISTINCT "p"."u{index}")'
            counts.append(f'{counted} AS "y{number}_{index}"')
        keys = [f'"{alias}".{name}' for name in shared]
        named = [f"{text} AS {name}" for text, name in zip(keys, shared, strict=True)]
        where = "" if key is None else of_cells(layout)
        yield f"margin{number}", Margin([*named, *counts], source, where, keys)


def margin_joins(layout: Layout) -> str:
    """What finds every cell's margins."""
    joins = ""
    for number, key in enumerate(layout.margins.left_out(), start=1):
        same = " AND ".join(f'"c".{name} IS NOT DISTINCT FROM "m{number}".{name}' for name in _shared(layout, key))
        joins += f' JOIN "margin{number}" AS "m{number}" ON {same or "TRUE"}'
    return joins


def _shared(layout: Layout, key: int | None) -> list[str]:
    names = layout.key_names()
    return [*layout.set_name(), *(name for index, name in enumerate(names) if index != key)]
