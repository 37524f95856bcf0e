"""Canonical DuckDB SQL from a relation tree (SECURITY 5, rule 3).

Nothing of the caller's text survives: every identifier is quoted and qualified, tables are named by snapshot alias
(`"s1"."main"."data"`), table and column aliases are generated in reading order (`t1`, `c1`), literals carry their
type, there are no comments and there is one SELECT. Equal trees give equal text.

The binder's tower (Project, Limit, Sort, Filter, Aggregate, Filter, FROM) becomes one SELECT block; whatever does
not fit that order becomes a derived table, so any tree has a text (`plan/blocks.py`).

An anti join on `coalesce(x = y, TRUE)` (NOT IN over nullable columns) is written `NOT (x IN (SELECT y ...))`, and
equality of values that may be null `IS NOT DISTINCT FROM`: an engine hashes these and would loop over the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
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
    SortKey,
    WindowCall,
    column_refs,
)
from louver_sandbox.algebra.relations import (
    Aggregate,
    Join,
    JoinKind,
    Relation,
    Scan,
    Union,
    Window,
)
from louver_sandbox.algebra.types import DOUBLE, NULL, Kind, Type, decimal
from louver_sandbox.plan.blocks import Block, block_of, conjuncts, membership, outputs
from louver_sandbox.sql.functions import RULES
from louver_sandbox.sql.rules import MAX_SCALE, cast_text, engine_type

Scope = Mapping[tuple[int, str], str]
"""What each column of the relations below is called where an expression stands."""

NameOf = Callable[[ColumnRef], str]

_JOIN = {
    JoinKind.INNER: "INNER JOIN",
    JoinKind.LEFT: "LEFT JOIN",
    JoinKind.FULL: "FULL JOIN",
    JoinKind.SEMI: "SEMI JOIN",
    JoinKind.ANTI: "ANTI JOIN",
}

_ONE_PEER_AT_A_TIME = frozenset({"row_number", "ntile", "lag", "lead", "first_value"})
"""Window functions that tell peers apart; the other columns of the row break the ties."""

_OF_A_FRAME = frozenset({"count", "sum", "avg", "min", "max"})
"""Window functions whose order only matters where the frame is running."""

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
            return f"CAST(NULL AS {engine_type(type_)})"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            width = "BIGINT" if -(2**63) <= value < 2**63 else "HUGEINT"
            return f"CAST({text_literal(str(value))} AS {width})"
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
    if call.function == "grouping":
        return f"GROUPING({', '.join(texts)})"
    types = tuple(argument.type for argument in call.arguments)
    if call.where is not None:
        where = emit_expression(call.where, name_of)
        constants = RULES[call.function].constants
        texts = tuple(
            text if place in constants else f"CASE WHEN {where} THEN {text} END"
            for place, text in enumerate(texts or ("TRUE",))
        )
    if call.distinct:
        texts = (f"DISTINCT {texts[0]}", *texts[1:])
    return RULES[call.function].emit(texts, types, call.type)


def emit_condition(condition: Expression, name_of: NameOf) -> str:
    """The text of a join condition. A null-safe equality is written so that the engine can hash it."""
    parts = [_null_safe(part, name_of) or emit_expression(part, name_of) for part in conjuncts(condition)]
    return parts[0] if len(parts) == 1 else f"({' AND '.join(parts)})"


def _null_safe(part: Expression, name_of: NameOf) -> str | None:
    match part:
        case Call("not", (Call("is_distinct", (left, right)),)):
            return f"({emit_expression(left, name_of)} IS NOT DISTINCT FROM {emit_expression(right, name_of)})"
        case _:
            return None


def emit_window(call: WindowCall, ties: tuple[SortKey, ...], name_of: NameOf) -> str:
    """A window call. `ties` order the rows that are equal in the call's own order.

    `last_value` is written as the first value from the end: a frame that ends with the current row's peers says
    nothing about which of them is the last.
    """
    function, partition, order = call.function, call.partition, call.order
    if function == "last_value":
        function, backwards = "first_value", tuple(_reversed(key) for key in ties)
        if call.running:
            partition, order = (*partition, *(key.expression for key in order)), backwards
        else:
            order = (*(_reversed(key) for key in order), *backwards)
    elif function in _ONE_PEER_AT_A_TIME:
        order = (*order, *ties)
    elif function in _OF_A_FRAME and not call.running:
        order = ()
    over = [f"PARTITION BY {', '.join(emit_expression(part, name_of) for part in partition)}"] if partition else []
    over += [f"ORDER BY {', '.join(_sort_key(key, name_of) for key in order)}"] if order else []
    arguments = ", ".join(_window_argument(call, index, name_of) for index, _ in enumerate(call.arguments))
    if function == "count" and not call.arguments:
        arguments = "*"
    return f"{function}({arguments}) OVER ({' '.join(over)})"


def _reversed(key: SortKey) -> SortKey:
    return SortKey(key.expression, not key.descending, not key.nulls_first)


def _window_argument(call: WindowCall, index: int, name_of: NameOf) -> str:
    """Doubles are added up as decimals, since a sum of doubles depends on the order of rows."""
    argument = call.arguments[index]
    text = emit_expression(argument, name_of)
    if call.function in ("sum", "avg"):
        return cast_text(text, DOUBLE, decimal(MAX_SCALE)) if argument.type == DOUBLE else text
    if call.function in ("lag", "lead") and index != 1:
        return cast_text(text, argument.type, call.type)
    return text


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
        """The relation as one query."""
        if isinstance(relation, Union):
            return self._union(relation)
        if isinstance(relation, Aggregate) and relation.sets:
            return self._grouping_sets(relation)
        block = block_of(relation)
        source, scope = self._from(block.source)
        where = [emit_expression(predicate, _named_by(scope)) for predicate in block.where]
        group: tuple[str, ...] = ()
        if block.aggregate:
            group, scope = _groups(block.aggregate, _named_by(scope))
        elif block.window:
            scope = {**scope, **_windows(block.window, _named_by(scope))}
        name_of = _named_by(scope)
        columns = _columns(relation, block, name_of, types)
        clauses = [_select(columns, source, where)]
        if block.aggregate:
            clauses.append(f"GROUP BY {', '.join(group) or '()'}")
        if block.having:
            clauses.append(f"HAVING {' AND '.join(emit_expression(part, name_of) for part in block.having)}")
        clauses += _order_and_limit(block, columns, name_of)
        return " ".join(clauses)

    def _grouping_sets(self, aggregate: Aggregate) -> str:
        """The keys are columns of a derived table: engines tell computed keys apart by their text alone."""
        source, below = self._from(aggregate.input)
        name_of = _named_by(below)
        used = dict.fromkeys(ref for measure in aggregate.measures for ref in column_refs(measure.expression))
        keys = tuple(emit_expression(key.expression, name_of) for key in aggregate.keys)
        inner = _select((*keys, *(name_of(ref) for ref in used)), source, [])
        own = [(aggregate.id, key.name) for key in aggregate.keys]
        derived, scope = self._derived(inner, [*own, *((ref.relation, ref.name) for ref in used)])
        keys = tuple(scope[column] for column in own)
        named = _named_by(scope)
        places = {key.expression: text for key, text in zip(aggregate.keys, keys, strict=True)}
        measures = tuple(_measure_of_sets(measure.expression, places, named) for measure in aggregate.measures)
        sets = ", ".join(f"({', '.join(keys[index] for index in one)})" for one in aggregate.sets)
        return f"{_select((*keys, *measures), derived, [])} GROUP BY GROUPING SETS ({sets})"

    def _union(self, union: Union) -> str:
        """Both sides with the union's types, so that the engine finds no other type for them."""
        sides = []
        for side in (union.left, union.right):
            named = tuple(
                replace(named, expression=_as(named.expression, column.type))
                for named, column in zip(side.columns, union.columns, strict=True)
            )
            sides.append(f"({self.select(replace(side, columns=named))})")
        return " UNION ALL ".join(sides)

    def _from(self, source: Relation) -> tuple[str, Scope]:
        match source:
            case Scan():
                alias = self._alias()
                text = f'{quote(self._source_of(source))}."main"."data" AS {alias}'
                return text, {(source.id, name): f"{alias}.{quote(name)}" for name in source.columns}
            case Join():
                return self._join(source)
            case _:
                return self._derived(self.select(source), [(one.relation, one.name) for one in outputs(source)])

    def _derived(self, inner: str, columns: Sequence[tuple[int, str]]) -> tuple[str, Scope]:
        alias = self._alias()
        return f"({inner}) AS {alias}", {column: f'{alias}."c{i}"' for i, column in enumerate(columns, start=1)}

    def _join(self, join: Join) -> tuple[str, Scope]:
        left, left_scope = self._from(join.left)
        right, right_scope = self._from(join.right)
        scope = {**left_scope, **right_scope}
        name_of = _named_by(scope)
        among = membership(join)
        if among is not None:
            rest = [emit_condition(part, name_of) for part in among.rest]
            found = _select((emit_expression(among.found, name_of),), right, rest)
            outside = f"NOT ({emit_expression(among.sought, name_of)} IN ({found}))"
            inner = _select(tuple(left_scope.values()), left, [outside])
            return self._derived(inner, tuple(left_scope))
        condition = emit_condition(join.condition, name_of)
        if isinstance(join.right, Join) and membership(join.right) is None:
            right = f"({right})"
        one_sided = join.kind in (JoinKind.SEMI, JoinKind.ANTI)
        return f"{left} {_JOIN[join.kind]} {right} ON {condition}", left_scope if one_sided else scope

    def _alias(self) -> str:
        return f'"t{next(self._tables)}"'


def _named_by(scope: Scope) -> NameOf:
    return lambda ref: scope[ref.relation, ref.name]


def _groups(aggregate: Aggregate, name_of: NameOf) -> tuple[tuple[str, ...], Scope]:
    """The texts of the keys, and what each column of the aggregate is called in its own SELECT."""
    keys = tuple(emit_expression(key.expression, name_of) for key in aggregate.keys)
    measures = [emit_expression(measure.expression, name_of) for measure in aggregate.measures]
    named = aggregate.keys + aggregate.measures
    return keys, {(aggregate.id, column.name): text for column, text in zip(named, [*keys, *measures], strict=True)}


def _measure_of_sets(measure: Expression, keys: Mapping[Expression, str], name_of: NameOf) -> str:
    if isinstance(measure, AggregateCall) and measure.function == "grouping":
        return f"GROUPING({', '.join(keys[key] for key in measure.arguments)})"
    return emit_expression(measure, name_of)


def _windows(window: Window, name_of: NameOf) -> Scope:
    ties = tuple(
        SortKey(ColumnRef(output.relation, output.name, output.type or NULL)) for output in outputs(window.input)
    )
    return {(window.id, column.name): emit_window(column.call, ties, name_of) for column in window.columns}


def _columns(relation: Relation, block: Block, name_of: NameOf, types: tuple[Type, ...] | None) -> tuple[str, ...]:
    if block.project:
        texts = tuple(emit_expression(named.expression, name_of) for named in block.project.columns)
    else:
        texts = tuple(
            name_of(ColumnRef(output.relation, output.name, output.type or NULL)) for output in outputs(relation)
        )
    if types is None:
        return texts
    return tuple(wire(text, type_) for text, type_ in zip(texts, types, strict=True))


def _as(expression: Expression, wanted: Type) -> Expression:
    return expression if expression.type == wanted else Call("try_cast", (expression,), wanted)


def _select(columns: tuple[str, ...], source: str, where: list[str]) -> str:
    clauses = [f"SELECT {_list_with_aliases(columns or ('TRUE',))}", f"FROM {source}"]
    return " ".join([*clauses, *([f"WHERE {' AND '.join(where)}"] if where else [])])


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
