"""What may leave of an admitted generated query: the naive protection, cell by cell, and the oracle above the cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.support import naive_margins, naive_protection
from tests.support.generated_world import GeneratedWorld
from tests.support.naive_classes import Subjects, judged_by_classes
from tests.support.naive_divisions import bluntly, division
from tests.support.naive_rows import kept_units, missing_relations

from louver_sandbox.algebra.cores import Core, columns_of, cut
from louver_sandbox.algebra.expressions import Call, ColumnRef, Literal, Value
from louver_sandbox.algebra.expressions import walk as parts_of
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Limit,
    Project,
    Relation,
    Scan,
    Sort,
    Union,
    expressions,
    inputs,
    scans,
    walk,
)
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.model import Column, PrivacyUnit, Role
from louver_sandbox.engines import oracle
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.sql.functions import FUNCTIONS, FunctionKind
from louver_sandbox.stages import Admitted

Rows = tuple[tuple[Value, ...], ...]


def expected_answer(permit: Admitted, world: GeneratedWorld) -> Rows | None:
    """The rows that leave; None where the naive protection has no definition for a core."""
    relation = permit.bound.relation
    if not permit.protected:
        return oracle.answer(relation, world.rows)
    parts = cut(relation, permit.protected, _unit_columns(permit, world))
    tables: dict[TableName, Sequence[Mapping[str, Value]]] = {}
    judged: dict[Aggregate, _Cells] = {}
    for core in parts.cores:
        if not core.protected:
            tables[_released(core.id)] = _rows(core, world)
            continue
        cells = _judged(core, permit, world, alone=sum(one.protected for one in parts.cores) == 1)
        if cells is None or not isinstance(core.relation, Aggregate):
            return None
        judged[core.relation] = cells
    _withhold_differences(judged)
    if _has_withheld(judged) and _sees_nulls(parts.shape):
        return None
    for core in parts.cores:
        if isinstance(core.relation, Aggregate) and core.protected:
            tables[_released(core.id)] = _leaving(core, judged[core.relation].cells)
    return oracle.answer(_placed(parts.shape), tables)


_SEES_NULLS = frozenset(rule.name for rule in FUNCTIONS if rule.kind is FunctionKind.SCALAR and not rule.strict) - {
    "and",
    "or",
}
"""Functions that make something else of NULL. The oracle would make it of a withheld value too, which is none."""


def _sees_nulls(shape: Relation) -> bool:
    """Whether what stands above the cells can tell a withheld value from NULL."""
    return any(
        (isinstance(node, Join) and node.kind is JoinKind.ANTI)
        or any(
            isinstance(part, Call) and part.function in _SEES_NULLS and not _keeps_null(part)
            for whole in expressions(node)
            for part in parts_of(whole)
        )
        for node in walk(shape)
    )


def _keeps_null(call: Call) -> bool:
    """NULLIF of something and a constant makes NULL of NULL, as it makes a withheld value of a withheld one."""
    match call:
        case Call("nullif", (_, Literal(value=constant))):
            return constant is not None
        case _:
            return False


def _has_withheld(judged: Mapping[Aggregate, _Cells]) -> bool:
    """Whether a value is withheld in a row that is seen."""
    leaving = {core: [cell for cell in cells.cells if cell.leaves] for core, cells in judged.items()}
    return any(not (core.keys or cells) or any(cell.withheld for cell in cells) for core, cells in leaving.items())


def _released(core: int) -> TableName:
    return TableName("", f"core {core}")


def _placed(shape: Relation) -> Relation:
    """The shape with a table of its own for each core."""
    match shape:
        case Scan():
            return replace(shape, table=_released(shape.id))
        case Join():
            return replace(shape, left=_placed(shape.left), right=_placed(shape.right))
        case Union():
            left, right = _placed(shape.left), _placed(shape.right)
            assert isinstance(left, Project)
            assert isinstance(right, Project)
            return replace(shape, left=left, right=right)
        case _:
            return replace(shape, input=_placed(shape.input))


def _rows(core: Core, world: GeneratedWorld) -> list[Mapping[str, Value]]:
    names = [column.name for column in columns_of(core)]
    found = oracle.evaluate(core.relation, world.rows)
    return [dict(zip(names, row.values.values(), strict=True)) for row in found]


@dataclass
class _Cells:
    """What the naive protection says of one core: its cells, and the withheld ones as one."""

    cells: list[naive_protection.Judged]
    rest: naive_protection.Judged | None


def _judged(core: Core, permit: Admitted, world: GeneratedWorld, *, alone: bool) -> _Cells | None:
    relation, rules = core.relation, permit.threshold
    if not isinstance(relation, Aggregate) or rules is None:
        return None
    question = naive_protection.Question(
        relation, world.rows, _units_of(permit, world), rules, _nullable(relation, world), alone=alone
    )
    try:
        if any(scan.table.schema == "bank_a" for scan in scans(relation.input)):
            question = judged_by_classes(question, _subjects(permit, world))
        if relation.sets:
            return _Cells(naive_margins.judged(question), None)
        rest = naive_protection.remainder(question) if rules.remainder and relation.keys else None
        return _Cells(naive_protection.judged(question), rest)
    except NotImplementedError:
        return None


def _withhold_differences(judged: Mapping[Aggregate, _Cells]) -> None:
    """Each core beside those whose cells are parts of its own, from the finest on."""
    for whole in sorted(judged, key=lambda core: -len(core.keys)):
        for parts, theirs in judged.items():
            how, found = division(whole, parts), judged[whole]
            if how is not None:
                found.cells = naive_protection.beside_parts(found.cells, theirs.cells, theirs.rest, how)
            told = {mine for mine, other in bluntly(whole, parts) if _is_missing_somewhere(other, theirs)}
            found.cells = [replace(cell, withheld=cell.withheld | told) for cell in found.cells]


def _is_missing_somewhere(measure: str, cells: _Cells) -> bool:
    return any(not cell.leaves or measure in cell.withheld for cell in cells.cells)


def _leaving(core: Core, cells: Sequence[naive_protection.Judged]) -> list[Mapping[str, Value]]:
    leaving: list[Mapping[str, Value]] = [
        {name: None if name in cell.withheld else value for name, value in cell.values.items()}
        for cell in cells
        if cell.leaves
    ]
    names = [column.name for column in columns_of(core)]
    keyed = isinstance(core.relation, Aggregate) and bool(core.relation.keys)
    return leaving if leaving or keyed else [dict.fromkeys(names)]


def _unit_columns(permit: Admitted, world: GeneratedWorld) -> set[tuple[int, str]]:
    found = (scan for scan in scans(permit.bound.relation) if scan.id in permit.protected)
    return {(scan.id, unit.column) for scan in found for unit in world.catalog.tables[scan.table].units}


def _units_of(permit: Admitted, world: GeneratedWorld) -> oracle.UnitsOf:
    def of(scan: Scan, row: Mapping[str, Value]) -> dict[tuple[int, PrivacyUnit], Value]:
        if scan.id not in permit.protected:
            return {}
        return {(scan.id, unit): row.get(unit.column) for unit in world.catalog.tables[scan.table].units}

    return of


def _subjects(permit: Admitted, world: GeneratedWorld) -> Subjects:
    """The columns that are attributes of subjects, and those that say who they are."""
    protected = [scan for scan in scans(permit.bound.relation) if scan.id in permit.protected]
    tables = [(scan.id, world.catalog.tables[scan.table]) for scan in protected]
    identities = {(scan, unit.column) for scan, table in tables for unit in table.units}
    named = {
        (scan, column.name)
        for scan, table in tables
        for column in table.columns
        if column.level > 1 and column.role not in (Role.IDENTIFIER, Role.KEY) and not _is_period(column)
    }
    rows = {(scan, "*") for scan, _ in tables}
    return Subjects((named - identities) | rows, identities)


def _is_period(column: Column) -> bool:
    """Whether a column says which period a row is about: every row has one, and it is hardly protected."""
    return column.role is Role.TIME and not column.nullable and column.level == 2


def _nullable(core: Aggregate, world: GeneratedWorld) -> dict[tuple[int, str], bool]:
    missing = missing_relations(core)
    return {
        (scan.id, item.name): item.nullable or scan.id in missing
        for scan in scans(core.input)
        for item in world.catalog.tables[scan.table].columns
    }


def cells_of_few(permit: Admitted, world: GeneratedWorld) -> tuple[tuple[int, ...], set[tuple[Value, ...]]] | None:
    """Where the answer shows its keys, and the keys of the cells that certainly may not leave: they hold rows of
    fewer units than the threshold. Says less than the naive protection and of more queries; None where the answer's
    rows are not the cells of one core with all their keys.
    """
    relation, rules = permit.bound.relation, permit.threshold
    below = relation.input if isinstance(relation, Project) else relation
    while isinstance(below, Filter | Sort | Limit):
        below = below.input
    if not isinstance(relation, Project) or not isinstance(below, Aggregate) or rules is None or below.sets:
        return None
    shown = [named.expression for named in relation.columns]
    keys = [ColumnRef(below.id, key.name, key.expression.type) for key in below.keys]
    if not keys or not all(key in shown for key in keys):
        return None
    few: set[tuple[Value, ...]] = set()
    bearing = set(_bearing(below.input))
    try:
        groups = _groups(below, permit, world, rules)
    except NotImplementedError:
        return None
    for values, rows in groups:
        members: dict[tuple[int, PrivacyUnit], set[Value]] = {}
        for row in rows:
            for name, unit in row.units.items():
                if unit is not None and name[0] in bearing:
                    members.setdefault(name, set()).add(unit)
        if any(len(units) < rules.k[name[1].type] for name, units in members.items()):
            few.add(values)
    return tuple(shown.index(key) for key in keys), few


def _groups(
    core: Aggregate, permit: Admitted, world: GeneratedWorld, rules: ThresholdRules
) -> Sequence[tuple[tuple[Value, ...], Sequence[oracle.Row]]]:
    """The rows of each cell. Groups inside that are nobody's are there only where they may be known, so a cell of
    what matches none of them has more rows than the exact answer."""
    units_of = _units_of(permit, world)
    if any(isinstance(node, Aggregate) and not kept_units(node, units_of) for node in walk(core.input)):
        question = naive_protection.Question(core, world.rows, units_of, rules, _nullable(core, world))
        return oracle.grouped(question.plain, question.rows())
    return oracle.grouped(core, oracle.evaluate(core.input, world.rows, units_of))


def _bearing(relation: Relation) -> Iterator[int]:
    """The scans whose rows stand in the rows of a relation one by one."""
    match relation:
        case Scan():
            yield relation.id
        case Join(kind=JoinKind.SEMI | JoinKind.ANTI):
            yield from _bearing(relation.left)
        case Aggregate():
            pass
        case _:
            for below in inputs(relation):
                yield from _bearing(below)
