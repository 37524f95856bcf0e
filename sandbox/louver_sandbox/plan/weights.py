"""Rows that nobody protects must not weigh protected ones (PRIVACY 5.3).

A bank chooses how often a subject stands in its upload, and with it which public rows a subject meets. If such copies
multiplied protected rows, COUNT(*) would be a weighted sum whose weights the bank knows, and powers of two would
spell out who is in a cell, however large it is. So every own or public table must meet the rest of a protected query
with at most one row: by an equality on a column in which no value repeats, or below an inner GROUP BY whose only key
is that column. The same rule keeps a join from exploding for some subjects only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from louver_sandbox.algebra.relations import Aggregate, Filter, Join, Relation, Scan, scans, walk
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.plan.provenance import BaseColumn, Provenance, equated
from louver_sandbox.refusals.plan import rows_as_weights


def check_weights(relation: Relation, protected: Collection[int], catalog: Catalog, provenance: Provenance) -> None:
    """Accepts a protected core's input in which unprotected rows cannot multiply. Raises `Refused` LVR-2309."""
    waiting = {scan.id: scan for scan in scans(relation) if scan.id not in protected}
    unique = set(_unique_columns(relation, dict(waiting), catalog, provenance))
    equal = list(_equalities(relation, provenance))
    met = set(protected)
    while waiting:
        joined = [scan for scan in waiting if _meets(scan, met, unique, equal)]
        if not joined:
            raise rows_as_weights(str(next(iter(waiting.values())).table))
        for scan in joined:
            met.add(scan)
            del waiting[scan]


def _meets(scan: int, met: set[int], unique: set[BaseColumn], equal: list[tuple[BaseColumn, BaseColumn]]) -> bool:
    """Whether the scan has at most one row for each row of those already met."""
    return any(
        mine in unique and mine[0] == scan and other[0] in met for pair in equal for mine, other in (pair, pair[::-1])
    )


def _equalities(relation: Relation, provenance: Provenance) -> Iterator[tuple[BaseColumn, BaseColumn]]:
    """Pairs of columns that are equal wherever rows of both sides meet; a LEFT JOIN's condition says so too."""
    for node in walk(relation):
        match node:
            case Join():
                yield from equated(node.condition, provenance)
            case Filter():
                yield from equated(node.predicate, provenance)
            case _:
                continue


def _unique_columns(
    relation: Relation, unprotected: dict[int, Scan], catalog: Catalog, provenance: Provenance
) -> Iterator[BaseColumn]:
    """Unprotected columns whose values do not repeat where the core sees them."""
    for scan in unprotected.values():
        table = catalog.tables[scan.table]
        yield from ((scan.id, column.name) for column in table.columns if column.unique)
        for unit in table.units:
            if unit.rows_per_unit == 1 and unit.when is None and not unit.via:
                yield scan.id, unit.column
    for node in walk(relation):
        if isinstance(node, Aggregate) and len(node.keys) == 1 and len(scans(node)) == 1:
            key = provenance.column(node.keys[0].expression)
            if key is not None and key[0] in unprotected:
                yield key
