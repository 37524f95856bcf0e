"""What a question asks of encrypted columns: sums and averages of them, and nothing else.

Every place where an encrypted column stands is looked at. What is no argument of SUM, AVG or COUNT in the one
aggregate of the question, times whole numbers and conditions, is refused at its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, Named, column_refs
from louver_sandbox.algebra.expressions import walk as parts_of
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
    expressions,
    inputs,
    scans,
    walk,
)
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, Kind, Type, decimal
from louver_sandbox.catalog.model import Table
from louver_sandbox.plan.conditions import all_of, conjunction
from louver_sandbox.plan.measures import is_indicator
from louver_sandbox.refusals import encrypted as refuse
from louver_sandbox.stages import Bound, OutputColumn

MOST_FACTOR = 2**20
"""The largest whole number by which an encrypted column is multiplied."""

_AVERAGED = 4
"""Digits after the point that an average has more than its column."""

_MOST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class AskedSum:
    """One sum or average (`divided`) in the answer: of which column, times what, where, and what it opens to."""

    place: int
    column: str
    factor: int
    conditions: tuple[Expression, ...]
    type: Type
    digits: int
    divided: bool


@dataclass(frozen=True, slots=True)
class AskedOfEncrypted:
    """The question with the numbers of rows in place of encrypted sums, and what these are of.

    `aggregate` is the one that was asked, with its own id and the same columns; `places` say where its keys stand in
    the answer.
    """

    bound: Bound
    scan: Scan
    table: Table
    aggregate: Aggregate
    sums: tuple[AskedSum, ...]
    places: tuple[int, ...]


def asked_of_encrypted(bound: Bound) -> AskedOfEncrypted | None:
    """What the question asks of encrypted columns; None where it has none.

    Raises:
        Refused: LVR-5302 where one is used otherwise, LVR-5305 where the answer is of another form.
    """
    tables = {scan.id: bound.catalog.tables[scan.table] for scan in scans(bound.relation)}
    encrypted = _encrypted(tables)
    used = [ref for node in walk(bound.relation) for ref in _used(node, encrypted)]
    if not used:
        return None
    return _Reading(bound, encrypted, used[0]).asked(tables)


def _encrypted(tables: Mapping[int, Table]) -> frozenset[tuple[int, str]]:
    return frozenset(
        (scan, column.name) for scan, table in tables.items() for column in table.columns if column.encrypted
    )


def _used(node: Relation, encrypted: frozenset[tuple[int, str]]) -> Iterator[ColumnRef]:
    for expression in expressions(node):
        yield from (ref for ref in column_refs(expression) if (ref.relation, ref.name) in encrypted)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One question with encrypted columns, of which `first` is the first that stands in it."""

    bound: Bound
    encrypted: frozenset[tuple[int, str]]
    first: ColumnRef

    def asked(self, tables: Mapping[int, Table]) -> AskedOfEncrypted:
        project, aggregate = self._tower()
        read = {one.name: found for one in aggregate.measures if (found := self._measure(one)) is not None}
        for node in walk(self.bound.relation):
            for ref in _used(node, self.encrypted):
                self._elsewhere(node, ref, aggregate)
        named = {name for name, (_, sums) in read.items() if sums is not None}
        self._only_shown(project, aggregate, named)
        (scan,) = self._one_table(aggregate)
        counted = tuple(Named(one.name, read[one.name][0]) if one.name in read else one for one in aggregate.measures)
        drop = {name for relation, name in self.encrypted if relation == scan.id}
        below = _without_columns(aggregate.input, scan.id, drop)
        relation = _rebuilt(project, aggregate, replace(aggregate, input=below, measures=counted), named)
        columns = tuple(
            OutputColumn(column.name, INTEGER) if _name(one, aggregate) in named else column
            for column, one in zip(self.bound.columns, project.columns, strict=True)
        )
        shown = [(place, _name(one, aggregate)) for place, one in enumerate(project.columns)]
        sums = tuple(
            replace(asked, place=place)
            for place, name in shown
            if name in named and (asked := read[name][1]) is not None
        )
        places = tuple(self._place_of(key, project, aggregate) for key in aggregate.keys)
        bound = replace(self.bound, relation=relation, columns=columns)
        return AskedOfEncrypted(bound, scan, tables[scan.id], aggregate, sums, places)

    # The form of the answer.

    def _tower(self) -> tuple[Project, Aggregate]:
        """The outermost select list, and the one aggregate below it that everything is asked of."""
        node: Relation = self.bound.relation
        if not isinstance(node, Project):
            raise self._form("it is not one SELECT", "不是单个 SELECT")
        project, node = node, node.input
        while isinstance(node, Filter | Sort | Limit):
            node = node.input
        if not isinstance(node, Aggregate):
            for below in walk(project):
                for ref in _used(below, self.encrypted):
                    self._elsewhere(below, ref, None)
            raise self._form("nothing may be computed above the groups", "分组之上不能再计算")
        if node.sets not in ((), (tuple(range(len(node.keys))),)):
            raise self._form("there are several grouping sets", "含多个分组集")
        return project, node

    def _form(self, what: str, what_zh: str) -> Exception:
        return refuse.answer_form(what, what_zh, self.first.at)

    def _one_table(self, aggregate: Aggregate) -> tuple[Scan]:
        ids = {ref.relation for ref in _used(aggregate, self.encrypted)}
        found = [scan for scan in scans(self.bound.relation) if scan.id in ids]
        if len(found) != 1:
            raise self._form("columns of several encrypted tables", "涉及多张加密表的列")
        if _may_be_missing(aggregate.input, found[0].id):
            # Whether a row is there would decide what runs, and rows without a number would count as rows of a sum.
            raise refuse.misused(
                self.first.name,
                "an outer join adds rows in which it is missing",
                "外连接会产生缺少该列的行",
                self.first.at,
            )
        return (found[0],)

    def _place_of(self, key: Named, project: Project, aggregate: Aggregate) -> int:
        for place, one in enumerate(project.columns):
            if _name(one, aggregate) == key.name:
                return place
        raise self._form("a key of the groups is not shown", "有分组键未列出")

    def _elsewhere(self, node: Relation, ref: ColumnRef, aggregate: Aggregate | None) -> None:
        """Refuses a use of an encrypted column outside of the aggregate's measures."""
        match node:
            case Aggregate() if node is aggregate:
                if any(ref in column_refs(key.expression) for key in node.keys):
                    raise refuse.misused(ref.name, "nothing is grouped by it", "不能用于分组", ref.at)
                return
            case Aggregate():
                raise refuse.misused(
                    ref.name, "it is added up in the outermost aggregate only", "只能在最外层聚合中求和", ref.at
                )
            case Filter():
                raise refuse.misused(ref.name, "nobody here can compare it", "无法比较大小或相等", ref.at)
            case Join():
                raise refuse.misused(ref.name, "nothing is joined by it", "不能用于连接", ref.at)
            case Sort() | Window() | Limit():
                raise refuse.misused(ref.name, "nobody here can order by it", "无法排序", ref.at)
            case Project() | Union() | Scan():
                raise refuse.misused(ref.name, "it is not shown row by row", "不能逐行给出", ref.at)

    def _only_shown(self, project: Project, aggregate: Aggregate, named: set[str]) -> None:
        """Refuses anything that computes with, orders by or compares an encrypted sum."""
        shown = {id(one.expression) for one in project.columns}
        for node in _above(project, aggregate):
            for expression in expressions(node):
                for part in parts_of(expression):
                    if not isinstance(part, ColumnRef) or part.relation != aggregate.id or part.name not in named:
                        continue
                    if not (node is project and id(part) in shown):
                        column = self.first.name
                        raise refuse.misused(
                            column, "its sum is shown as it is, and nothing else", "其合计只能原样给出", part.at
                        )

    # What is added up.

    def _measure(self, one: Named) -> tuple[AggregateCall, AskedSum | None] | None:
        """The number of rows that stands for a measure, and the sum; None for a measure without encrypted columns."""
        call = one.expression
        if not isinstance(call, AggregateCall) or not any(self._is_encrypted(ref) for ref in column_refs(call)):
            return None
        given = [ref for ref in column_refs(call) if self._is_encrypted(ref)]
        column = given[0].name
        if call.where is not None and any(map(self._is_encrypted, column_refs(call.where))):
            raise refuse.misused(column, "nobody here can compare it", "无法比较大小或相等", given[-1].at)
        if call.distinct or call.function not in ("sum", "avg", "count"):
            what = f"{call.function.upper()}{' DISTINCT' if call.distinct else ''} of it cannot be computed"
            raise refuse.misused(column, what, f"不能计算 {call.function.upper()}", call.at or given[0].at)
        if call.function == "count" and not isinstance(call.arguments[0], ColumnRef):
            raise refuse.misused(column, "only its rows are counted", "只能计行数", given[0].at)
        linear = self._linear(call.arguments[0], zero=call.function == "sum")
        where = () if call.where is None else conjunction((call.where,))
        conditions = conjunction((*where, *linear.conditions))
        counted = AggregateCall("count", (), INTEGER, where=all_of(conditions) if conditions else None, at=call.at)
        if call.function == "count":
            return counted, None
        digits = linear.ref.type.scale
        divided = call.function == "avg"
        type_ = decimal(min(digits + _AVERAGED, _MOST_DIGITS)) if divided else linear.ref.type
        asked = AskedSum(-1, linear.ref.name, linear.factor, conditions, type_, digits, divided)
        return counted, asked

    def _is_encrypted(self, ref: ColumnRef) -> bool:
        return (ref.relation, ref.name) in self.encrypted

    def _has(self, expression: Expression) -> bool:
        return any(map(self._is_encrypted, column_refs(expression)))

    def _linear(self, expression: Expression, *, zero: bool) -> _Linear:
        """An encrypted column times a whole number, under conditions. Where they do not hold it counts as 0 only with
        `zero`: an average would be over other rows."""
        match expression:
            case ColumnRef() if self._is_encrypted(expression):
                return _Linear(expression, 1, ())
            case Call(function="negate", arguments=(inner,)):
                return self._linear(inner, zero=zero).times(-1)
            case Call(function="try_cast", arguments=(inner,)) if _widens(inner.type, expression.type):
                return self._linear(inner, zero=zero)
            case Call(function="*", arguments=(left, right)) if self._has(left) != self._has(right):
                inner, by = (left, right) if self._has(left) else (right, left)
                return self._times(self._linear(inner, zero=zero), by, zero=zero)
            case Call(function="case", arguments=(condition, inner, Literal(value=value))) if not self._has(
                condition
            ):
                if value is None or (zero and value == 0):
                    return self._linear(inner, zero=zero).under(condition)
        ref = next(ref for ref in column_refs(expression) if self._is_encrypted(ref))
        raise refuse.misused(
            ref.name,
            "it is multiplied by whole numbers and by conditions, and nothing else is done to it",
            "只能乘以整数或条件，不能作其他运算",
            ref.at,
        )

    def _times(self, linear: _Linear, by: Expression, *, zero: bool) -> _Linear:
        match by:
            case Literal(value=int() as factor) if not isinstance(factor, bool):
                made = linear.times(factor)
                if 0 < abs(made.factor) <= MOST_FACTOR:
                    return made
            case Call(function="negate", arguments=(Literal(value=int() as factor),)):
                return self._times(linear, Literal(-factor, INTEGER), zero=zero)
            case Call(function="try_cast", arguments=(inner,)) if zero and inner.type.kind is Kind.BOOLEAN:
                return linear.under(inner)
            case Call(function="case", arguments=(condition, Literal(value=1), Literal(value=0))) if zero:
                return linear.under(condition)
            case _ if zero and not isinstance(by, Literal) and is_indicator(by):
                return linear.under(_is_one(by))
        raise refuse.misused(
            linear.ref.name,
            f"it is multiplied by whole numbers up to {MOST_FACTOR} and, in a sum, by what is 0 or 1",
            f"只能乘以不超过 {MOST_FACTOR} 的整数，求和时还可乘以取值为 0 或 1 的条件",
            by.at or linear.ref.at,
        )


@dataclass(frozen=True, slots=True)
class _Linear:
    """An encrypted column times a whole number where conditions hold."""

    ref: ColumnRef
    factor: int
    conditions: tuple[Expression, ...]

    def times(self, factor: int) -> _Linear:
        return replace(self, factor=self.factor * factor)

    def under(self, condition: Expression) -> _Linear:
        return replace(self, conditions=(*self.conditions, condition))


def _may_be_missing(node: Relation, scan: int) -> bool:
    """Whether rows of the relation may have no row of this table in them."""
    match node:
        case Join(kind=kind):
            left, right = (any(one.id == scan for one in scans(side)) for side in (node.left, node.right))
            if (right and kind in (JoinKind.LEFT, JoinKind.FULL)) or (left and kind is JoinKind.FULL):
                return True
    return any(_may_be_missing(below, scan) for below in inputs(node))


def _is_one(expression: Expression) -> Expression:
    return Call("=", (expression, Literal(1, INTEGER)), BOOLEAN)


def _widens(given: Type, wanted: Type) -> bool:
    """Whether a cast leaves whole numbers and decimals what they are."""
    numbers = (Kind.INTEGER, Kind.DECIMAL)
    return given.kind in numbers and wanted.kind in numbers and given.scale <= wanted.scale


def _name(one: Named, aggregate: Aggregate) -> str:
    """The aggregate's column that is shown as it is; empty for anything else."""
    shown = one.expression
    return shown.name if isinstance(shown, ColumnRef) and shown.relation == aggregate.id else ""


def _above(top: Relation, aggregate: Aggregate) -> Iterator[Relation]:
    node = top
    while isinstance(node, Project | Filter | Sort | Limit):
        yield node
        node = node.input


def _rebuilt(node: Relation, old: Aggregate, new: Aggregate, counted: set[str]) -> Relation:
    """The tower over another aggregate, whose `counted` columns are whole numbers."""
    if node is old:
        return new
    if isinstance(node, Project):
        columns = tuple(
            Named(one.name, ColumnRef(old.id, name, INTEGER)) if (name := _name(one, old)) in counted else one
            for one in node.columns
        )
        return replace(node, input=_rebuilt(node.input, old, new, counted), columns=columns)
    if isinstance(node, Filter | Sort | Limit):
        return replace(node, input=_rebuilt(node.input, old, new, counted))
    raise TypeError("a tree that is not the binder's")


def _without_columns(node: Relation, scan: int, names: set[str]) -> Relation:
    """The tree in which a scan does not read these columns."""
    match node:
        case Scan():
            kept = tuple(name for name in node.columns if name not in names)
            return replace(node, columns=kept) if node.id == scan else node
        case Join():
            left, right = (_without_columns(side, scan, names) for side in (node.left, node.right))
            return replace(node, left=left, right=right)
        case Union():
            left, right = (_without_columns(side, scan, names) for side in (node.left, node.right))
            if not isinstance(left, Project) or not isinstance(right, Project):
                raise TypeError("a side of a union that is no select list")
            return replace(node, left=left, right=right)
        case _:
            return replace(node, input=_without_columns(node.input, scan, names))
