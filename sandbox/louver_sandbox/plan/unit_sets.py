"""Which sets of units the cells of a core are about, and how many there can be (PRIVACY 5.6, the cap).

A cell is a set of units, and each condition of a measure picks another set out of it: those of rows that satisfy it
and add something. All cells of one grouping set under one condition are a *family*. It is known by what selects and
divides its rows, not by how columns are called, so that asking for it again, by whomever, is no new set; whatever is
not recognised as the same is paid for as new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, Literal
from louver_sandbox.algebra.relations import Aggregate, Join, Project, Relation, Scan, Union, inputs, walk
from louver_sandbox.algebra.types import BOOLEAN, INTEGER
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.core_plan import Family
from louver_sandbox.plan.cells import Unbounded, most_cells
from louver_sandbox.plan.emit import emit, emit_expression
from louver_sandbox.plan.measures import Asked, Total
from louver_sandbox.refusals.plan import cells_unbounded


def families(core: Aggregate, asked: Iterable[Asked], catalog: Catalog) -> tuple[Family, ...]:
    """Every family of a core. Where there are keys the withheld cells may leave together, as one more.

    Raises:
        Refused: LVR-2340, nothing declares how many cells there can be.
    """
    try:
        cells = most_cells(core, catalog)
    except Unbounded as unbounded:
        key = unbounded.key
        raise cells_unbounded(unbounded.columns or (key.name,), key.expression.at) from None
    conditions = ["", *_conditions(core, asked)]
    sets = core.sets or (tuple(range(len(core.keys))),)
    found: list[Family] = []
    for one, most in zip(sets, cells, strict=True):
        number = most + 1 if one else most
        divided = _text(replace(core, keys=tuple(core.keys[index] for index in one), sets=(), measures=()), catalog)
        for condition in conditions:
            digest = hashlib.sha256(f"{number} {divided}\n{condition}".encode()).hexdigest()
            found.append(Family(digest, number))
    return tuple(found)


def _conditions(core: Aggregate, asked: Iterable[Asked]) -> list[str]:
    """The different conditions under which rows count, besides none: each as text."""
    name_of = _names(core)
    totals = {total for one in asked for total in _totals(one) if not total.is_rows}
    return sorted({" AND ".join(_parts(total, name_of)) for total in totals})


def _totals(asked: Asked) -> Iterator[Total]:
    yield from (total for _, total in asked.addends)
    if asked.count is not None:
        yield asked.count


def _parts(total: Total, name_of: Callable[[ColumnRef], str]) -> list[str]:
    """What a row must satisfy to add something: the conditions, and no factor of zero."""
    adds = (Call("<>", (factor, Literal(0, INTEGER)), BOOLEAN) for factor in total.summand.factors)
    parts: tuple[Expression, ...] = (*total.summand.conditions, *adds)
    return sorted(emit_expression(part, name_of) for part in parts)


def _text(core: Aggregate, catalog: Catalog) -> str:
    """What selects and divides the rows. The shape stands beside the SQL, since two trees may have the same."""

    def version_of(scan: Scan) -> str:
        return f"{scan.table} {catalog.tables[scan.table].data_version}"

    shape = " ".join(type(node).__name__ for node in walk(core))
    return f"{shape}\n{emit(_with_all_columns(core, catalog), version_of)}"


def _with_all_columns(relation: Relation, catalog: Catalog) -> Relation:
    """The tree with every column of its tables, so that it does not change with what else is asked."""
    match relation:
        case Scan():
            names = sorted(column.name for column in catalog.tables[relation.table].columns)
            return replace(relation, columns=tuple(names))
        case Join():
            left, right = (_with_all_columns(side, catalog) for side in inputs(relation))
            return replace(relation, left=left, right=right)
        case Union():
            left, right = (replace(side, input=_with_all_columns(side.input, catalog)) for side in _sides(relation))
            return replace(relation, left=left, right=right)
        case _:
            return replace(relation, input=_with_all_columns(relation.input, catalog))


def _sides(union: Union) -> tuple[Project, Project]:
    return union.left, union.right


def _names(core: Aggregate) -> Callable[[ColumnRef], str]:
    """What columns are called here: by the place of their relation in the tree, and by theirs in it."""
    names: dict[tuple[int, str], str] = {}
    for index, node in enumerate(walk(core)):
        match node:
            case Scan():
                names |= {(node.id, name): f"{index}.{name}" for name in node.columns}
            case Project():
                names |= {(node.id, one.name): f"{index}.{place}" for place, one in enumerate(node.columns)}
            case Union():
                names |= {(node.id, one.name): f"{index}.{place}" for place, one in enumerate(node.columns)}
            case Aggregate():
                made = node.keys + node.measures
                names |= {(node.id, one.name): f"{index}.{place}" for place, one in enumerate(made)}
            case _:
                continue
    return lambda ref: names[ref.relation, ref.name]
