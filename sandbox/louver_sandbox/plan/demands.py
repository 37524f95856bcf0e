"""What a question demands of stored columns: conditions that every row arriving at an aggregate satisfies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from louver_sandbox.algebra.expressions import Call, Expression, Literal, Value
from louver_sandbox.algebra.relations import Filter, Join, JoinKind, Relation, Scan, Union, inputs
from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.plan.provenance import BaseColumn, Provenance, conjuncts

_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Demanded:
    """One of `listed`, no less than `low` and no more than `high`; None leaves each of them open.

    Bounds count as included, which is never too narrow.
    """

    listed: frozenset[Value] | None = None
    low: Value = None
    high: Value = None

    def __and__(self, other: Demanded) -> Demanded:
        """Both together. Of two bounds on one side the first is kept, which is never too narrow either."""
        if self.listed is not None and other.listed is not None:
            listed: frozenset[Value] | None = self.listed & other.listed
        else:
            listed = other.listed if self.listed is None else self.listed
        low = other.low if self.low is None else self.low
        return Demanded(listed, low, other.high if self.high is None else self.high)

    def allows(self, text: str, type_: Type) -> bool:
        """Whether a value of a code list may stand there; True where that is not known."""
        try:
            value = _READ[type_.kind](text)
        except (KeyError, ValueError):
            return True
        if self.listed is not None and value not in self.listed:
            return False
        if isinstance(value, date):
            return _between(value, day(self.low), day(self.high))
        return not isinstance(value, int) or _between(Fraction(value), number(self.low), number(self.high))


ANYTHING = Demanded()

_READ: Mapping[Kind, Callable[[str], Value]] = {Kind.TEXT: str, Kind.INTEGER: int, Kind.DATE: date.fromisoformat}


_Ordered = TypeVar("_Ordered", date, Fraction)


def _between(value: _Ordered, low: _Ordered | None, high: _Ordered | None) -> bool:
    return (low is None or low <= value) and (high is None or value <= high)


def day(value: Value) -> date | None:
    """The day of a date or moment; None for anything else."""
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else None


def number(value: Value) -> Fraction | None:
    """A whole or decimal number exactly; None for anything else."""
    return Fraction(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else None


def demands(relation: Relation, provenance: Provenance) -> Mapping[BaseColumn, Demanded]:
    """What holds in every row that arrives, by stored column."""
    found: dict[BaseColumn, Demanded] = {}
    for part in _holding(relation):
        for column, demand in _demands(part, provenance):
            found[column] = found.get(column, ANYTHING) & demand
    return found


def _holding(relation: Relation) -> Iterator[Expression]:
    """What is true of every row that arrives; an outer join lets rows arrive for which its condition is not."""
    match relation:
        case Filter():
            yield from conjuncts(relation.predicate)
        case Join(kind=JoinKind.INNER):
            yield from conjuncts(relation.condition)
    for below in _kept(relation):
        yield from _holding(below)


def _kept(relation: Relation) -> tuple[Relation, ...]:
    """The inputs of which no row arrives that is not in them."""
    match relation:
        case Join(kind=JoinKind.INNER):
            return relation.left, relation.right
        case Join(kind=JoinKind.FULL) | Union() | Scan():
            return ()
        case Join():
            return (relation.left,)
        case _:
            return inputs(relation)


def _demands(part: Expression, provenance: Provenance) -> Iterator[tuple[BaseColumn, Demanded]]:
    """What one condition says of a stored column that it names as it is."""
    match part:
        case Call("in", (operand, *choices)) if all(isinstance(one, Literal) for one in choices):
            listed = {one.value for one in choices if isinstance(one, Literal)} - {None}
            found: Iterable[Demanded] = _listed(operand.type, listed)
        case Call(sign, (operand, Literal(value=value))) if sign in _MIRRORED:
            found = _compared(sign, operand.type, value)
        case Call(sign, (Literal(value=value), operand)) if sign in _MIRRORED:
            found = _compared(_MIRRORED[sign], operand.type, value)
        case _:
            return
    column = provenance.column(operand)
    if column is not None and column[0] in provenance.scans:
        yield from ((column, demand) for demand in found)


def _compared(sign: str, type_: Type, value: Value) -> Iterator[Demanded]:
    if value is None:
        return
    if sign == "=":
        yield from _listed(type_, {value})
        return
    same = day(value) if type_.kind in (Kind.DATE, Kind.TIMESTAMP) else number(value)
    if same is not None and type_.kind in (Kind.DATE, Kind.TIMESTAMP, Kind.INTEGER, Kind.DECIMAL):
        yield Demanded(low=value) if sign in (">", ">=") else Demanded(high=value)


def _listed(type_: Type, values: set[Value]) -> Iterator[Demanded]:
    """Equal values that are told apart when they are grouped are none of a list: doubles, and days as moments."""
    exact = type_.kind in (Kind.TEXT, Kind.INTEGER, Kind.DECIMAL, Kind.BOOLEAN)
    days = type_.kind is Kind.DATE and all(isinstance(one, date) and not isinstance(one, datetime) for one in values)
    if exact or days:
        yield Demanded(frozenset(values))
