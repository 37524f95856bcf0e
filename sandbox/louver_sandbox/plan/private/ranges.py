"""Between which numbers values lie, by what is declared: public, and enforced by clipping whatever the rows hold.

Unlike `plan.values`, which must never say too little, a range may be too narrow for what a row holds: a declared
bound of a value is a judgement, and what is beyond it counts as the bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, column_refs
from louver_sandbox.algebra.intervals import Bounds, bounds_of
from louver_sandbox.algebra.relations import Relation
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, Kind
from louver_sandbox.catalog.model import Catalog, Column
from louver_sandbox.plan.demands import ANYTHING, Demanded, demands, number
from louver_sandbox.plan.provenance import ROWS, BaseColumn
from louver_sandbox.plan.values import Values
from louver_sandbox.sql.quantiles import QUANTILES

_ONE_VALUE = frozenset({"min", "max", "avg", *QUANTILES})
"""Inner aggregates whose value lies between those that they are made of."""


@dataclass(frozen=True)
class Ranges:
    """The ranges of expressions over one relation. `rows` is how many rows a unit has in its tables."""

    relation: Relation
    catalog: Catalog
    rows: int | None = None

    @cached_property
    def values(self) -> Values:
        """The numbers of values of the same expressions."""
        return Values(self.relation, self.catalog)

    @cached_property
    def demanded(self) -> Mapping[BaseColumn, Demanded]:
        """What the question demands of stored columns."""
        return demands(self.relation, self.values.provenance)

    def resolved(self, expression: Expression) -> Expression:
        """The expression in columns of scans and inner aggregates, select lists between them worked in."""
        match expression:
            case ColumnRef():
                made = self._made(expression)
                return expression if made is None or isinstance(made, AggregateCall) else self.resolved(made)
            case Call():
                return replace(expression, arguments=tuple(self.resolved(part) for part in expression.arguments))
            case _:
                return expression

    def of(self, expression: Expression) -> Bounds | None:
        """The least and the largest value that counts as it is; None where nothing declared says so."""
        resolved = self.resolved(expression)
        if isinstance(resolved, AggregateCall):
            return None
        refs = set(column_refs(resolved))
        known = {(ref.relation, ref.name): self._of_column(ref) for ref in refs}
        return bounds_of(resolved, {at: bounds for at, bounds in known.items() if bounds is not None})

    def missing(self, expression: Expression) -> tuple[str, ...]:
        """The columns behind an expression that have no declared bounds, as `schema.table.column`."""
        found: set[str] = set()
        for scan, name in self.values.provenance.columns(expression):
            table = self.values.tables.get(scan)
            column = None if table is None or name == ROWS else table.column(name)
            if table is not None and column is not None and declared_range(column) is None and column.type != BOOLEAN:
                found.add(f"{table.name}.{name}")
        return tuple(sorted(found))

    def _made(self, ref: ColumnRef) -> Expression | None:
        provenance = self.values.provenance
        if ref.relation in self.values.tables or ref.relation in provenance.unions:
            return None
        return provenance.definition(ref) if ref.relation in provenance.derived else None

    def _of_column(self, ref: ColumnRef) -> Bounds | None:
        table = self.values.tables.get(ref.relation)
        if table is None:
            made = self._made(ref)
            return self._of_inner(made) if isinstance(made, AggregateCall) else None
        column = table.column(ref.name)
        if column is None or column.type.kind not in (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE):
            return None
        demand = self.demanded.get((ref.relation, ref.name), ANYTHING)
        declared = declared_range(column)
        low, high = number(demand.low), number(demand.high)
        if declared is not None:
            low = declared[0] if low is None else max(declared[0], low)
            high = declared[1] if high is None else min(declared[1], high)
        return None if low is None or high is None else (low, max(low, high))

    def _of_inner(self, call: AggregateCall) -> Bounds | None:
        """Of an aggregate over one unit's rows, of which there are at most `rows`."""
        if call.function in _ONE_VALUE:
            return self.of(call.arguments[0])
        if self.rows is None:
            return None
        if call.function == "count":
            return Fraction(0), Fraction(self.rows)
        inner = self.of(call.arguments[0]) if call.function == "sum" else None
        return (
            None
            if inner is None
            else (min(Fraction(0), inner[0] * self.rows), max(Fraction(0), inner[1] * self.rows))
        )


def declared_range(column: Column) -> Bounds | None:
    """The range of a number by its declared bounds, or by its list of values."""
    if column.bounds is not None:
        return Fraction(column.bounds[0]), Fraction(column.bounds[1])
    if column.type != INTEGER or not column.domain:
        return None
    try:
        listed = [int(text) for text in column.domain]
    except ValueError:
        return None
    return Fraction(min(listed)), Fraction(max(listed))
