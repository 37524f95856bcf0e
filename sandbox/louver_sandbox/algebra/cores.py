"""The cut: where a protected question is divided into cores and the shape above them.

Whoever goes down from the root of a query meets one of two things on every path. An Aggregate is a *core*: its rows
are cells, which the releaser judges one by one, and what is below it is row level. A largest subtree without a
protected scan is an *exact core*: its rows are public or the requester's own. What stands above the cores is the
*shape*. It is computed over released rows only, so it cannot tell anything that a released row does not.

An Aggregate over rows that are released already (a total of cells; UNION, INTERSECT, EXCEPT and SELECT DISTINCT over
groups, which have no measures) belongs to the shape too: below it are only unprotected rows and cells, none of which
is a single unit's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeGuard

from louver_sandbox.algebra.expressions import (
    AggregateCall,
    Call,
    ColumnRef,
    Expression,
    Literal,
    Named,
    NamedWindow,
    SortKey,
    WindowCall,
    column_refs,
)
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    Limit,
    Project,
    Relation,
    Scan,
    Sort,
    Union,
    Window,
    expressions,
    inputs,
    walk,
)
from louver_sandbox.algebra.types import BOOLEAN, TableName

RELEASED = TableName("", "released")
"""The table a shape scans: the released rows of one core. No query can name it."""

Column = tuple[int, str]
"""The id of a relation and the name of one of its columns."""


class NotAggregated(Exception):
    """A protected scan is reached without an Aggregate on the way, or something is joined with groups of single
    units, none of which could ever leave. `joined` says whether an aggregate stands beside it."""

    def __init__(self, *, joined: bool) -> None:
        super().__init__("protected rows that no aggregate covers")
        self.joined = joined


@dataclass(frozen=True, slots=True)
class Core:
    """A part of the query that a worker computes. In the shape its rows are a Scan of `RELEASED` with this `id`.

    A protected core's relation is an Aggregate; that of any other offers all its columns under `id` too.
    """

    id: int
    relation: Aggregate | Project | Union
    protected: bool


@dataclass(frozen=True, slots=True)
class Cut:
    """A query divided: its shape, and its cores from left to right."""

    shape: Relation
    cores: tuple[Core, ...]


def cut(relation: Relation, protected: Collection[int], unit_columns: Collection[Column] = ()) -> Cut:
    """Divides a query, of which the scans in `protected` hold protected rows.

    `unit_columns` are the base columns (scan id, name) that hold a privacy unit: groups of single units are no
    cells, so DISTINCT over them is row level and nothing can be joined with them.

    Raises:
        NotAggregated: a protected scan is not below any Aggregate.
    """
    seam = _Seam(relation, frozenset(protected), frozenset(unit_columns))
    tops = tuple(seam.tops(relation))
    below = {id(top): top for top in tops}
    used = {} if all(map(_has_rows_of_its_own, tops)) else _used(relation, below)
    fresh = max((node.id for node in walk(relation) if not isinstance(node, (Filter, Join, Sort, Limit))), default=0)
    cores: dict[int, Core] = {}
    moved: dict[Column, ColumnRef] = {}
    for key, top in below.items():
        if _has_rows_of_its_own(top):
            cores[key] = Core(top.id, top, seam.is_protected(top))
            continue
        fresh += 1
        cores[key] = Core(fresh, _selected(fresh, top, used), protected=False)
        moved |= {
            (named.expression.relation, named.expression.name): ColumnRef(fresh, named.name, named.expression.type)
            for named in columns_of(cores[key])
            if isinstance(named.expression, ColumnRef)
        }
    return Cut(_Shape(cores, moved, fresh).of(relation), tuple(cores.values()))


def is_aggregated(relation: Relation, protected: Collection[int], unit_columns: Collection[Column] = ()) -> bool:
    """Whether `cut` would find a core above every protected scan."""
    try:
        for _ in _Seam(relation, frozenset(protected), frozenset(unit_columns)).tops(relation):
            continue
    except NotAggregated:
        return False
    return True


def columns_of(core: Core) -> tuple[Named, ...]:
    """The columns a core's rows have, with the expressions that make them (a Union's are its own)."""
    match core.relation:
        case Project():
            return core.relation.columns
        case Aggregate():
            return core.relation.keys + core.relation.measures
        case Union():
            return tuple(
                Named(column.name, ColumnRef(core.id, column.name, column.type)) for column in core.relation.columns
            )


def offered(relation: Relation) -> tuple[Column, ...]:
    """The columns that a relation offers to the one above it."""
    match relation:
        case Scan():
            return tuple((relation.id, name) for name in relation.columns)
        case Project() | Union():
            return tuple((relation.id, column.name) for column in relation.columns)
        case Aggregate():
            return tuple((relation.id, named.name) for named in relation.keys + relation.measures)
        case Window():
            return offered(relation.input) + tuple((relation.id, column.name) for column in relation.columns)
        case Join(kind="semi" | "anti"):
            return offered(relation.left)
        case Join():
            return offered(relation.left) + offered(relation.right)
        case Filter() | Sort() | Limit():
            return offered(relation.input)


class _Seam:
    """Finds the roots of the cores of one query."""

    def __init__(self, relation: Relation, protected: frozenset[int], unit_columns: frozenset[Column]) -> None:
        self._protected = protected
        self._unit_columns = unit_columns
        self._relation = relation
        self._holding: set[int] = set()
        self._over_released: dict[int, bool] = {}
        for node in reversed(tuple(walk(relation))):
            if (isinstance(node, Scan) and node.id in protected) or not self._holding.isdisjoint(
                map(id, inputs(node))
            ):
                self._holding.add(id(node))

    @cached_property
    def _defined(self) -> Mapping[int, Mapping[str, Expression]]:
        """What columns of Projects and keys of Aggregates are made of."""
        found: dict[int, Mapping[str, Expression]] = {}
        for node in walk(self._relation):
            if isinstance(node, Project):
                found[node.id] = {named.name: named.expression for named in node.columns}
            elif isinstance(node, Aggregate):
                found[node.id] = {named.name: named.expression for named in node.keys}
        return found

    def is_protected(self, node: Relation) -> bool:
        """Whether a protected scan is the node or stands below it."""
        return id(node) in self._holding

    def tops(self, relation: Relation) -> Iterator[Relation]:
        """The roots of the cores, left to right. Raises `NotAggregated`."""
        waiting = [(relation, False)]
        while waiting:
            node, joined = waiting.pop()
            if not self.is_protected(node):
                yield node
            elif isinstance(node, Aggregate) and not self._is_over_released(node):
                if joined and self._keeps_a_unit(node):
                    raise NotAggregated(joined=True)
                yield node
            elif isinstance(node, Scan):
                raise NotAggregated(joined=joined)
            else:
                joined = joined or (isinstance(node, Join) and any(isinstance(n, Aggregate) for n in walk(node)))
                waiting.extend((below, joined) for below in reversed(inputs(node)))

    def _is_over_released(self, node: Aggregate) -> bool:
        """Whether all rows below an Aggregate are released already, so that it is computed from them."""
        # Remembered, since each Aggregate is asked about again for every one above it.
        if id(node) not in self._over_released:
            self._over_released[id(node)] = self._finds_cells(node.input)
        return self._over_released[id(node)]

    def _finds_cells(self, relation: Relation) -> bool:
        try:
            below = tuple(self.tops(relation))
        except NotAggregated:
            return False
        inner = (top for top in below if isinstance(top, Aggregate) and self.is_protected(top))
        return not any(self._keeps_a_unit(aggregate) for aggregate in inner)

    def _keeps_a_unit(self, aggregate: Aggregate) -> bool:
        return any(self._base(key.expression) in self._unit_columns for key in aggregate.keys)

    def _base(self, expression: Expression) -> Column | None:
        """The base column that an expression merely renames."""
        while isinstance(expression, ColumnRef):
            behind = self._defined.get(expression.relation, {}).get(expression.name)
            if behind is None:
                return expression.relation, expression.name
            expression = behind
        return None


def _has_rows_of_its_own(top: Relation) -> TypeGuard[Aggregate | Project | Union]:
    """Whether a core's rows are those of the node as it is: it has an id, and at least one column to carry them."""
    return isinstance(top, Aggregate) or (isinstance(top, (Project, Union)) and bool(top.columns))


def _used(relation: Relation, below: Mapping[int, Relation]) -> dict[Column, ColumnRef]:
    """What the shape refers to, in reading order."""
    found: dict[Column, ColumnRef] = {}
    waiting = [relation]
    while waiting:
        node = waiting.pop()
        if id(node) in below:
            continue
        for expression in expressions(node):
            for ref in column_refs(expression):
                found.setdefault((ref.relation, ref.name), ref)
        waiting.extend(reversed(inputs(node)))
    return found


def _selected(id_: int, relation: Relation, used: Mapping[Column, ColumnRef]) -> Project:
    """A select list over an exact subtree: of its columns those that the shape refers to."""
    refs = [used[column] for column in offered(relation) if column in used]
    named = tuple(Named(f"c{i}", ref) for i, ref in enumerate(refs, start=1))
    # A row counts even where nothing of it is looked at.
    return Project(id_, relation, named or (Named("c1", Literal(True, BOOLEAN)),))


class _Shape:
    """Builds the tree above the cores."""

    def __init__(self, cores: Mapping[int, Core], moved: Mapping[Column, ColumnRef], fresh: int) -> None:
        self._cores = cores
        self._moved = moved
        self._fresh = fresh

    def of(self, node: Relation) -> Relation:
        """The node over released rows."""
        core = self._cores.get(id(node))
        if core is not None:
            return Scan(core.id, RELEASED, tuple(named.name for named in columns_of(core)))
        match node:
            case Project():
                return replace(node, input=self.of(node.input), columns=self._all(node.columns))
            case Filter():
                return replace(node, input=self.of(node.input), predicate=self._one(node.predicate))
            case Join():
                left, right = self.of(node.left), self.of(node.right)
                return replace(node, left=left, right=right, condition=self._one(node.condition))
            case Aggregate():
                keys, measures = self._all(node.keys), self._all(node.measures)
                return replace(node, input=self.of(node.input), keys=keys, measures=measures)
            case Window():
                columns = tuple(NamedWindow(column.name, self._call(column.call)) for column in node.columns)
                return replace(node, input=self.of(node.input), columns=columns)
            case Union():
                return replace(node, left=self._side(node.left), right=self._side(node.right))
            case Sort():
                return replace(node, input=self.of(node.input), keys=self._keys(node.keys))
            case Limit():
                return replace(node, input=self.of(node.input))
            case Scan():
                raise NotAggregated(joined=False)

    def _side(self, side: Project) -> Project:
        """A side of a Union is a select list, also where it is a core as a whole."""
        above = self.of(side)
        if isinstance(above, Project):
            return above
        self._fresh += 1
        shown = (Named(c.name, ColumnRef(side.id, c.name, c.expression.type)) for c in side.columns)
        return Project(self._fresh, above, tuple(shown))

    def _all(self, columns: tuple[Named, ...]) -> tuple[Named, ...]:
        if not self._moved:
            return columns
        return tuple(Named(column.name, self._one(column.expression)) for column in columns)

    def _keys(self, keys: tuple[SortKey, ...]) -> tuple[SortKey, ...]:
        if not self._moved:
            return keys
        return tuple(replace(key, expression=self._one(key.expression)) for key in keys)

    def _call(self, call: WindowCall) -> WindowCall:
        return replace(
            call,
            arguments=tuple(self._one(argument) for argument in call.arguments),
            partition=tuple(self._one(part) for part in call.partition),
            order=self._keys(call.order),
        )

    def _one(self, expression: Expression) -> Expression:
        if not self._moved:
            return expression
        match expression:
            case ColumnRef():
                return self._moved.get((expression.relation, expression.name), expression)
            case Call():
                return replace(expression, arguments=tuple(self._one(part) for part in expression.arguments))
            case AggregateCall():
                arguments = tuple(self._one(part) for part in expression.arguments)
                where = None if expression.where is None else self._one(expression.where)
                return replace(expression, arguments=arguments, where=where)
            case Literal():
                return expression
