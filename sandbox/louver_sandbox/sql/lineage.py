"""Which base column is used where, by which function, and through what it came (PRIVACY 3); read off the tree.

Conventions of `Use`, beyond what `stages.Use` says:

- `through` names the scalar functions and aggregates the column passed, innermost first, up to and including the
  outermost one at its place; the connectives `and`, `or` and `not` are left out, and for AGGREGATE so is the
  aggregate itself unless it lies below.
- `function` is, for AGGREGATE, the aggregate; otherwise the first function of the expression at the place itself, ""
  for the bare column (even one that a derived table computed: `through` tells). `date_trunc:month` names the unit.
- A condition inside an aggregate (CASE WHEN, FILTER) is a FILTER use; a comparison elsewhere in an aggregate's
  argument is both FILTER and AGGREGATE.
- Projecting in a derived table is no use. Above the aggregate that makes the answer's rows, HAVING over an aggregate
  is a use AGGREGATE, over a key FILTER, and ORDER BY is ORDER; showing a key or an aggregate there is no further use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, Named, column_refs
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
    walk,
)
from louver_sandbox.algebra.types import Position, TableName
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql.functions import RULES
from louver_sandbox.sql.lexical import LIMITS, Limits
from louver_sandbox.stages import Clause, Use

_CONNECTIVES = frozenset({"and", "or", "not"})
_PREDICATES = frozenset({"is_null"}) | {rule.name for rule in RULES.values() if rule.comparison}


@dataclass(frozen=True, slots=True)
class _Origin:
    """A base column behind an expression. `aggregated` is the innermost aggregate it passed, "" for none."""

    scan: int
    table: TableName
    column: str
    through: tuple[str, ...] = ()
    aggregated: str = ""


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
        self.defined: dict[int, Mapping[str, Expression]] = {}
        for node in walk(relation):
            if isinstance(node, Project):
                self.defined[node.id] = _by_name(node.columns)
            elif isinstance(node, Aggregate):
                self.defined[node.id] = _by_name(node.keys + node.measures)
        self.units = {
            (name, unit.column) for name, table in catalog.tables.items() for unit in table.units if not unit.via
        }
        self.known: dict[tuple[int, str], tuple[_Origin, ...]] = {}

    def read(self) -> Iterator[Use]:
        core = answer_aggregate(self.relation)
        below = core if core is not None else self.relation.input
        if core is None:
            for column in self.relation.columns:
                yield from self.used(column.expression, Clause.OUTPUT)
        else:
            yield from self.released(core)
        for node in walk(below):
            yield from self.node(node, released=False)

    def released(self, core: Aggregate) -> Iterator[Use]:
        """Uses above the answer's aggregate."""
        for node in walk(self.relation):
            if node is core:
                return
            yield from self.node(node, released=True)

    def node(self, node: Relation, released: bool) -> Iterator[Use]:
        match node:
            case Filter():
                yield from self.condition(node.predicate, over_groups=released or isinstance(node.input, Aggregate))
            case Join():
                for part in _conjuncts(node.condition):
                    yield from self.join_condition(part)
            case Sort():
                for key in node.keys:
                    yield from self.used(key.expression, Clause.ORDER)
            case Aggregate():
                for column in node.keys:
                    yield from self.used(column.expression, Clause.GROUP_KEY)
                for column in node.measures:
                    yield from self.measure(column.expression)

    def condition(self, predicate: Expression, over_groups: bool = False) -> Iterator[Use]:
        for leaf in _leaves(predicate, self):
            for origin in self.origins(leaf.ref):
                if over_groups and origin.aggregated:
                    yield self.use(origin, leaf, Clause.AGGREGATE, origin.aggregated)
                else:
                    yield self.use(origin, leaf, Clause.FILTER)

    def join_condition(self, part: Expression) -> Iterator[Use]:
        columns = part.arguments if isinstance(part, Call) and part.function == "=" else ()
        if len(columns) != 2 or not all(isinstance(column, ColumnRef) for column in columns):
            yield from self.condition(part)
            return
        for leaf in _leaves(part, self):
            for origin in self.origins(leaf.ref):
                yield self.use(origin, leaf, Clause.JOIN_KEY)

    def used(self, expression: Expression, clause: Clause) -> Iterator[Use]:
        for leaf in _leaves(expression, self):
            for origin in self.origins(leaf.ref):
                yield self.use(origin, leaf, clause)

    def measure(self, expression: Expression) -> Iterator[Use]:
        if not isinstance(expression, AggregateCall):
            return
        if expression.where is not None:
            yield from self.condition(expression.where)
        for argument in expression.arguments:
            for leaf in _leaves(argument, self):
                compared = leaf.tested or _PREDICATES.intersection(leaf.functions)
                for origin in self.origins(leaf.ref):
                    if compared:
                        yield self.use(origin, leaf, Clause.FILTER)
                    if not leaf.tested:
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
            through=origin.through + leaf.functions,
            literal_unit=leaf.with_constant and (origin.table, origin.column) in self.units,
            at=at,
        )

    def origins(self, ref: ColumnRef) -> tuple[_Origin, ...]:
        """The base columns behind a reference; empty for what is computed from constants or COUNT(*) alone."""
        scan = self.scans.get(ref.relation)
        if scan is not None:
            return (_Origin(scan.id, scan.table, ref.name),)
        key = (ref.relation, ref.name)
        if key not in self.known:
            self.known[key] = tuple(dict.fromkeys(self._behind(self.defined[ref.relation][ref.name], ref.at)))
        return self.known[key]

    def _behind(self, expression: Expression, at: Position | None) -> Iterator[_Origin]:
        inner = expression.arguments if isinstance(expression, AggregateCall) else (expression,)
        name = expression.function if isinstance(expression, AggregateCall) else ""
        for argument in inner:
            for leaf in _leaves(argument, self):
                for origin in self.origins(leaf.ref):
                    self.count += 1
                    if self.count > self.limits.uses:
                        raise refusals.too_complex("uses of columns", "列的使用", self.limits.uses, at)
                    through = origin.through + leaf.functions + ((name,) if name else ())
                    yield _Origin(origin.scan, origin.table, origin.column, through, origin.aggregated or name)

    def is_constant(self, expression: Expression) -> bool:
        """Whether no base column stands behind the expression."""
        return not any(self.origins(ref) for ref in column_refs(expression))


def _by_name(columns: tuple[Named, ...]) -> Mapping[str, Expression]:
    return {column.name: column.expression for column in columns}


def _conjuncts(predicate: Expression) -> tuple[Expression, ...]:
    return predicate.arguments if isinstance(predicate, Call) and predicate.function == "and" else (predicate,)


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


def implied(relation: Project) -> Mapping[int, tuple[Expression, ...]]:
    """Per scan, the conjuncts over its own columns that every row of it that reaches the answer satisfies.

    A LEFT JOIN's condition holds for the rows of its right side that find a partner, and says nothing of the left.
    """
    projections = {node.id: _by_name(node.columns) for node in walk(relation) if isinstance(node, Project)}
    keys = {node.id: _by_name(node.keys) for node in walk(relation) if isinstance(node, Aggregate)}
    defined = {**projections, **keys}
    scans = {node.id for node in walk(relation) if isinstance(node, Scan)}
    found: dict[int, dict[Expression, None]] = {scan: {} for scan in scans}
    for node in walk(relation):
        if not isinstance(node, Filter | Join):
            continue
        predicate = node.predicate if isinstance(node, Filter) else node.condition
        within = scans
        if isinstance(node, Join) and node.kind is JoinKind.LEFT:
            within = {scan.id for scan in walk(node.right) if isinstance(scan, Scan)}
        for part in _conjuncts(predicate):
            expanded = _Expansion(defined, scans).of(part)
            owners = set() if expanded is None else {ref.relation for ref in column_refs(expanded)}
            if expanded is not None and len(owners) == 1 and owners <= within:
                found[next(iter(owners))] |= dict.fromkeys(_conjuncts(expanded))
    return {scan: tuple(conjuncts) for scan, conjuncts in sorted(found.items()) if conjuncts}


class _Expansion:
    """An expression over base columns. Gives up on large ones: a conjunct that is not known is only not used."""

    def __init__(self, defined: Mapping[int, Mapping[str, Expression]], scans: set[int], budget: int = 2_000) -> None:
        self.defined = defined
        self.scans = scans
        self.budget = budget

    def of(self, expression: Expression) -> Expression | None:
        """The expression, None where an aggregate stands in between or the budget is spent."""
        self.budget -= 1
        if self.budget < 0:
            return None
        match expression:
            case Literal():
                return expression
            case ColumnRef():
                if expression.relation in self.scans:
                    return expression
                behind = self.defined.get(expression.relation, {}).get(expression.name)
                return None if behind is None else self.of(behind)
            case Call():
                arguments: list[Expression] = []
                for part in expression.arguments:
                    known = self.of(part)
                    if known is None:
                        return None
                    arguments.append(known)
                return Call(expression.function, tuple(arguments), expression.type, expression.at)
            case AggregateCall():
                return None
