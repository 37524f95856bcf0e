"""The rows a core is made of, each with the units it belongs to, by the operators of docs/reference/threshold.md.

The oracle's rows know the units of the scans they come from. What a semi join, an inner aggregate or an outer join
makes of units is said here, row by row; nothing is shared with `plan/carry.py` or `plan/units.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.support.relations import record_key

from louver_sandbox.algebra.expressions import (
    AggregateCall,
    Call,
    ColumnRef,
    Expression,
    Literal,
    Named,
    Value,
    column_refs,
)
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Project,
    Relation,
    Scan,
    Union,
    scans,
    walk,
)
from louver_sandbox.catalog.model import PrivacyUnit, UnitType
from louver_sandbox.engines.oracle import Row, Tables, UnitsOf, aggregate_row, columns, evaluate, grouped, value_of

Name = tuple[int, PrivacyUnit]
"""A privacy unit of one scan."""

Column = tuple[int, str]


@dataclass(frozen=True)
class Given:
    """The stored rows, the units of each, and what becomes of groups inside the core that are nobody's rows."""

    tables: Tables
    units_of: UnitsOf
    cells: Callable[[Aggregate], list[Row]]


def rows_with_units(relation: Relation, given: Given) -> list[Row]:
    """The rows of a relation below a core. Raises NotImplementedError where the documents say nothing."""
    if not any(given.units_of(scan, {}) for scan in scans(relation)):
        return evaluate(relation, given.tables)
    match relation:
        case Scan():
            return evaluate(relation, given.tables, given.units_of)
        case Project():
            return [
                Row({(relation.id, one.name): value_of(one.expression, row) for one in relation.columns}, row.units)
                for row in rows_with_units(relation.input, given)
            ]
        case Filter():
            return [
                row for row in rows_with_units(relation.input, given) if value_of(relation.predicate, row) is True
            ]
        case Join(kind=JoinKind.SEMI | JoinKind.ANTI):
            return _kept(relation, given)
        case Join():
            return _joined(relation, given)
        case Union():
            return _united(relation, given)
        case Aggregate() if unit_names(relation.input, given.units_of) and not kept_units(relation, given.units_of):
            return given.cells(relation)
        case Aggregate():
            return _of_single_units(relation, given)
        case _:
            raise NotImplementedError(relation)


def _joined(join: Join, given: Given) -> list[Row]:
    left, right = rows_with_units(join.left, given), rows_with_units(join.right, given)
    no_left, no_right = dict.fromkeys(columns(join.left)), dict.fromkeys(columns(join.right))
    no_units = dict.fromkeys(unit_names(join.right, given.units_of))
    found: list[Row] = []
    met: set[int] = set()
    for one in left:
        pairs = [(place, _pair(one, other)) for place, other in enumerate(right)]
        partners = [(place, pair) for place, pair in pairs if value_of(join.condition, pair) is True]
        met.update(place for place, _ in partners)
        found += [replace(pair, units={**pair.units, **_met(join, pair, given)}) for _, pair in partners]
        if not partners and join.kind is not JoinKind.INNER:
            found.append(Row({**one.values, **no_right}, {**one.units, **no_units}))
    if join.kind is JoinKind.FULL:
        alone = (other for place, other in enumerate(right) if place not in met)
        no_units = dict.fromkeys(unit_names(join.left, given.units_of))
        found += [Row({**no_left, **other.values}, {**no_units, **other.units}) for other in alone]
    return found


def _met(join: Join, pair: Row, given: Given) -> dict[Name, Value]:
    """The units of a row of a FULL JOIN once more, as those of a row that has a partner."""
    return {met: pair.units.get(name) for met, name in _meeting(join, given.units_of).items()}


def _meeting(join: Join, units_of: UnitsOf) -> Mapping[Name, Name]:
    """The units of the rows of a FULL JOIN that met, each with the one of all rows that it is. One that a row may be
    without may be missing, if there is another."""
    if join.kind is not JoinKind.FULL:
        return {}
    names = [
        name
        for side in (join.left, join.right)
        for name in unit_names(side, units_of)
        if not name[1].column.startswith("met ")
    ]
    others = any(name[1].when is None for name in names)
    return {
        (-1 - scans(join.right)[0].id, PrivacyUnit(unit.type, f"met {place}", None, unit.when if others else None)): (
            scan,
            unit,
        )
        for place, (scan, unit) in enumerate(names)
    }


def _pair(one: Row, other: Row) -> Row:
    return Row({**one.values, **other.values}, {**one.units, **other.units})


def _kept(join: Join, given: Given) -> list[Row]:
    """The left rows with, or without, partners. Of subjects that are not the row's own, one partner's is counted: the
    one with the largest record key."""
    right = rows_with_units(join.right, given)
    counted = strangers(join, given.units_of)
    found = []
    for row in rows_with_units(join.left, given):
        partners = [other for other in right if value_of(join.condition, _pair(row, other)) is True]
        if bool(partners) is (join.kind is JoinKind.ANTI):
            continue
        behind = {
            name: max((other.units.get(name) for other in partners), key=lambda unit: record_key(unit) or -1)
            for name in counted
        }
        found.append(Row(row.values, {**row.units, **behind}))
    return found


def _united(union: Union, given: Given) -> list[Row]:
    """The rows of both sides. A subject stands among those of its side, and among those of both."""
    both = _counted_together(union, given.units_of)
    found = []
    for side in (union.left, union.right):
        for row in rows_with_units(side, given):
            values = zip(((union.id, column.name) for column in union.columns), row.values.values(), strict=True)
            whole = {
                together: row.units[name] for together, names in both.items() for name in names if name in row.units
            }
            found.append(Row(dict(values), {**row.units, **whole}))
    return found


def _of_single_units(aggregate: Aggregate, given: Given) -> list[Row]:
    """The groups of an aggregate by its unit: each is a row of that unit, and of no outer-joined one."""
    kept = kept_units(aggregate, given.units_of)
    if aggregate.sets:
        raise NotImplementedError(aggregate)
    plain = without_select_lists(aggregate)
    found = (aggregate_row(plain, *group) for group in grouped(plain, rows_with_units(plain.input, given)))
    return [replace(row, units={name: row.units.get(name) for name in kept}) for row in found]


# Which units the rows of a relation have.


def unit_names(relation: Relation, units_of: UnitsOf) -> tuple[Name, ...]:
    """The units that the rows of a relation may have, by scan."""
    match relation:
        case Scan():
            return tuple(units_of(relation, {}))
        case Join(kind=JoinKind.SEMI | JoinKind.ANTI):
            return unit_names(relation.left, units_of) + strangers(relation, units_of)
        case Join():
            sides = unit_names(relation.left, units_of) + unit_names(relation.right, units_of)
            return sides + tuple(_meeting(relation, units_of))
        case Aggregate():
            return kept_units(relation, units_of)
        case Project() | Filter():
            return unit_names(relation.input, units_of)
        case Union():
            sides = unit_names(relation.left, units_of) + unit_names(relation.right, units_of)
            return sides + tuple(_counted_together(relation, units_of))
        case _:
            return ()


def strangers(join: Join, units_of: UnitsOf) -> tuple[Name, ...]:
    """The units behind a semi join that are not those of the row itself."""
    if join.kind is JoinKind.ANTI:
        return ()
    alike = _Alike([*_equal(join.left), *_equal(join.right), *_pairs(join.condition)])
    own = unit_names(join.left, units_of)
    return tuple(
        name
        for name in unit_names(join.right, units_of)
        if not any(name[1].type is one[1].type and alike(_column(name), _column(one)) for one in own)
    )


def _counted_together(union: Union, units_of: UnitsOf) -> Mapping[Name, tuple[Name, Name]]:
    """The subjects of both sides of a UNION ALL, those of one unit on either side, under the union's id: by type, and
    where a side has several units of a type, in the order of their tables."""
    found: dict[Name, tuple[Name, Name]] = {}
    left, right = (_apart(side, units_of) for side in (union.left, union.right))
    for type_ in UnitType:
        ours, theirs = ([name for name in side if name[1].type is type_] for side in (left, right))
        for place, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            unit = replace(one[1], column=_shown(union, one, other) or f"{place} of {type_}")
            found[union.id, unit] = (one, other)
    return found


def _apart(side: Project, units_of: UnitsOf) -> list[Name]:
    """The units of a side, one of those that are always equal."""
    alike = _Alike(list(_equal(side)))
    found: list[Name] = []
    for name in unit_names(side, units_of):
        if not any(alike(_column(name), _column(other)) for other in found):
            found.append(name)
    return found


def _shown(union: Union, one: Name, other: Name) -> str | None:
    """The column of a UNION ALL that shows a unit of each side."""
    places = []
    for side, name in ((union.left, one), (union.right, other)):
        alike, plain = _Alike(list(_equal(side))), without_select_lists(Aggregate(union.id, side, (), side.columns))
        refs = [named.expression for named in plain.measures]
        places.append([isinstance(ref, ColumnRef) and alike((ref.relation, ref.name), _column(name)) for ref in refs])
    both = (column.name for column, *here in zip(union.columns, *places, strict=True) if all(here))
    return next(both, None)


def kept_units(aggregate: Aggregate, units_of: UnitsOf) -> tuple[Name, ...]:
    """The units that each group of an aggregate has one of: those that are among its keys."""
    plain = without_select_lists(aggregate)
    alike = _Alike(list(_equal(plain.input)))
    shown = [key.expression for key in plain.keys]
    keys = [(key.relation, key.name) for key in shown if isinstance(key, ColumnRef)]
    return tuple(name for name in unit_names(plain.input, units_of) if any(alike(_column(name), key) for key in keys))


def missing_relations(relation: Relation) -> frozenset[int]:
    """The tables and groups below that may be the empty side of an outer join."""
    found: set[int] = set()
    for node in walk(relation):
        if isinstance(node, Join) and node.kind in (JoinKind.LEFT, JoinKind.FULL):
            sides = (node.right,) if node.kind is JoinKind.LEFT else (node.left, node.right)
            found |= {one.id for side in sides for one in walk(side) if isinstance(one, Scan | Aggregate | Union)}
    return frozenset(found)


def missing_columns(relation: Relation) -> frozenset[Column]:
    """The columns that may be NULL because a join found no partner, whatever they are called further up."""
    partners = missing_relations(relation)
    found: set[Column] = set()

    def looks_at(expression: Expression) -> bool:
        return any((ref.relation, ref.name) in found for ref in column_refs(expression))

    for node in reversed([*walk(relation)]):
        match node:
            case Scan() | Project() | Aggregate() | Union() if node.id in partners:
                found |= set(columns(node))
            case Project():
                found |= {(node.id, named.name) for named in node.columns if looks_at(named.expression)}
            case Aggregate():
                found |= {(node.id, named.name) for named in node.keys + node.measures if looks_at(named.expression)}
            case Union():
                sides = zip(node.columns, node.left.columns, node.right.columns, strict=True)
                found |= {
                    (node.id, column.name)
                    for column, *either in sides
                    if any(looks_at(side.expression) for side in either)
                }
            case _:
                continue
    return frozenset(found)


def of_one_side(core: Aggregate, units_of: UnitsOf) -> Mapping[Name, frozenset[Name]]:
    """The units of each UNION ALL whose sides differ in a constant among the cells' keys, each with all units of the
    side it is of: a cell has those of one side."""
    in_every_set = [place for place in range(len(core.keys)) if all(place in one for one in core.sets)]
    keys = [core.keys[place].expression for place in in_every_set]
    missing = missing_relations(core.input)
    found: dict[Name, frozenset[Name]] = {}
    for union in walk(core.input):
        if isinstance(union, Union) and _is_told_apart(union, keys):
            if union.id in missing and not all(unit_names(side, units_of) for side in (union.left, union.right)):
                # Beside a side of nobody, "none has a partner" is not told from "the partner is nobody's".
                continue
            both = frozenset(unit_names(union, units_of))
            found |= dict.fromkeys(both, both)
            for side in (union.left, union.right):
                names = frozenset(unit_names(side, units_of))
                found |= dict.fromkeys(names, names)
    for join in walk(core.input):
        meeting = _meeting(join, units_of) if isinstance(join, Join) else {}
        found |= {met: found[name] for met, name in meeting.items() if name in found}
    return found


def _is_told_apart(union: Union, keys: Collection[Expression]) -> bool:
    """Whether a key of the cells is a different constant on each side."""
    return any(
        isinstance(one.expression, Literal)
        and isinstance(other.expression, Literal)
        and one.expression.value != other.expression.value
        and ColumnRef(union.id, column.name, column.type) in keys
        for column, one, other in zip(union.columns, union.left.columns, union.right.columns, strict=True)
    )


def _column(name: Name) -> Column:
    return name[0], name[1].column


def conjuncts(condition: Expression) -> Iterator[Expression]:
    """The parts that must all be true."""
    if isinstance(condition, Call) and condition.function == "and":
        for part in condition.arguments:
            yield from conjuncts(part)
    else:
        yield condition


def _pairs(condition: Expression) -> Iterator[tuple[Column, Column]]:
    for part in conjuncts(condition):
        match part:
            case Call(function="=", arguments=(ColumnRef() as one, ColumnRef() as other)):
                yield (one.relation, one.name), (other.relation, other.name)
            case _:
                continue


def _equal(relation: Relation) -> Iterator[tuple[Column, Column]]:
    """Columns that are equal in every row."""
    match relation:
        case Filter():
            yield from _pairs(relation.predicate)
            yield from _equal(relation.input)
        case Join(kind=JoinKind.SEMI | JoinKind.ANTI):
            yield from _equal(relation.left)
        case Join():
            yield from _equal(relation.left)
            yield from _equal(relation.right)
            if relation.kind is JoinKind.INNER:
                yield from _pairs(relation.condition)
        case Project():
            plain = without_select_lists(Aggregate(relation.id, relation, (), ()))
            yield from _equal(plain.input)
        case Aggregate():
            plain = without_select_lists(relation)
            yield from _equal(plain.input)
            for key in plain.keys:
                if isinstance(key.expression, ColumnRef):
                    yield (relation.id, key.name), (key.expression.relation, key.expression.name)
        case _:
            return


class _Alike:
    """Whether two columns are equal, directly or through others."""

    def __init__(self, pairs: Sequence[tuple[Column, Column]]) -> None:
        self._pairs = pairs

    def __call__(self, one: Column, other: Column) -> bool:
        reached = [one]
        for column in reached:
            for pair in self._pairs:
                if column in pair:
                    reached += [end for end in pair if end not in reached]
        return other in reached


# Select lists inside.


def without_select_lists(core: Aggregate) -> Aggregate:
    """The same core with the select lists of derived tables put into the expressions that use them."""
    source, meanings = _inlined(core.input)

    def meant(named: Named) -> Named:
        return Named(named.name, _with(named.expression, meanings))

    return Aggregate(core.id, source, tuple(map(meant, core.keys)), tuple(map(meant, core.measures)), core.sets)


def _inlined(relation: Relation) -> tuple[Relation, dict[tuple[int, str], Expression]]:
    match relation:
        case Project():
            below, meanings = _inlined(relation.input)
            shown = {(relation.id, named.name): _with(named.expression, meanings) for named in relation.columns}
            return below, {**meanings, **shown}
        case Filter():
            below, meanings = _inlined(relation.input)
            return Filter(below, _with(relation.predicate, meanings)), meanings
        case Join():
            left, of_left = _inlined(relation.left)
            right, of_right = _inlined(relation.right)
            meanings = {**of_left, **of_right}
            return Join(relation.kind, left, right, _with(relation.condition, meanings)), meanings
        case _:
            return relation, {}


def _with(expression: Expression, meanings: Mapping[tuple[int, str], Expression]) -> Expression:
    match expression:
        case ColumnRef():
            return meanings.get((expression.relation, expression.name), expression)
        case Literal():
            return expression
        case Call():
            arguments = tuple(_with(argument, meanings) for argument in expression.arguments)
            return Call(expression.function, arguments, expression.type)
        case AggregateCall():
            arguments = tuple(_with(argument, meanings) for argument in expression.arguments)
            where = None if expression.where is None else _with(expression.where, meanings)
            return AggregateCall(expression.function, arguments, expression.type, expression.distinct, where)
