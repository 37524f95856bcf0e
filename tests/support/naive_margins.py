"""Cells of several grouping sets, by definition: each judged by itself, and then beside the cells it is the total of.

From docs/reference/threshold.md, "Totals beside their parts"; nothing is shared with `release/margins.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from tests.support.naive_numbers import Number
from tests.support.naive_protection import (
    Judged,
    Protection,
    Question,
    contributions,
    enough,
    judge,
    number_leaves,
    people_of,
    spread,
)
from tests.support.naive_rows import Name

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.relations import Aggregate
from louver_sandbox.engines.oracle import Row, grouped


@dataclass(frozen=True)
class Cell:
    """A cell of one grouping set with its rows, and which numbers of which measures may be known in it."""

    keys: tuple[Value, ...]
    rows: Sequence[Row]
    judged: Judged
    known: frozenset[Part]

    def knows(self, part: Part) -> bool:
        """Whether a number of the cell may be known."""
        return self.judged.leaves and part in self.known


Part = tuple[str, int]
"""A measure and the place of one of its numbers."""

Table = dict[tuple[int, ...], list[Cell]]
"""The cells of each grouping set."""


def judged(question: Question) -> list[Judged]:
    """Every cell of every grouping set, the finest first since a total is judged by what leaves of its parts."""
    core, protection, rows = question.plain, question.protection(), question.rows()
    table: Table = {
        one: [_cell(core, keys, group, protection, one) for keys, group in grouped(core, rows, one)]
        for one in core.sets
    }
    for one, cells in table.items():
        table[one] = [_kept_back(cell) if (one, cell.keys) in question.kept_back else cell for cell in cells]
    for coarse in sorted(table, key=len, reverse=True):
        table[coarse] = [_beside_parts(cell, coarse, table, protection) for cell in table[coarse]]
    return [cell.judged for cells in table.values() for cell in cells]


def _cell(
    core: Aggregate, keys: tuple[Value, ...], rows: Sequence[Row], protection: Protection, one: tuple[int, ...]
) -> Cell:
    people = people_of(rows, protection)
    known = {part for part, number in _parts(protection) if number_leaves(number, rows, people, protection)}
    return Cell(keys, rows, judge(core, keys, rows, protection, one), frozenset(known))


def _kept_back(cell: Cell) -> Cell:
    return replace(cell, judged=replace(cell.judged, leaves=False))


def _parts(protection: Protection) -> Iterator[tuple[Part, Number]]:
    for name, numbers in protection.numbers.items():
        yield from (((name, place), number) for place, number in enumerate(numbers))


def _beside_parts(cell: Cell, coarse: tuple[int, ...], table: Table, protection: Protection) -> Cell:
    leaves, known = cell.judged.leaves, set(cell.known)
    for fine in table:
        if not set(coarse) < set(fine):
            continue
        children = [child for child in table[fine] if all(child.keys[key] == cell.keys[key] for key in coarse)]
        leaves = leaves and _rest_of_units_is_safe(cell, children, protection)
        for part, number in _parts(protection):
            shown = [child for child in children if child.knows(part)]
            missing = [child for child in children if not child.knows(part)]
            alone = number.by_key or len(missing) < 2
            if missing and (alone or not _rest_is_safe(number, cell, shown, missing, protection)):
                known.discard(part)
    withheld = {part[0] for part, _ in _parts(protection) if part not in known}
    return replace(
        cell, known=frozenset(known), judged=replace(cell.judged, leaves=leaves, withheld=frozenset(withheld))
    )


def _rest_of_units_is_safe(cell: Cell, children: Sequence[Cell], protection: Protection) -> bool:
    """Whether the missing children are none, or several that certainly have enough units together."""
    missing = [child for child in children if not child.judged.leaves]
    if not missing:
        return True
    shown = [people_of(child.rows, protection) for child in children if child.judged.leaves]
    least = {
        name: len(units) - sum(len(child[name]) for child in shown)
        for name, units in people_of(cell.rows, protection).items()
    }
    return len(missing) > 1 and enough(least, _present(protection, missing))


def _present(protection: Protection, missing: Sequence[Cell]) -> Protection:
    """The units of which a missing child has some must be enough: a bound of none does not say that there are none."""
    some = [people_of(child.rows, protection) for child in missing]
    declared = {
        name: may_be_none and not any(child[name] for child in some)
        for name, may_be_none in protection.declared.items()
    }
    return replace(protection, declared=declared)


def _rest_is_safe(
    number: Number, cell: Cell, shown: Sequence[Cell], missing: Sequence[Cell], protection: Protection
) -> bool:
    """Whether a number's rest, all children less those that are known, is safe by what is certain of it."""
    names = list(people_of(cell.rows, protection))
    if not number.counts and not all(_is_spread(number, cell, shown, missing, name, protection) for name in names):
        return False
    least: dict[Name, int] = {}
    least_others: dict[Name, int] = {}
    for name in names:
        people = len(_people(cell, name)) - sum(len(_people(child, name)) for child in shown)
        least[name] = _some(number, cell, name) - sum(_some(number, child, name) for child in shown)
        least_others[name] = people - sum(_some(number, child, name) for child in missing)
    if number.optional and not any(_some(number, child, name) for child in missing for name in names):
        return True
    here = _present(protection, missing)
    all_have_it = all(
        _some(number, one, name) == len(_people(one, name)) for one in (cell, *missing) for name in names
    )
    only_counts = (number.counts or number.tallies) and not number.optional
    lacking_matters = number.own or (only_counts and not (number.presence and all_have_it))
    return enough(least, here) and (not lacking_matters or enough(least_others, here))


def _is_spread(
    number: Number, cell: Cell, shown: Sequence[Cell], missing: Sequence[Cell], name: Name, protection: Protection
) -> bool:
    """Dominance and p% over what is left, no unit holding more of it than all missing children's largest together."""
    left = _magnitude(number, cell, name) - sum(_magnitude(number, child, name) for child in shown)
    largest = sum((max(_given(number, child, name), default=Fraction(0)) for child in missing), Fraction(0))
    return not _people(cell, name) or spread(left, largest, largest, protection.rules)


def _magnitude(number: Number, cell: Cell, name: Name) -> Fraction:
    return sum(_given(number, cell, name), Fraction(0))


def _people(cell: Cell, name: Name) -> set[Value]:
    return {row.units[name] for row in cell.rows if row.units.get(name) is not None}


def _some(number: Number, cell: Cell, name: Name) -> int:
    """How many units have a contribution."""
    return sum(1 for unit, amount in contributions(number, cell.rows, name).items() if unit is not None and amount)


def _given(number: Number, cell: Cell, name: Name) -> list[Fraction]:
    """The absolute contributions."""
    return [abs(amount) for amount in contributions(number, cell.rows, name).values()]
