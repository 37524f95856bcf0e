"""Rows that nobody protects must not weigh protected ones (PRIVACY 5.3).

A bank chooses how often a subject stands in its upload, and with it which public rows a subject meets. If such copies
multiplied protected rows, COUNT(*) would be a weighted sum whose weights the bank knows, and powers of two would
spell out who is in a cell, however large it is. So every own or public table must meet the rest of a protected query
with at most one row: by an equality on a column in which no value repeats, or on all keys of an inner GROUP BY over
own and public rows; one without keys has one row for everybody. The same rule keeps a join from exploding for some
subjects only. The rows of an inner aggregate over several subjects are known rows too.

SEMI and ANTI joins never multiply, so their right sides are free. The sides of a Union are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from louver.errors import Refused
from louver_sandbox.algebra.expressions import Call
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Relation,
    Scan,
    Union,
    inputs,
    scans,
    walk,
)
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.plan.provenance import BaseColumn, Provenance, conjuncts
from louver_sandbox.refusals.plan import repeated_rows


@dataclass(frozen=True, slots=True)
class _Known:
    """Rows that the requester knows: the ids whose columns they have, and sets of columns that no two rows share."""

    ids: frozenset[int]
    unique: list[frozenset[BaseColumn]] = field(default_factory=list)


def check_weights(
    relation: Relation,
    protected: Collection[int],
    guarded: Collection[int],
    catalog: Catalog,
    provenance: Provenance,
) -> None:
    """Accepts a protected core's input in which known rows cannot multiply. Raises `Refused` LVR-2309."""
    seen = tuple(_visible(relation, protected, guarded))
    for node in seen:
        if isinstance(node, Union):
            for side in (node.left, node.right):
                if any(scan.id in protected for scan in scans(side)):
                    check_weights(side, protected, guarded, catalog, provenance)
    waiting = [known for node in seen if (known := _known(node, protected, guarded, catalog, provenance))]
    equal = [pair for node in seen for pair in _equalities(node, provenance)]
    met = {scan.id for scan in scans(relation) if scan.id in protected}
    met -= {scan.id for node in seen if node_is(node, guarded) for scan in scans(node)}
    met |= {node.id for node in seen if isinstance(node, Union) and any(s.id in protected for s in scans(node))}
    while waiting:
        joined = [known for known in waiting if _meets(known, met, equal)]
        if not joined:
            raise _repeated(waiting[0], met, equal, relation)
        for known in joined:
            met |= known.ids
            waiting.remove(known)


def _repeated(
    known: _Known, met: Collection[int], equal: list[tuple[BaseColumn, frozenset[int]]], relation: Relation
) -> Refused:
    """The refusal, with the columns that the known rows meet by and those that would do."""
    fixed = {name for (scan, name), decided_by in equal if scan in known.ids and decided_by <= set(met) - known.ids}
    alone = {" and ".join(sorted(name for _, name in columns)) for columns in known.unique if columns}
    table = next(scan.table for scan in scans(relation) if scan.id in known.ids)
    return repeated_rows(str(table), sorted(fixed), sorted(alone))


def node_is(node: Relation, guarded: Collection[int]) -> bool:
    """Whether the node is an aggregate whose values are judged in the engine."""
    return isinstance(node, Aggregate) and node.id in guarded


def _is_of_known_rows(node: Relation, protected: Collection[int]) -> bool:
    return isinstance(node, Aggregate) and not any(scan.id in protected for scan in scans(node))


def _visible(relation: Relation, protected: Collection[int], guarded: Collection[int]) -> Iterator[Relation]:
    """The nodes whose rows can multiply others: not what stands in a SEMI or ANTI join, a Union or known groups."""
    waiting = [relation]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Join) and node.kind in (JoinKind.SEMI, JoinKind.ANTI):
            waiting.append(node.left)
        elif not isinstance(node, Union) and not node_is(node, guarded) and not _is_of_known_rows(node, protected):
            waiting.extend(reversed(inputs(node)))


def _known(
    node: Relation,
    protected: Collection[int],
    guarded: Collection[int],
    catalog: Catalog,
    provenance: Provenance,
) -> _Known | None:
    match node:
        case Scan() if node.id not in protected:
            return _Known(frozenset({node.id}), _unique(node, catalog))
        case Union() if not any(scan.id in protected for scan in scans(node)):
            return _Known(frozenset({node.id, *(scan.id for scan in scans(node))}))
        case Aggregate() if node_is(node, guarded) or _is_of_known_rows(node, protected):
            keys = [provenance.column(key.expression) for key in node.keys]
            known = frozenset(key for key in keys if key is not None)
            below = scans(node)
            unique = [known] if len(known) == len(keys) and not node.sets else []
            if len(below) == 1 and _is_of_known_rows(node, protected):
                unique += [columns for columns in _unique(below[0], catalog) if columns <= known]
            return _Known(
                frozenset(relation.id for relation in walk(node) if isinstance(relation, Scan | Union)), unique
            )
        case _:
            return None


def _unique(scan: Scan, catalog: Catalog) -> list[frozenset[BaseColumn]]:
    """The columns in which no value of the table repeats."""
    table = catalog.tables[scan.table]
    names = [column.name for column in table.columns if column.unique]
    names += [unit.column for unit in table.units if unit.rows_per_unit == 1 and unit.when is None and not unit.via]
    return [frozenset({(scan.id, name)}) for name in names]


def _meets(known: _Known, met: Collection[int], equal: list[tuple[BaseColumn, frozenset[int]]]) -> bool:
    """Whether there is at most one of these rows for each row of those already met."""
    fixed = {column for column, decided_by in equal if decided_by <= set(met) - known.ids}
    return any(columns <= fixed for columns in known.unique)


def _equalities(node: Relation, provenance: Provenance) -> Iterator[tuple[BaseColumn, frozenset[int]]]:
    """Columns that equal something wherever rows meet, and the scans that decide it; a LEFT JOIN says so too."""
    match node:
        case Join(condition=condition) if node.kind is not JoinKind.ANTI:
            pass
        case Filter(predicate=condition):
            pass
        case _:
            return
    for part in conjuncts(condition):
        if isinstance(part, Call) and part.function == "=":
            for mine, other in (part.arguments, part.arguments[::-1]):
                column = provenance.column(mine)
                plain = provenance.column(other)
                if column is not None:
                    yield column, frozenset(scan for scan, _ in ([plain] if plain else provenance.columns(other)))
