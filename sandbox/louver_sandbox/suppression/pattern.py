"""One pattern for the many numbers of a table: which cells are hidden, and which leave without their values.

A cell of a table of statistics holds several numbers (rows, units, sums), each a table of its own over the same cells
and totals. They are withheld together, since one may be computed from others of its cell (a count from the number of
rows and the count of the opposite); and each is protected by itself, so that what is withheld for one number does not
depend on which others were asked for with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from louver_sandbox.suppression.suppress import Reason, Suppressed, WholeTable, suppress
from louver_sandbox.suppression.table import Cell, Protection, Relation, Table

LARGEST_OPTIMAL = 120
"""Tables of at most so many cells get the optimum: somebody waits for it, and at 500 cells it may take 20 s."""
ATTACKED_AGAIN = 500
"""Tables of at most so many cells are attacked once more as they leave; in larger ones the proof of each number holds
for the union of all, since whoever knows fewer cells can bound none more closely."""


@dataclass(frozen=True, slots=True)
class Number:
    """One number of every cell: its values, what protects the primary ones, and what none can be above.

    `most` has one value for each cell, or is empty where nothing is known. None is below 0.
    """

    values: tuple[int, ...]
    protections: Mapping[int, Protection]
    most: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """A table whose cells are told apart by place. Equal tables must have their cells in the same order.

    `weights` are the costs of withholding each cell, `relations` totals with their parts. `hidden` are the cells that
    are withheld altogether. `of_cells` are numbers that every cell shows that is not hidden, `of_values` those that
    a cell may leave without; a protected cell that is not hidden leaves without them. `shown` are cells that are
    known whatever is withheld here, so that no protection can reach farther than they allow.
    """

    weights: tuple[int, ...]
    relations: tuple[tuple[int, tuple[int, ...]], ...]
    hidden: frozenset[int]
    of_cells: tuple[Number, ...]
    of_values: tuple[Number, ...]
    shown: frozenset[int] = frozenset()

    def emptied_for(self, number: Number) -> frozenset[int]:
        """The cells that must leave without their values for the sake of this number alone."""
        return frozenset(number.protections) - self.hidden


@dataclass(frozen=True, slots=True)
class Pattern:
    """What is withheld so that totals may stay: whole cells, and the values of others.

    `unproved` are the places in `of_values` of numbers that no totals may be shown of beside withheld parts.
    """

    hidden: frozenset[int]
    emptied: frozenset[int]
    unproved: frozenset[int]


def choose(problem: Problem) -> Pattern | None:
    """The pattern of a table, or None where the cells that must be hidden cannot be protected. Equal problems get
    equal patterns."""
    hidden = problem.hidden
    of_cells, of_values = [], []
    for number in problem.of_cells:
        found = _withheld(problem, number, problem.hidden)
        if found is None:
            return None
        hidden |= found.cells
        of_cells.append(found.number)
    emptied: frozenset[int] = frozenset()
    unproved = set()
    for place, number in enumerate(problem.of_values):
        found = _withheld(problem, number, hidden | problem.emptied_for(number))
        if found is None:
            unproved.add(place)
        emptied |= problem.emptied_for(number) if found is None else found.cells
        of_values.append(number if found is None else found.number)
    made = Pattern(hidden, emptied - hidden, frozenset(unproved))
    attained = replace(problem, of_cells=tuple(of_cells), of_values=tuple(of_values))
    return made if stands(attained, made) else None


def stands(problem: Problem, pattern: Pattern) -> bool:
    """Whether a pattern stands the attack; for large tables that follows from the proof of each number."""
    if len(problem.weights) > ATTACKED_AGAIN:
        return True
    values = pattern.hidden | pattern.emptied
    proved = [number for place, number in enumerate(problem.of_values) if place not in pattern.unproved]
    return all(_stands(problem, number, pattern.hidden) for number in problem.of_cells) and all(
        _stands(problem, number, values) for number in proved
    )


def _stands(problem: Problem, number: Number, withheld: frozenset[int]) -> bool:
    if not number.protections:
        return True
    # What needs numpy and HiGHS is imported when a table needs it, not when the service starts.
    from louver_sandbox.suppression.attacker import attack

    table = table_of(problem, number, withheld)
    return all(
        interval.protects(table[name]) for name, interval in attack(table, {_name(cell) for cell in withheld}).items()
    )


@dataclass(frozen=True, slots=True)
class _Withheld:
    """Cells, and the number they protect, with the levels that can be reached."""

    cells: frozenset[int]
    number: Number


def _withheld(problem: Problem, number: Number, known: frozenset[int]) -> _Withheld | None:
    """The cells withheld anyway and those this number needs besides; None where nothing protects it."""
    outcome = suppress(table_of(problem, number, known), largest_optimal=LARGEST_OPTIMAL)
    if isinstance(outcome, WholeTable) and problem.shown and outcome.reason is Reason.TOO_MUCH_KNOWN:
        number = _attainable(problem, number, frozenset(map(int, outcome.exposed)))
        outcome = suppress(table_of(problem, number, known), largest_optimal=LARGEST_OPTIMAL)
    if not isinstance(outcome, Suppressed):
        return None
    return _Withheld(known | {int(name) for name in outcome.secondary}, number)


def _attainable(problem: Problem, number: Number, exposed: frozenset[int]) -> Number:
    """The number without what no pattern can give: the levels of these cells that are out of reach even where every
    cell is withheld that was not shown."""
    from louver_sandbox.suppression.attacker import attack

    table = table_of(problem, number, frozenset())
    open_ = [cell.name for cell in table.cells if not cell.released]
    intervals = attack(table, open_, map(_name, exposed))
    attained = {
        cell: intervals[_name(cell)].allows(number.values[cell], level) if cell in exposed else level
        for cell, level in number.protections.items()
    }
    return replace(number, protections={cell: level for cell, level in attained.items() if level is not None})


def table_of(problem: Problem, number: Number, withheld: frozenset[int]) -> Table:
    """One number as a table, in which the cells withheld anyway cost nothing."""
    cells = (
        Cell(
            _name(place),
            value,
            number.protections.get(place),
            known_upper=number.most[place] if number.most else None,
            released=place in problem.shown,
            weight=0 if place in withheld else problem.weights[place],
        )
        for place, value in enumerate(number.values)
    )
    relations = (Relation(_name(total), tuple(map(_name, parts))) for total, parts in problem.relations)
    return Table(tuple(cells), tuple(relations))


def _name(place: int) -> str:
    return f"{place:07}"
