"""The oracle: what a relation tree means, in memory, obvious and slow. Other engines are compared with it.

Rows are Python values; every operator is its definition (nested loops, lists of groups). For protected questions it
also says, by definition and with sets of units, which cells may leave: nothing of it is shared with the planner's
rewriting or the releaser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Interval, Literal, Value
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Limit,
    Project,
    Relation,
    Scan,
    Sort,
    SortKey,
    scans,
    walk,
)
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.model import PrivacyUnit
from louver_sandbox.sql.functions import RULES, evaluate_call
from louver_sandbox.stages import ThresholdRules

Tables = Mapping[TableName, Sequence[Mapping[str, Value]]]

UnitsOf = Callable[[Scan, Mapping[str, Value]], Mapping[tuple[int, PrivacyUnit], Value]]
"""The units of one stored row, under each privacy unit its table declares; None where it has none."""

Declared = Mapping[tuple[int, PrivacyUnit], bool]
"""The units a cell may be made of; true where a cell may have none of them."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row on its way up: its values by relation and name, and the units it belongs to by scan and declaration."""

    values: Mapping[tuple[int, str], Value]
    units: Mapping[tuple[int, PrivacyUnit], Value] = field(default_factory=dict)


def answer(relation: Relation, tables: Tables) -> tuple[tuple[Value, ...], ...]:
    """The exact answer: the rows of the topmost select list, in order where the tree asks for one."""
    return tuple(tuple(row.values.values()) for row in evaluate(relation, tables))


def evaluate(relation: Relation, tables: Tables, units_of: UnitsOf = lambda scan, row: {}) -> list[Row]:
    """The rows of a tree."""
    match relation:
        case Scan():
            return [
                Row({(relation.id, name): row.get(name) for name in relation.columns}, units_of(relation, row))
                for row in tables.get(relation.table, ())
            ]
        case Project(input=Limit() as limit):
            return _limited(relation, limit, tables, units_of)
        case Project():
            return [_project(relation, row) for row in evaluate(relation.input, tables, units_of)]
        case Filter():
            rows = evaluate(relation.input, tables, units_of)
            return [row for row in rows if value_of(relation.predicate, row) is True]
        case Join():
            return _join(relation, tables, units_of)
        case Aggregate():
            groups = grouped(relation, evaluate(relation.input, tables, units_of))
            return [_aggregated(relation, keys, rows) for keys, rows in groups]
        case Sort():
            return _sorted(evaluate(relation.input, tables, units_of), relation.keys)
        case Limit():
            return _cut(evaluate(relation.input, tables, units_of), relation)


def _limited(project: Project, limit: Limit, tables: Tables, units_of: UnitsOf) -> list[Row]:
    """Under a LIMIT the select list breaks ties, as in the emitted statement."""
    keys = limit.input.keys if isinstance(limit.input, Sort) else ()
    ties = tuple(SortKey(named.expression) for named in project.columns)
    below = limit.input.input if isinstance(limit.input, Sort) else limit.input
    rows = _sorted(evaluate(below, tables, units_of), keys + ties)
    return [_project(project, row) for row in _cut(rows, limit)]


def _cut(rows: list[Row], limit: Limit) -> list[Row]:
    return rows[limit.offset :] if limit.count is None else rows[limit.offset : limit.offset + limit.count]


def _project(project: Project, row: Row) -> Row:
    return Row({(project.id, named.name): value_of(named.expression, row) for named in project.columns}, row.units)


def _join(join: Join, tables: Tables, units_of: UnitsOf) -> list[Row]:
    right_rows = evaluate(join.right, tables, units_of)
    found: list[Row] = []
    for left in evaluate(join.left, tables, units_of):
        pairs = [Row({**left.values, **right.values}, {**left.units, **right.units}) for right in right_rows]
        matched = [pair for pair in pairs if value_of(join.condition, pair) is True]
        if not matched and join.kind is JoinKind.LEFT:
            nulls = dict.fromkeys(columns(join.right))
            matched = [Row({**nulls, **left.values}, left.units)]
        found += matched
    return found


def columns(relation: Relation) -> tuple[tuple[int, str], ...]:
    """The columns a relation offers."""
    match relation:
        case Scan():
            return tuple((relation.id, name) for name in relation.columns)
        case Project():
            return tuple((relation.id, named.name) for named in relation.columns)
        case Aggregate():
            return tuple((relation.id, named.name) for named in relation.keys + relation.measures)
        case Join():
            return columns(relation.left) + columns(relation.right)
        case Filter() | Sort() | Limit():
            return columns(relation.input)


def grouped(aggregate: Aggregate, rows: Sequence[Row]) -> list[tuple[tuple[Value, ...], list[Row]]]:
    """The rows of each combination of the keys, nulls being equal; without keys, one group in any case."""
    groups: dict[tuple[Value, ...], list[Row]] = {} if aggregate.keys else {(): []}
    for row in rows:
        groups.setdefault(tuple(value_of(key.expression, row) for key in aggregate.keys), []).append(row)
    return list(groups.items())


def _aggregated(aggregate: Aggregate, keys: tuple[Value, ...], rows: Sequence[Row]) -> Row:
    values = {(aggregate.id, key.name): value for key, value in zip(aggregate.keys, keys, strict=True)}
    for measure in aggregate.measures:
        if not isinstance(measure.expression, AggregateCall):
            raise TypeError("a measure is one aggregate call")
        values[aggregate.id, measure.name] = aggregated(measure.expression, rows)
    shared = {name for row in rows for name in row.units}
    units = {
        name: next((row.units[name] for row in rows if row.units.get(name) is not None), None) for name in shared
    }
    return Row(values, units)


def aggregated(call: AggregateCall, rows: Sequence[Row]) -> Value:
    """One aggregate over a group."""
    return RULES[call.function].evaluate(arguments(call, rows))


def arguments(call: AggregateCall, rows: Sequence[Row]) -> list[tuple[Value, ...]]:
    """The argument tuples an aggregate sees: those of rows its FILTER keeps, each once under DISTINCT."""
    kept = [row for row in rows if call.where is None or value_of(call.where, row) is True]
    found = [tuple(value_of(argument, row) for argument in call.arguments) for row in kept]
    return list(dict.fromkeys(found)) if call.distinct else found


def value_of(expression: Expression, row: Row) -> Value:
    """The value of a scalar expression over one row."""
    match expression:
        case ColumnRef():
            return row.values[expression.relation, expression.name]
        case Literal():
            return expression.value
        case Call():
            values = [value_of(argument, row) for argument in expression.arguments]
            return evaluate_call(expression.function, values, expression.type)
        case AggregateCall():
            raise TypeError("an aggregate outside an Aggregate")


def _sorted(rows: list[Row], keys: tuple[SortKey, ...]) -> list[Row]:
    for key in reversed(keys):
        values = [(value_of(key.expression, row), row) for row in rows]
        nulls = [row for value, row in values if value is None]
        present = [(_ordinal(value), row) for value, row in values if value is not None]
        present.sort(key=lambda pair: pair[0], reverse=key.descending)
        ordered = [row for _, row in present]
        rows = nulls + ordered if key.nulls_first else ordered + nulls
    return rows


def _ordinal(value: Value) -> tuple[int, object]:
    return (value.months, value.days) if isinstance(value, Interval) else (0, value)


@dataclass(frozen=True, slots=True)
class Judged:
    """One cell of a protected question, by definition: its exact row, and the measures that may not leave."""

    values: Mapping[str, Value]
    leaves: bool
    withheld: frozenset[str]


def judged(
    core: Aggregate,
    tables: Tables,
    units_of: UnitsOf,
    rules: ThresholdRules,
    *,
    own: frozenset[str] = frozenset(),
    counts_rows: frozenset[str] = frozenset(),
) -> list[Judged]:
    """Every cell of the core with what the rules of PRIVACY 5 say about it.

    `own` names the measures over the requester's columns, `counts_rows` those that only count rows with a property.
    """
    declared = _declared(core, units_of)
    return [
        _judge(core, keys, rows, rules, own, counts_rows, declared)
        for keys, rows in grouped(core, evaluate(core.input, tables, units_of))
    ]


def remainder(
    core: Aggregate,
    tables: Tables,
    units_of: UnitsOf,
    rules: ThresholdRules,
    *,
    own: frozenset[str] = frozenset(),
    counts_rows: frozenset[str] = frozenset(),
) -> Judged | None:
    """All cells that may not leave, as one; None when there are fewer than two or together they may not either."""
    groups = grouped(core, evaluate(core.input, tables, units_of))
    declared = _declared(core, units_of)
    kept_back = [
        rows for keys, rows in groups if not _judge(core, keys, rows, rules, own, counts_rows, declared).leaves
    ]
    nulls = (None,) * len(core.keys)
    whole = _judge(core, nulls, [row for rows in kept_back for row in rows], rules, own, counts_rows, declared)
    return whole if len(kept_back) > 1 and whole.leaves else None


def _judge(
    core: Aggregate,
    keys: tuple[Value, ...],
    rows: Sequence[Row],
    rules: ThresholdRules,
    own: frozenset[str],
    counts_rows: frozenset[str],
    declared: Declared,
) -> Judged:
    values = {name: value for (_, name), value in _aggregated(core, keys, rows).values.items()}
    people = {name: {row.units[name] for row in rows if row.units.get(name) is not None} for name in declared}
    withheld = {
        measure.name
        for measure in core.measures
        if isinstance(measure.expression, AggregateCall)
        and not _measure_leaves(
            measure.expression, rows, people, rules, measure.name in own, measure.name in counts_rows, declared
        )
    }
    counts = {name: len(found) for name, found in people.items()}
    return Judged(values, _enough(counts, rules, declared), frozenset(withheld))


def _declared(core: Aggregate, units_of: UnitsOf) -> Declared:
    """Every unit a cell may be made of, and whether a cell may honestly have none of it."""
    empty_sides = {
        scan.id
        for node in walk(core)
        if isinstance(node, Join) and node.kind is JoinKind.LEFT
        for scan in scans(node.right)
    }
    return {
        name: name[1].when is not None and name[0] not in empty_sides
        for scan in scans(core.input)
        for name in units_of(scan, {})
    }


def _enough(counts: Mapping[tuple[int, PrivacyUnit], int], rules: ThresholdRules, declared: Declared) -> bool:
    needed = [(count, rules.k[name[1].type]) for name, count in counts.items() if count > 0 or not declared[name]]
    return len(needed) > 0 and all(count >= k for count, k in needed)


def _measure_leaves(
    call: AggregateCall,
    rows: Sequence[Row],
    people: Mapping[tuple[int, PrivacyUnit], set[Value]],
    rules: ThresholdRules,
    own: bool,
    counts_rows: bool,
    declared: Declared,
) -> bool:
    if call.distinct or (call.function == "count" and not call.arguments and call.where is None):
        return True
    given = {name: _contributions(call, rows, name) for name in people}
    active = {
        name: {unit for unit, amount in found.items() if unit is not None and amount} for name, found in given.items()
    }
    idle = {name: people[name] - active[name] for name in people}
    if not _enough({name: len(found) for name, found in active.items()}, rules, declared):
        return False
    idle_counts = {name: len(found) for name, found in idle.items()}
    if own and not _enough(idle_counts, rules, declared):
        return False
    if counts_rows:
        everyone_has_a_value = bool(call.arguments) and call.function == "count" and not any(idle_counts.values())
        return everyone_has_a_value or _enough(idle_counts, rules, declared)
    return all(_shared_out(list(found.values()), rules) for name, found in given.items() if people[name])


def _contributions(
    call: AggregateCall, rows: Sequence[Row], name: tuple[int, PrivacyUnit]
) -> dict[Value, int | Decimal]:
    """What each unit adds; all rows without a unit of any kind are one contributor, None."""
    found: dict[Value, int | Decimal] = {}
    for row in rows:
        if row.units.get(name) is None and any(unit is not None for unit in row.units.values()):
            continue
        for argument in arguments(call, [row]):
            amount = 1 if call.function == "count" else argument[0] if argument else 1
            if argument and argument[0] is None:
                continue
            if isinstance(amount, int | Decimal):
                unit = row.units.get(name)
                found[unit] = found.get(unit, 0) + amount
    return found


def _shared_out(amounts: Sequence[int | Decimal], rules: ThresholdRules) -> bool:
    ranked: list[Decimal] = sorted((abs(Decimal(amount)) for amount in amounts), reverse=True)
    whole = sum(ranked, Decimal(0))
    largest, second = (*ranked, Decimal(0), Decimal(0))[:2]
    dominated = largest * 100 > whole * rules.dominance_percent
    estimable = (whole - largest - second) * 100 < largest * rules.p_percent
    return not dominated and not estimable
