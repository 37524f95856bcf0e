"""What leaves of a protected question, by definition: sets of units, lists of amounts, the rules of PRIVACY 5.

Nothing of it is shared with the planner's rewriting or the releaser; the rows come from the oracle. A sum is taken
apart into the products of columns it adds up, each with the rows it counts in; each of them must be safe by itself,
and so must what two of them leave when they are subtracted from one another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from tests.support.naive_numbers import Number, Overlapping, numbers_of
from tests.support.naive_rows import (
    Given,
    Name,
    missing_columns,
    missing_relations,
    of_one_side,
    rows_with_units,
    unit_names,
    without_select_lists,
)
from tests.support.naive_sums import Nullable

from louver_sandbox.algebra.expressions import AggregateCall, Call, Expression, Literal, Value, column_refs
from louver_sandbox.algebra.relations import Aggregate, Project, Union, walk
from louver_sandbox.engines.oracle import Row, Tables, UnitsOf, aggregate_row, grouped
from louver_sandbox.obligations import ThresholdRules

__all__ = ["Division", "Judged", "Overlapping", "Question", "beside_parts", "judged", "remainder"]

Declared = Mapping[Name, bool]
"""The units a cell may be made of; true where a cell may have none of them."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One cell of a protected question, by definition: its exact row, and the measures that may not leave.

    `rows` are what it is made of, `protection` what it was judged by.
    """

    values: Mapping[str, Value]
    leaves: bool
    withheld: frozenset[str]
    rows: Sequence[Row] = field(repr=False)
    protection: Protection = field(repr=False)
    kept_back: bool = False


@dataclass(frozen=True)
class Protection:
    """What judging needs besides the rows.

    `one_sided` are units that a cell has none of where it is of the other side of a UNION ALL; `compared` is for
    groups inside a core, whose values are compared with; `judges_classes` where cells may be withheld by what is
    outside: the missing ones are then not known as one.
    """

    rules: ThresholdRules
    declared: Declared
    numbers: Mapping[str, Sequence[Number]]
    one_sided: Mapping[Name, frozenset[Name]] = field(default_factory=dict)
    compared: bool = False
    judges_classes: bool = False


@dataclass(frozen=True)
class Question:
    """A core, the stored rows with their units, the rules, and which columns may be null where they are seen.

    `own` names the measures over the requester's columns; `alone` is the only protected core of a question.
    `kept_back` are cells, by grouping set and values of all keys, that hold all but a few of the requester's subjects
    and their totals (`naive_classes`); where cells may be such ones, nothing is said of all that are missing.
    """

    core: Aggregate
    tables: Tables
    units_of: UnitsOf
    rules: ThresholdRules
    nullable: Nullable
    own: frozenset[str] = frozenset()
    compared: bool = False
    alone: bool = True
    kept_back: frozenset[tuple[tuple[int, ...], tuple[Value, ...]]] = frozenset()
    judges_classes: bool = False

    @property
    def plain(self) -> Aggregate:
        """The core without select lists inside."""
        return without_select_lists(self.core)

    def rows(self) -> list[Row]:
        """The rows of all cells, with their units."""
        return rows_with_units(self.plain.input, Given(self.tables, self.units_of, self.groups))

    def groups(self, aggregate: Aggregate) -> list[Row]:
        """The rows of an aggregate inside the core that are nobody's: the values that could be released."""
        if aggregate.sets:
            raise NotImplementedError(aggregate)
        inner = replace(self, core=aggregate, own=frozenset(), compared=True, alone=True, kept_back=frozenset())
        cells = judged(replace(inner, judges_classes=False))
        if not aggregate.keys and not cells[0].leaves:
            return [Row(dict.fromkeys((aggregate.id, name) for name in cells[0].values))]
        return [
            Row({(aggregate.id, name): None if name in cell.withheld else cell.values[name] for name in cell.values})
            for cell in cells
            if cell.leaves
        ]

    def protection(self) -> Protection:
        """What each number of a cell is judged by."""
        core = self.plain
        partners = missing_relations(core.input)
        declared = {
            name: name[1].when is not None and name[0] not in partners
            for name in unit_names(core.input, self.units_of)
        }
        nullable = _nullable_of_groups(core, self.nullable, partners)
        return Protection(
            self.rules,
            declared,
            numbers_of(core, nullable, self.own, missing_columns(core.input), alone=self.alone),
            of_one_side(core, self.units_of),
            self.compared,
            self.judges_classes,
        )


def _nullable_of_groups(core: Aggregate, nullable: Nullable, partners: frozenset[int]) -> Nullable:
    """Which columns of groups and unions inside a core may be null: counts never are, but where the row is missing."""
    found = dict(nullable)

    def may_be_null(part: Expression) -> bool:
        if isinstance(part, Literal):
            return part.value is None
        if isinstance(part, AggregateCall) and part.function in ("count", "grouping"):
            return False
        return isinstance(part, Call) or any(found[ref.relation, ref.name] for ref in column_refs(part))

    for node in reversed([*walk(core.input)]):
        missing = isinstance(node, Aggregate | Union | Project) and node.id in partners
        match node:
            case Aggregate():
                plain = without_select_lists(node)
                for named in plain.keys + plain.measures:
                    found[node.id, named.name] = missing or may_be_null(named.expression)
            case Project():
                for named in node.columns:
                    found[node.id, named.name] = missing or may_be_null(named.expression)
            case Union():
                for column, *sides in zip(node.columns, node.left.columns, node.right.columns, strict=True):
                    either = any(may_be_null(side.expression) for side in sides)
                    found[node.id, column.name] = missing or either
            case _:
                continue
    return found


def judged(question: Question) -> list[Judged]:
    """Every cell of the core with what the rules of PRIVACY 5 say about it. Raises Overlapping."""
    core, protection = question.plain, question.protection()
    cells = [(keys, judge(core, keys, rows, protection)) for keys, rows in grouped(core, question.rows())]
    everything = tuple(range(len(core.keys)))
    kept_back = {keys for one, keys in question.kept_back if one == everything}
    return [replace(cell, leaves=False, kept_back=True) if keys in kept_back else cell for keys, cell in cells]


def remainder(question: Question) -> Judged | None:
    """All cells that may not leave, as one; None when there are fewer than two or together they may not either."""
    if question.judges_classes:
        return None
    core, protection = question.plain, question.protection()
    groups = grouped(core, question.rows())
    kept_back = [rows for keys, rows in groups if not judge(core, keys, rows, protection).leaves]
    nulls = (None,) * len(core.keys)
    whole = judge(core, nulls, [row for rows in kept_back for row in rows], protection)
    by_key = {name for name, numbers in protection.numbers.items() if any(number.by_key for number in numbers)}
    whole = replace(whole, withheld=whole.withheld | by_key)
    return whole if len(kept_back) > 1 and whole.leaves else None


@dataclass(frozen=True, slots=True)
class Division:
    """How the cells of one core are parts of another's: the same rows, by pairs of names of equal keys and of
    measures about the same values. `by_key`: the whole's measures that ask for what the parts are made by."""

    keys: Sequence[tuple[str, str]]
    measures: Sequence[tuple[str, str]]
    by_key: frozenset[str] = frozenset()


def beside_parts(
    whole: Sequence[Judged], parts: Sequence[Judged], rest: Judged | None, division: Division
) -> list[Judged]:
    """The cells of a core, given that their parts in another core of the question leave too.

    A value less the values of the released parts is that of all withheld parts together: the cells that do not leave
    (`rest`, where it may be known) and those whose value does not. A total of everything may be known where they are
    certainly safe together, any other where there are none.
    """
    return [replace(cell, withheld=cell.withheld | frozenset(_told(cell, parts, rest, division))) for cell in whole]


def _told(cell: Judged, parts: Sequence[Judged], rest: Judged | None, division: Division) -> Iterator[str]:
    own = [part for part in parts if all(part.values[b] == cell.values[a] for a, b in division.keys)]
    missing = [part for part in own if not part.leaves]
    for mine, theirs in division.measures:
        emptied = [part for part in own if part.leaves and theirs in part.withheld]
        asks_for_key = mine in division.by_key or any(
            number.by_key for part in own[:1] for number in part.protection.numbers.get(theirs, ())
        )
        if any(part.kept_back for part in missing):
            safe = False
        elif division.keys or asks_for_key:
            safe = not missing and not emptied
        elif emptied:
            safe = len(missing) + len(emptied) > 1 and _are_safe_together(
                theirs, _apart(missing, emptied), emptied[0]
            )
        else:
            safe = not missing or (
                len(missing) > 1 and _are_safe_together(theirs, _apart(missing, []), missing[0])
                if missing[0].protection.judges_classes
                else rest is not None and theirs not in rest.withheld
            )
        if not safe:
            yield mine


def _apart(missing: Sequence[Judged], emptied: Sequence[Judged]) -> list[Sequence[Row]]:
    """The rows of the withheld parts: the cells that do not leave are known as one, where there is a remainder."""
    cells = [part.rows for part in missing]
    if cells and missing[0].protection.rules.remainder and not missing[0].protection.judges_classes:
        cells = [[row for rows in cells for row in rows]]
    return cells + [part.rows for part in emptied]


def _are_safe_together(measure: str, parts: Sequence[Sequence[Row]], like: Judged) -> bool:
    """Whether a measure of several sets of rows may be known, whichever units they share."""
    protection = like.protection
    people = [people_of(rows, protection) for rows in parts]
    most = {name: max(len(each[name]) for each in people) for name in protection.declared}
    declared = {name: may_be_none and not most[name] for name, may_be_none in protection.declared.items()}
    here = replace(protection, declared=declared)
    return enough(most, here) and all(
        _number_is_safe(number, parts, most, here) for number in protection.numbers.get(measure, ())
    )


def _number_is_safe(
    number: Number, parts: Sequence[Sequence[Row]], most: Mapping[Name, int], protection: Protection
) -> bool:
    certain: dict[Name, int] = {}
    lacking: dict[Name, int] = {}
    alone, all_have_it, any_has_it = True, True, False
    for name in most:
        given = [contributions(number, rows, name) for rows in parts]
        amounts = [amount for each in given for amount in each.values()]
        adding = number.counts or (len(most) == 1 and (min(amounts, default=0) >= 0 or max(amounts, default=0) <= 0))
        some = [sum(1 for unit, amount in each.items() if unit is not None and amount) for each in given]
        certain[name] = max(some) if adding else _at_least(some)
        lacking[name] = max(0, most[name] - sum(some))
        people = [len(people_of(rows, protection)[name]) for rows in parts]
        all_have_it = all_have_it and some == people
        ranked = [sorted([*map(abs, each.values()), Fraction(0), Fraction(0)], reverse=True) for each in given]
        sizes = [sum(each, Fraction(0)) for each in ranked]
        whole = sum(sizes, Fraction(0)) if adding else _at_least(sizes)
        first, second = (sum((each[place] for each in ranked), Fraction(0)) for place in (0, 1))
        if not number.counts and most[name]:
            alone = alone and spread(whole, first, second, protection.rules)
        any_has_it = any_has_it or any(some)
    if number.optional and not any_has_it:
        return True
    only_counts = (number.counts or number.tallies) and not number.optional
    lacking_matters = number.own or (only_counts and not (number.presence and all_have_it))
    return alone and enough(certain, protection) and (not lacking_matters or enough(lacking, protection))


def _at_least(numbers: Sequence[Any]) -> Any:
    """What the greatest of several numbers has left when all others take away from it."""
    return max(0, max(numbers) - (sum(numbers) - max(numbers)))


def judge(
    core: Aggregate,
    keys: tuple[Value, ...],
    rows: Sequence[Row],
    protection: Protection,
    one: tuple[int, ...] | None = None,
) -> Judged:
    """One cell: the rows with some values of the keys of one grouping set."""
    values = {name: value for (_, name), value in aggregate_row(core, keys, rows, one).values.items()}
    people = people_of(rows, protection)
    leaves = enough({name: len(found) for name, found in people.items()}, protection)
    withheld = {
        name
        for name, numbers in protection.numbers.items()
        if not all(number_leaves(number, rows, people, protection) for number in numbers)
    }
    return Judged(values, leaves, frozenset(withheld), rows, protection)


def people_of(rows: Sequence[Row], protection: Protection) -> Mapping[Name, set[Value]]:
    """The units in a cell, by every kind that the cell may have."""
    return {
        name: {row.units[name] for row in rows if row.units.get(name) is not None}
        for name in protection.declared
        if name not in protection.one_sided or any(_is_of(protection.one_sided[name], row) for row in rows)
    }


def _is_of(side: frozenset[Name], row: Row) -> bool:
    return not side.isdisjoint(row.units)


def enough(counts: Mapping[Name, int], protection: Protection) -> bool:
    """Whether every unit group that must be there, or is, reaches its k, and there is one."""
    declared, k = protection.declared, protection.rules.k
    needed = [(count, k[name[1].type]) for name, count in counts.items() if count > 0 or not declared[name]]
    return len(needed) > 0 and all(count >= least for count, least in needed)


def number_leaves(
    number: Number, rows: Sequence[Row], people: Mapping[Name, set[Value]], protection: Protection
) -> bool:
    """Whether one number of a cell may be known by itself."""
    given = {name: contributions(number, rows, name) for name in people}
    active = {
        name: {unit for unit, amount in found.items() if unit is not None and amount} for name, found in given.items()
    }
    some = {name: len(found) for name, found in active.items()}
    others = {name: len(people[name] - active[name]) for name in people}
    if number.optional and not any(some.values()):
        return True
    if not enough(some, protection) or (number.own and not enough(others, protection)):
        return False
    if number.counts or number.tallies:
        all_may_have_it = number.optional or (number.presence and not any(others.values()))
        some_lack_it = all_may_have_it or enough(others, protection)
        if number.counts or not some_lack_it:
            return some_lack_it
    return all(
        shared_out(list(found.values()), protection.rules, second_as_first=protection.compared)
        for name, found in given.items()
        if people[name]
    )


def contributions(number: Number, rows: Sequence[Row], name: Name) -> dict[Value, Fraction]:
    """What each unit adds; all rows without a unit of any kind are one contributor, None."""
    found: dict[Value, Fraction] = {}
    for row in rows:
        if row.units.get(name) is None and any(unit is not None for unit in row.units.values()):
            continue
        amount = number.of(row)
        if amount is not None:
            unit = row.units.get(name)
            found[unit] = found.get(unit, Fraction(0)) + amount
    return found


def shared_out(given: Sequence[Fraction], rules: ThresholdRules, *, second_as_first: bool = False) -> bool:
    """Whether no unit holds too much, and the second largest cannot work out the largest."""
    ranked = sorted(map(abs, given), reverse=True)
    largest, second = (*ranked, Fraction(0), Fraction(0))[:2]
    return spread(sum(ranked, Fraction(0)), largest, largest if second_as_first else second, rules)


def spread(whole: Fraction, largest: Fraction, second: Fraction, rules: ThresholdRules) -> bool:
    """Dominance of one and of two, and (p,q), over a sum of absolute contributions and its two largest."""
    dominated = largest > whole * Fraction(rules.dominance_percent, 100)
    if rules.dominance_of_two is not None:
        dominated = dominated or largest + second > whole * Fraction(rules.dominance_of_two, 100)
    estimable = (whole - largest - second) < largest * Fraction(rules.p_percent, rules.prior_percent)
    return not dominated and not estimable
