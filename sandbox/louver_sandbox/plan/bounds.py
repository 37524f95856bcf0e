"""How much one subject can add to a sum, by what the catalogue declares: public numbers, whatever the rows are.

A declared bound is a judgement and not a promise (giants exceed it), and joins may give a subject more rows than its
own table has. So what is computed here decides how coarsely a sum is rounded, and never that it is safe: the releaser
withholds a sum whose largest contributions it does not hide.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from louver_sandbox.algebra.expressions import ColumnRef
from louver_sandbox.catalog.model import Table
from louver_sandbox.plan.measures import Total
from louver_sandbox.plan.provenance import ROWS, Provenance


def largest_declared(total: Total, tables: Mapping[int, Table], provenance: Provenance) -> int | None:
    """What one subject adds to a sum at most, in smallest units of the sum; None where nothing declared says so."""
    bound = Decimal(1)
    rows: dict[int, int] = {}
    for factor in total.summand.factors:
        of_one = _largest_value(factor, tables, provenance, rows)
        if of_one is None:
            return None
        bound *= of_one
    for times in rows.values():
        bound *= times
    return int(bound.scaleb(total.exact.scale).to_integral_value(ROUND_CEILING))


def _largest_value(
    factor: ColumnRef, tables: Mapping[int, Table], provenance: Provenance, rows: dict[int, int]
) -> Decimal | None:
    """The largest absolute value of a factor in one row; adds to `rows` how many a subject has of each table."""
    found: list[Decimal] = []
    for scan, name in provenance.columns(factor):
        table = tables.get(scan)
        declared = [unit.rows_per_unit for unit in table.units if unit.rows_per_unit is not None] if table else []
        if table is None or not declared:
            return None
        rows[scan] = min(declared)
        if name == ROWS:
            continue
        column = table.column(name)
        if column is None or column.bounds is None:
            return None
        found.append(max(map(abs, column.bounds)))
    return max(found, default=Decimal(1))
