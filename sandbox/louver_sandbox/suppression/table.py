"""The table model: cells, what an attacker knows of them beforehand, and the totals that tie them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Protection:
    """How far an attacker must stay from the value of a primary cell, in the unit of the value.

    The feasibility interval must reach `lower` below the value and `upper` above it, and be at least `sliding` wide
    wherever it lies (Fischetti and Salazar 2001, section 2). At least one of them is positive, none is negative.
    """

    lower: int
    upper: int
    sliding: int = 0

    def __post_init__(self) -> None:
        if min(self.lower, self.upper, self.sliding) < 0:
            raise ValueError("a protection level is negative")
        if max(self.lower, self.upper, self.sliding) == 0:
            raise ValueError("a protection level protects nothing")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    `value` is a count, or an amount in its smallest unit. `known_lower` and `known_upper` are what an attacker may
    assume beforehand (None: nothing); by default that no value is negative. A cell with a `protection` is primary. A
    cell that is `released` left in an earlier answer: it cannot be withheld any more. `weight` is the cost of
    withholding it, 1 to withhold few cells or its value to withhold little of the total.
    """

    name: str
    value: int
    protection: Protection | None = None
    known_lower: int | None = 0
    known_upper: int | None = None
    released: bool = False
    weight: int = 1

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ValueError("a weight is negative")
        if self.known_lower is not None and self.value < self.known_lower:
            raise ValueError("a value is below what is known of it")
        if self.known_upper is not None and self.value > self.known_upper:
            raise ValueError("a value is above what is known of it")


@dataclass(frozen=True, slots=True)
class Relation:
    """`total` is the sum of `parts`, by cell name: a margin, a node of a hierarchy, a quarter of its months."""

    total: str
    parts: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("a total has no parts")
        if len({self.total, *self.parts}) != len(self.parts) + 1:
            raise ValueError("a relation names a cell twice")


@dataclass(frozen=True)
class Table:
    """Cells and relations; several hierarchies at once are relations that share cells.

    Cells are kept in the order of their names and relations in the order of theirs, so that what is decided depends
    on no row order. ValueError where a name stands twice or is unknown, or where a relation does not hold.
    """

    cells: tuple[Cell, ...]
    relations: tuple[Relation, ...]

    def __post_init__(self) -> None:
        parts_in_order = (Relation(relation.total, tuple(sorted(relation.parts))) for relation in self.relations)
        object.__setattr__(self, "cells", tuple(sorted(self.cells, key=lambda cell: cell.name)))
        object.__setattr__(
            self, "relations", tuple(sorted(set(parts_in_order), key=lambda each: (each.total, each.parts)))
        )
        if len(self.place) != len(self.cells):
            raise ValueError("two cells have the same name")
        for relation in self.relations:
            if not {relation.total, *relation.parts} <= self.place.keys():
                raise ValueError("a relation names an unknown cell")
            if self[relation.total].value != sum(self[part].value for part in relation.parts):
                raise ValueError("a total is not the sum of its parts")

    @cached_property
    def place(self) -> Mapping[str, int]:
        """The index of each cell by name."""
        return {cell.name: index for index, cell in enumerate(self.cells)}

    def __getitem__(self, name: str) -> Cell:
        """The cell of that name; KeyError where there is none."""
        return self.cells[self.place[name]]

    @property
    def primary(self) -> frozenset[str]:
        """The names of the primary cells."""
        return frozenset(cell.name for cell in self.cells if cell.protection is not None)
