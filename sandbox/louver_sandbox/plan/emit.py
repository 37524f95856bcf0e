"""Canonical DuckDB SQL from a relation tree (SECURITY 5, rule 3).

Nothing of the caller's text survives: every identifier is quoted and qualified, tables are named by snapshot alias
(`"s1"."main"."data"`), table and column aliases are generated in reading order (`t1`, `c1`), literals carry their
type, there are no comments and there is one SELECT. Equal trees give equal text.

The binder's tower (Project, Limit, Sort, Filter, Aggregate, Filter, FROM) becomes one SELECT block; whatever does
not fit that order becomes a derived table, so any tree has a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import count

from louver_sandbox.algebra.expressions import (
    AggregateCall,
    Call,
    ColumnRef,
    Expression,
    Interval,
    Literal,
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
    SortKey,
)
from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.sql.functions import RULES

Scope = Mapping[tuple[int, str], str]
"""What each column of the relations below is called where an expression stands."""

NameOf = Callable[[ColumnRef], str]

_JOIN = {JoinKind.INNER: "INNER JOIN", JoinKind.LEFT: "LEFT JOIN"}

_ENGINE_TYPE = {
    Kind.NULL: "VARCHAR",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INTEGER: "DECIMAL(38,0)",
    Kind.DOUBLE: "DOUBLE",
    Kind.TEXT: "VARCHAR",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.INTERVAL: "INTERVAL",
    Kind.TEXT_LIST: "VARCHAR[]",
}


def quote(identifier: str) -> str:
    """The identifier in double quotes, doubled inside."""
    return '"' + identifier.replace('"', '""') + '"'


def text_literal(value: str) -> str:
    """A string constant in single quotes, doubled inside."""
    return "'" + value.replace("'", "''") + "'"


def wire_type(type_: Type) -> str:
    """The engine type a column of a worker's result is cast to: one physical type per kind, whatever was stored.

    Integers are DECIMAL(38,0), since sums of 64-bit integers need more than 64 bits.
    """
    return f"DECIMAL(38,{type_.scale})" if type_.kind is Kind.DECIMAL else _ENGINE_TYPE[type_.kind]


def wire(text: str, type_: Type) -> str:
    """`text` as one column of a worker's result; what does not fit is NULL, never an error."""
    return f"TRY_CAST({text} AS {wire_type(type_)})"


def literal(value: object, type_: Type) -> str:
    """A typed constant."""
    match value:
        case None:
            return f"CAST(NULL AS {wire_type(type_)})"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            engine_type = "BIGINT" if -(2**63) <= value < 2**63 else "HUGEINT"
            return f"CAST({text_literal(str(value))} AS {engine_type})"
        case Decimal():
            return f"CAST({text_literal(f'{value:f}')} AS DECIMAL({_digits(value, type_.scale)},{type_.scale}))"
        case float():
            return f"CAST({text_literal(repr(value))} AS DOUBLE)"
        case str():
            return f"CAST({text_literal(value)} AS VARCHAR)"
        case datetime():
            return f"CAST({text_literal(value.isoformat(sep=' '))} AS TIMESTAMP)"
        case date():
            return f"CAST({text_literal(value.isoformat())} AS DATE)"
        case Interval():
            return f"CAST('{value.months} months {value.days} days' AS INTERVAL)"
        case _:
            raise TypeError("a literal of a kind the algebra does not have")


def _digits(value: Decimal, scale: int) -> int:
    whole = len(str(abs(int(value))))
    return min(38, max(whole + scale, 1))


def emit_expression(expression: Expression, name_of: NameOf) -> str:
    """The engine's text of one expression; `name_of` says how a column is called there."""
    match expression:
        case ColumnRef():
            return name_of(expression)
        case Literal():
            return literal(expression.value, expression.type)
        case Call():
            texts = tuple(emit_expression(argument, name_of) for argument in expression.arguments)
            types = tuple(argument.type for argument in expression.arguments)
            return RULES[expression.function].emit(texts, types, expression.type)
        case AggregateCall():
            return _emit_aggregate(expression, name_of)


def _emit_aggregate(call: AggregateCall, name_of: NameOf) -> str:
    """FILTER is folded into the argument, so that the function's own casts may stand outside the aggregate."""
    texts = tuple(emit_expression(argument, name_of) for argument in call.arguments)
    types = tuple(argument.type for argument in call.arguments)
    if call.where is not None:
        where = emit_expression(call.where, name_of)
        texts = tuple(f"CASE WHEN {where} THEN {text} END" for text in texts or ("TRUE",))
    if call.distinct:
        texts = (f"DISTINCT {texts[0]}", *texts[1:])
    return RULES[call.function].emit(texts, types, call.type)


@dataclass(frozen=True, slots=True)
class Block:
    """One SELECT: the clauses of the binder's tower that are present, over a FROM."""

    project: Project | None
    limit: Limit | None
    sort: tuple[SortKey, ...]
    having: tuple[Expression, ...]
    aggregate: Aggregate | None
    where: tuple[Expression, ...]
    source: Relation


def block_of(relation: Relation) -> Block:
    """Peels one tower off the top of the tree."""
    project = relation if isinstance(relation, Project) else None
    below = project.input if project else relation
    limit = below if isinstance(below, Limit) else None
    below = limit.input if limit else below
    sort: tuple[SortKey, ...] = ()
    if isinstance(below, Sort):
        sort, below = below.keys, below.input
    filters, below = _filters(below)
    if not isinstance(below, Aggregate):
        return Block(project, limit, sort, (), None, filters, below)
    where, source = _filters(below.input)
    return Block(project, limit, sort, filters, below, where, source)


def _filters(relation: Relation) -> tuple[tuple[Expression, ...], Relation]:
    predicates: list[Expression] = []
    while isinstance(relation, Filter):
        predicates.append(relation.predicate)
        relation = relation.input
    return tuple(reversed(predicates)), relation


@dataclass(frozen=True, slots=True)
class Output:
    """A column a relation offers to the one above it."""

    relation: int
    name: str
    type: Type | None


def outputs(relation: Relation) -> tuple[Output, ...]:
    """The columns a relation offers, in order. A Scan's types are the catalogue's, so they are None here."""
    match relation:
        case Scan():
            return tuple(Output(relation.id, name, None) for name in relation.columns)
        case Project():
            return tuple(Output(relation.id, named.name, named.expression.type) for named in relation.columns)
        case Aggregate():
            named_columns = relation.keys + relation.measures
            return tuple(Output(relation.id, named.name, named.expression.type) for named in named_columns)
        case Join():
            return outputs(relation.left) + outputs(relation.right)
        case Filter() | Sort() | Limit():
            return outputs(relation.input)


def emit(relation: Relation, source_of: Callable[[Scan], str], types: tuple[Type, ...] | None = None) -> str:
    """The statement of the tree. `source_of` gives a scan's snapshot alias.

    With `types` the outermost columns are cast to their wire types, one per output column.
    """
    return _Writer(source_of).select(relation, types)


class _Writer:
    """Writes one statement; it only counts aliases, in reading order."""

    def __init__(self, source_of: Callable[[Scan], str]) -> None:
        self._source_of = source_of
        self._tables: Iterator[int] = count(1)

    def select(self, relation: Relation, types: tuple[Type, ...] | None = None) -> str:
        block = block_of(relation)
        source, scope = self._from(block.source)
        where = [emit_expression(predicate, _named_by(scope)) for predicate in block.where]
        group: tuple[str, ...] = ()
        if block.aggregate:
            below = _named_by(scope)
            group = tuple(emit_expression(key.expression, below) for key in block.aggregate.keys)
            measures = [emit_expression(measure.expression, below) for measure in block.aggregate.measures]
            named = block.aggregate.keys + block.aggregate.measures
            scope = {
                (block.aggregate.id, column.name): text
                for column, text in zip(named, [*group, *measures], strict=True)
            }
        name_of = _named_by(scope)
        columns = self._columns(relation, block, name_of, types)
        clauses = [f"SELECT {_list_with_aliases(columns)}", f"FROM {source}"]
        if where:
            clauses.append(f"WHERE {' AND '.join(where)}")
        if block.aggregate:
            clauses.append(f"GROUP BY {', '.join(group) or '()'}")
        if block.having:
            clauses.append(f"HAVING {' AND '.join(emit_expression(part, name_of) for part in block.having)}")
        clauses += _order_and_limit(block, columns, name_of)
        return " ".join(clauses)

    def _columns(
        self, relation: Relation, block: Block, name_of: NameOf, types: tuple[Type, ...] | None
    ) -> tuple[str, ...]:
        if block.project:
            texts = tuple(emit_expression(named.expression, name_of) for named in block.project.columns)
        else:
            texts = tuple(
                name_of(ColumnRef(output.relation, output.name, output.type or Type(Kind.NULL)))
                for output in outputs(relation)
            )
        if types is None:
            return texts or ("TRUE",)
        return tuple(wire(text, type_) for text, type_ in zip(texts, types, strict=True))

    def _from(self, source: Relation) -> tuple[str, Scope]:
        match source:
            case Scan():
                alias = self._alias()
                text = f'{quote(self._source_of(source))}."main"."data" AS {alias}'
                return text, {(source.id, name): f"{alias}.{quote(name)}" for name in source.columns}
            case Join():
                left, left_scope = self._from(source.left)
                right, right_scope = self._from(source.right)
                scope = {**left_scope, **right_scope}
                condition = emit_expression(source.condition, _named_by(scope))
                right = f"({right})" if isinstance(source.right, Join) else right
                return f"{left} {_JOIN[source.kind]} {right} ON {condition}", scope
            case _:
                inner = self.select(source)
                alias = self._alias()
                named = enumerate(outputs(source), start=1)
                return f"({inner}) AS {alias}", {(o.relation, o.name): f'{alias}."c{i}"' for i, o in named}

    def _alias(self) -> str:
        return f'"t{next(self._tables)}"'


def _named_by(scope: Scope) -> NameOf:
    return lambda ref: scope[ref.relation, ref.name]


def _list_with_aliases(texts: tuple[str, ...]) -> str:
    return ", ".join(f'{text} AS "c{i}"' for i, text in enumerate(texts, start=1))


def _order_and_limit(block: Block, columns: tuple[str, ...], name_of: NameOf) -> list[str]:
    """ORDER BY and LIMIT. Under a LIMIT every output column breaks ties: threads must not choose the rows."""
    keys = [_sort_key(key, name_of) for key in block.sort]
    if block.limit:
        keys += [f"{text} ASC NULLS LAST" for text in columns]
    clauses = [f"ORDER BY {', '.join(keys)}"] if keys else []
    if block.limit and block.limit.count is not None:
        clauses.append(f"LIMIT {block.limit.count}")
    if block.limit and block.limit.offset:
        clauses.append(f"OFFSET {block.limit.offset}")
    return clauses


def _sort_key(key: SortKey, name_of: NameOf) -> str:
    direction = "DESC" if key.descending else "ASC"
    nulls = "FIRST" if key.nulls_first else "LAST"
    return f"{emit_expression(key.expression, name_of)} {direction} NULLS {nulls}"
