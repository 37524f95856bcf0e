"""The oracle: what a relation tree means, in memory, obvious and slow. Other engines are compared with it.

Rows are Python values; every operator is its definition (nested loops, lists of groups). Rows carry the units they
belong to, so that tests can say by definition which cells of a protected question may leave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from louver_sandbox.algebra.expressions import (
    AggregateCall,
    Call,
    ColumnRef,
    Expression,
    Interval,
    Literal,
    SortKey,
    Value,
    WindowCall,
)
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
    Union,
    Window,
)
from louver_sandbox.algebra.types import DOUBLE, NULL, TableName, decimal
from louver_sandbox.catalog.model import PrivacyUnit
from louver_sandbox.sql.functions import RULES, evaluate_call
from louver_sandbox.sql.rules import MAX_SCALE, to_type

Tables = Mapping[TableName, Sequence[Mapping[str, Value]]]

UnitsOf = Callable[[Scan, Mapping[str, Value]], Mapping[tuple[int, PrivacyUnit], Value]]
"""The units of one stored row, under each privacy unit its table declares; None where it has none."""


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
            rows = evaluate(relation.input, tables, units_of)
            return [
                aggregate_row(relation, keys, group, one)
                for one in grouping_sets(relation)
                for keys, group in grouped(relation, rows, one)
            ]
        case Window():
            return _with_windows(relation, evaluate(relation.input, tables, units_of))
        case Union():
            sides = (evaluate(side, tables, units_of) for side in (relation.left, relation.right))
            return [_renamed(relation, row) for rows in sides for row in rows]
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
    no_left, no_right = dict.fromkeys(columns(join.left)), dict.fromkeys(columns(join.right))
    partnerless = set(range(len(right_rows)))
    found: list[Row] = []
    for left in evaluate(join.left, tables, units_of):
        pairs = [Row({**left.values, **right.values}, {**left.units, **right.units}) for right in right_rows]
        partners = [place for place, pair in enumerate(pairs) if value_of(join.condition, pair) is True]
        partnerless.difference_update(partners)
        match join.kind:
            case JoinKind.SEMI | JoinKind.ANTI:
                found += [left] if bool(partners) == (join.kind is JoinKind.SEMI) else []
            case JoinKind.INNER:
                found += [pairs[place] for place in partners]
            case JoinKind.LEFT | JoinKind.FULL:
                alone = Row({**left.values, **no_right}, left.units)
                found += [pairs[place] for place in partners] or [alone]
    if join.kind is JoinKind.FULL:
        found += [
            Row({**no_left, **right_rows[place].values}, right_rows[place].units) for place in sorted(partnerless)
        ]
    return found


def _renamed(union: Union, row: Row) -> Row:
    names = ((union.id, column.name) for column in union.columns)
    return Row(dict(zip(names, row.values.values(), strict=True)), row.units)


def columns(relation: Relation) -> tuple[tuple[int, str], ...]:
    """The columns a relation offers."""
    match relation:
        case Scan():
            return tuple((relation.id, name) for name in relation.columns)
        case Project():
            return tuple((relation.id, named.name) for named in relation.columns)
        case Aggregate():
            return tuple((relation.id, named.name) for named in relation.keys + relation.measures)
        case Window():
            return columns(relation.input) + tuple((relation.id, column.name) for column in relation.columns)
        case Union():
            return tuple((relation.id, column.name) for column in relation.columns)
        case Join(kind=JoinKind.SEMI | JoinKind.ANTI):
            return columns(relation.left)
        case Join():
            return columns(relation.left) + columns(relation.right)
        case Filter() | Sort() | Limit():
            return columns(relation.input)


def grouping_sets(aggregate: Aggregate) -> tuple[tuple[int, ...], ...]:
    """The sets of keys the rows are grouped by, one after the other."""
    return aggregate.sets or (tuple(range(len(aggregate.keys))),)


def grouped(
    aggregate: Aggregate, rows: Sequence[Row], one: tuple[int, ...] | None = None
) -> list[tuple[tuple[Value, ...], list[Row]]]:
    """The rows of each combination of the keys in one set (all keys when not said), nulls being equal.

    Keys the set leaves out are null. The empty set has one group in any case.
    """
    wanted = tuple(range(len(aggregate.keys))) if one is None else one
    groups: dict[tuple[Value, ...], list[Row]] = {} if wanted else {(None,) * len(aggregate.keys): []}
    for row in rows:
        keys = tuple(
            value_of(key.expression, row) if index in wanted else None for index, key in enumerate(aggregate.keys)
        )
        groups.setdefault(keys, []).append(row)
    return list(groups.items())


def aggregate_row(
    aggregate: Aggregate, keys: tuple[Value, ...], rows: Sequence[Row], one: tuple[int, ...] | None = None
) -> Row:
    """One group's row: its keys, its measures, and the units any of its rows belong to."""
    values = {(aggregate.id, key.name): value for key, value in zip(aggregate.keys, keys, strict=True)}
    for measure in aggregate.measures:
        if not isinstance(measure.expression, AggregateCall):
            raise TypeError("a measure is one aggregate call")
        values[aggregate.id, measure.name] = (
            left_out(aggregate, measure.expression, one)
            if measure.expression.function == "grouping"
            else aggregated(measure.expression, rows)
        )
    shared = {name for row in rows for name in row.units}
    units = {
        name: next((row.units[name] for row in rows if row.units.get(name) is not None), None) for name in shared
    }
    return Row(values, units)


def left_out(aggregate: Aggregate, call: AggregateCall, one: tuple[int, ...] | None) -> int:
    """GROUPING(): a bit for each argument, the first the highest, set where the grouping set leaves that key out."""
    keys = [key.expression for key in aggregate.keys]
    wanted = range(len(keys)) if one is None else one
    bits = 0
    for argument in call.arguments:
        bits = 2 * bits + (keys.index(argument) not in wanted)
    return bits


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


def _with_windows(window: Window, rows: list[Row]) -> list[Row]:
    """Each row with the value of every call, looked up among all other rows; ties go by every column in turn."""
    ties = tuple(SortKey(ColumnRef(*column, NULL)) for column in columns(window.input))
    values: list[dict[tuple[int, str], Value]] = [dict(row.values) for row in rows]
    for column in window.columns:
        call = column.call
        for place, row in enumerate(rows):
            together = tuple(value_of(part, row) for part in call.partition)
            partition = [
                other for other in rows if tuple(value_of(part, other) for part in call.partition) == together
            ]
            value = _window_value(call, row, _sorted(partition, (*call.order, *ties)))
            values[place][window.id, column.name] = value
    return [Row(found, row.units) for found, row in zip(values, rows, strict=True)]


def _window_value(call: WindowCall, row: Row, partition: list[Row]) -> Value:
    """One window call's value in one row, from its ordered partition."""
    own = _order_of(call, row)
    orders = [_order_of(call, other) for other in partition]
    first, size = orders.index(own), len(partition)
    through = size - orders[::-1].index(own)
    place = next(index for index, other in enumerate(partition) if other is row)
    frame = partition[: through if call.running else size]
    match call.function:
        case "rank":
            return first + 1
        case "dense_rank":
            return len(set(orders[: first + 1]))
        case "row_number":
            return place + 1
        case "percent_rank":
            return first / (size - 1) if size > 1 else 0.0
        case "cume_dist":
            return through / size
        case "ntile":
            return _bucket(place, size, value_of(call.arguments[0], row))
        case "lag" | "lead":
            return _neighbour(call, row, partition, place)
        case "first_value":
            return value_of(call.arguments[0], frame[0])
        case "last_value":
            return value_of(call.arguments[0], frame[-1])
        case _:
            values = [tuple(value_of(argument, other) for argument in call.arguments) for other in frame]
            found = RULES[call.function].evaluate(_exact(values))
            return to_type(found, DOUBLE) if call.type == DOUBLE else found


def _order_of(call: WindowCall, row: Row) -> tuple[Value, ...]:
    return tuple(value_of(key.expression, row) for key in call.order)


def _bucket(place: int, size: int, buckets: Value) -> Value:
    """The first `size % buckets` buckets have one row more."""
    if not isinstance(buckets, int):
        return None
    dealt = [number for number in range(buckets) for _ in range(size // buckets + (number < size % buckets))]
    return dealt[place] + 1


def _neighbour(call: WindowCall, row: Row, partition: list[Row], place: int) -> Value:
    values = [value_of(argument, row) for argument in call.arguments]
    distance = values[1] if len(values) > 1 else 1
    if not isinstance(distance, int):
        return None
    wanted = place - distance if call.function == "lag" else place + distance
    if 0 <= wanted < len(partition):
        return to_type(value_of(call.arguments[0], partition[wanted]), call.type)
    return to_type(values[2], call.type) if len(values) > 2 else None


def _exact(values: list[tuple[Value, ...]]) -> list[tuple[Value, ...]]:
    """Doubles as the decimals they are added up as."""
    wanted = decimal(MAX_SCALE)
    return [tuple(to_type(item, wanted) if isinstance(item, float) else item for item in value) for value in values]
