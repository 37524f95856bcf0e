"""How much one unit can change the cells of a core: the way in which rows are bounded, and the sensitivities.

Two ways. Where rows belong to units of one kind (or to one of several kinds, never two at once), each unit's rows are
counted and cut off by themselves, whatever the catalogue says: removing a unit changes nothing of the others.

Where every row belongs to a person and to an enterprise at once, cutting off one kind would change what is left of
the other. Then units of the first kind are bounded by what publishing has checked (rows_per_unit, and that joins do
not multiply rows), and the sums of each unit of the second kind are clipped, cell by cell. Clipping brings numbers no
farther apart, so that the first kind's bound stays what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from louver_sandbox.algebra.relations import (
    Aggregate,
    Join,
    JoinKind,
    Relation,
    Union,
    scans,
    walk,
)
from louver_sandbox.catalog.model import Catalog, UnitType
from louver_sandbox.mechanisms.noise import Sensitivity
from louver_sandbox.plan.private.declared_rows import DeclaredRows
from louver_sandbox.plan.provenance import Provenance
from louver_sandbox.plan.units import UnitGroup
from louver_sandbox.private_core import PrivateRules
from louver_sandbox.refusals.private import (
    form_not_private,
    rows_not_bounded,
    several_subjects,
    unit_not_in_every_row,
)

Rules = Mapping[tuple[str, UnitType], PrivateRules]
"""By dataset and kind of unit."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """The groups of units whose rows are bounded, and how.

    Units of `groups` have at most `rows` rows together and count in at most `cells` cells. With `clipped`, a kind of
    unit that each row has besides, numbers of each of its units are clipped in every cell to `clipped_rows` rows.
    `in_cell` is how many rows of a unit there are in one cell at most, where that is known to be fewer, and `public`
    how many cells can leave (None: nobody knows).
    """

    groups: tuple[UnitGroup, ...]
    rows: int
    cells: int
    clipped: UnitGroup | None = None
    clipped_rows: int = 0
    in_cell: int | None = None
    public: int | None = None

    @property
    def units(self) -> tuple[UnitType, ...]:
        """The kinds of unit that are protected."""
        return tuple(group.type for group in (*self.groups, *(() if self.clipped is None else (self.clipped,))))

    def of_sums(self, unit: UnitType, largest: int, cells: int | None) -> Sensitivity:
        """What one unit changes sums of values of at most this size by, over `cells` cells of a public domain.

        All rows of a unit together have at most `rows` times the largest, which is farthest from nothing in one cell.
        With c rows in a cell at most their squares add up to c times `rows`, or c^2 in every cell (ADR 50).
        """
        if self.clipped is None or unit is not self.clipped.type:
            most = self.most_in_cell
            if most == self.rows:
                return Sensitivity(self.rows * largest)
            squares = [most * self.rows, *(() if self.public is None else (max(1, self.public) * most**2,))]
            return Sensitivity(largest, min(squares))
        if cells is None:
            raise ValueError("clipped units need a public domain")
        return Sensitivity(self.clipped_rows * largest, cells)

    @property
    def most_in_cell(self) -> int:
        """How many rows of a unit of `groups` count in one cell at most."""
        return self.rows if self.in_cell is None else min(self.rows, self.in_cell)

    def in_order(self, counts_units: bool) -> bool:
        """Whether a unit's cells are put into an order: not where all that can leave hold no more than counts."""
        if self.public is None:
            return True
        return self.public * self.most_in_cell > self.rows or (counts_units and self.public > self.cells)

    def of_units(self, cells: int | None) -> Sensitivity:
        """What one unit changes numbers of units by, over `cells` cells of a public domain, None without one.

        Each of its cells by one; cells that a public domain does not name never leave.
        """
        return Sensitivity(1, min(self.cells, self.rows, *(() if cells is None else (max(1, cells),))))


def bounded(
    core: Aggregate, groups: Sequence[UnitGroup], rules: Rules, catalog: Catalog, provenance: Provenance
) -> Bounded:
    """How the rows of a core are bounded.

    Raises:
        Refused: LVR-2352, nothing bounds a unit's rows; LVR-2353, several units of one kind in a row; LVR-2356, no
            unit is left that protects the rows.
    """
    tables = {scan.id: str(scan.table) for scan in scans(core.input)}
    kept = list(groups)
    at = next((named.expression.at for named in core.measures + core.keys), None)
    if not kept:
        raise unit_not_in_every_row(at)
    if len({group.type for group in kept}) < len(kept) or len(kept) > 2:
        raise several_subjects(at)
    declared = DeclaredRows.arriving(core.input, catalog, provenance)
    found = [declared.of(core.input, group) for group in kept]
    limits = [_limits(group, rules, tables) for group in kept]
    if len(kept) == 1 or _are_apart(kept):
        rows = [
            min(_known(known, most)) for known, (most, _) in zip(found, limits, strict=True) if _known(known, most)
        ]
        if len(rows) < len(kept):
            _refuse(kept, found, limits)
        return Bounded(tuple(kept), min(rows), min(cells for _, cells in limits))
    return _nested(kept, found, limits)


def cell_by_cell(
    limits: Bounded, core: Aggregate, catalog: Catalog, provenance: Provenance, cells: int | None
) -> Bounded:
    """The same, with what is declared of the rows in one of `cells` public cells (None: unknown), by the core's keys.

    Where that bounds what a unit moves by no more than `rows` does, as many rows count as fill its cells.
    """
    limits = replace(limits, public=cells)
    if any(
        isinstance(node, Aggregate) and node.sets not in ((), (tuple(range(len(node.keys))),))
        for node in walk(core.input)
    ):
        return limits  # a key that is left out of an inner total is NULL there, whatever its rows hold
    declared = DeclaredRows.arriving(core.input, catalog, provenance)
    within = declared.within({provenance.column(key.expression) for key in core.keys})
    alone = [within.of(core.input, group) for group in limits.groups]
    known = [rows for rows in alone if isinstance(rows, int)]
    if len(known) < len(alone) or max(known) >= limits.rows:
        return limits
    limits = replace(limits, in_cell=max(known))
    if limits.clipped is not None:
        return limits
    whole = [declared.of(core.input, group) for group in limits.groups]
    stored = [rows for rows in whole if isinstance(rows, int)]
    most = [max(stored)] if len(stored) == len(whole) else []
    most += [] if cells is None else [cells * max(known)]
    wider = replace(limits, rows=max(limits.rows, min(most, default=0)))
    return wider if wider.of_sums(wider.groups[0].type, 1, cells).squared_l2 <= limits.rows**2 else limits


def _nested(kept: list[UnitGroup], found: Sequence[int | str], limits: Sequence[tuple[int | None, int]]) -> Bounded:
    """The kind with declared rows first; the other one's are clipped to what its policy says."""
    for first, second in ((0, 1), (1, 0)):
        rows, clipped = found[first], limits[second][0]
        always = all(unit.when is None for _, unit in kept[first].members)
        if isinstance(rows, int) and clipped is not None and always:
            return Bounded((kept[first],), rows, limits[first][1], kept[second], clipped)
    _refuse(kept, found, limits)


def _refuse(
    kept: Sequence[UnitGroup], found: Sequence[int | str], limits: Sequence[tuple[int | None, int]]
) -> NoReturn:
    for group, rows, (most, _) in zip(kept, found, limits, strict=True):
        if isinstance(rows, str) and (most is None or len(kept) > 1):
            raise rows_not_bounded(rows, group.type.value)
    raise rows_not_bounded("rows", kept[-1].type.value)


def _known(rows: int | str, most: int | None) -> tuple[int, ...]:
    return (*((rows,) if isinstance(rows, int) else ()), *(() if most is None else (most,)))


def _limits(group: UnitGroup, rules: Rules, tables: Mapping[int, str]) -> tuple[int | None, int]:
    """Most rows, if policy says so, and most cells of one unit: the least of what any dataset allows."""
    found = [rules[tables[scan], group.type] for scan, _ in group.members if scan in tables]
    rows = [one.rows for one in found if one.rows is not None]
    return min(rows, default=None), min(one.groups for one in found)


def _are_apart(groups: Sequence[UnitGroup]) -> bool:
    """Whether a row has a unit of one kind or of the other: one column, whose kind a condition tells.

    What is declared so is enforced: a row that has both is left out.
    """
    members = [group.members for group in groups]
    if any(len(one) != 1 for one in members):
        return False
    places = {(scan, unit.column) for ((scan, unit),) in members}
    return len(places) == 1 and all(unit.when is not None for ((_, unit),) in members)


def stored_rows(limits: Bounded) -> int:
    """How many rows a unit has in its tables, by declaration or else as many as count: what an inner sum adds up."""
    declared = [unit.rows_per_unit for group in limits.groups for _, unit in group.members]
    return max(limits.rows, *(rows for rows in declared if rows is not None), 1)


def check_form(relation: Relation, protected: frozenset[int]) -> None:
    """Refuses relations below a core under which removing one unit could change rows of others. LVR-2351."""
    for node in walk(relation):
        match node:
            case Join(kind=JoinKind.INNER):
                continue
            case Join():
                optional = [node.right] if node.kind is not JoinKind.FULL else [node.left, node.right]
                if any(_holds(side, protected) for side in optional):
                    words = {
                        JoinKind.LEFT: ("an outer join that may find no protected row", "可能无匹配的外连接"),
                        JoinKind.FULL: ("an outer join that may find no protected row", "可能无匹配的外连接"),
                    }
                    raise form_not_private(
                        *words.get(node.kind, ("whether a protected row exists", "是否存在受保护的行")),
                        node.condition.at,
                    )
            case Union():
                if _holds(node, protected):
                    raise form_not_private("UNION of protected rows", "受保护行的 UNION")
            case _:
                continue


def _holds(relation: Relation, protected: frozenset[int]) -> bool:
    return any(scan.id in protected for scan in scans(relation))
