"""Which cells say the same of all of a requester's subjects but a few, by definition: sets of units, row by row.

From docs/reference/threshold.md, "Classes"; nothing is shared with `plan/classes.py` or `release/classes.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tests.support.naive_keys import Places, behind
from tests.support.naive_protection import Protection, Question, people_of
from tests.support.naive_rows import Given, conjuncts, kept_units, rows_with_units, unit_names

from louver_sandbox.algebra.expressions import (
    AggregateCall,
    Call,
    ColumnRef,
    Expression,
    Literal,
    Value,
    column_refs,
)
from louver_sandbox.algebra.relations import Aggregate, Filter, Join, JoinKind, Relation, Scan, Union, walk
from louver_sandbox.algebra.types import BOOLEAN
from louver_sandbox.engines.oracle import Row, UnitsOf, grouped


@dataclass(frozen=True)
class Subjects:
    """What is stored about subjects: the columns of protected tables that are attributes of theirs, and those that
    say who they are."""

    attributes: Places
    identities: Places


def judged_by_classes(question: Question, subjects: Subjects) -> Question:
    """The question with the cells that may not leave because too few units are outside, and the totals of these."""
    core = question.plain
    told = _told(core, subjects)
    keys = [place for place, key in enumerate(core.keys) if _tells(key.expression, core, told)]
    bare, conditions = _Without(core, told, subjects, question.units_of).of(core.input)
    if not keys and not conditions:
        return question
    given = Given(question.tables, question.units_of, question.groups)
    everybody, chosen = rows_with_units(bare, given), rows_with_units(core.input, given)
    protection = question.protection()
    kept: set[Place] = set()
    sets = core.sets or (tuple(range(len(core.keys))),)
    for one in sets:
        cells = grouped(core, chosen, one)
        for values, rows in cells:
            margins = [
                _beside(cells, values, [key for key in one if key != left_out])
                for left_out in keys
                if left_out in one
            ]
            if conditions:
                margins.append(_beside(grouped(core, everybody, one), values, list(one)))
            if any(_is_all_of(rows, margin, protection) for margin in margins):
                kept.add((one, values))
    for one, values in list(kept):
        for coarse in sets:
            if set(coarse) < set(one):
                kept.add((coarse, tuple(value if place in coarse else None for place, value in enumerate(values))))
    return replace(question, kept_back=frozenset(kept), judges_classes=True)


Place = tuple[tuple[int, ...], tuple[Value, ...]]
"""A grouping set, and the values of the keys of one of its cells."""


def _beside(
    cells: Sequence[tuple[tuple[Value, ...], Sequence[Row]]], values: tuple[Value, ...], agreeing: Sequence[int]
) -> list[Row]:
    return [row for other, rows in cells if all(other[key] == values[key] for key in agreeing) for row in rows]


def _is_all_of(rows: Sequence[Row], margin: Sequence[Row], protection: Protection) -> bool:
    inside, around = people_of(rows, protection), people_of(margin, protection)
    return any(
        inside[name] and len(around[name] - inside[name]) < protection.rules.k[name[1].type] for name in inside
    )


def _told(core: Aggregate, subjects: Subjects) -> Places:
    """The attributes, and every column of tables that are found by one."""
    found = set(subjects.attributes)
    about = {scan for scan, _ in subjects.attributes | subjects.identities}
    scans = [node for node in walk(core.input) if isinstance(node, Scan) and node.id not in about]
    while True:
        more = {
            (scan.id, name)
            for scan in scans
            for part in _conditions(core.input)
            if (places := behind([part], core)) & found and any(one == scan.id for one, _ in places)
            for name in (*scan.columns, "*")
        }
        if more <= found:
            return found
        found |= more


def _conditions(relation: Relation) -> Iterator[Expression]:
    for node in walk(relation):
        if isinstance(node, Join):
            yield from conjuncts(node.condition)
        elif isinstance(node, Filter):
            yield from conjuncts(node.predicate)


def _tells(expression: Expression, core: Aggregate, told: Places) -> bool:
    return bool(behind([expression], core) & told)


@dataclass(frozen=True)
class _Without:
    """The rows before conditions on attributes, and these conditions. What a row is found by is one too."""

    core: Aggregate
    told: Places
    subjects: Subjects
    units_of: UnitsOf

    def of(self, relation: Relation) -> tuple[Relation, list[Expression]]:
        match relation:
            case Filter():
                below, found = self.of(relation.input)
                kept, taken = self._parted(relation.predicate)
                return Filter(below, _all(kept)), found + taken
            case Join(kind=JoinKind.INNER):
                (left, of_left), (right, of_right) = self.of(relation.left), self.of(relation.right)
                kept, taken = self._parted(relation.condition)
                found = of_left + of_right + taken
                if self._has_its_key(left) or self._has_its_key(right):
                    kept += [part for part in taken if _meets_both(part, left, right)]
                    taken = [part for part in taken if part not in kept]
                    found = of_left + of_right + taken
                if not taken or any(_meets_both(part, left, right) for part in kept):
                    return Join(relation.kind, left, right, _all(kept)), found
                if unit_names(right, self.units_of):
                    left, right = right, left
                return Join(JoinKind.LEFT, left, right, relation.condition), found
            case Join(kind=JoinKind.LEFT | JoinKind.SEMI | JoinKind.ANTI):
                left, found = self.of(relation.left)
                return replace(relation, left=left), found
            case Aggregate() if kept_units(relation, self.units_of) or not unit_names(relation.input, self.units_of):
                below, found = self.of(relation.input)
                measures = tuple(replace(one, expression=_where(one.expression, found)) for one in relation.measures)
                return replace(relation, input=below, measures=measures), found
            case _:
                return relation, []

    def _has_its_key(self, side: Relation) -> bool:
        """Whether every cell has a key from a table that is nobody's, or is the total of such cells."""
        if unit_names(side, self.units_of):
            return False
        tables = {node.id for node in walk(side) if isinstance(node, Scan | Aggregate | Union)}
        keys = {
            place
            for place, key in enumerate(self.core.keys)
            if any(scan in tables for scan, _ in behind([key.expression], self.core))
        }
        sets = self.core.sets or (tuple(range(len(self.core.keys))),)
        return all(any(set(one) <= set(other) and keys & set(other) for other in sets) for one in sets)

    def _parted(self, condition: Expression) -> tuple[list[Expression], list[Expression]]:
        kept: list[Expression] = []
        taken: list[Expression] = []
        for part in conjuncts(condition):
            (taken if self._selects(part) else kept).append(part)
        return kept, taken

    def _selects(self, part: Expression) -> bool:
        if not _tells(part, self.core, self.told):
            return False
        meets = isinstance(part, Call) and part.function == "=" and all(map(_is_column, part.arguments))
        return not (meets and behind([part], self.core) & self.subjects.identities)


def _is_column(expression: Expression) -> bool:
    return isinstance(expression, ColumnRef)


def _where(call: Expression, conditions: Sequence[Expression]) -> Expression:
    """A value made of the rows alone that meet conditions."""
    if not conditions or not isinstance(call, AggregateCall):
        return call
    return replace(call, where=_all([*conditions, *([] if call.where is None else [call.where])]))


def _meets_both(part: Expression, left: Relation, right: Relation) -> bool:
    sides = [{node.id for node in walk(side) if isinstance(node, Scan | Aggregate | Union)} for side in (left, right)]
    met = {ref.relation for ref in column_refs(part)}
    return isinstance(part, Call) and part.function == "=" and all(met & side for side in sides)


def _all(parts: Sequence[Expression]) -> Expression:
    return Call("and", tuple(parts), BOOLEAN) if parts else Literal(True, BOOLEAN)
