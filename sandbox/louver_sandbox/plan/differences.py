"""Cores of one question over the same rows: what one of them says beside another.

A total less its parts gives a missing part away, so a core whose cells another one divides names it, and the releaser
withholds what would tell. Two cores with the same keys are one select list in two pieces: sums that may not stand
side by side in one core may not in two (LVR-2311).

Rows are the same when the trees are, without the select lists of derived tables; sums are about the same values when
they add up the same stored columns. Cores that select different rows are two questions, and what they give away
together is bounded by budgets only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import combinations, product

from louver_sandbox.algebra.cores import Core
from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal
from louver_sandbox.algebra.relations import Aggregate, Filter, Join, Project, Relation, Scan, scans
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.core_plan import CorePlan, Finer
from louver_sandbox.plan.columns import RowColumns
from louver_sandbox.plan.conditions import Conditions, conjunction, disjoint, present
from louver_sandbox.plan.names import Origin, origin
from louver_sandbox.plan.polynomials import NotPolynomial, Summand, polynomial, resolved
from louver_sandbox.plan.provenance import BaseColumn, trace
from louver_sandbox.plan.units import null_extended
from louver_sandbox.refusals.plan import overlapping_sums

SourceOf = Callable[[Scan], str]


def with_finer(
    cores: Sequence[Core], plans: Sequence[CorePlan], catalog: Catalog, source_of: SourceOf
) -> tuple[CorePlan, ...]:
    """The plans, each with the cores that divide its cells.

    Raises:
        Refused: LVR-2311, for sums of one column under conditions that may meet, in cores with the same cells.
    """
    if sum(core.protected for core in cores) < 2:
        return tuple(plans)
    known = {core.id: found for core in cores if (found := _described(core, catalog, source_of)) is not None}
    for one, other in combinations(known.values(), 2):
        _check_side_by_side(one, other)
    return tuple(
        replace(made, finer=_all_finer(known[made.core_id], known.values())) if made.core_id in known else made
        for made in plans
    )


@dataclass(frozen=True, slots=True)
class _Measure:
    """One aggregate, by what it adds up: the stored columns of each product, and the conditions on its rows.

    `looks_at` are the columns that it depends on.
    """

    call: AggregateCall
    summands: tuple[tuple[Origin, Conditions], ...]
    looks_at: frozenset[BaseColumn]

    @property
    def about(self) -> frozenset[Origin]:
        """The stored columns of its products; of a number of rows, none.

        A mean beside its sum tells a number of rows, and a covariance beside means tells a sum of products.
        """
        found = frozenset(columns for columns, _ in self.summands)
        if self.call.function in ("count", "sum", "grouping"):
            return found
        return found | {frozenset(), frozenset().union(*found)}


@dataclass(frozen=True, slots=True)
class _Described:
    """A core with ids by position: its rows, its grouping sets as sets of keys, its keys and measures by name.

    `made_by` are the columns that decide the keys, and those that are equal to them in every row.
    """

    id: int
    rows: object
    sets: tuple[frozenset[object], ...]
    keys: Mapping[str, object]
    made_by: frozenset[BaseColumn]
    measures: Mapping[str, _Measure]


def _described(core: Core, catalog: Catalog, source_of: SourceOf) -> _Described | None:
    relation = core.relation
    if not core.protected or not isinstance(relation, Aggregate):
        return None
    tables = {scan.id: catalog.tables[scan.table] for scan in scans(relation.input)}
    columns = RowColumns(tables, trace(relation), null_extended(relation.input), frozenset())
    ids: dict[int, int] = {}
    rows = _canonical(_bare(relation.input, columns), ids)
    aliases = tuple(source_of(scan) for scan in scans(relation.input))
    keys = {key.name: _canonical(resolved(key.expression, columns), ids) for key in relation.keys}
    placed = tuple(keys.values())
    sets = tuple(frozenset(placed[index] for index in one) for one in relation.sets) or (frozenset(placed),)
    measures = {
        named.name: _measure(named.expression, columns, ids)
        for named in relation.measures
        if isinstance(named.expression, AggregateCall) and named.expression.function != "grouping"
    }
    deciding = columns.provenance.deciding((key.expression for key in relation.keys), relation.input)
    made_by = frozenset((ids[scan], name) for scan, name in deciding)
    return _Described(core.id, (rows, aliases), sets, keys, made_by, measures)


def _bare(relation: Relation, columns: RowColumns) -> Relation:
    """The same rows without the select lists of derived tables."""
    match relation:
        case Project():
            return _bare(relation.input, columns)
        case Filter():
            return Filter(_bare(relation.input, columns), resolved(relation.predicate, columns))
        case Join():
            left, right = _bare(relation.left, columns), _bare(relation.right, columns)
            return replace(relation, left=left, right=right, condition=resolved(relation.condition, columns))
        case _:
            return relation


def _canonical(value: object, ids: dict[int, int]) -> object:
    """A tree with ids by order of appearance, so that equal trees are equal whatever their ids."""
    match value:
        case tuple():
            return tuple(_canonical(part, ids) for part in value)
        case ColumnRef():
            return _renumbered(value, ids)
        case Scan():
            return value.table, ids.setdefault(value.id, len(ids))
        case _ if is_dataclass(value) and not isinstance(value, type):
            parts = ((field.name, getattr(value, field.name)) for field in fields(value) if field.compare)
            return type(value), tuple(
                ids.setdefault(part, len(ids)) if name == "id" else _canonical(part, ids) for name, part in parts
            )
        case _:
            return value


def _renumbered(expression: Expression, ids: dict[int, int]) -> Expression:
    match expression:
        case ColumnRef():
            return replace(expression, relation=ids.setdefault(expression.relation, len(ids)))
        case Call():
            return replace(expression, arguments=tuple(_renumbered(one, ids) for one in expression.arguments))
        case _:
            return expression


def _measure(call: AggregateCall, columns: RowColumns, ids: dict[int, int]) -> _Measure:
    """What a measure is about: an average tells of a sum, and a count of values mostly counts rows."""
    where = () if call.where is None else (resolved(call.where, columns),)
    added = [summand.under(where) for summand in _summands(call, columns)]
    rows = tuple(conjunction(_renumbered(part, ids) for part in summand.conditions) for summand in added)
    named = (
        frozenset[tuple[object, str]]().union(*(origin(one, columns) for one in summand.factors)) for summand in added
    )
    looks_at = (columns.provenance.columns(part) for part in (*call.arguments, *where))
    placed = frozenset((ids[scan], name) for scan, name in frozenset[BaseColumn]().union(*looks_at))
    return _Measure(call, tuple(zip(named, rows, strict=True)), placed)


def _summands(call: AggregateCall, columns: RowColumns) -> Iterator[Summand]:
    if call.function == "count":
        given = [resolved(argument, columns) for argument in call.arguments]
        yield Summand((), conjunction(present(one) for one in given if not _always(one, columns)))
        return
    for argument in call.arguments:
        try:
            yield from polynomial(argument, columns).terms
        except NotPolynomial:
            yield Summand()


def _always(expression: Expression, columns: RowColumns) -> bool:
    return isinstance(expression, Literal) or (isinstance(expression, ColumnRef) and columns.never_null(expression))


def _check_side_by_side(one: _Described, other: _Described) -> None:
    """Refuses sums over the same cells that one core could not have; all rows beside some of them are let be."""
    if one.rows != other.rows or set(one.sets) != set(other.sets):
        return
    for mine, theirs in product(one.measures.values(), other.measures.values()):
        for (columns, conditions), (others, against) in product(mine.summands, theirs.summands):
            counted = not columns and not (conditions and against)
            if columns == others and conditions != against and not counted and not disjoint(conditions, against):
                raise overlapping_sums(theirs.call.at)


def _all_finer(coarser: _Described, others: Iterable[_Described]) -> tuple[Finer, ...]:
    return tuple(
        _finer(coarser, other)
        for other in others
        if other.id != coarser.id
        and other.rows == coarser.rows
        and any(few < many for few, many in product(coarser.sets, other.sets))
    )


def _finer(coarser: _Described, finer: _Described) -> Finer:
    """How a core divides another. With grouping sets no cell is paired: all parts are parts of the whole."""
    plain = len(coarser.sets) == len(finer.sets) == 1
    by_key = {key: name for name, key in finer.keys.items()}
    return Finer(
        finer.id,
        tuple((name, by_key[key]) for name, key in coarser.keys.items()) if plain else (),
        tuple(
            (mine, theirs)
            for mine, one in coarser.measures.items()
            for theirs, other in finer.measures.items()
            if one.about & other.about
        ),
        tuple(name for name, one in coarser.measures.items() if one.looks_at & finer.made_by),
    )
