"""Which rows each protected core selects, in the canonical form that the history of questions keeps and compares.

Aliases, the order of conditions, and the ways to write one with comparisons, lists, BETWEEN, AND, OR and NOT are
gone: `NOT (x < 20 OR x > 40)` is `x BETWEEN 20 AND 40`. A constant added to a compared expression is brought to the
other side. What remains of any other condition is its text. A comparison holds of no NULL, and neither does its
opposite, the reverse comparison; that one does not hold (`coalesce(x = 1, FALSE)`, IS DISTINCT FROM) allows NULL too,
where there may be one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from math import ceil, floor

from louver_sandbox.algebra.cores import Core
from louver_sandbox.algebra.cores import Cut as Parts
from louver_sandbox.algebra.expressions import Call, ColumnRef, Expression, Literal
from louver_sandbox.algebra.regions import ANY_VALUE, HOLDS, NO_VALUE, Constant, Cut, Region, either
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Limit,
    Relation,
    Scan,
    Union,
    scans,
    walk,
)
from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.catalog.model import Catalog, SpaceKind, Table
from louver_sandbox.plan.charges import aggregate_conditions
from louver_sandbox.plan.emit import emit_expression, quote
from louver_sandbox.plan.isolating import reasons
from louver_sandbox.plan.provenance import Provenance, trace
from louver_sandbox.selections import Condition, Selected, Selection, conjoined, digest_of
from louver_sandbox.stages import Admitted

Conjunction = tuple[Condition, ...]

_NOTHING = Condition("nothing", (), Region(False))
"""What no row satisfies."""

_OF_ROWS = (JoinKind.INNER, JoinKind.SEMI, JoinKind.ANTI)
"""Joins that add no row without values."""

_NULL_OF_NULL = frozenset({"=", "<>", "<", "<=", ">", ">=", "in", "and", "or", "not"})
"""What has a value wherever all that it is computed from has."""

_FEW = 4
"""Up to so many conditions every part of a selection is negated; of more, single ones and all of them together."""


def selections(admitted: Admitted, parts: Parts) -> tuple[Selection, ...]:
    """Each way in which a protected core selects rows: its base rows, and those of each FILTER and CASE among them.

    Selections that no row can satisfy are left out. An `exact` question has none, nor has one about one subject.
    """
    if admitted.treatment.of_rows:
        return ()
    protected = [core for core in parts.cores if core.protected]
    return tuple(one for place, core in enumerate(protected) for one in _of_core(core, place, admitted))


def _of_core(core: Core, place: int, admitted: Admitted) -> Iterator[Selection]:
    relation, catalog = core.relation, admitted.bound.catalog
    if not isinstance(relation, Aggregate):
        raise TypeError("a protected core is an aggregate")
    reader = Reading.of(relation, catalog)
    found = {scan.table for scan in scans(relation) if scan.id in admitted.protected}
    datasets = tuple(Selected(str(name), catalog.tables[name].data_version) for name in sorted(found, key=str))
    keys = tuple(sorted(reader.text(key.expression) for key in relation.keys))
    base = reader.rows(relation.input)
    inside = {reader.read(condition, holds=True) for condition in aggregate_conditions(relation)}
    for more in ((), *sorted(inside, key=repr)):
        conditions = conjoined((*base, *more))
        if any(item.region.empty for item in conditions):
            continue
        isolating = reasons(conditions, found, catalog)
        yield Selection(datasets, conditions, keys, place, tuple(reader.opposites(conditions)), isolating)


@dataclass(frozen=True)
class Reading:
    """Reads the conditions of one tree. `choices` remembers what each OR over several operands is made of."""

    labels: dict[int, str]
    names: dict[int, str]
    provenance: Provenance
    catalog: Catalog
    tables: dict[int, Table]
    outer: frozenset[int]
    choices: dict[str, tuple[Conjunction, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, relation: Relation, catalog: Catalog) -> Reading:
        labels: dict[int, str] = {}
        seen: dict[str, int] = {}
        for scan in scans(relation):
            name = str(scan.table)
            seen[name] = seen.get(name, 0) + 1
            labels[scan.id] = quote(name) if seen[name] == 1 else quote(f"{name}#{seen[name]}")
        names = {scan.id: str(scan.table) for scan in scans(relation)}
        tables = {scan.id: catalog.tables[scan.table] for scan in scans(relation)}
        joins = [node for node in walk(relation) if isinstance(node, Join) and node.kind not in _OF_ROWS]
        outer = frozenset(scan.id for node in joins for scan in scans(node))
        return cls(labels, names, trace(relation), catalog, tables, outer)

    def text(self, expression: Expression) -> str:
        """The canonical text of an expression over base columns."""
        return emit_expression(expression, self._name)

    def _name(self, ref: ColumnRef) -> str:
        if ref.relation in self.labels:
            return f"{self.labels[ref.relation]}.{quote(ref.name)}"
        if ref.relation in self.provenance.unions:
            return " UNION ALL ".join(self.text(side) for side in self.provenance.sides(ref))
        return self.text(self.provenance.definition(ref))

    def _columns(self, expressions: Iterable[Expression]) -> tuple[str, ...]:
        base = frozenset(column for one in expressions for column in self.provenance.columns(one))
        return tuple(sorted({f"{self.names[scan]}.{name}" for scan, name in base}))

    # relations

    def rows(self, relation: Relation) -> Conjunction:
        """What the rows of a relation satisfy."""
        match relation:
            case Scan():
                return self._own(relation)
            case Filter():
                return conjoined((*self.rows(relation.input), *self.read(relation.predicate, holds=True)))
            case Join(kind=JoinKind.INNER):
                both = (*self.rows(relation.left), *self.rows(relation.right))
                return conjoined((*both, *self.read(relation.condition, holds=True)))
            case Join():
                return conjoined((*self.rows(relation.left), self._partner(relation)))
            case Union():
                sides = (self.rows(relation.left), self.rows(relation.right))
                return (self._named(f"union({' + '.join(map(_text_of, sides))})", *sides),)
            case Limit():
                below = self.rows(relation.input)
                return (self._named(f"limit({relation.count}, {relation.offset}, {_text_of(below)})", below),)
            case _:
                return self.rows(relation.input)

    def _own(self, scan: Scan) -> Conjunction:
        """An own table selects by its rows: another upload is another selection over the same columns."""
        table = self.catalog.tables[scan.table]
        if table.space is not SpaceKind.INSTITUTION:
            return ()
        return (Condition(f"rows of {self.labels[scan.id]} {table.data_version}", (str(scan.table),), HOLDS),)

    def _partner(self, join: Join) -> Condition:
        """That a row has a partner (or none): one condition, whatever the partner must satisfy."""
        other = self.rows(join.right)
        meets = self.read(join.condition, holds=True)
        tables = ", ".join(sorted(self.labels[scan.id] for scan in scans(join.right)))
        kind = "partner" if join.kind in (JoinKind.SEMI, JoinKind.ANTI) else join.kind.value
        grouped = "".join(f" by {keys}" for keys in self._grouped(join.right))
        named = self._named(f"{kind}({tables}: {_text_of(conjoined((*other, *meets)))}{grouped})", other, meets)
        return replace(named, region=named.region.opposite) if join.kind is JoinKind.ANTI else named

    def _grouped(self, relation: Relation) -> Iterator[str]:
        """The keys of what is computed inside: the highest of each seventh is another than of each eleventh."""
        for node in walk(relation):
            if isinstance(node, Aggregate) and node.measures and node.keys:
                yield ", ".join(sorted(self.text(key.expression) for key in node.keys))

    def _named(self, operand: str, *of: Conjunction) -> Condition:
        columns = {column for conditions in of for item in conditions for column in item.columns}
        return Condition(operand, tuple(sorted(columns)), HOLDS)

    # conditions

    def read(self, expression: Expression, *, holds: bool) -> Conjunction:
        """What must be for a condition to hold (or to fail)."""
        match expression:
            case Literal(value=bool() as value):
                return () if value is holds else (_NOTHING,)
            case Call(function="not", arguments=(inner,)):
                return self.read(inner, holds=not holds)
            case Call(function="coalesce", arguments=(inner, Literal(value=False))):
                return self.read(inner, holds=True) if holds else self._not_true(expression, inner)
            case Call(function="and" | "or", arguments=arguments):
                read = tuple(self.read(argument, holds=holds) for argument in arguments)
                if (expression.function == "and") is holds:
                    return conjoined(item for conditions in read for item in conditions)
                return self._any(read)
            case _:
                return (self._single(expression, holds=holds),)

    def _not_true(self, expression: Expression, inner: Expression) -> Conjunction:
        """That a condition is false or NULL."""
        if not self._may_be_null(inner):
            return self.read(inner, holds=False)
        found = self.read(inner, holds=True)
        if len(found) != 1 or found[0].operand in self.choices:
            return (self._single(expression, holds=False),)
        region = found[0].region
        return (replace(found[0], region=Region(not region.inside, region.cuts, not region.null)),)

    def _may_be_null(self, expression: Expression) -> bool:
        """Whether there may be no value, as far as the catalogue and outer joins tell."""
        match expression:
            case Literal(value=value):
                return value is None
            case ColumnRef() if expression.relation in self.tables:
                column = self.tables[expression.relation].column(expression.name)
                return expression.relation in self.outer or column is None or column.nullable
            case ColumnRef() if expression.relation not in self.provenance.unions:
                return self._may_be_null(self.provenance.definition(expression))
            case Call(function=function, arguments=arguments) if function in _NULL_OF_NULL:
                return any(map(self._may_be_null, arguments))
            case _:
                return True

    def _any(self, several: Iterable[Conjunction]) -> Conjunction:
        """That one of several conjunctions holds; those over one and the same operand are one region. One that cannot
        hold is none of them."""
        single: dict[str, list[Condition]] = {}
        others: dict[str, Conjunction] = {}
        possible = [conditions for conditions in several if not any(item.region.empty for item in conditions)]
        if not possible:
            return (_NOTHING,)
        for conditions in possible:
            if not conditions:
                return ()
            if len(conditions) > 1:
                others[_text_of(conditions)] = conditions
                continue
            single.setdefault(conditions[0].operand, []).append(conditions[0])
        for same in single.values():
            one = replace(same[0], region=either(*(item.region for item in same)))
            others[_text_of((one,))] = conjoined((one,))
        if not all(others.values()):
            return ()
        if len(others) == 1:
            return next(iter(others.values()))
        parts = tuple(others[text] for text in sorted(others))
        operand = f"any({' | '.join(sorted(others))})"
        self.choices[operand] = parts
        return (self._named(operand, *parts),)

    def _single(self, expression: Expression, *, holds: bool) -> Condition:
        found = self._compared(expression)
        if found is None:
            operand, region = self._by_text(expression)
        else:
            compared, region = found
            operand = f"{self.text(compared)} {compared.type}"
            expression = compared
        return Condition(operand, self._columns((expression,)), region if holds else region.opposite)

    def _compared(self, expression: Expression) -> tuple[Expression, Region] | None:
        """The operand of a comparison with constants and what it may be."""
        match expression:
            case Call(function="is_null", arguments=(operand,)):
                return operand, NO_VALUE
            case Call(function="in", arguments=(operand, *listed)):
                values = [item for item in listed if isinstance(item, Literal)]
                return _listed(operand, values) if len(values) == len(listed) else None
            case Call(function="is_distinct", arguments=(operand, Literal() as literal)):
                found = _against("=", operand, literal)
                return found and (found[0], replace(found[1].opposite, null=self._may_be_null(operand)))
            case Call(function=function, arguments=(Literal() as literal, operand)) if function in _MIRRORED:
                return _against(_MIRRORED[function], operand, literal)
            case Call(function=function, arguments=(operand, Literal() as literal)) if function in _MIRRORED:
                return _against(function, operand, literal)
            case _:
                return None

    def _by_text(self, expression: Expression) -> tuple[str, Region]:
        """A condition of which only the text is known, comparisons of two expressions turned one way round."""
        match expression:
            case Call(function="=" | "<>" as function, arguments=(left, right)):
                sides = " = ".join(sorted((self.text(left), self.text(right))))
                return sides, HOLDS if function == "=" else HOLDS.opposite
            case Call(function="<" | ">=" | ">" | "<=" as function, arguments=(left, right)):
                lower, upper = (left, right) if function in ("<", ">=") else (right, left)
                return f"{self.text(lower)} < {self.text(upper)}", HOLDS if function in ("<", ">") else HOLDS.opposite
            case _:
                return self.text(expression), HOLDS

    # opposites

    def opposites(self, conditions: Conjunction) -> Iterator[str]:
        """The digests of the selections that some of the conditions, negated together, would make of this one.

        "Has a value" may be said by comparisons (`x = 1 OR x <> 1`), whose negation allows nothing: it drops out.
        """
        sizes = range(1, len(conditions) + 1) if len(conditions) <= _FEW else (1, len(conditions))
        for size in sizes if conditions else ():
            for negated in combinations(conditions, size):
                rest = [item for item in conditions if item not in negated]
                compared = tuple(item for item in negated if item.region != ANY_VALUE)
                for turned_round in dict.fromkeys((negated, compared)):
                    turned = self._any(self._negated(item) for item in turned_round)
                    if turned and turned != (_NOTHING,):
                        yield digest_of(conjoined((*rest, *turned)))

    def _negated(self, condition: Condition) -> Conjunction:
        parts = self.choices.get(condition.operand)
        if parts is None:
            return (replace(condition, region=condition.region.opposite),)
        return conjoined(item for part in parts for item in self._any(map(self._negated, part)))


_MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _text_of(conditions: Conjunction) -> str:
    """A conjunction as a text, the same for the same."""
    said = (
        f"{item.operand} {item.region.inside} {item.region.cuts} {item.region.null}" for item in conjoined(conditions)
    )
    return f"[{'; '.join(said)}]"


def _listed(operand: Expression, listed: Iterable[Literal]) -> tuple[Expression, Region] | None:
    found = [_against("=", operand, item) for item in listed]
    known = [item for item in found if item is not None]
    if not found or len(known) < len(found):
        return None
    return known[0][0], either(*(region for _, region in known))


def _against(function: str, operand: Expression, literal: Literal) -> tuple[Expression, Region] | None:
    """A comparison with a constant, or None where the constant is not of the operand's class."""
    if isinstance(operand, Literal):
        return None
    value = literal.value
    while (shifted := _shifted(operand, value)) is not None:
        operand, value = shifted
    if isinstance(value, bool) and operand.type.kind is Kind.BOOLEAN and function in ("=", "<>"):
        truth = HOLDS if value else HOLDS.opposite
        return operand, truth if function == "=" else truth.opposite
    constant = _constant(value, operand.type)
    if constant is None:
        return None
    below, beyond = _before(constant, operand.type), _after(constant, operand.type)
    match function:
        case "=" | "<>":
            region = Region(False, (below, beyond) if below != beyond else ())
            return operand, region if function == "=" else Region(True, region.cuts)
        case "<" | ">=":
            return operand, Region(function == "<", (below,))
        case _:
            return operand, Region(function == "<=", (beyond,))


def _shifted(operand: Expression, value: object) -> tuple[Expression, int | Decimal] | None:
    """`x + 1` against 41 is `x` against 40."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    match operand:
        case Call(function="+", arguments=(inner, Literal(value=int() | Decimal() as more))) if _is_number(inner):
            return inner, value - more
        case Call(function="+", arguments=(Literal(value=int() | Decimal() as more), inner)) if _is_number(inner):
            return inner, value - more
        case Call(function="-", arguments=(inner, Literal(value=int() | Decimal() as less))) if _is_number(inner):
            return inner, value + less
        case _:
            return None


def _is_number(expression: Expression) -> bool:
    return expression.type.kind in (Kind.INTEGER, Kind.DECIMAL)


def _constant(value: object, type_: Type) -> Constant:
    """The constant as the operand's class has it; None for another class. A float becomes the decimal it is."""
    match type_.kind, value:
        case _, bool():
            return None
        case Kind.INTEGER | Kind.DECIMAL | Kind.DOUBLE, int() | Decimal():
            return Decimal(value)
        case Kind.DOUBLE, float():
            return Decimal(value) if value - value == 0 else None
        case Kind.TEXT, str():
            return value
        case Kind.TIMESTAMP, datetime():
            return value.replace(tzinfo=None)
        case Kind.TIMESTAMP, date():
            return datetime(value.year, value.month, value.day)
        case Kind.DATE, date() if not isinstance(value, datetime):
            return value
        case _:
            return None


def _before(value: Constant, type_: Type) -> Cut:
    """The place just before a constant; where the type has a smallest step, before the first value not below it."""
    if not isinstance(value, Decimal):
        return value, False
    digits = _digits(type_)
    return (value.normalize(), False) if digits is None else (_whole(ceil(_steps(value, digits)), type_), False)


def _after(value: Constant, type_: Type) -> Cut:
    """The place just after a constant; where the type has a smallest step, before the next value."""
    match value:
        case Decimal():
            digits = _digits(type_)
            if digits is None:
                return value.normalize(), True
            return _whole(floor(_steps(value, digits)) + 1, type_), False
        case datetime():
            return value, True
        case date() if value < date.max:
            return date.fromordinal(value.toordinal() + 1), False
        case _:
            return value, True


def _digits(type_: Type) -> int | None:
    """Digits after the point of the type's smallest step; None where it has none."""
    return type_.scale if type_.kind in (Kind.INTEGER, Kind.DECIMAL) else None


def _steps(value: Decimal, digits: int) -> Fraction:
    return Fraction(value) * int(10**digits)


def _whole(steps: int, type_: Type) -> Constant:
    """The value of so many steps, exact however long it is."""
    if type_.kind is Kind.INTEGER:
        return steps
    return Decimal((int(steps < 0), tuple(map(int, str(abs(steps)))), -type_.scale))
