"""Whose rows meet in a FULL JOIN.

It keeps all rows of both sides, so its number of rows is one less for every row that has a partner, and "none met"
must look like "one met". So the subjects of rows that met are unit groups of their own, besides those of all rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from louver_sandbox.algebra.cores import offered
from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, Literal, column_refs
from louver_sandbox.algebra.relations import Join, scans
from louver_sandbox.algebra.types import INTEGER
from louver_sandbox.catalog.model import PrivacyUnit
from louver_sandbox.plan.conditions import present
from louver_sandbox.plan.provenance import BaseColumn, conjuncts
from louver_sandbox.plan.synthetic import Purpose, synthetic
from louver_sandbox.plan.units import Units
from louver_sandbox.refusals.sql import join_without_equality
from louver_sandbox.sql.functions import RULES

_MET = "\0met"

Keys = Mapping[BaseColumn, Expression]
"""The record keys of units, by scan and name."""


def met_units(join: Join, left: tuple[Units, Keys], right: tuple[Units, Keys]) -> tuple[Units, Keys]:
    """The units of the rows of a FULL JOIN that have a partner, and their record keys, NULL in all other rows.

    A unit's record key says that its own side is there, and an expression that is compared by equality, and is NULL
    where all its columns are, that the other side is.

    Raises:
        Refused: LVR-1303, where nothing is compared like that.
    """
    sides = _compared(join)
    id_ = synthetic(scans(join.right)[0].id, Purpose.MET)
    every = [(one, sides[1]) for one in _real(*left)] + [(one, sides[0]) for one in _real(*right)]
    must_be_there = any(unit.when is None for (unit, _), _ in every)
    units: list[PrivacyUnit] = []
    keys: dict[BaseColumn, Expression] = {}
    for number, ((unit, key), partner) in enumerate(every):
        made = PrivacyUnit(unit.type, f"{_MET}{number}", None, unit.when if must_be_there else None)
        units.append(made)
        keys[id_, made.record_key] = Call("case", (present(partner), key, Literal(None, INTEGER)), INTEGER)
    return ({id_: tuple(units)} if units else {}), keys


def _real(units: Units, keys: Keys) -> Iterator[tuple[PrivacyUnit, Expression]]:
    """The units of all rows of a side, without those of rows that met inside it."""
    for scan, found in units.items():
        yield from ((unit, keys[scan, unit.record_key]) for unit in found if not is_met(unit))


def is_met(unit: PrivacyUnit) -> bool:
    """Whether a unit is that of rows that met."""
    return unit.column.startswith(_MET)


def _compared(join: Join) -> tuple[Expression, Expression]:
    """Two expressions that are equal where rows meet, over the left side and over the right, and NULL without it."""
    theirs = set(offered(join.right))
    for part in conjuncts(join.condition):
        if not (isinstance(part, Call) and part.function == "=" and all(map(_is_null_without, part.arguments))):
            continue
        first, second = part.arguments
        match [{(ref.relation, ref.name) in theirs for ref in column_refs(side)} for side in (first, second)]:
            case [one, other] if one == {False} and other == {True}:
                return first, second
            case [one, other] if one == {True} and other == {False}:
                return second, first
            case _:
                continue
    raise join_without_equality("FULL JOIN … ON left.column = right.column", join.condition.at)


def _is_null_without(expression: Expression) -> bool:
    """Whether it is certain that an expression is NULL where all its columns are."""
    match expression:
        case ColumnRef():
            return True
        case Call(function="coalesce", arguments=arguments):
            return all(map(_is_null_without, arguments))
        case Call(function=function, arguments=arguments):
            return RULES[function].strict and any(map(_is_null_without, arguments))
        case _:
            return False
