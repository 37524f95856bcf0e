"""The columns of a core's input: what they compute, whether they may be null, and what a null of them says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, walk
from louver_sandbox.algebra.types import Kind
from louver_sandbox.catalog.model import Table
from louver_sandbox.plan.conditions import present_value
from louver_sandbox.plan.polynomials import never_null, resolved
from louver_sandbox.plan.provenance import Provenance
from louver_sandbox.sql.functions import RULES

_OF_ANY_VALUE = frozenset({"sum", "avg", "min", "max"})
"""Aggregates that are NULL only where there is no value at all."""

_AS_THERE_AS_ITS_COLUMNS = frozenset({"coalesce", "not", "=", "<>", "<", "<=", ">", ">="})
"""Functions of which a value or NULL comes out by which of their arguments are NULL, whatever the others are."""

LARGEST_PLACED = 10**9
"""No constant up to this, in the place of a missing value, makes a sum overflow that its stored values do not."""


@dataclass(frozen=True, slots=True)
class RowColumns:
    """The columns of a core's input as polynomials see them.

    Rows of `extended` may be missing, and values of the inner aggregates in `guarded` are NULL where they are unsafe.
    """

    tables: Mapping[int, Table]
    provenance: Provenance
    extended: frozenset[int]
    guarded: frozenset[int]

    def definition(self, ref: ColumnRef) -> Expression | None:
        """What a select list below computes under this name; None at scans, unions and inner aggregates.

        Where rows may be missing only what is NULL without its columns is seen above as it was computed: a constant
        of such a row is NULL too.
        """
        known = self.provenance
        if ref.relation in known.scans or ref.relation in known.below or ref.relation in known.unions:
            return None
        made = known.definition(ref)
        return None if ref.relation in self.extended and not _is_strict(made) else made

    def never_null(self, ref: ColumnRef) -> bool:
        """Whether every row has a value, as the catalogue declares and no join undoes; a number of rows always is."""
        if ref.relation in self.extended:
            return False
        if ref.relation in self.provenance.unions:
            return all(never_null(side, self) for side in self._sides(ref))
        made = self.of_one_unit(ref)
        table = self.tables.get(ref.relation)
        column = None if table is None else table.column(ref.name)
        return (isinstance(made, AggregateCall) and made.function == "count") or (
            column is not None and not column.nullable
        )

    def of_one_unit(self, ref: ColumnRef) -> Expression | None:
        """What an inner aggregate whose rows are of single units computes under this name."""
        within = ref.relation in self.provenance.below and ref.relation not in self.guarded
        return self.provenance.definition(ref) if within else None

    def _sides(self, ref: ColumnRef) -> tuple[Expression, ...]:
        """What a union's column is on each side, in stored columns."""
        return tuple(resolved(side, self) for side in self.provenance.sides(ref))

    def asks_for_values(self, condition: Expression) -> bool:
        """Whether a condition asks for nothing but that stored columns have a value, and no join for a partner."""
        value = present_value(condition)
        return value is not None and self._is_there(value)

    def _is_added_up(self, value: Expression) -> bool:
        """Whether sums of it are there wherever a stored column is: of columns, or constants in their place."""
        match value:
            case ColumnRef():
                return self._is_there(value)
            case Call(function="coalesce"):
                return all(map(self._is_added_up, value.arguments))
            case Literal():
                constant = value.value
                return isinstance(constant, int | Decimal) and -LARGEST_PLACED <= constant <= LARGEST_PLACED
            case _:
                return False

    def _is_there(self, value: Expression) -> bool:
        """Whether that the expression has a value means only that stored columns have one, or nothing at all."""
        if never_null(value, self):
            return True
        match value:
            case ColumnRef() if value.relation in self.extended:
                return False
            case ColumnRef() if value.relation in self.tables:
                return True
            case ColumnRef() if value.relation in self.provenance.unions:
                return all(map(self._is_there, self._sides(value)))
            case ColumnRef():
                made = self.of_one_unit(value) or self.definition(value)
                return made is not None and self._is_there(made)
            case AggregateCall() if value.function in _OF_ANY_VALUE and value.where is None:
                return all(map(self._is_added_up, value.arguments))
            case Call() if value.function in _AS_THERE_AS_ITS_COLUMNS:
                return all(map(self._is_there, value.arguments))
            case _:
                # Arithmetic is also missing where it overflows, at a number that whoever asks has chosen.
                return False

    def decimals(self, ref: ColumnRef) -> int:
        """Digits after the point that count: those of the type, a double's as the catalogue says."""
        if ref.type.kind is not Kind.DOUBLE:
            return ref.type.scale
        bases = ((self.tables[scan].column(name)) for scan, name in self.provenance.columns(ref))
        return max((base.decimals for base in bases if base and base.type.kind is Kind.DOUBLE), default=6)


def _is_strict(expression: Expression) -> bool:
    """Whether an expression is NULL wherever a column in it is, and has a column."""
    parts = list(walk(expression))
    return any(isinstance(part, ColumnRef) for part in parts) and all(
        RULES[part.function].strict if isinstance(part, Call) else isinstance(part, (ColumnRef, Literal))
        for part in parts
    )
