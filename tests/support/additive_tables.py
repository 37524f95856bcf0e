"""Tables with totals, made for tests: every combination of nodes of some hierarchies, and all relations between them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence

from louver_sandbox.suppression.attacker import attack
from louver_sandbox.suppression.table import Cell, Protection, Relation, Table

Hierarchy = Mapping[str, Sequence[str]]
"""The children of each node; leaves have none. The root comes first."""


def flat(total: str, parts: str) -> Hierarchy:
    """A total of some parts, each named by a letter."""
    return {total: tuple(parts), **dict.fromkeys(parts, ())}


def tree(*widths: int) -> Hierarchy:
    """A hierarchy of as many levels, in which every node of a level has as many children."""
    nodes: dict[str, tuple[str, ...]] = {}

    def grow(name: str, below: Sequence[int]) -> None:
        nodes[name] = tuple(f"{name}{number:02}" for number in range(below[0])) if below else ()
        for child in nodes[name]:
            grow(child, below[1:])

    grow("t", widths)
    return nodes


def cross(hierarchies: Sequence[Hierarchy], leaf: Callable[[tuple[str, ...]], int]) -> dict[tuple[str, ...], int]:
    """The value of every combination of nodes; `leaf` says those of the leaves."""
    values: dict[tuple[str, ...], int] = {}
    for place in itertools.product(*(reversed(list(each)) for each in hierarchies)):
        split = next((axis for axis, node in enumerate(place) if hierarchies[axis][node]), None)
        if split is None:
            values[place] = leaf(place)
        else:
            values[place] = sum(values[child] for child in _children(hierarchies, place, split))
    return values


def table(
    hierarchies: Sequence[Hierarchy], leaf: Callable[[tuple[str, ...]], int], cell: Callable[[str, int], Cell] = Cell
) -> Table:
    """The table of all combinations; `cell` makes a cell of its name (nodes joined by a slash) and value."""
    values = cross(hierarchies, leaf)
    relations = (
        Relation("/".join(place), tuple("/".join(child) for child in _children(hierarchies, place, axis)))
        for place in values
        for axis, node in enumerate(place)
        if hierarchies[axis][node]
    )
    return Table(tuple(cell("/".join(place), value) for place, value in values.items()), tuple(relations))


def random_table(seed: int, hierarchies: Sequence[Hierarchy], *, share: float, amounts: bool = False) -> Table:
    """Counts with a threshold of 10, or amounts of which a share is primary at a tenth of the value."""
    chance = random.Random(seed)

    def leaf(_: tuple[str, ...]) -> int:
        return int(chance.lognormvariate(8, 2)) if amounts else int(3 * chance.paretovariate(0.7))

    def cell(name: str, value: int) -> Cell:
        primary = value > 0 and chance.random() < share and (amounts or value < 10)
        level = max(1, value // 10)
        protection = Protection(level, level) if amounts else Protection(1, max(1, 10 - value), 10)
        return Cell(name, value, protection if primary else None)

    return table(hierarchies, leaf, cell)


def protected(table: Table, withheld: frozenset[str]) -> bool:
    """Whether the attacker leaves every primary cell its protection."""
    return all(interval.protects(table[name]) for name, interval in attack(table, withheld).items())


def least_cost(table: Table) -> int | None:
    """The cost of the cheapest set that protects the table, found by trying them all; None where there is none."""
    open_ = [cell for cell in table.cells if cell.protection is None and not cell.released]
    sets = (chosen for size in range(len(open_) + 1) for chosen in itertools.combinations(open_, size))
    by_cost = sorted(sets, key=lambda chosen: sum(cell.weight for cell in chosen))
    for chosen in by_cost:
        if protected(table, table.primary | {cell.name for cell in chosen}):
            return sum(cell.weight for cell in chosen)
    return None


def _children(hierarchies: Sequence[Hierarchy], place: tuple[str, ...], axis: int) -> Iterator[tuple[str, ...]]:
    for child in hierarchies[axis][place[axis]]:
        yield (*place[:axis], child, *place[axis + 1 :])
