"""Carries the record keys of protected scans up to where units are counted.

Whose a row is decides what may be said about it, so every node keeps the record keys of the rows it is made of:

- a SEMI join over other subjects keeps one of them for each row, the one with the largest key. Counting these is a
  lower bound of the subjects that were looked at. An ANTI join over other subjects is refused: that nobody was found
  may be about one;
- the sides of a Union are counted apart and together (`plan/unions.py`);
- an inner aggregate keeps a unit when it groups by the unit's own column; then its rows have one record key. One that
  merges units becomes a table of judged cells (`plan/guarded.py`), and its rows are nobody's any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from louver_sandbox.algebra.cores import offered
from louver_sandbox.algebra.expressions import (
    AggregateCall,
    Call,
    ColumnRef,
    Expression,
    Literal,
    Named,
    column_refs,
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
    scans,
    walk,
)
from louver_sandbox.algebra.types import BOOLEAN, INTEGER
from louver_sandbox.catalog.model import Catalog, PrivacyUnit
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.plan.conditions import all_of, conjunction
from louver_sandbox.plan.guarded import guarded_cells
from louver_sandbox.plan.meetings import met_units
from louver_sandbox.plan.provenance import BaseColumn, Provenance, conjuncts, equal_columns, equated, merged
from louver_sandbox.plan.synthetic import Purpose, synthetic
from louver_sandbox.plan.unions import is_apart, shared_units, with_units
from louver_sandbox.plan.units import Classes, Units, carried_name, home, unit_groups
from louver_sandbox.plan.weights import check_weights
from louver_sandbox.refusals.plan import (
    anti_join_over_others,
    limit_below_aggregate,
    semi_join_by_equality,
    unit_lost,
    window_below_aggregate,
)


@dataclass(frozen=True, slots=True)
class Carried:
    """A tree with record keys among its columns.

    `keys` says where each key is found at the top, by the scan (or union) and its record-key column; `units` are the
    units whose keys are there; `guarded` are the inner aggregates whose values are judged in the engine.
    """

    relation: Relation
    keys: Mapping[BaseColumn, Expression] = field(default_factory=dict)
    units: Units = field(default_factory=dict)
    guarded: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Carrier:
    """Carries record keys through one tree. Raises Refused LVR-2304, LVR-2307, LVR-2309, LVR-2312 to LVR-2314.

    `keys` are those that every cell of the core has.
    """

    units: Units
    catalog: Catalog
    provenance: Provenance
    rules: ThresholdRules
    keys: tuple[Expression, ...] = ()

    def carry(self, relation: Relation) -> Carried:
        """The tree with the record keys added to each node's columns."""
        match relation:
            case Scan():
                return self._scan(relation)
            case Join():
                return self._join(relation)
            case Union():
                return self._union(relation)
            case Project():
                below = self.carry(relation.input)
                added = tuple(Named(carried_name(base), ref) for base, ref in below.keys.items())
                shown = replace(relation, input=below.relation, columns=relation.columns + added)
                return replace(below, relation=shown, keys=_lifted(below.keys, relation.id))
            case Aggregate():
                return self._aggregate(relation)
            case Filter() | Sort() | Limit() | Window():
                below = self.carry(relation.input)
                if below.keys and isinstance(relation, Limit):
                    raise limit_below_aggregate()
                if below.keys and isinstance(relation, Window):
                    raise window_below_aggregate(relation.columns[0].call.at)
                return replace(below, relation=replace(relation, input=below.relation))

    def _scan(self, scan: Scan) -> Carried:
        own = self.units.get(scan.id, ())
        names = tuple(unit.record_key for unit in own)
        keys = {(scan.id, name): ColumnRef(scan.id, name, INTEGER) for name in names}
        relation = replace(scan, columns=tuple(sorted({*scan.columns, *names})))
        return Carried(relation, keys, {scan.id: own} if own else {})

    def _join(self, join: Join) -> Carried:
        left, right = self.carry(join.left), self.carry(join.right)
        guarded = left.guarded | right.guarded
        if join.kind not in (JoinKind.SEMI, JoinKind.ANTI):
            relation = replace(join, left=left.relation, right=right.relation)
            keys, units = {**left.keys, **right.keys}, {**left.units, **right.units}
            if join.kind is JoinKind.FULL and units:
                met, their_keys = met_units(join, (left.units, left.keys), (right.units, right.keys))
                keys, units = {**keys, **their_keys}, {**units, **met}
            return Carried(relation, keys, units, guarded)
        foreign = dict(self._foreign(join, left.units, right.units))
        if not foreign:
            relation = replace(join, left=left.relation, right=right.relation)
            return Carried(relation, left.keys, left.units, guarded)
        if join.kind is JoinKind.ANTI:
            raise anti_join_over_others(join.condition.at)
        found, represented = _represented(join, left, right, foreign)
        return Carried(found, {**left.keys, **represented}, {**left.units, **foreign}, guarded)

    def _foreign(self, join: Join, left: Units, right: Units) -> Iterator[tuple[int, tuple[PrivacyUnit, ...]]]:
        """The units of the right side that are not said to be the same subject as one of the left side's."""
        classes = merged(
            [
                *equated(_plain(join.condition), self.provenance),
                *_pairs(equal_columns(join.left, self.provenance)),
                *_pairs(equal_columns(join.right, self.provenance)),
            ]
        )
        ours = {(unit.type, _class(scan, unit, join, classes)) for scan, units in left.items() for unit in units}
        for scan, units in right.items():
            others = tuple(unit for unit in units if (unit.type, _class(scan, unit, join, classes)) not in ours)
            if others:
                yield scan, others

    def _union(self, union: Union) -> Carried:
        sides = [self.carry(side) for side in (union.left, union.right)]
        left, right = (
            unit_groups(whole, side.units, side.keys, self.provenance)
            for whole, side in zip((union.left, union.right), sides, strict=True)
        )
        shared = shared_units(union, left, right, self.provenance, apart=is_apart(union, self.keys, self.provenance))
        units = tuple(one.unit for one in shared)
        keys = {
            (union.id, unit.record_key): ColumnRef(union.id, carried_name((union.id, unit.record_key)), INTEGER)
            for unit in units
        }
        relation = with_units(union, sides[0].relation, sides[1].relation, shared)
        return Carried(relation, keys, {union.id: units} if units else {}, sides[0].guarded | sides[1].guarded)

    def _aggregate(self, relation: Aggregate) -> Carried:
        below = self.carry(relation.input)
        if not below.keys:
            return replace(below, relation=replace(relation, input=below.relation))
        strict = equal_columns(relation.input, self.provenance)
        outer = merged([*_pairs(strict), *_left_equalities(relation.input, self.provenance)])
        grouped = self._grouped(relation)
        every = [(scan, unit) for scan, units in below.units.items() for unit in units]
        kept = [one for one in every if _is_kept(one, relation, grouped, strict)]
        same = [one for one in every if one not in kept and _is_kept(one, relation, grouped, outer)]
        if len(kept) + len(same) < len(every):
            return self._merged(relation, below, partly=bool(kept or same))
        # A LEFT JOIN's unit that is the row's own subject or nobody is no unit more.
        classes = {(unit.type, _class(scan, unit, relation, outer)) for scan, unit in kept}
        same = [one for one in same if (one[1].type, _class(one[0], one[1], relation, outer)) not in classes]
        units = {
            scan: tuple(unit for unit in scan_units if (scan, unit) in kept or (scan, unit) in same)
            for scan, scan_units in below.units.items()
        }
        bases = {(scan, unit.record_key) for scan, scan_units in units.items() for unit in scan_units}
        added = tuple(
            Named(carried_name(base), AggregateCall("max", (ref,), INTEGER))
            for base, ref in below.keys.items()
            if base in bases
        )
        shown = replace(relation, input=below.relation, measures=relation.measures + added)
        keys = {base: ref for base, ref in below.keys.items() if base in bases}
        return Carried(
            shown, _lifted(keys, relation.id), {scan: found for scan, found in units.items() if found}, below.guarded
        )

    def _grouped(self, relation: Aggregate) -> frozenset[BaseColumn]:
        """The base columns among the keys; of grouping sets those that are in every set."""
        indexes = set(range(len(relation.keys))).intersection(*map(set, relation.sets))
        found = (self.provenance.column(relation.keys[index].expression) for index in sorted(indexes))
        return frozenset(column for column in found if column is not None)

    def _merged(self, relation: Aggregate, below: Carried, *, partly: bool) -> Carried:
        """An aggregate over several subjects, as a table of judged cells. Its rows have no unit."""
        unit = next(unit for units in below.units.values() for unit in units)
        if partly or relation.sets:
            raise unit_lost(unit.column, next((key.expression.at for key in relation.keys), None))
        check_weights(relation.input, self.units.keys(), below.guarded, self.catalog, self.provenance)
        groups = unit_groups(relation.input, below.units, below.keys, self.provenance)
        cells = guarded_cells(
            relation,
            below.relation,
            groups,
            self.catalog,
            self.provenance,
            self.rules,
            frozenset(self.units),
            below.guarded,
        )
        return Carried(cells, guarded=below.guarded | {relation.id})


def _lifted(keys: Mapping[BaseColumn, Expression], relation: int) -> dict[BaseColumn, ColumnRef]:
    return {base: ColumnRef(relation, carried_name(base), INTEGER) for base in keys}


def _pairs(classes: Classes) -> Iterator[tuple[BaseColumn, BaseColumn]]:
    for group in classes:
        first, *others = sorted(group)
        yield from ((first, other) for other in others)


def _left_equalities(relation: Relation, provenance: Provenance) -> Iterator[tuple[BaseColumn, BaseColumn]]:
    """Pairs of columns of which the second is the same as the first or null."""
    for node in walk(relation):
        if isinstance(node, Join) and node.kind is JoinKind.LEFT:
            yield from equated(node.condition, provenance)


def _class(scan: int, unit: PrivacyUnit, relation: Relation, classes: Classes) -> frozenset[BaseColumn]:
    own = home(scan, unit, relation, classes)
    return next((group for group in classes if own in group), frozenset({own}))


def _is_kept(
    one: tuple[int, PrivacyUnit], relation: Relation, grouped: frozenset[BaseColumn], classes: Classes
) -> bool:
    """Whether the keys decide the unit: its own column, or the foreign key that leads to it, is one of them."""
    scan, unit = one
    local = next((group for group in classes if (scan, unit.column) in group), frozenset({(scan, unit.column)}))
    return bool(grouped & (local | _class(scan, unit, relation, classes)))


def _plain(condition: Expression) -> Expression:
    """The condition without what it says of nulls: those are no subject's."""
    parts: list[Expression] = []
    for part in conjuncts(condition):
        match part:
            case Call(function="coalesce", arguments=(inner, Literal(value=True))):
                parts.append(inner)
            case Call(function="not", arguments=(Call(function="is_distinct", arguments=sides),)):
                parts.append(Call("=", sides, BOOLEAN))
            case _:
                parts.append(part)
    return all_of(conjunction(parts))


def _represented(
    join: Join, left: Carried, right: Carried, foreign: Units
) -> tuple[Relation, dict[BaseColumn, ColumnRef]]:
    """A SEMI join as an inner join with one row per compared value, which has one record key of each foreign unit.

    Raises:
        Refused: LVR-2313, when the sides are not compared by equality.
    """
    theirs = set(offered(join.right))
    filters: list[Expression] = []
    compared: list[tuple[Expression, Expression, bool]] = []
    rest: list[Expression] = []
    for part in conjuncts(join.condition):
        sides = {(ref.relation, ref.name) in theirs for ref in column_refs(part)}
        if sides == {True}:
            filters.append(part)
        elif True not in sides:
            rest.append(part)
        else:
            compared.append(_sides(part, theirs))
    if not compared:
        raise semi_join_by_equality(join.condition.at)
    id_ = synthetic(scans(join.right)[0].id, Purpose.SEMI_JOIN)
    source = Filter(right.relation, all_of(conjunction(filters))) if filters else right.relation
    keys = tuple(Named(f"\0j{number}", inner) for number, (_, inner, _) in enumerate(compared, start=1))
    bases = [(scan, unit.record_key) for scan, units in foreign.items() for unit in units]
    largest = tuple(Named(carried_name(base), AggregateCall("max", (right.keys[base],), INTEGER)) for base in bases)
    equal = [
        _equal(outer, ColumnRef(id_, key.name, key.expression.type), nulls=nulls)
        for (outer, _, nulls), key in zip(compared, keys, strict=True)
    ]
    grouped = Aggregate(id_, source, keys, largest)
    relation = Join(JoinKind.INNER, left.relation, grouped, all_of(conjunction((*equal, *rest))))
    return relation, {base: ColumnRef(id_, carried_name(base), INTEGER) for base in bases}


def _equal(left: Expression, right: Expression, *, nulls: bool) -> Expression:
    """An equality; with `nulls`, two nulls are equal."""
    if nulls:
        return Call("not", (Call("is_distinct", (left, right), BOOLEAN),), BOOLEAN)
    return Call("=", (left, right), BOOLEAN)


def _sides(part: Expression, theirs: set[tuple[int, str]]) -> tuple[Expression, Expression, bool]:
    """The outer and the inner side of an equality, and whether nulls are equal in it."""
    match part:
        case Call(function="=", arguments=(first, second)):
            nulls = False
        case Call(function="not", arguments=(Call(function="is_distinct", arguments=(first, second)),)):
            nulls = True
        case _:
            raise semi_join_by_equality(part.at)
    inside = [{(ref.relation, ref.name) in theirs for ref in column_refs(side)} for side in (first, second)]
    if inside == [{False}, {True}]:
        return first, second, nulls
    if inside == [{True}, {False}]:
        return second, first, nulls
    raise semi_join_by_equality(part.at)
