"""Reading a statement from DuckDB's serialised syntax tree (`json_serialize_sql`), by a closed list.

Every kind of node, every key in it and, where it matters, every value of a key is on a list here; anything
else is refused, so a parser that learns new syntax fails closed. The lists hold what our own generator may
emit, which is less than DuckDB reads: no `*`, no USING, no table function, no sample, no lambda, no
parameter, no recursion, no statement inside a statement but SELECT.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from louver_sandbox.engines.shape import Shape, ShapeRefused, TableName

_GRAMMAR_WORD: Final = re.compile(r"[A-Z][A-Z_]{0,40}")

_OPERATORS: Final = frozenset({"+", "-", "*", "/", "//", "%", "||", "~~", "!~~", "~~*", "!~~*", "&", "|", "<<", ">>"})
_OPERATOR_TYPES: Final = (
    "COMPARE_IN",
    "COMPARE_NOT_IN",
    "OPERATOR_COALESCE",
    "OPERATOR_NULLIF",
    "OPERATOR_IS_NULL",
    "OPERATOR_IS_NOT_NULL",
    "OPERATOR_NOT",
    "OPERATOR_TRY",
    "GROUPING_FUNCTION",
)
_COMPARISONS: Final = (
    "COMPARE_EQUAL",
    "COMPARE_NOTEQUAL",
    "COMPARE_LESSTHAN",
    "COMPARE_GREATERTHAN",
    "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_GREATERTHANOREQUALTO",
    "COMPARE_DISTINCT_FROM",
    "COMPARE_NOT_DISTINCT_FROM",
)
_LITERALS: Final = ("INTEGER", "NUMERIC", "STRING", "BOOLEAN", "NULL_LITERAL")

_NESTED: Final = (dict, list)

Scope = frozenset[str]
"""Names of the CTEs in sight, in lower case: DuckDB compares even quoted identifiers without regard to case."""

Rule = Callable[["_Reader", object, Scope], None]


@dataclass(frozen=True)
class _Kind:
    """One kind of node: exactly these keys, each with its rule, and what to note of the node as a whole."""

    keys: Mapping[str, Rule]
    note: Rule = lambda *_: None


def read_statement(tree: object) -> Shape:
    """The shape of a serialised statement.

    Raises:
        ShapeRefused: it is an error, not one statement, or has a part that is not on the lists.
    """
    if not isinstance(tree, dict) or tree.get("error") is not False:
        # DuckDB serialises SELECT only and answers anything else, as it does bad syntax, with an error.
        not_a_select = isinstance(tree, dict) and tree.get("error_type") == "not implemented"
        raise ShapeRefused("statement" if not_a_select else "syntax")
    statements = tree.get("statements")
    if not isinstance(statements, list) or len(statements) != 1 or tree.keys() != {"error", "statements"}:
        raise ShapeRefused("statement")
    reader = _Reader()
    _statement(reader, statements[0], frozenset())
    return Shape(
        kind="select",
        tables=tuple(sorted(reader.tables)),
        columns=frozenset(reader.columns),
        functions=frozenset(reader.functions),
    )


def _refuse(kind: object) -> NoReturn:
    raise ShapeRefused("node", kind if isinstance(kind, str) and _GRAMMAR_WORD.fullmatch(kind) else "")


def _any_scalar(_: "_Reader", value: object, __: Scope) -> None:
    if isinstance(value, dict | list):
        _refuse(None)


def _is(*allowed: object) -> Rule:
    def rule(_: "_Reader", value: object, __: Scope) -> None:
        for each in allowed:
            if value == each and type(value) is type(each):
                return
        _refuse(value)

    return rule


def _optional(inner: Rule) -> Rule:
    def rule(reader: "_Reader", value: object, scope: Scope) -> None:
        if value is not None:
            inner(reader, value, scope)

    return rule


def _each(inner: Rule) -> Rule:
    def rule(reader: "_Reader", value: object, scope: Scope) -> None:
        if not isinstance(value, list):
            _refuse(None)
        for item in value:
            inner(reader, item, scope)

    return rule


def _fields(rules: Mapping[str, Rule]) -> Rule:
    def rule(reader: "_Reader", value: object, scope: Scope) -> None:
        reader.fields(value, rules, scope)

    return rule


def _one_of(kinds: Callable[[], Mapping[str, _Kind]], selector: str) -> Rule:
    def rule(reader: "_Reader", value: object, scope: Scope) -> None:
        kind = value.get(selector) if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in kinds():
            _refuse(kind)
        row = kinds()[kind]
        reader.fields(value, row.keys, scope)
        row.note(reader, value, scope)

    return rule


# The tables of kinds come last in this module, since they name these rules, and are looked up when used.
_expression: Final = _one_of(lambda: _EXPRESSIONS, "class")
_table: Final = _one_of(lambda: _TABLES, "type")
_modifier: Final = _one_of(lambda: _MODIFIERS, "type")
_query_body: Final = _one_of(lambda: _QUERIES, "type")


def _query(reader: "_Reader", value: object, scope: Scope) -> None:
    ctes = value.get("cte_map") if isinstance(value, dict) else None
    _query_body(reader, value, reader.with_ctes(ctes, scope))


def _statement(reader: "_Reader", value: object, scope: Scope) -> None:
    reader.fields(value, {"node": _query, "named_param_map": _is([])}, scope)


def _note_function(reader: "_Reader", node: Any, _: Scope) -> None:
    name = node["function_name"]
    if not isinstance(name, str) or node["qualified_name"] != {"path": [name]}:
        _refuse("FUNCTION")
    if not node.get("is_operator", False):
        reader.functions.add(name)
    elif name not in _OPERATORS:
        _refuse("OPERATOR")


def _note_column(reader: "_Reader", node: Any, _: Scope) -> None:
    path = node["column_names"]
    if not isinstance(path, list) or not path or not all(isinstance(part, str) and part for part in path):
        _refuse("COLUMN_REF")
    reader.columns.add(tuple(path))


def _note_table(reader: "_Reader", node: Any, scope: Scope) -> None:
    parts = (node["catalog_name"], node["schema_name"], node["table_name"])
    if not all(isinstance(part, str) for part in parts) or not parts[2]:
        _refuse("BASE_TABLE")
    if node["qualified_name"] != {"path": [part for part in parts if part]}:
        _refuse("BASE_TABLE")
    table = TableName(*parts)
    if table.catalog or table.schema or table.name.lower() not in scope:
        reader.tables.append(table)


class _Reader:
    """Collects names on the way down; raises ShapeRefused at the first part that is not on a list."""

    def __init__(self) -> None:
        self.tables: list[TableName] = []
        self.columns: set[tuple[str, ...]] = set()
        self.functions: set[str] = set()

    def fields(self, node: object, rules: Mapping[str, Rule], scope: Scope) -> None:
        """A node with exactly the keys of `rules`, each value kept to its rule."""
        if not isinstance(node, dict) or node.keys() != rules.keys():
            _refuse(node.get("type") if isinstance(node, dict) else None)
        for key, rule in rules.items():
            value = node[key]
            # Most keys hold plain scalars; a call for each would be half of the time a reading takes.
            if rule is not _any_scalar or type(value) in _NESTED:
                rule(self, value, scope)

    def with_ctes(self, ctes: object, scope: Scope) -> Scope:
        """The scope with a query's CTEs added; each sees those before it, never itself."""
        if not isinstance(ctes, dict) or ctes.keys() != {"map"} or not isinstance(ctes["map"], list):
            _refuse(None)
        for entry in ctes["map"]:
            self.fields(entry, {"key": _any_scalar, "value": _CTE}, scope)
            scope |= {str(entry["key"]).lower()}
        return scope


_POSITION: Final[Mapping[str, Rule]] = {
    "type": _any_scalar,
    "alias": _any_scalar,
    "query_location": _any_scalar,
    "query_location_length": _any_scalar,
}
_NODE: Final[Mapping[str, Rule]] = {"class": _any_scalar, **_POSITION}
_REF: Final[Mapping[str, Rule]] = {**_POSITION, "sample": _is(None)}
_UNQUALIFIED: Final[Mapping[str, Rule]] = {"catalog": _is(""), "schema": _is("")}

_CTE: Final = _fields(
    {
        "aliases": _is([]),
        "materialized": _is("CTE_MATERIALIZE_DEFAULT", "CTE_MATERIALIZE_ALWAYS", "CTE_MATERIALIZE_NEVER"),
        "key_targets": _is([]),
        "payload_aggregates": _is([]),
        "query_node": _query,
    }
)
_ORDER: Final = _fields(
    {
        "type": _is("ORDER_DEFAULT", "ASCENDING", "DESCENDING"),
        "null_order": _is("ORDER_DEFAULT", "NULLS FIRST", "NULLS LAST"),
        "expression": _expression,
    }
)
_ORDERS: Final = _fields({"type": _is("ORDER_MODIFIER"), "orders": _each(_ORDER)})
_ARGUMENT: Final = _fields({"name": _is(""), "expression": _expression})
_PATH: Final = _fields({"path": _each(_any_scalar)})

_MODIFIERS: Final[Mapping[str, _Kind]] = {
    "ORDER_MODIFIER": _Kind({"type": _any_scalar, "orders": _each(_ORDER)}),
    "DISTINCT_MODIFIER": _Kind({"type": _any_scalar, "distinct_on_targets": _is([])}),
    "LIMIT_MODIFIER": _Kind(
        {
            "type": _any_scalar,
            "limit": _optional(_expression),
            "offset": _optional(_expression),
            "limit_type": _is("ROW_COUNT"),
        }
    ),
}
_QUERY: Final[Mapping[str, Rule]] = {
    "type": _any_scalar,
    "modifiers": _each(_modifier),
    "cte_map": lambda *_: None,  # read by `_query`, before everything it is in sight of
}
_QUERIES: Final[Mapping[str, _Kind]] = {
    "SELECT_NODE": _Kind(
        {
            **_QUERY,
            "select_list": _each(_expression),
            "from_table": _table,
            "where_clause": _optional(_expression),
            "group_expressions": _each(_expression),
            "group_sets": _each(_each(_any_scalar)),
            "aggregate_handling": _is("STANDARD_HANDLING"),
            "having": _optional(_expression),
            "sample": _is(None),
            "qualify": _is(None),
        }
    ),
    "SET_OPERATION_NODE": _Kind(
        {
            **_QUERY,
            "setop_type": _is("UNION"),
            "left": _is(None),
            "right": _is(None),
            "setop_all": _is(True),
            "children": _each(_query),
        }
    ),
}
_TABLES: Final[Mapping[str, _Kind]] = {
    "EMPTY": _Kind(_REF),
    "BASE_TABLE": _Kind(
        {
            **_REF,
            "catalog_name": _any_scalar,
            "schema_name": _any_scalar,
            "table_name": _any_scalar,
            "column_name_alias": _is([]),
            "at_clause": _is(None),
            "qualified_name": _PATH,
        },
        _note_table,
    ),
    "SUBQUERY": _Kind({**_REF, "subquery": _statement, "column_name_alias": _is([])}),
    "JOIN": _Kind(
        {
            **_REF,
            "left": _table,
            "right": _table,
            "condition": _optional(_expression),
            "join_type": _is("INNER", "LEFT", "FULL", "SEMI", "ANTI"),
            "ref_type": _is("REGULAR", "CROSS"),
            "using_columns": _is([]),
            "delim_flipped": _is(False),
            "duplicate_eliminated_columns": _is([]),
            "is_implicit": _is(False, True),
            "ranking_expression": _is(None),
            "nearest_count": _is(1),
            "nearest_order_type": _is("ASCENDING"),
            "nearest_approx": _is(False),
        }
    ),
}
_EXPRESSIONS: Final[Mapping[str, _Kind]] = {
    "COLUMN_REF": _Kind({**_NODE, "column_names": _each(_any_scalar)}, _note_column),
    "CONSTANT": _Kind({**_NODE, "literal": _fields({"kind": _is(*_LITERALS), "text": _any_scalar})}),
    "COMPARISON": _Kind({**_NODE, "type": _is(*_COMPARISONS), "left": _expression, "right": _expression}),
    "CONJUNCTION": _Kind({**_NODE, "type": _is("CONJUNCTION_AND", "CONJUNCTION_OR"), "children": _each(_expression)}),
    "OPERATOR": _Kind({**_NODE, "type": _is(*_OPERATOR_TYPES), "children": _each(_expression)}),
    "BETWEEN": _Kind(
        {
            **_NODE,
            "type": _is("COMPARE_BETWEEN", "COMPARE_NOT_BETWEEN"),
            "input": _expression,
            "lower": _expression,
            "upper": _expression,
        }
    ),
    "CASE": _Kind(
        {
            **_NODE,
            "case_checks": _each(_fields({"when_expr": _expression, "then_expr": _expression})),
            "else_expr": _optional(_expression),
        }
    ),
    "CAST": _Kind({**_NODE, "child": _expression, "try_cast": _is(True, False), "type_expr": _expression}),
    "TYPE": _Kind(
        {
            **_NODE,
            **_UNQUALIFIED,
            "type_name": _any_scalar,
            "children": _each(_expression),
            "qualified_name": _PATH,
        }
    ),
    "FUNCTION": _Kind(
        {
            **_NODE,
            **_UNQUALIFIED,
            "function_name": _any_scalar,
            "filter": _optional(_expression),
            "order_bys": _ORDERS,
            "distinct": _is(True, False),
            "is_operator": _is(True, False),
            "export_state": _is(False),
            "arguments": _each(_ARGUMENT),
            "qualified_name": _PATH,
        },
        _note_function,
    ),
    "WINDOW": _Kind(
        {
            **_NODE,
            **_UNQUALIFIED,
            "function_name": _any_scalar,
            "partitions": _each(_expression),
            "orders": _each(_ORDER),
            "start": _is("UNBOUNDED_PRECEDING"),
            "end": _is("CURRENT_ROW_RANGE"),
            "start_expr": _is(None),
            "end_expr": _is(None),
            "offset_expr": _is(None),
            "default_expr": _is(None),
            "ignore_nulls": _is(False),
            "filter_expr": _is(None),
            "exclude_clause": _is("NO_OTHER"),
            "distinct": _is(False),
            "arg_orders": _is([]),
            "has_ignore_nulls": _is(False),
            "arguments": _each(_ARGUMENT),
            "qualified_name": _PATH,
        },
        _note_function,
    ),
    "SUBQUERY": _Kind(
        {
            **_NODE,
            "subquery_type": _is("SCALAR", "EXISTS", "NOT_EXISTS", "ANY"),
            "subquery": _statement,
            "child": _optional(_expression),
            "comparison_type": _is("INVALID", *_COMPARISONS),
        }
    ),
}
