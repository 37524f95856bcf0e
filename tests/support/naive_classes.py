"""Which cells say the same of all of a requester's subjects but a few, by definition: sets of units, row by row.

From docs/reference/threshold.md, "Classes"; nothing is shared with `plan/classes.py` or `release/classes.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tests.support.naive_keys import Places, behind
from tests.support.naive_protection import Protection, Question, people_of
from tests.support.naive_rows import Given, conjuncts, rows_with_units

from louver_sandbox.algebra.expressions import Call, Expression, Literal, Value, column_refs
from louver_sandbox.algebra.relations import Aggregate, Filter, Join, JoinKind, Relation, Scan, Union, walk
from louver_sandbox.algebra.types import BOOLEAN
from louver_sandbox.engines.oracle import Row, grouped, value_of


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
    bare, conditions = _without(core.input, core, told, subjects)
    if not keys and not conditions:
        return question
    given = Given(question.tables, question.units_of, question.groups)
    everybody = rows_with_units(bare, given)
    chosen = [row for row in everybody if all(value_of(condition, row) is True for condition in conditions)]
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


def _without(
    relation: Relation, core: Aggregate, told: Places, subjects: Subjects
) -> tuple[Relation, list[Expression]]:
    """The rows before conditions on attributes, and these conditions."""

    def selects(part: Expression) -> bool:
        return _tells(part, core, told) and not behind([part], core) & subjects.identities

    match relation:
        case Filter():
            below, found = _without(relation.input, core, told, subjects)
            kept = [part for part in conjuncts(relation.predicate) if not selects(part)]
            taken = [part for part in conjuncts(relation.predicate) if selects(part)]
            return Filter(below, _all(kept)), found + taken
        case Join(kind=JoinKind.INNER):
            left, of_left = _without(relation.left, core, told, subjects)
            right, of_right = _without(relation.right, core, told, subjects)
            kept = [part for part in conjuncts(relation.condition) if not selects(part)]
            taken = [part for part in conjuncts(relation.condition) if selects(part)]
            if not any(_meets_both(part, left, right) for part in kept):
                kept, taken = list(conjuncts(relation.condition)), []
            return Join(relation.kind, left, right, _all(kept)), of_left + of_right + taken
        case Join(kind=JoinKind.LEFT | JoinKind.SEMI | JoinKind.ANTI):
            left, found = _without(relation.left, core, told, subjects)
            return replace(relation, left=left), found
        case _:
            return relation, []


def _meets_both(part: Expression, left: Relation, right: Relation) -> bool:
    sides = [{node.id for node in walk(side) if isinstance(node, Scan | Aggregate | Union)} for side in (left, right)]
    met = {ref.relation for ref in column_refs(part)}
    return isinstance(part, Call) and part.function == "=" and all(met & side for side in sides)


def _all(parts: Sequence[Expression]) -> Expression:
    return Call("and", tuple(parts), BOOLEAN) if parts else Literal(True, BOOLEAN)
