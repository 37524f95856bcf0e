"""A question cut down to one subject: every scan of a table with such subjects keeps that one's rows only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from louver_sandbox.algebra.expressions import Call, ColumnRef, Literal
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Project,
    Relation,
    Scan,
    Union,
)
from louver_sandbox.algebra.types import BOOLEAN, TEXT


def about(relation: Project, units: Mapping[int, str], subject: str) -> Project:
    """The question with a condition on every scan in `units`, which names the column that holds the subject.

    The condition stands right above the scan, below every join and subquery, so that nothing the statement says can
    reach another subject's rows.
    """
    return cast(Project, _about(relation, units, subject))


def _about(relation: Relation, units: Mapping[int, str], subject: str) -> Relation:
    match relation:
        case Scan():
            return _of_subject(relation, units[relation.id], subject) if relation.id in units else relation
        case Join():
            left, right = _about(relation.left, units, subject), _about(relation.right, units, subject)
            return replace(relation, left=left, right=right)
        case Union():
            return replace(
                relation, left=about(relation.left, units, subject), right=about(relation.right, units, subject)
            )
        case _:
            return replace(relation, input=_about(relation.input, units, subject))


def _of_subject(scan: Scan, column: str, subject: str) -> Filter:
    read = replace(scan, columns=tuple(sorted({*scan.columns, column})))
    return Filter(read, Call("=", (ColumnRef(scan.id, column, TEXT), Literal(subject, TEXT)), BOOLEAN))


def needs_subject(relation: Relation, units: Mapping[int, str]) -> bool:
    """Whether no row can come out unless a table in `units` holds the subject.

    A total without keys, or a public table on the side of an outer join that is kept, gives a row about anybody, and
    with it an answer about somebody who is not there.
    """
    match relation:
        case Scan():
            return relation.id in units
        case Union():
            return needs_subject(relation.left, units) and needs_subject(relation.right, units)
        case Join(kind=JoinKind.INNER):
            return needs_subject(relation.left, units) or needs_subject(relation.right, units)
        case Join(kind=JoinKind.FULL):
            return needs_subject(relation.left, units) and needs_subject(relation.right, units)
        case Join(kind=JoinKind.SEMI):
            return needs_subject(relation.left, units) or needs_subject(relation.right, units)
        case Join():
            return needs_subject(relation.left, units)
        case Aggregate():
            totals = any(not chosen for chosen in relation.sets)
            return bool(relation.keys) and not totals and needs_subject(relation.input, units)
        case _:
            return needs_subject(relation.input, units)
