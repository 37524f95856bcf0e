"""An inner aggregate over several subjects as a table of judged cells.

`WHERE x > (SELECT avg(x) ...)` compares rows of one subject with a number that many have made. Such a number is used
as if it had been released: the engine itself judges it, by the rules of PRIVACY 5.1 to 5.3, and it is NULL where it
breaks one. A group with too few subjects has no row. The rewriting is in our own algebra: contributions per group and
subject, then per group, then a CASE per value.

The engine keeps the largest contribution but not the second largest, so dominance of two and (p,q) take that to be as
large as the largest: stricter rules than the releaser's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, Named
from louver_sandbox.algebra.relations import Aggregate, Filter, Project, Relation, scans
from louver_sandbox.algebra.types import BOOLEAN, DOUBLE, INTEGER, Kind, Type, decimal
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.plan.columns import RowColumns
from louver_sandbox.plan.conditions import all_of, conjunction
from louver_sandbox.plan.measures import Asked, Reader, Total
from louver_sandbox.plan.overlaps import Guards, guards, judged
from louver_sandbox.plan.provenance import Provenance
from louver_sandbox.plan.synthetic import Purpose, synthetic
from louver_sandbox.plan.terms import Term, Terms, terms_of, with_columns
from louver_sandbox.plan.units import UnitGroup, null_extended
from louver_sandbox.refusals.plan import aggregate_not_protected
from louver_sandbox.sql.functions import RULES

_Ref = Callable[[str], ColumnRef]
"""A column of the partial sums by its name."""

_MOST_DIGITS = 12
"""A constant with more digits after the point is written as a quotient."""


def guarded_cells(
    aggregate: Aggregate,
    base: Relation,
    groups: tuple[UnitGroup, ...],
    catalog: Catalog,
    provenance: Provenance,
    rules: ThresholdRules,
    protected: frozenset[int],
    guarded: frozenset[int],
) -> Project:
    """The aggregate with its own id and columns, over `base`, each value NULL unless it may be known.

    `base` is its input with record keys, `groups` the unit groups there; `protected` are the query's protected scans
    and `guarded` the aggregates below that are judged in the engine already.

    Raises:
        Refused: LVR-2302, LVR-2303, LVR-2306, LVR-2310 or LVR-2311, as for an answer.
    """
    tables = {scan.id: catalog.tables[scan.table] for scan in scans(aggregate.input)}
    columns = RowColumns(tables, provenance, null_extended(aggregate.input), guarded)
    reader = Reader(aggregate, columns, groups, protected, guarded)
    asked = tuple(reader.asked(named) for named in aggregate.measures)
    for one in asked:
        if one.kind not in ("count", "sum", "average", "units"):
            raise aggregate_not_protected(one.kind.upper(), one.at)
    needed = guards(asked, reader)
    source, terms = with_columns(base, terms_of(asked, needed, reader))
    return _Cells(aggregate, groups, terms, rules).made(source, asked, needed)


@dataclass(frozen=True, slots=True)
class _Cells:
    """Writes the tree for one aggregate."""

    aggregate: Aggregate
    groups: tuple[UnitGroup, ...]
    terms: Terms
    rules: ThresholdRules

    def made(self, source: Relation, asked: Sequence[Asked], needed: Guards) -> Project:
        """Partial sums, cells, and what may be known of each."""
        cell: Relation = self._cell(self._partial(source))
        enough = self._reach([f"u{i}" for i, _ in enumerate(self.groups)])
        if self.aggregate.keys:
            cell = Filter(cell, enough)
        shown = [Named(key.name, self._of(f"k{i}", key.expression.type)) for i, key in enumerate(self.aggregate.keys)]
        for one in asked:
            value = self._value(one)
            tests = dict.fromkeys(
                test for total, optional in _judged(one, needed) for test in self._tests(total, optional=optional)
            )
            condition = all_of(conjunction((enough, *tests)))
            shown.append(Named(one.name, Call("case", (condition, value, Literal(None, value.type)), value.type)))
        return Project(self.aggregate.id, cell, tuple(shown))

    # The tree.

    def _partial(self, source: Relation) -> Aggregate:
        """One row per group and subject; with several unit groups, one grouping set for each of them."""
        keys = [Named(f"k{i}", key.expression) for i, key in enumerate(self.aggregate.keys)]
        units = [Named(f"u{i}", group.key) for i, group in enumerate(self.groups)]
        measures = [Named("n", AggregateCall("count", (), INTEGER))]
        for number, term in enumerate(self.terms.values()):
            argument = _wide(term)
            measures.append(Named(f"n{number}", AggregateCall("count", (argument,), INTEGER)))
            if term.summed:
                measures.append(Named(f"s{number}", AggregateCall("sum", (argument,), argument.type)))
        id_ = synthetic(self.aggregate.id, Purpose.PARTIAL)
        if len(units) == 1:
            return Aggregate(id_, source, (*keys, *units), tuple(measures))
        missing = all_of(conjunction(Call("is_null", (group.key,), BOOLEAN) for group in self.groups))
        count = len(keys)
        measures += [
            Named(f"g{i}", AggregateCall("grouping", (unit.expression,), INTEGER)) for i, unit in enumerate(units)
        ]
        sets = tuple((*range(count + 1), count + 1 + i) for i, _ in enumerate(units))
        return Aggregate(id_, source, (*keys, Named("o", missing), *units), tuple(measures), sets)

    def _cell(self, partial: Aggregate) -> Aggregate:
        def ref(name: str) -> ColumnRef:
            named = next(named for named in partial.keys + partial.measures if named.name == name)
            return ColumnRef(partial.id, name, named.expression.type)

        keys = tuple(Named(f"k{i}", ref(f"k{i}")) for i, _ in enumerate(self.aggregate.keys))
        first = self._in_set(ref, 0)
        measures = [Named("n", AggregateCall("sum", (ref("n"),), INTEGER, where=first))]
        for index, _ in enumerate(self.groups):
            here, unit = self._in_set(ref, index), ref(f"u{index}")
            measures.append(Named(f"u{index}", AggregateCall("count", (unit,), INTEGER, where=here)))
        for number, term in enumerate(self.terms.values()):
            measures.append(Named(f"n{number}", AggregateCall("sum", (ref(f"n{number}"),), INTEGER, where=first)))
            given = ref(f"s{number}" if term.summed else f"n{number}")
            if term.summed:
                measures.append(Named(f"s{number}", AggregateCall("sum", (given,), given.type, where=first)))
            for index, _ in enumerate(self.groups):
                measures += self._contributions(ref, number, index, given, ranked=term.summed)
        return Aggregate(synthetic(self.aggregate.id, Purpose.CELL), partial, keys, tuple(measures))

    def _in_set(self, ref: _Ref, index: int) -> Expression | None:
        """The condition that a partial row belongs to one unit group's grouping set."""
        if len(self.groups) == 1:
            return None
        return Call("=", (ref(f"g{index}"), Literal(0, INTEGER)), BOOLEAN)

    def _contributions(
        self, ref: _Ref, number: int, index: int, given: ColumnRef, *, ranked: bool
    ) -> Iterator[Named]:
        here = self._in_set(ref, index)
        set_ = () if here is None else (here,)
        unit = ref(f"u{index}")
        there = Call("not", (Call("is_null", (unit,), BOOLEAN),), BOOLEAN)
        some = Call("<>", (given, Literal(0, INTEGER)), BOOLEAN)
        yield Named(
            f"z{number}_{index}",
            AggregateCall("count", (unit,), INTEGER, where=all_of(conjunction((some, *set_)))),
        )
        if not ranked:
            return
        # What other groups' units add is theirs; what no unit at all added counts as one contributor of every group.
        owned = None if here is None else all_of(conjunction((here, Call("or", (there, ref("o")), BOOLEAN))))
        size = Call("abs", (given,), given.type)
        yield Named(f"l{number}_{index}", AggregateCall("max", (size,), size.type, where=owned))
        yield Named(f"m{number}_{index}", AggregateCall("sum", (size,), size.type, where=owned))

    def _of(self, name: str, type_: Type = INTEGER) -> ColumnRef:
        return ColumnRef(synthetic(self.aggregate.id, Purpose.CELL), name, type_)

    # The rules, as `release.rules` has them.

    def _reach(self, names: Sequence[str]) -> Expression:
        """Every unit group reaches its k, optional ones only where they are there, and one is there."""
        every: list[Expression] = []
        some: list[Expression] = []
        for name, group in zip(names, self.groups, strict=True):
            enough = Call(">=", (self._of(name), Literal(self.rules.k[group.type], INTEGER)), BOOLEAN)
            none = Call("=", (self._of(name), Literal(0, INTEGER)), BOOLEAN)
            every.append(Call("or", (enough, none), BOOLEAN) if group.optional else enough)
            some.append(Call(">", (self._of(name), Literal(0, INTEGER)), BOOLEAN))
        return all_of(conjunction((*every, _any(some))))

    def _tests(self, total: Total, *, optional: bool) -> Iterator[Expression]:
        if total.is_rows:
            return
        number = list(self.terms).index(total)
        ranges = range(len(self.groups))
        contributors = self._reach([f"z{number}_{i}" for i in ranges])
        nobody = all_of(
            conjunction(Call("=", (self._of(f"z{number}_{i}"), Literal(0, INTEGER)), BOOLEAN) for i in ranges)
        )
        tests = [contributors]
        if total.own or ((total.counts or total.tallies) and not optional):
            tests.append(self._others(number, presence=total.presence and not total.own))
        if not total.counts:
            tests += [test for i in ranges for test in self._shared_out(number, i, self.terms[total])]
        safe = all_of(conjunction(tests))
        yield Call("or", (nobody, safe), BOOLEAN) if optional else safe

    def _others(self, number: int, *, presence: bool) -> Expression:
        """As many subjects lack it; where having a value is asked for, all may have one."""
        every: list[Expression] = []
        some: list[Expression] = []
        none: list[Expression] = []
        for i, group in enumerate(self.groups):
            left = _call("-", self._of(f"u{i}"), self._of(f"z{number}_{i}"))
            enough = Call(">=", (left, Literal(self.rules.k[group.type], INTEGER)), BOOLEAN)
            nobody = Call("=", (left, Literal(0, INTEGER)), BOOLEAN)
            every.append(Call("or", (enough, nobody), BOOLEAN) if group.optional else enough)
            some.append(Call(">", (left, Literal(0, INTEGER)), BOOLEAN))
            none.append(nobody)
        enough_lack = all_of(conjunction((*every, _any(some))))
        return Call("or", (enough_lack, all_of(conjunction(none))), BOOLEAN) if presence else enough_lack

    def _shared_out(self, number: int, index: int, term: Term) -> Iterator[Expression]:
        """Dominance and (p,q) for one unit group, which must not be empty unless it may be."""
        type_ = _wide(term).type
        largest, whole = (self._of(f"{letter}{number}_{index}", type_) for letter in "lm")
        tests = [_at_most(largest, 100, whole, self.rules.dominance_percent)]
        two = _call("*", largest, Literal(2, INTEGER))
        if self.rules.dominance_of_two is not None:
            tests.append(_at_most(two, 100, whole, self.rules.dominance_of_two))
        rest = _call("-", whole, two)
        tests.append(_at_most(largest, self.rules.p_percent, rest, self.rules.prior_percent))
        safe = all_of(conjunction(tests))
        empty = Call("=", (self._of(f"u{index}"), Literal(0, INTEGER)), BOOLEAN)
        yield Call("or", (empty, safe), BOOLEAN) if self.groups[index].optional else safe

    # The values.

    def _value(self, asked: Asked) -> Expression:
        match asked.kind:
            case "units":
                counts = [self._of(f"u{group}") for group in asked.groups]
                whole: Expression = counts[0]
                for other in counts[1:]:
                    whole = _call("+", whole, other)
                return whole
            case "average" if asked.count is not None:
                return Call("/", (self._combined(asked), self._counted(asked.count)), DOUBLE)
            case _:
                return Call("try_cast", (self._combined(asked),), asked.type)

    def _combined(self, asked: Asked) -> Expression:
        parts = [_scaled(constant, self._counted(total, summed=True)) for constant, total in asked.addends]
        whole = parts[0]
        for part in parts[1:]:
            whole = _call("+", whole, part)
        return whole

    def _counted(self, total: Total, *, summed: bool = False) -> ColumnRef:
        if total.is_rows:
            return self._of("n")
        number = list(self.terms).index(total)
        if summed and not total.counts:
            return self._of(f"s{number}", _wide(self.terms[total]).type)
        return self._of(f"n{number}")


def _judged(asked: Asked, needed: Guards) -> Iterator[tuple[Total, bool]]:
    """Every total that must be safe for a value to be known; true for those that may have no contributor."""
    for total in judged(asked):
        yield total, False
        yield from ((guard.total, guard.optional) for guard in needed[total])


def _wide(term: Term) -> Expression:
    """What a row adds, as a decimal: sums of these are never cut off at 64 bits."""
    if term.exact.kind is Kind.DECIMAL or not term.summed:
        return term.expression
    return Call("try_cast", (term.expression,), decimal(0))


def _call(function: str, *arguments: Expression) -> Expression:
    result = RULES[function].result(tuple(argument.type for argument in arguments))
    if result is None:
        raise TypeError("numbers are combined with numbers")
    return Call(function, arguments, result)


def _at_most(one: Expression, times: int, other: Expression, others: int) -> Expression:
    """That one number times a constant is not more than another times its own."""
    sides = (_call("*", one, Literal(times, INTEGER)), _call("*", other, Literal(others, INTEGER)))
    return Call("<=", sides, BOOLEAN)


def _scaled(constant: Fraction, value: Expression) -> Expression:
    """The value times a constant, exactly where the constant is a short decimal."""
    if constant == 1:
        return value
    for digits in range(_MOST_DIGITS + 1):
        shifted = constant * 10**digits
        if shifted.denominator == 1:
            number = Decimal(shifted.numerator).scaleb(-digits)
            return _call("*", value, Literal(number, decimal(digits)))
    above = _call("*", value, Literal(constant.numerator, INTEGER))
    return Call("/", (above, Literal(constant.denominator, INTEGER)), DOUBLE)


def _any(parts: Iterable[Expression]) -> Expression:
    found = tuple(parts)
    return found[0] if len(found) == 1 else Call("or", found, BOOLEAN)
