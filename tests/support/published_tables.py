"""What an answer with totals tells, seen by somebody who has nothing but it: every number as a table of its own.

Cells are made of the rows of the world here, by definition, and the answer says which of them are withheld. How the
releaser chose is not asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from louver_sandbox.suppression.attacker import Interval, attack
from louver_sandbox.suppression.table import Cell, Relation, Table

Row = Mapping[str, Any]
Place = tuple[object, ...]
"""The values of the keys; None for a key that is left out."""


@dataclass(frozen=True)
class Published:
    """The rows of the world by cell of every grouping set, and the answer's rows by cell."""

    cells: Mapping[Place, Sequence[Row]]
    shown: Mapping[Place, Sequence[object]]

    @staticmethod
    def of(
        rows: Sequence[Row], keys: Sequence[str], sets: Iterable[Sequence[str]], answer: Iterable[Any]
    ) -> Published:
        """An answer whose first columns are the keys, none of which is ever null in the world."""
        cells: dict[Place, list[Row]] = {}
        for one in sets:
            for row in rows:
                place = tuple(row[key] if key in one else None for key in keys)
                cells.setdefault(place, []).append(row)
        return Published(cells, {tuple(row[: len(keys)]): row[len(keys) :] for row in answer})

    def units(self, place: Place) -> set[object]:
        """The firms of a cell."""
        return {row["uscc"] for row in self.cells[place]}

    def families(self) -> Iterator[tuple[Place, list[Place]]]:
        """Every cell with its parts in every finer set."""
        for total in self.cells:
            parts = [
                part
                for part in self.cells
                if part != total and all(mine in (None, theirs) for mine, theirs in zip(total, part, strict=True))
            ]
            for _, family in itertools.groupby(sorted(parts, key=_set), key=_set):
                yield total, list(family)

    def shows(self, place: Place, column: int) -> bool:
        """Whether the answer has the cell and a value in this column (after the keys)."""
        return place in self.shown and self.shown[place][column] is not None

    def intervals(self, column: int, value: Callable[[Row], int | Decimal]) -> Mapping[Place, Interval]:
        """What the column tells of each cell in which it is withheld; amounts in hundredths."""
        names = {place: repr(place) for place in self.cells}
        table = Table(
            tuple(Cell(name, int(100 * sum(map(value, self.cells[place])))) for place, name in names.items()),
            tuple(Relation(names[total], tuple(names[part] for part in parts)) for total, parts in self.families()),
        )
        withheld = {place for place in self.cells if not self.shows(place, column)}
        found = attack(table, {names[place] for place in withheld})
        return {place: found[names[place]] for place in withheld}

    def left_over(self, column: int) -> Iterator[list[Place]]:
        """The withheld parts of each shown total, whose sum everybody knows."""
        for total, parts in self.families():
            missing = [part for part in parts if not self.shows(part, column)]
            if self.shows(total, column) and missing:
                yield missing


def _set(place: Place) -> tuple[bool, ...]:
    return tuple(key is None for key in place)


def breaks_a_rule(rows: Sequence[Row], value: Callable[[Row], int | Decimal], k: int) -> bool:
    """Whether a sum of no negative amounts is of fewer than k firms, or too much of it is the largest's (60 %, 10 %)."""
    given: dict[object, Decimal] = {}
    for row in rows:
        given[row["uscc"]] = given.get(row["uscc"], Decimal(0)) + value(row)
    amounts = sorted(given.values(), reverse=True) + [Decimal(0)] * 2
    whole = sum(amounts)
    return (
        sum(amount > 0 for amount in amounts) < k
        or amounts[0] * 100 > whole * 60
        or (whole - amounts[0] - amounts[1]) * 100 < amounts[0] * 10
    )
