"""Whose the rows of a Union are.

The rows of a cell may come from both sides. Then the sides are two questions put together: what one side adds to the
number of rows could be about one subject, so each side's subjects must reach their k, and those of both sides are
counted together besides. Where a key of the cells says which side a row is from (a different constant on each side),
every cell is of one side, and groups of one type stand in one column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, Literal, Named
from louver_sandbox.algebra.relations import Project, Relation, Union, UnionColumn
from louver_sandbox.algebra.types import INTEGER
from louver_sandbox.catalog.model import PrivacyUnit
from louver_sandbox.plan.meetings import is_met
from louver_sandbox.plan.provenance import BaseColumn, Provenance
from louver_sandbox.plan.synthetic import Purpose, synthetic
from louver_sandbox.plan.units import UnitGroup, carried_name, null_extended


@dataclass(frozen=True, slots=True)
class SharedUnit:
    """A privacy unit of a Union's rows, and its record key on each side (None: no row of that side has one)."""

    unit: PrivacyUnit
    left: Expression | None
    right: Expression | None


def shared_units(
    union: Union, left: Sequence[UnitGroup], right: Sequence[UnitGroup], provenance: Provenance, *, apart: bool
) -> tuple[SharedUnit, ...]:
    """The units of the rows of both sides; `apart` says that no cell has rows of both."""
    found: list[SharedUnit] = []
    missing = null_extended(union.left) | null_extended(union.right) | _met(left) | _met(right)
    for type_ in sorted({group.type for group in (*left, *right)}):
        ours, theirs = ([group for group in side if group.type is type_] for side in (left, right))
        for index in range(max(len(ours), len(theirs))):
            one, other = (side[index] if index < len(side) else None for side in (ours, theirs))
            if one is not None and other is not None:
                found.append(_together(union, index, one, other, provenance))
            elif apart:
                found.append(_of_one_side(index, one, other, right if other is None else left, missing))
        if not apart:
            found += [_alone(group, f"\0left {type_.value}{i}", left=True) for i, group in enumerate(ours)]
            found += [_alone(group, f"\0right {type_.value}{i}", left=False) for i, group in enumerate(theirs)]
    return tuple(found)


def _met(groups: Sequence[UnitGroup]) -> frozenset[int]:
    """The units of rows that met in a FULL JOIN, which may be none as a side of it may be missing."""
    return frozenset(scan for group in groups for scan, unit in group.members if is_met(unit))


def _together(union: Union, index: int, left: UnitGroup, right: UnitGroup, provenance: Provenance) -> SharedUnit:
    """The subjects of both sides in one column: the column of the union that holds them, if there is one."""
    column = _nameless(left, index)
    for place, shown in enumerate(union.columns):
        sides = [provenance.column(side.columns[place].expression) for side in (union.left, union.right)]
        if sides[0] in left.columns and sides[1] in right.columns:
            column = shown.name
    return SharedUnit(_unit(left, column, optional=left.optional and right.optional), left.key, right.key)


def _of_one_side(
    index: int,
    left: UnitGroup | None,
    right: UnitGroup | None,
    others: Sequence[UnitGroup],
    missing: frozenset[int],
) -> SharedUnit:
    """A group that one side has, beside the subjects of the other side in its place.

    Cells of the other side have none of the group, and cells of its own must not be without it unseen: in an outer
    join "none matched" must look like "one matched". With the other side's subjects, who must reach their own k in
    any case, no cell is without. A group whose rows cannot be missing may be absent where the other side has nobody.
    """
    group = left or right
    if group is None:
        raise ValueError("a group of neither side")
    keys = tuple(other.key for other in sorted(others, key=lambda other: other.optional))
    stand_in = Call("coalesce", keys, INTEGER) if len(keys) > 1 else keys[0] if keys else None
    always_there = any(scan not in missing for scan, _ in group.members)
    unit = _unit(group, _nameless(group, index), optional=group.optional or (not keys and always_there))
    return SharedUnit(unit, left.key if left else stand_in, right.key if right else stand_in)


def _alone(group: UnitGroup, column: str, *, left: bool) -> SharedUnit:
    unit = _unit(group, column, optional=group.optional)
    return SharedUnit(unit, group.key if left else None, None if left else group.key)


def _unit(group: UnitGroup, column: str, *, optional: bool) -> PrivacyUnit:
    return PrivacyUnit(group.type, column, None, "where declared" if optional else None)


def _nameless(group: UnitGroup, index: int) -> str:
    return f"\0{group.type.value}{index}"


def with_units(union: Union, left: Relation, right: Relation, units: Sequence[SharedUnit]) -> Union:
    """The Union over sides that have record keys, with the record keys of its own units."""
    names = [carried_name((union.id, shared.unit.record_key)) for shared in units]
    sides = [
        _side(own, carried, names, keys)
        for own, carried, keys in (
            (union.left, left, [shared.left for shared in units]),
            (union.right, right, [shared.right for shared in units]),
        )
    ]
    columns = (*union.columns, *(UnionColumn(name, INTEGER) for name in names))
    return Union(union.id, sides[0], sides[1], columns)


def _side(own: Project, carried: Relation, names: Sequence[str], keys: Sequence[Expression | None]) -> Project:
    columns = [Named(item.name, ColumnRef(own.id, item.name, item.expression.type)) for item in own.columns]
    columns += [
        Named(name, Literal(None, INTEGER) if key is None else key) for name, key in zip(names, keys, strict=True)
    ]
    return Project(synthetic(own.id, Purpose.UNION_SIDE), carried, tuple(columns))


def is_apart(union: Union, keys: Sequence[Expression], provenance: Provenance) -> bool:
    """Whether one of the keys is a constant on each side, and not the same one."""
    tags = set(_tags(keys, provenance))
    for column in union.columns:
        if (union.id, column.name) in tags:
            ref = ColumnRef(union.id, column.name, column.type)
            left, right = (_constants(side, provenance) for side in provenance.sides(ref))
            if left is not None and right is not None and not left & right:
                return True
    return False


def _tags(keys: Sequence[Expression], provenance: Provenance) -> Iterator[BaseColumn]:
    """The columns of unions that the keys are, and those of unions inside these."""
    waiting = list(keys)
    while waiting:
        column = provenance.column(waiting.pop())
        if column is not None and column[0] in provenance.unions:
            yield column
            union = provenance.unions[column[0]]
            found = next(item for item in union.columns if item.name == column[1])
            waiting.extend(provenance.sides(ColumnRef(union.id, found.name, found.type)))


def _constants(expression: Expression, provenance: Provenance) -> frozenset[object] | None:
    """The constants that an expression can be, None for anything else."""
    while isinstance(expression, ColumnRef) and expression.relation not in provenance.unions:
        if expression.relation in provenance.scans:
            return None
        expression = provenance.definition(expression)
    match expression:
        case Literal():
            return frozenset({(expression.type, expression.value)})
        case ColumnRef():
            sides = [_constants(side, provenance) for side in provenance.sides(expression)]
            return None if None in sides else frozenset().union(*(side for side in sides if side is not None))
        case _:
            return None
