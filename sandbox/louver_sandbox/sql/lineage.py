"""Which base column is used where, by which function, and through what it came (PRIVACY 3); read off the tree.

Conventions of `Use`, beyond what `stages.Use` says:

- `through` names the scalar functions and aggregates the column passed, innermost first, up to and including the
  outermost one at its place; the connectives `and`, `or` and `not` are left out, and for AGGREGATE so is the
  aggregate itself unless it lies below.
- `function` is, for AGGREGATE, the aggregate; otherwise the first function of the expression at the place itself, ""
  for the bare column (even one that a derived table computed: `through` tells). `date_trunc:month` names the unit.
- A condition inside an aggregate (CASE WHEN, FILTER) is a FILTER use; a comparison elsewhere in an aggregate's
  argument is both FILTER and AGGREGATE.
- Projecting in a derived table is no use. Above the topmost aggregates (the cores) values are released: HAVING over
  an aggregate is a use AGGREGATE, over a key FILTER, and ORDER BY a key, also a window's, is ORDER; showing a key or
  an aggregate there, ordering by an aggregate, joining on a key or dividing rows among windows by it is no further
  use. What is done to a released aggregate is not in `through`: no right on the column is needed for `abs` or `rank`
  of its sum, and a constant it is compared with names no unit.
- An equality of columns of two scans in a join condition is JOIN_KEY on both sides, also where it was IN, EXISTS,
  INTERSECT or a correlated subquery. A value that a row is compared with and that one aggregate over everything made
  (a scalar subquery) is a use AGGREGATE there and none where it is compared.
- GROUPING() tells of the query, not of a column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from louver_sandbox.algebra.expressions import (
    AggregateCall,
    Call,
    ColumnRef,
    Expression,
    Literal,
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
    inputs,
    walk,
    window_parts,
)
from louver_sandbox.algebra.types import Position, TableName
from louver_sandbox.catalog.model import Catalog, SpaceKind
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql.functions import RULES
from louver_sandbox.sql.implied import conjuncts
from louver_sandbox.sql.lexical import LIMITS, Limits
from louver_sandbox.stages import Clause, Use

_CONNECTIVES = frozenset({"and", "or", "not"})
_PREDICATES = frozenset({"is_null"}) | {rule.name for rule in RULES.values() if rule.comparison}


@dataclass(frozen=True, slots=True)
class _Origin:
    """A base column behind an expression. `aggregated` is the innermost aggregate it passed, "" for none; `whole`
    says that one of them was over everything, `released` that the value comes out of a core."""

    scan: int
    table: TableName
    column: str
    through: tuple[str, ...] = ()
    aggregated: str = ""
    whole: bool = False
    released: bool = False

    @property
    def is_answer(self) -> bool:
        """Whether it stands in a released aggregate: whatever is done to that is done to an answer."""
        return self.released and bool(self.aggregated)


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A reference in an expression with the functions around it, innermost first, and whether a CASE tests it."""

    ref: ColumnRef
    functions: tuple[str, ...]
    tested: bool
    with_constant: bool


def uses(relation: Project, catalog: Catalog, limits: Limits = LIMITS) -> tuple[Use, ...]:
    """Every use of every base column, in the order of the text."""
    found = tuple(dict.fromkeys(_Reader(relation, catalog, limits).read()))
    return tuple(sorted(found, key=lambda use: (use.at.line, use.at.column) if use.at else (0, 0)))


def answer_aggregate(relation: Relation) -> Aggregate | None:
    """The Aggregate whose groups are the rows of the answer, or None when the answer's rows are rows of a FROM."""
    while isinstance(relation, Project | Limit | Sort | Filter):
        relation = relation.input
    return relation if isinstance(relation, Aggregate) else None


class _Reader:
    """Walks one tree; remembers the origins of derived columns."""

    def __init__(self, relation: Project, catalog: Catalog, limits: Limits) -> None:
        self.relation = relation
        self.limits = limits
        self.count = 0
        self.scans = {node.id: node for node in walk(relation) if isinstance(node, Scan)}
        self.defined = _defined(relation)
        self.whole = {node.id for node in walk(relation) if isinstance(node, Aggregate) and not node.keys}
        self.units = {
            (scan.table, unit.column)
            for scan in self.scans.values()
            for unit in catalog.tables[scan.table].units
            if not unit.via
        }
        self.own = {
            scan.id for scan in self.scans.values() if catalog.tables[scan.table].space is SpaceKind.INSTITUTION
        }
        self.over_released: dict[int, bool] = {}
        self.known: dict[tuple[int, str], tuple[_Origin, ...]] = {}
        self.cores: frozenset[int] = frozenset()
        # What is found while looking for the cores does not know of them yet.
        self.cores, self.known = frozenset(self.find_cores(relation)), {}

    def find_cores(self, relation: Relation) -> Iterator[int]:
        """The topmost aggregates, as `algebra.cores.cut` finds them if every scan is protected."""
        waiting = [relation]
        while waiting:
            node = waiting.pop()
            if isinstance(node, Aggregate) and not self.is_over_released(node):
                yield node.id
            else:
                waiting.extend(inputs(node))

    def is_over_released(self, aggregate: Aggregate) -> bool:
        """Whether all rows below are released or the requester's own, and none of them is one unit's."""
        # Remembered, since each aggregate is asked about again for every one above it.
        if aggregate.id not in self.over_released:
            self.over_released[aggregate.id] = self.finds_cells(aggregate.input)
        return self.over_released[aggregate.id]

    def finds_cells(self, relation: Relation) -> bool:
        waiting, found = [relation], False
        while waiting:
            node = waiting.pop()
            if isinstance(node, Scan):
                if node.id not in self.own:
                    return False
            elif isinstance(node, Aggregate) and not self.is_over_released(node):
                found = True
                keys = (origin for key in node.keys for origin in self.behind(key.expression))
                if any((origin.table, origin.column) in self.units for origin in keys):
                    return False
            else:
                waiting.extend(inputs(node))
        return found

    def read(self) -> Iterator[Use]:
        for column in self.relation.columns:
            for use, origin in self.used(column.expression, Clause.OUTPUT):
                if not origin.released:
                    yield use
        for node in walk(self.relation.input):
            yield from self.node(node)

    def node(self, node: Relation) -> Iterator[Use]:
        match node:
            case Filter():
                yield from self.condition(node.predicate, over_groups=isinstance(node.input, Aggregate))
            case Join():
                for part in conjuncts(node.condition):
                    yield from self.join_condition(part)
            case Sort():
                for key in node.keys:
                    yield from self.order(key.expression)
            case Window():
                for window in node.columns:
                    yield from self.window(window.call)
            case Aggregate():
                for column in node.keys:
                    found = self.used(column.expression, Clause.GROUP_KEY)
                    yield from (use for use, origin in found if not origin.released)
                for column in node.measures:
                    yield from self.measure(column.expression)

    def order(self, key: Expression) -> Iterator[Use]:
        return (use for use, origin in self.used(key, Clause.ORDER) if not origin.is_answer)

    def window(self, call: WindowCall) -> Iterator[Use]:
        for key in call.order:
            yield from self.order(key.expression)
        for part in call.partition:
            yield from (use for use, origin in self.used(part, Clause.GROUP_KEY) if not origin.released)
        for argument in call.arguments:
            found = self.used(argument, Clause.AGGREGATE, call.function)
            yield from (use for use, origin in found if not origin.released)

    def condition(self, predicate: Expression, over_groups: bool = False) -> Iterator[Use]:
        for leaf in _leaves(predicate, self):
            for origin in self.origins(leaf.ref):
                if origin.aggregated and (over_groups or origin.released):
                    yield self.use(origin, leaf, Clause.AGGREGATE, origin.aggregated)
                elif not origin.whole:
                    yield self.use(origin, leaf, Clause.FILTER)

    def join_condition(self, part: Expression) -> Iterator[Use]:
        equality = _equality(part)
        if equality is None or self.compares_a_row_with_itself(equality):
            yield from self.condition(part)
            return
        for use, origin in self.used(equality, Clause.JOIN_KEY):
            if not origin.released:
                yield use
            elif origin.aggregated:
                yield replace(use, clause=Clause.AGGREGATE, function=origin.aggregated)

    def compares_a_row_with_itself(self, equality: Expression) -> bool:
        left, right = ({origin.scan for origin in self.origins(ref)} for ref in column_refs(equality))
        return not left.isdisjoint(right)

    def used(
        self, expression: Expression, clause: Clause, function: str | None = None
    ) -> Iterator[tuple[Use, _Origin]]:
        for leaf in _leaves(expression, self):
            for origin in self.origins(leaf.ref):
                yield self.use(origin, leaf, clause, function), origin

    def measure(self, expression: Expression) -> Iterator[Use]:
        if not isinstance(expression, AggregateCall) or expression.function == "grouping":
            return
        if expression.where is not None:
            yield from self.condition(expression.where)
        for argument in expression.arguments:
            for leaf in _leaves(argument, self):
                compared = leaf.tested or _PREDICATES.intersection(leaf.functions)
                for origin in self.origins(leaf.ref):
                    if compared and origin.released and origin.aggregated:
                        yield self.use(origin, leaf, Clause.AGGREGATE, origin.aggregated)
                    elif compared:
                        yield self.use(origin, leaf, Clause.FILTER)
                    if not leaf.tested and not origin.released:
                        yield self.use(origin, leaf, Clause.AGGREGATE, expression.function)

    def use(self, origin: _Origin, leaf: _Leaf, clause: Clause, function: str | None = None) -> Use:
        self.count += 1
        at = leaf.ref.at
        if self.count > self.limits.uses:
            raise refusals.too_complex("uses of columns", "列的使用", self.limits.uses, at)
        first = leaf.functions[0] if leaf.functions else ""
        return Use(
            table=origin.table,
            scan=origin.scan,
            column=origin.column,
            clause=clause,
            function=first if function is None else function,
            through=origin.through if origin.is_answer else origin.through + leaf.functions,
            literal_unit=leaf.with_constant and not origin.is_answer and (origin.table, origin.column) in self.units,
            at=at,
        )

    def origins(self, ref: ColumnRef) -> tuple[_Origin, ...]:
        """The base columns behind a reference; empty for what is computed from constants or COUNT(*) alone."""
        scan = self.scans.get(ref.relation)
        if scan is not None:
            return (_Origin(scan.id, scan.table, ref.name),)
        key = (ref.relation, ref.name)
        if key not in self.known:
            whole, released = ref.relation in self.whole, ref.relation in self.cores
            found = (
                replace(origin, whole=origin.whole or whole, released=origin.released or released)
                if whole or released
                else origin
                for part in self.defined[ref.relation][ref.name]
                for origin in self.behind(part, ref.at)
            )
            self.known[key] = tuple(dict.fromkeys(found))
        return self.known[key]

    def behind(self, expression: Expression, at: Position | None = None) -> Iterator[_Origin]:
        """The base columns in an expression, with what they passed in it."""
        name = expression.function if isinstance(expression, AggregateCall) else ""
        if name == "grouping":
            return
        for argument in expression.arguments if isinstance(expression, AggregateCall) else (expression,):
            for leaf in _leaves(argument, self):
                for origin in self.origins(leaf.ref):
                    self.count += 1
                    if self.count > self.limits.uses:
                        raise refusals.too_complex("uses of columns", "列的使用", self.limits.uses, at)
                    passed = leaf.functions + ((name,) if name else ())
                    if origin.is_answer or not passed:
                        yield origin
                    else:
                        through = origin.through + passed
                        yield replace(origin, through=through, aggregated=origin.aggregated or name)

    def is_constant(self, expression: Expression) -> bool:
        """Whether no base column stands behind the expression."""
        return not any(self.origins(ref) for ref in column_refs(expression))


def _defined(relation: Relation) -> Mapping[int, Mapping[str, tuple[Expression, ...]]]:
    """By relation id, what makes each column. A window's value is made of everything in its call."""
    found: dict[int, Mapping[str, tuple[Expression, ...]]] = {}
    for node in walk(relation):
        match node:
            case Project():
                found[node.id] = {column.name: (column.expression,) for column in node.columns}
            case Aggregate():
                found[node.id] = {column.name: (column.expression,) for column in node.keys + node.measures}
            case Window():
                found[node.id] = {column.name: _called(column.call) for column in node.columns}
            case Union():
                sides = zip(node.columns, node.left.columns, node.right.columns, strict=True)
                found[node.id] = {one.name: (left.expression, right.expression) for one, left, right in sides}
            case _:
                pass
    return found


def _called(call: WindowCall) -> tuple[Expression, ...]:
    return tuple(Call(call.function, (part,), call.type, call.at) for part in window_parts(call))


def _equality(part: Expression) -> Expression | None:
    """The equality of two columns that a conjunct of a join condition is, however nulls are to be compared."""
    match part:
        case Call("=", (ColumnRef(), ColumnRef())):
            return part
        case Call("coalesce", (Call("=", (ColumnRef(), ColumnRef())) as inner, Literal(True))):
            return inner
        case Call("not", (Call("is_distinct", (ColumnRef() as left, ColumnRef() as right)),)):
            return Call("=", (left, right), part.type, part.at)
        case _:
            return None


def _name(call: Call) -> str:
    unit = call.arguments[0]
    if call.function in ("date_trunc", "date_diff") and isinstance(unit, Literal):
        return f"{call.function}:{unit.value}"
    return call.function


def _leaves(expression: Expression, reader: _Reader) -> Iterator[_Leaf]:
    """Every reference of the expression with what surrounds it, in reading order."""
    # Conditions of CASE, comparisons with constants and enclosing functions are known on the way down.
    stack: list[tuple[Expression, tuple[str, ...], bool, bool]] = [(expression, (), False, False)]
    while stack:
        item, functions, tested, with_constant = stack.pop()
        match item:
            case ColumnRef():
                yield _Leaf(item, functions, tested, with_constant)
            case Call():
                around = functions if item.function in _CONNECTIVES else (_name(item), *functions)
                last = len(item.arguments) - 1
                for index in range(last, -1, -1):
                    part = item.arguments[index]
                    if isinstance(part, Literal):
                        continue
                    condition = item.function == "case" and index % 2 == 0 and index < last
                    constant = with_constant or _compared_with_constant(item, part, reader)
                    stack.append((part, around, tested or condition, constant))
            case _:
                pass


def _compared_with_constant(call: Call, part: Expression, reader: _Reader) -> bool:
    if call.function not in _PREDICATES:
        return False
    others = [argument for argument in call.arguments if argument is not part]
    return bool(others) and any(reader.is_constant(argument) for argument in others)
